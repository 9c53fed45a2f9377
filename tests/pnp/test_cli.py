"""The command line: each subcommand does its one thing, results go to the standard output, errors are one sentence."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from denoisers import DRUNetDenoiser
from operators import MRI, Blur, Inpainting, Radon, gaussian_kernel, random_columns, random_mask
from pnp import Job, PnPADMM, data
from pnp.cli import main
from pnp.io.writing import write_images
from pnp.metrics import psnr
from pnp.train import load_checkpoint, read_images

from .train.training import draw_pictures

Image = pytest.importorskip("PIL.Image")
CAMERA = data.sample("camera")[..., 100:164, 180:244]


def run(capsys, *arguments) -> str:
    """What a command prints."""
    capsys.readouterr()
    main([str(a) for a in arguments])
    return capsys.readouterr().out.strip()


def fails(capsys, *arguments) -> str:
    """The sentence with which it ends."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main([str(a) for a in arguments])
    words = capsys.readouterr().err.strip()
    assert caught.value.code == 2 and "Traceback" not in words and len(words.splitlines()[-1:]) == 1
    return words.splitlines()[-1]


@pytest.fixture
def noisy(tmp_path):
    g = torch.Generator().manual_seed(0)
    np.save(tmp_path / "a.npy", (CAMERA + 0.1 * torch.randn(CAMERA.shape, generator=g))[0].numpy())
    return tmp_path / "a.npy"


def test_version_and_help(capsys):
    for option, code, word in (
        ("--version", 0, "pnp "),
        ("--help", 0, "reconstruct"),
        ("denoise", 2, "required: images"),
    ):
        with pytest.raises(SystemExit) as ended:
            main([option])
        assert ended.value.code == code and word in "".join(capsys.readouterr())
    got = subprocess.run([sys.executable, "-m", "pnp", "--version"], capture_output=True, text=True)
    assert "pnp " in got.stdout and not got.returncode and "Traceback" not in got.stderr


def test_denoise(noisy, capsys):
    place = run(capsys, "denoise", noisy, "--sigma", "0.1")
    answer, y = read_images(place)[0][None], torch.from_numpy(np.load(noisy))[None]
    assert Path(place).name == "a-denoised.npy" and float(psnr(answer, CAMERA) - psnr(y, CAMERA)) > 5
    with torch.no_grad():
        assert torch.equal(answer, DRUNetDenoiser()(y, 0.1))
    assert "is there already" in fails(capsys, "denoise", noisy, "--sigma", "0.1")
    assert run(capsys, "denoise", noisy, "--force") == place  # the level is estimated
    assert float(psnr(read_images(place)[0][None], CAMERA) - psnr(y, CAMERA)) > 4
    run(
        capsys,
        "denoise",
        noisy,
        "--sigma",
        "25/255",
        "--prior",
        "lofi-natural-gray-fast@1",
        "--to",
        noisy.parent / "b.png",
    )
    assert read_images(noisy.parent / "b.png")[0].dtype == torch.uint8
    assert "expected a number such as 0.1" in fails(capsys, "denoise", noisy, "--sigma", "loud")
    assert "no such shipped weights" in fails(capsys, "denoise", noisy, "--prior", "best")
    assert "no file" in fails(capsys, "denoise", noisy.parent / "none.png")


def test_denoise_several_and_colour(tmp_path, capsys):
    Image.fromarray((255 * torch.rand(20, 24, 3)).byte().numpy()).save(tmp_path / "c.png")
    Image.fromarray((255 * torch.rand(20, 24)).byte().numpy()).save(tmp_path / "g.png")
    out = run(capsys, "denoise", tmp_path / "c.png", tmp_path / "g.png", "--sigma", "0.1", "--to", tmp_path / "out")
    assert [tuple(read_images(p, None)[0].shape) for p in out.split()] == [(3, 20, 24), (1, 20, 24)]


def test_denoise_a_folder_with_a_broken_file(tmp_path, capsys):
    for name in ("a", "c"):
        Image.fromarray((255 * torch.rand(20, 24)).byte().numpy()).save(tmp_path / f"{name}.png")
    (tmp_path / "b.png").write_bytes(b"none")
    with pytest.raises(SystemExit) as caught:
        main(["denoise", str(tmp_path), "--sigma", "0.1", "--to", str(tmp_path / "out"), "--quiet", "--json"])
    told, words = capsys.readouterr()
    assert caught.value.code == 1 and "b.png: cannot read" in words and len(words.splitlines()) == 1
    assert [*json.loads(told)["failed"]] == [str(tmp_path / "b.png")]
    assert [p.name for p in sorted((tmp_path / "out").iterdir())] == ["a.png", "c.png"]
    (tmp_path / "none").mkdir()
    assert "no images in" in fails(capsys, "denoise", tmp_path / "none")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (
            ("--iterations", "0"),
            "argument --iterations: expected a whole number above 0, got '0'; pnp reconstruct --help",
        ),
        (("--workers", "2"), "--workers: is for many files"),
        (("--format", ".png"), "--format: is for many files"),
        (("--draws", "9"), "--draws: expected 2 or more, of --uncertainty METHOD"),
        (("--tolerance", "-1"), "argument --tolerance: expected a number"),
    ],
)
def test_options_that_would_do_nothing_are_refused(tmp_path, capsys, options, word):
    np.savez(tmp_path / "a.npz", y=np.ones((8, 8), "f4"), mask=np.ones((8, 8), "f4"))
    assert word in fails(capsys, "reconstruct", tmp_path / "a.npz", "--out", tmp_path / "x.npy", *options)


def test_data_are_corrected_first(tmp_path, capsys):
    op = Radon(48, torch.linspace(0, math.pi, 41)[:-1], 73, offset=3.0)
    y = op(CAMERA[..., 8:56, 8:56] * Radon(48, [0.0], circle=True).mask).squeeze().numpy()
    np.savez(tmp_path / "a.npz", y=y, angles=op.angles.numpy(), size=48)
    command = ("reconstruct", tmp_path / "a.npz", "--out", tmp_path / "x.npz", "--iterations", "1", "--noise", "0.1")
    told = json.loads(run(capsys, *command, "--correct", "centre", "--json"))["provenance"]["data"]["corrections"]
    assert len(told) == 1 and abs(float(told[0].split(", ")[0].removeprefix("centre of rotation: offset ")) - 3) < 0.2
    words = fails(capsys, *command, "--correct", "whiten", "--force")
    assert "a.npz: " in words and "coils" in words
    assert "invalid choice: 'center'" in fails(capsys, *command, "--correct", "center")
    with pytest.raises(ValueError, match="correct: expected some of centre, stripes, .* got 'center'"):
        Job(corrections=("center",))


def test_warnings_and_advice_are_those_of_a_command_line(tmp_path):
    x = CAMERA[0, 0].numpy()
    np.savez(tmp_path / "a.npz", y=x, mask=np.ones_like(x))
    command = [sys.executable, "-W", "always", "-m", "pnp", "reconstruct", "a.npz", "--out", "x.npy", "--noise", "9"]
    words = subprocess.run([*command, "--iterations", "2"], capture_output=True, text=True, cwd=tmp_path).stderr
    assert "\npnp reconstruct: warning: PnPADMM: the noise in the image" in f"\n{words}" and "job.py" not in words
    assert "try --iterations larger" in words and "Stop(" not in words


ANGLES = torch.linspace(0, 3.1, 60)
CASES = {
    "pixels": (lambda: Inpainting(random_mask((64, 64), 0.5, seed=0)), lambda op: {"mask": op.mask.squeeze()}),
    "blur": (lambda: Blur(gaussian_kernel(1.0), (64, 64)), lambda op: {"kernel": gaussian_kernel(1.0)}),
    "ct": (lambda: Radon(64, ANGLES), lambda op: {"angles": ANGLES, "size": torch.tensor(64)}),
    "mri": (lambda: MRI(random_columns((64, 64), 2.0, 0.2, seed=0)), lambda op: {"mask": op.mask.squeeze()}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_reconstruct(name, tmp_path, capsys):
    make, arrays = CASES[name]
    op = make()
    y = op(CAMERA)
    np.savez(tmp_path / "a.npz", y=y[0].numpy(), **{k: np.asarray(v) for k, v in arrays(op).items()})  # pyright: ignore
    out = run(capsys, "reconstruct", tmp_path / "a.npz", "--to", tmp_path / "x.npy", "--noise", "0.01", "--quiet")
    expected = PnPADMM(op, noise_std=0.01).solve(y).x
    expected = expected.abs() if expected.is_complex() else expected
    assert out == str(tmp_path / "x.npy")
    assert torch.allclose(read_images(out)[0][None], expected, atol=1e-4)


def test_reconstruct_says_what_is_missing(tmp_path, capsys):
    for arrays, word in (
        ({"x": np.ones(3)}, "holds no y"),
        ({"y": np.ones((4, 4))}, "expected kernel, angles, uv, mask"),
        ({"y": np.ones((4, 4)), "angles": np.ones(4)}, "size: missing"),
        ({"y": np.ones((4, 4)), "mask": np.ones((3, 3))}, "y: expected"),
    ):
        np.savez(tmp_path / "a.npz", **arrays)  # pyright: ignore
        assert word in fails(capsys, "reconstruct", tmp_path / "a.npz", "--to", tmp_path / "x.npy")
    (tmp_path / "b.npz").write_bytes(b"none")
    for name in ("b.npz", "c.npz", "d.txt"):
        assert name in fails(capsys, "reconstruct", tmp_path / name, "--to", tmp_path / "x.npy")


def test_a_name_with_an_ending_of_no_format_is_no_folder(tmp_path, capsys):
    np.savez(tmp_path / "a.npz", y=np.ones((8, 8), "f4"), mask=np.ones((8, 8), "f4"))
    command = ("reconstruct", tmp_path / "a.npz", "--iterations", "1", "--noise", "0.1", "--out")
    assert "a.pgn: expected a name that ends with one of .dcm" in fails(capsys, *command, tmp_path / "a.pgn")
    assert not (tmp_path / "a.pgn").exists()
    assert run(capsys, *command, f"{tmp_path / 'v1.2'}/", "--quiet") == str(tmp_path / "v1.2" / "a.npz")


def test_a_picture_of_several_images_is_refused_before_the_solve(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("pnp.many.job.Bench.solve", None)  # none begins
    np.save(tmp_path / "a.npy", np.ones((3, 8, 8), "c8"))
    np.save(tmp_path / "mask.npy", np.ones((8, 8), "f4"))
    command = ("reconstruct", tmp_path / "a.npy", "--operator", "MRI", f"mask=@{tmp_path / 'mask.npy'}", "--out")
    assert "x.png: a picture holds one image, a.npy has 3" in fails(capsys, *command, tmp_path / "x.png")


def test_info_of_an_answer(tmp_path, capsys):
    told = {"method": "PnPADMM", "iterations": 3}
    write_images(tmp_path / "a.npz", [torch.full((1, 4, 6), 3 + 4j)], provenance=told)
    words = run(capsys, "info", tmp_path / "a.npz")
    assert words.startswith("a.npz: an answer, x 1 x 1 x 4 x 6 complex64, magnitudes 5 to 5")
    assert json.loads(run(capsys, "info", tmp_path / "a.npz", "--json"))["provenance"] == told


def test_info_and_recipes(noisy, capsys):
    assert "drunet-natural-gray-fast@1" in run(capsys, "info")
    assert '"family": "lofi"' in run(capsys, "info", "lofi-natural-gray-fast")
    assert "a.npy[0]: 1 x 64 x 64 float32" in run(capsys, "info", noisy)
    assert "no such shipped" in fails(capsys, "info", "nothing")
    assert "cannot read" in fails(capsys, "info", __file__)
    assert "lofi-natural-gray-fast" in run(capsys, "recipes")
    assert json.loads(run(capsys, "recipes", "lofi-natural-gray-fast"))["preset"] == "fast"


def test_check(tmp_path, capsys):
    file = tmp_path / "mine.py"
    file.write_text(
        "import torch\nfrom operators import Identity, LinearOperator\nop = Identity((6, 7))\n"
        "class Wrong(LinearOperator):\n    in_shape = (1, 6, 7)\n    def A(self, x):\n        return x + 1\n"
        "def broken():\n    raise KeyError('x')\n"
    )
    assert "ok" in run(capsys, "check", f"{file}:op") and run(capsys, "check", f"{file}:op", "--quiet") == ""
    with pytest.raises(SystemExit) as caught:
        main(["check", f"{file}:Wrong"])
    assert caught.value.code == 1 and "FAIL" in capsys.readouterr().out
    for name, word in ((f"{file}:broken", "KeyError"), (f"{file}:none", "AttributeError"), ("x.py:a", "no file"),
                       ("op", "FILE.py:NAME"), ("no.module:a", "ModuleNotFoundError")):  # fmt: skip
        assert word in fails(capsys, "check", name)


def test_evaluate_shipped_weights_at_levels(tmp_path, capsys):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    draw_pictures(folder)
    command = ["evaluate", "lofi-natural-gray-fast", "--data", tmp_path / "a", "--recursive"]
    out = run(capsys, *command, "--sigma", "15/255", "0.2", "--to", tmp_path / "out").splitlines()
    means = [float(line.split("input ")[1].split(" dB")[0]) for line in out if "3 images: " in line]
    assert out[2].startswith("| b/0.png | ") and out[-1].startswith("sigma 0.2, 3 images: ")
    assert means[0] - means[1] == pytest.approx(20 * math.log10(0.2 * 255 / 15), abs=0.1)
    assert len(list((tmp_path / "out").glob("*.png"))) == 6
    assert len(run(capsys, *command, "--quiet").splitlines()) == 1
    assert "was trained for" in fails(capsys, *command, "--sigma", "0.9")
    assert "no such setting" in fails(capsys, "train", "lofi-faces", "--data", folder, "--crop", "8", "--tiny")


def test_train_by_options(tmp_path, capsys):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    draw_pictures(folder)
    out = tmp_path / "out"
    command = [
        "train",
        "lofi-natural-gray-fast",
        "--tiny",
        "--data",
        tmp_path / "a",
        "--recursive",
        "--out",
        out,
        "--quiet",
    ]
    command += ["--sigma", "5/255", "25/255", "--crop", "12", "--seed", "3", "--rate", "1e-3", "--time", "1h"]
    capsys.readouterr()
    main([str(c) for c in command])
    captured = capsys.readouterr()
    assert captured.out.strip().endswith("-v1.safetensors") and len(captured.out.split()) == 1 and captured.err == ""
    settings = load_checkpoint(out / "lofi-natural-gray-fast-tiny.pt")["recipe"]
    expected = {"crop": 12, "seed": 3, "rate": 1e-3, "sigmas": [5 / 255, 25 / 255]}
    assert {k: settings[k] for k in expected} == expected
    for option, word in (
        ("--sigma 25", "gray levels"),
        ("--sigma 0.2 0.1", "lowest <= highest"),
        ("--time soon", "such as 90s"),
        ("--crop 0", "--crop"),
        ("--sigma 1 2 3", "--sigma"),
    ):
        assert word in fails(capsys, *command[:5], "--recursive", "--out", tmp_path / "other", *option.split())
    (tmp_path / "notes").write_text("mine")
    assert "--force" in fails(capsys, "export", out / "lofi-natural-gray-fast-tiny.pt", "--to", tmp_path / "notes")
    run(capsys, "export", out / "lofi-natural-gray-fast-tiny.pt", "--to", tmp_path / "notes", "--force")
    assert run(capsys, "info", out / "lofi-natural-gray-fast-tiny.pt").startswith(
        "lofi-natural-gray-fast-tiny.pt: checkpoint"
    )
