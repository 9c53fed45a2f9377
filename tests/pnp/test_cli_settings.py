"""Settings on the command line and in files: values, lines of errors, JSON, signals, many files."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from operators import Inpainting, Radon, random_mask
from pnp import Job, PnPADMM, Stop, data
from pnp.cli import main
from pnp.io import Measurement, read_images
from pnp.many.job import Bench
from pnp.many.named import weight_file

from .test_cli import fails, run

CAMERA = data.sample("camera")[..., 100:132, 180:212]
MASK = random_mask((32, 32), 0.5, seed=0)


@pytest.fixture
def scan(tmp_path):
    y = Inpainting(MASK)(CAMERA)
    np.savez(tmp_path / "scan.npz", y=y[0].numpy(), mask=MASK.squeeze().numpy(), noise_std=0.02)
    return tmp_path / "scan.npz"


QUICK = ("--iterations", "3", "--quiet")


@pytest.mark.parametrize("ending", [".yaml", ".toml"])
def test_a_file_of_settings_says_what_options_say(ending, scan, capsys):
    if ending == ".yaml":
        pytest.importorskip("yaml")
        text = "files: scan.npz\nout: x.npz\nnoise: 5/250\nstrength: 1.5\niterations: 3\nmethod: hqs\ntolerance: 1e-4\n"
    else:
        text = 'files = ["scan.npz"]\nout = "x.npz"\nnoise = 0.02\nstrength = 1.5\niterations = 3\n'
        text += 'method = "hqs"\ntolerance = 1e-4\n'
    (scan.parent / f"a{ending}").write_text(text)
    out = run(capsys, "reconstruct", scan.parent / f"a{ending}", "--quiet")
    assert out == str(scan.parent / "x.npz")
    job = Job(noise_std=0.02, strength=1.5, method="hqs", stop=Stop(tolerance=1e-4, max_iter=3))
    with np.load(out) as file:
        assert np.array_equal(file["x"], Bench(job).solve(job.read(scan)).x.numpy())
        assert json.loads(file["report"].item())["method"] == "PnPHQS"
    assert "is there already" in fails(capsys, "reconstruct", scan.parent / f"a{ending}")
    run(capsys, "reconstruct", scan.parent / f"a{ending}", "--out", scan.parent / "y.npz", "--strength", "2", "--quiet")
    with np.load(scan.parent / "y.npz") as file:
        assert json.loads(file["report"].item())["report"]["strength"] == 2.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("files: scan.npz\nprio: ct\n", "line 2: no setting 'prio'; did you mean prior?"),
        ("files: scan.npz\nout: x\nstrength: strong\n", "line 3: strength: expected a number above 0, or auto"),
        ("files: scan.npz\nnoise: [1]\n", "line 2: noise: expected a number"),
        ("files: scan.npz\nfiles: b\n", "line 2: files for the second time"),
        ("files: scan.npz\nout: [1\n", "line 3: expected"),
        ("files: &a scan.npz\nout: *a\n", "line 1: anchors and aliases are not taken"),
        ("files: !!python/object/apply:os.system [ls]\n", "line 1: tags are not taken"),
        ("- a\n", "line 1: expected settings"),
        ("out: x.npz\n", "files: missing"),
        ("files: scan.npz\nworkers: 1.5\n", "line 2: workers: expected a whole number"),
        ("files: scan.npz\noperator:\n  angles: '@none.npy'\n  image_shape: @none.npy\n", "line 4"),
    ],
)
def test_errors_in_settings_have_their_line(text, words, scan, capsys):
    pytest.importorskip("yaml")
    (scan.parent / "a.yaml").write_text(text)
    assert words in fails(capsys, "reconstruct", scan.parent / "a.yaml", "--out", scan.parent / "x.npz")


def test_errors_in_toml_have_their_line(scan, capsys):
    for text, words in (("out = 'x'\nprio = 1\n", "line 2: no setting"), ("out = \n", "line 1"),
                        ("out = 'x'\nretries = 'two'\n", "line 2: retries: expected a whole number")):  # fmt: skip
        (scan.parent / "a.toml").write_text(text)
        assert words in fails(capsys, "reconstruct", scan.parent / "a.toml")


def test_bare_data_with_an_operator_of_the_command_line(tmp_path, capsys):
    angles = torch.arange(20) * torch.pi / 20
    y = Radon(32, angles)(CAMERA)
    np.save(tmp_path / "y.npy", y.squeeze().numpy())
    np.save(tmp_path / "angles.npy", angles.numpy())
    words = ["--operator", "Radon", "image_shape=32", f"angles=@{tmp_path / 'angles.npy'}", "--noise", "0.1", *QUICK]
    out = run(capsys, "reconstruct", tmp_path / "y.npy", *words, "--out", tmp_path / "x.npy")
    expected = PnPADMM(Radon(32, angles), noise_std=0.1, stop=Stop(tolerance=5e-3, max_iter=3)).solve(y).x
    assert torch.equal(read_images(out)[0][None], expected)
    made = Bench(Job(operator="Radon", stop={"max_iter": 3})).solver(
        Measurement(y, Radon, {"image_shape": 32, "angles": angles})
    )
    assert made.stop == Stop(PnPADMM.usual.tolerance, max_iter=3)  # the rest is what the method and the field have
    wrong: list[dict] = [
        {"stop": 12},
        {"stop": {"maxiter": 9}},
        {"stop": {"max_iter": 0}},
        {"strength": -1.0},
        {"noise_std": -1.0},
    ]
    for one in wrong:
        with pytest.raises(
            (TypeError, ValueError), match=f"{'max_iter' if one == wrong[2] else next(iter(one))}: expected"
        ):
            Job(**one)
    np.save(tmp_path / "t.npy", y.squeeze().T.numpy())
    assert "y: expected" in fails(capsys, "reconstruct", tmp_path / "t.npy", *words, "--out", tmp_path / "z.npy")
    assert "expected an operator of pnp" in fails(capsys, "reconstruct", tmp_path / "y.npy", "--operator", "Rado",
                                                  "--out", tmp_path / "z.npy")  # fmt: skip
    assert "--out: missing" in fails(capsys, "reconstruct", tmp_path / "y.npy")


def test_many_files_on_the_command_line(scan, capsys):
    folder = scan.parent / "in"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.npz").write_bytes(scan.read_bytes())
    (folder / "broken.npz").write_text("none")
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main(
            ["reconstruct", str(folder), "--out", str(scan.parent / "out"), "--format", ".nii.gz", "--iterations", "3"]
        )
    got = capsys.readouterr()
    places = [str(scan.parent / "out" / f"{name}.nii.gz") for name in ("a", "b")]
    assert caught.value.code == 1 and got.out.split() == places
    assert "3 files: 2 written, 0 there before, 1 failed" in got.err and "broken.npz" in got.err and "3/3" in got.err
    with pytest.raises(SystemExit) as caught:
        main(["reconstruct", str(folder), "--out", str(scan.parent / "out"), "--format", ".nii.gz", *QUICK, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (
        caught.value.code == 1
        and told["before"] == places
        and "is not an npz file" in next(iter(told["failed"].values()))
    )
    assert "is for one file" in fails(capsys, "reconstruct", folder, "--out", scan.parent / "o", "--save", "x")
    assert "is a file's name" in fails(capsys, "reconstruct", folder, "--out", scan.parent / "o.png")


def test_saved_solves_deviations_pages_and_json(scan, capsys, tmp_path):
    pytest.importorskip("PIL")
    out = tmp_path / "x.png"
    said = run(capsys, "reconstruct", scan, "--out", out, "--save", tmp_path / "r", "--uncertainty", "bootstrap",
               "--prior", "natural", "--pixel", "0.5mm", "--iterations", "3", "--json", "--quiet")  # fmt: skip
    told = json.loads(said)
    assert told["files"] == [str(out), str(tmp_path / "r"), str(tmp_path / "x-std.png")]
    assert told["report"]["iterations"] == 3 and told["provenance"]["data"]["file"] == "scan.npz"
    assert read_images(out)[0].shape == (1, 50, 32)  # with the bar
    assert "PnPADMM, max_iter after 3 iterations" in run(capsys, "info", tmp_path / "r")
    place = run(
        capsys, "view", tmp_path / "r")  # fmt: skip
    assert place == str(tmp_path / "r.html") and "DRUNetDenoiser" in Path(place).read_text()
    assert "is there already" in fails(capsys, "view", tmp_path / "r")
    assert "expected a saved solve" in fails(capsys, "view", out)


def test_json_of_every_command(scan, capsys, tmp_path):
    assert {"name", "bytes"} == json.loads(run(capsys, "info", "--json"))["weights"][0].keys()
    told = json.loads(run(capsys, "info", scan, "--json"))
    assert told["operator"] == {"kind": "Inpainting", "arguments": {"mask": "32 x 32 float32", "channels": 1}}
    assert any(r["name"] == "lofi-faces" for r in json.loads(run(capsys, "recipes", "--json"))["recipes"])
    assert json.loads(run(capsys, "check", _operator(tmp_path), "--json"))["ok"]
    np.save(tmp_path / "a.npy", CAMERA[0].numpy())
    told = json.loads(run(capsys, "denoise", tmp_path / "a.npy", "--sigma", "0.1", "--json"))
    assert told["files"][0]["to"] == str(tmp_path / "a-denoised.npy")
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main(["info", "nothing", "--json"])
    got = capsys.readouterr()
    assert caught.value.code == 2 and "no such shipped" in json.loads(got.out)["error"] and "pnp info:" in got.err


def _operator(folder: Path) -> str:
    (folder / "op.py").write_text("from operators import Identity\nop = Identity((6, 7))\n")
    return f"{folder / 'op.py'}:op"


def test_demo(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    out = run(capsys, "demo", "--out", tmp_path / "a.png", "--size", "48", "--json", "--quiet")
    told = json.loads(out)
    assert told["psnr"]["answer"] > told["psnr"]["start"] + 6 and (tmp_path / "a.png").stat().st_size > 10000
    assert "expected 32 to" in fails(capsys, "demo", "--out", tmp_path / "b.png", "--size", "9")


def test_passport(capsys, tmp_path, monkeypatch):
    """What is measured has tests of its own; here: of which denoiser, on which images, and where it goes."""
    from pnp.commands import passport

    seen = []
    monkeypatch.setattr(passport, "measure_passport", lambda *a, **o: seen.append((*a, o)) or {"gain_dB": 1.0})
    np.save(tmp_path / "a.npy", CAMERA[0].numpy())
    assert json.loads(run(capsys, "passport", "tv", "--data", tmp_path)) == {"gain_dB": 1.0}
    denoiser, (x,), given = seen[0]
    assert type(denoiser).__name__ == "TVDenoiser" and torch.equal(x, CAMERA) and given == {"solvers": False}
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(weight_file("drunet-natural-gray-fast").read_bytes())
    run(capsys, "passport", mine, "--data", tmp_path, "--write")
    assert '"gain_dB": 1.0' in run(capsys, "info", mine) and type(seen[1][0]).__name__ == "DRUNetDenoiser"
    assert "no file tv" in fails(capsys, "passport", "tv", "--write")


SLOW = """
import sys, time
from operators import Inpainting

class Slow(Inpainting):
    def A(self, x):
        time.sleep(0.05)
        return super().A(x)
"""


def test_sigterm_leaves_no_partial_file_and_a_checkpoint_goes_on(scan):
    """Status 143, a sentence, nothing written; with a checkpoint the same command goes on, to the same bits."""
    folder = scan.parent
    (folder / "slow.py").write_text(SLOW)
    np.savez(folder / "mask.npz", mask=MASK.numpy())
    command = [sys.executable, "-m", "pnp", "reconstruct", "scan.npz", "--out", "x.npz", "--operator", "slow.py:Slow",
               "mask=@mask.npz:mask", "--noise", "0.02", "--prior", "natural", "--method", "pgd", "--tolerance", "0",
               "--iterations", "40", "--checkpoint", "k"]  # fmt: skip
    first = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while not (folder / "k").exists() and time.monotonic() < end:
        time.sleep(0.02)
    first.send_signal(signal.SIGTERM)
    out, err = first.communicate(timeout=60)
    assert first.returncode == 143 and out == "" and err.strip().splitlines()[-1] == "pnp reconstruct: stopped"
    assert not [p.name for p in folder.iterdir() if "x.npz" in p.name or "partial" in p.name]
    before = os.getcwd()
    os.chdir(folder)
    try:
        main([*command[3:], "--quiet"])
        job = Job(operator="slow.py:Slow", arguments={"mask": MASK}, noise_std=0.02, prior="natural", method="pgd",
                  stop=Stop(tolerance=0, max_iter=40))  # fmt: skip
        whole = Bench(job).solve(job.read(scan))
    finally:
        os.chdir(before)
    with np.load(folder / "x.npz") as file:
        assert np.array_equal(file["x"], whole.x.numpy())
    assert not (folder / "k").exists()


def test_measured_data_are_never_replaced(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("scans").mkdir()
    for place in ("m.npz", "scans/a.npz", "scans/b.npz"):
        np.savez(place, y=np.ones((16, 16), "f4"), mask=np.ones((16, 16), "f4"), noise_std=0.1)
    before = Path("m.npz").read_bytes(), Path("scans/a.npz").read_bytes()
    for arguments in (["m.npz", "--out", "m.npz"], ["scans", "--out", "scans"]):
        with pytest.raises(SystemExit) as stop:
            main(["reconstruct", *arguments, "--force", "-q"])
        assert stop.value.code == 2 and "measured data, which no answer replaces" in capsys.readouterr().err
    assert (Path("m.npz").read_bytes(), Path("scans/a.npz").read_bytes()) == before


def test_what_fails_is_told_where_it_is_seen(tmp_path, capsys, monkeypatch):
    """Quiet, as JSON, and before the solve."""
    monkeypatch.chdir(tmp_path)
    Path("scans").mkdir()
    np.savez("scans/a.npz", y=np.ones((16, 16), "f4"), mask=np.ones((16, 16), "f4"), noise_std=0.1)
    Path("scans/b.npz").write_text("none")
    for arguments, status, words in (
        (["scans", "--out", "answers", "-q"], 1, "b.npz"),
        (["scans/a.npz", "--out", "nowhere/x.npz"], 2, "no folder nowhere"),
        (["answers/a.npz", "--out", "x.npz"], 2, "it is an answer of pnp"),
        (["scans/a.npz", "--out", "x.npz", "--reader", "row=0"], 2, "has no option 'row'"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["reconstruct", *arguments])
        assert stop.value.code == status and words in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["reconstruct", "scans/a.npz", "--out", "x.npz", "--json", "--iterations", "abc"])
    assert "abc" in json.loads(capsys.readouterr().out)["error"]
    with pytest.raises(SystemExit) as stop:
        main(["view", "scans/b.npz"])
    assert stop.value.code == 2 and "cannot read scans/b.npz" in capsys.readouterr().err


def test_headers_keep_pixels_and_units(tmp_path, monkeypatch):
    pydicom = pytest.importorskip("pydicom", reason="needs pydicom: pip install 'pnp-imaging[io]'")
    fits = pytest.importorskip("astropy.io.fits", reason="needs astropy: pip install 'pnp-imaging[io]'")
    from benchmarks.fuzz import whole

    monkeypatch.chdir(tmp_path)
    Path("a.dcm").write_bytes(whole("dcm")[0])
    file = pydicom.dcmread("a.dcm")
    file.PixelSpacing = [0.7, 0.7]
    file.save_as("a.dcm")
    file.Modality = "CT"
    file.save_as("a.dcm")
    main(["reconstruct", "a.dcm", "--out", "b.dcm", "--iterations", "2", "-q"])
    main(["denoise", "a.dcm", "--to", "c.dcm", "--sigma", "40", "-q"])
    for name in ("b.dcm", "c.dcm"):
        header = pydicom.dcmread(name)
        assert header.PixelSpacing == [0.7, 0.7] and header.RescaleType == "HU" and header.Modality == "CT"
    g = torch.Generator().manual_seed(0)
    np.save(
        "uv.npy", torch.cat((1e4 * torch.randn(2, 300, generator=g), torch.randn(2, 300, generator=g)), 0).T.numpy()
    )
    options = ["--reader", "unit=lambda", "image_shape=[16,16]", "cell=2.0"]
    main(["reconstruct", "uv.npy", *options, "--out", "sky.fits", "--iterations", "2", "-q"])
    header = fits.getheader("sky.fits")
    assert header["BUNIT"] == "Jy/pixel" and header["CDELT2"] == pytest.approx(2 / 3600) and header["CDELT1"] < 0


def test_sigma_in_other_units_is_told(tmp_path, capsys, monkeypatch):
    pytest.importorskip("PIL", reason="needs Pillow: pip install 'pnp-imaging[train]'")
    from pnp.io.writing import write_images

    monkeypatch.chdir(tmp_path)
    write_images("p.png", [CAMERA[0]])
    for sigma, off in (("25", True), ("1e-6", True), ("25/255", False), ("0.2", False)):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            main(["denoise", "p.png", "--sigma", sigma, "--to", "x.png", "--force"])
        assert any("sigma is in their units" in str(w.message) for w in found) == off, sigma


def test_an_image_does_not_say_what_measured_it(tmp_path, capsys, monkeypatch):
    pytest.importorskip("PIL", reason="needs Pillow: pip install 'pnp-imaging[train]'")
    from pnp.io.writing import write_images

    monkeypatch.chdir(tmp_path)
    write_images("p.png", [CAMERA[0]])
    for arguments, words in (
        (["reconstruct", "p.png", "--out", "x.npz"], "--operator"),
        (["view", "p.npz", "--to", "a.png"], "expected NAME.html"),
    ):
        with pytest.raises(SystemExit):
            main(arguments)
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("value", ["a", True, [0.1], 1j, -1, float("nan"), float("inf")])
def test_a_noise_level_that_is_none_is_told_at_once(value):
    with pytest.raises((TypeError, ValueError), match="noise_std: "):
        Job(noise_std=value)
