"""The code in the guides runs."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

Image = pytest.importorskip("PIL.Image")
ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


# what each block of a page prints, or has to print; blocks need nothing but those above them
PRINTED = {
    "own_operator.md": ["converged after", "HalfFourier, images (1, 16, 16), float64: all well", "True\n(64, 64) True"],
    "own_denoiser.md": ["torch.Size([1, 1, 48, 48])", "torch.Size([1, 1, 48, 48])", "tensor([1])"],
    "own_method.md": ["converged after"],
    "control.md": ["max_iter 5 10"],
    "shards.md": ["torch.Size([1, 1, 32, 32])"],
    "how_sure.md": ["converged after"],
    "methods.md": [""],
    "health.md": ["differ"],
    "strength.md": ["", "", "", ""],
    "certificates.md": ["norm"],
    "fields/mri.md": ["PnPADMM", ""],
    "fields/ct.md": ["PnPADMM", "converged"],
    "fields/radio.md": ["PnPADMM", ""],
    "fields/lensing.md": ["PnPADMM", "ShearSigns(sign=(1, 1)"],
    "fields/photographs.md": ["PnPADMM", ""],
}
SLOW = {"strength.md", "certificates.md"}


def _photograph(path):
    """A motion-blurred picture whose borders are not periodic."""
    from operators import Blur, gaussian_noise, motion_kernel
    from pnp import data

    op = Blur(motion_kernel(9, 0.6), (64, 64), boundary="valid")
    y = gaussian_noise(op(data.sample("camera")[..., 100:164, 180:244]), 0.01, seed=0)[0, 0]
    Image.fromarray((255 * y).clamp(0, 255).byte().numpy()).save(path)


@pytest.mark.parametrize("page", [pytest.param(p, marks=[pytest.mark.slow] if p in SLOW else []) for p in PRINTED])
def test_page(page, tmp_path, monkeypatch, capsys):
    """Its blocks run one after the other in a fresh Python, as pasted, and print what they should."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    if page == "fields/photographs.md":
        _photograph(tmp_path / "photo.png")
    found = blocks(page)
    assert len(found) == len(PRINTED[page])
    for number, (code, expected) in enumerate(zip(found, PRINTED[page])):
        exec(compile(code, f"{page}[{number}]", "exec"), names)
        assert expected in capsys.readouterr().out


def test_the_start_page_has_the_example_of_the_readme():
    assert blocks("index.md")[0] in (ROOT / "README.md").read_text()


def test_every_page_with_code_is_run_by_a_test():
    tests = "".join(p.read_text() for p in Path(__file__).parent.rglob("test_*.py"))
    pages = [str(p.relative_to(DOCS)) for p in sorted(DOCS.rglob("*.md")) if "_build" not in p.parts]
    assert [p for p in pages if blocks(p) and Path(p).name not in tests] == []


def test_own_operator_and_own_method_have_ten_lines():
    code = blocks("own_operator.md")[0]
    assert len(code[code.index("class ") : code.index("\n\nop = ")].splitlines()) <= 10
    code = blocks("own_method.md")[0]
    lines = code[code.index("    def init") : code.index("\n\nx = ")].splitlines()
    assert len([line for line in lines if line.strip()]) <= 10


def test_command_line(folder, tmp_path, monkeypatch, capsys):
    """Every line of the page runs; files are there that it names."""
    pytest.importorskip("yaml")
    from denoisers.weights import load_weights
    from operators import Inpainting, random_mask
    from pnp import data
    from pnp.cli import main

    monkeypatch.chdir(tmp_path)
    x = data.sample("camera")[..., 100:148, 180:228]
    Image.fromarray((x[0, 0] * 255).byte().numpy()).save("photo.png")
    mask = random_mask((48, 48), 0.5, seed=0)
    np.savez("measured.npz", y=Inpainting(mask)(x)[0].numpy(), mask=mask.squeeze().numpy())
    Path("my_operator.py").write_text("from operators import Identity\n\nop = Identity((6, 7))\n")
    page = (DOCS / "command_line.md").read_text()
    Path("settings.yaml").write_text(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])
    Path("scans").mkdir()
    Path("photos").mkdir()
    Path("photos/a.png").write_bytes(Path("photo.png").read_bytes())
    Path("scans/a.npz").write_bytes(Path("measured.npz").read_bytes())
    (text,) = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    for line in text.splitlines():
        words = line.partition("#")[0].replace("IMAGES", str(folder)).split()[1:]
        try:
            main(words)
        except SystemExit as end:
            assert words == ["--version"] and not end.code, capsys.readouterr().err
    assert load_weights("mine.safetensors", family="lofi")[1]["recipe"]["sigmas"] == [5 / 255, 25 / 255]
    written = {p.name for p in tmp_path.iterdir()}
    assert written >= {"clean.png", "photo-denoised.png", "image.npy", "image.nii.gz", "image-std.png", "solve.html"}
    assert written >= {"from-settings.npz", "pnp-demo-pixels.png", "worst.png"}
    assert len(list(Path("answers-of-weights").iterdir())) == 6 and Path("clean/a.png").exists()
    assert {p.name for p in Path("answers").iterdir()} == {"a.npz", "a.npz.json"}


def test_many_files_guide(tmp_path, monkeypatch, capsys):
    from operators import Inpainting, random_mask
    from pnp import data

    monkeypatch.chdir(tmp_path)
    Path("scans").mkdir()
    mask = random_mask((32, 32), 0.5, seed=0)
    y = Inpainting(mask)(data.sample("camera")[..., 100:132, 180:212])
    for name in "ab":
        np.savez(f"scans/{name}.npz", y=y[0].numpy(), mask=mask.squeeze().numpy())
    (code,) = blocks("many_files.md")
    exec(compile(code, "many_files.md", "exec"), {"__name__": "guide"})
    assert "2 files: 2 written, 0 there before, 0 failed" in capsys.readouterr().out


def test_each_method():
    """Every example runs, and gives an image that is better than the data, all of which it starts from."""
    from pnp.metrics import psnr

    names: dict = {}
    problem, *examples = blocks("each_method.md")
    exec(problem, names)
    start = float(psnr(names["y"], names["truth"]))
    for code in examples:
        exec(code, names)
        assert float(psnr(names["x"], names["truth"])) > start + 6, code


@pytest.fixture
def folder(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for i in range(3):
        rows = torch.arange(60)[:, None] * (i + 2) + torch.arange(64)
        Image.fromarray((rows % 256).to(torch.uint8).numpy()).save(images / f"{i}.png")
    return images


# two steps make a denoiser of noise, and the solver notices
@pytest.mark.filterwarnings("ignore:.*intensities are spread:RuntimeWarning")
@pytest.mark.parametrize("number", range(3))
def test_training_guide(number, folder, tmp_path, capsys):
    code = blocks("training.md")[number]
    if number == 0:
        assert len([line for line in code.splitlines() if line]) <= 15
    names = {"IMAGES": str(folder), "OUT": str(tmp_path), "STEPS": 2}
    exec(compile(code, f"training.md[{number}]", "exec"), names)
    assert number or "torch.Size" in capsys.readouterr().out


# two steps make no network, and pictures of stripes no statistics
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("number", range(4))
def test_self_supervised_guide(number, folder, tmp_path, capsys):
    names = {"IMAGES": str(folder), "OUT": str(tmp_path), "STEPS": 2}
    exec(compile(blocks("self_supervised.md")[number], f"self_supervised.md[{number}]", "exec"), names)
    said = capsys.readouterr().out
    shown = ("torch.Size([1, 1, 32, 32])", "neighbouring columns", "tensor([", "dB of error")[number]
    assert shown in said or (number == 3 and "kept" in said)


def test_devices_guide(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    names: dict = {}
    for code in blocks("devices.md"):
        exec(code, names)
    assert names["result"].reason == "converged" and len(names["losses"]) == 3


def test_uncertainty_guide(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for number, code in enumerate(blocks("uncertainty.md")):
        exec(compile(code.replace("draws=10", "draws=4"), f"uncertainty.md[{number}]", "exec"), names)
    said = capsys.readouterr().out
    assert "equivariant bootstrap" in said and "9 images of Blur" in said
    assert {p.name for p in tmp_path.iterdir()} == {"sure.png", "intervals.json"}


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")  # few data, and a prior for other pixels
def test_sky_files(tmp_path, monkeypatch, capsys):
    pytest.importorskip("astropy")
    from tests.pnp.io.test_sky_files import catalogue, write
    from tests.pnp.io.visibility_files import baselines, sums, write_uvfits

    monkeypatch.chdir(tmp_path)
    write_uvfits("target.uvfits", height=0.0)
    write(tmp_path / "galaxies.fits", catalogue())
    v = sums(baselines())[:, 0]
    np.savetxt("disc.csv", np.stack((*baselines()[:2] / 300, v.real, v.imag), 1), header="u,v,re,im", delimiter=",")
    names: dict[str, object] = {}
    for number, code in enumerate(blocks("sky_files.md")):
        code = code.replace("pixel_scale=0.29", "pixel_scale=1.5")
        exec(compile(code, f"sky_files.md[{number}]", "exec"), names)
    assert "averaged in uv cells" in capsys.readouterr().out
    assert {p.name for p in tmp_path.glob("*.fits")} >= {"target-model.fits", "target-restored.fits", "kappa.fits"}


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")  # of so small an image the solver has something to say
def test_mri_files(tmp_path, monkeypatch, capsys):
    """Every example runs on a scan that lacks an end of k-space."""
    pytest.importorskip("matplotlib")
    pytest.importorskip("ismrmrd", reason="needs ismrmrd: pip install 'pnp-imaging[test]'")
    from operators.fourier.fft import fft2c
    from tests.operators.mri.test_coils import scene
    from tests.pnp.io.mrd_files import header, lines, write

    monkeypatch.chdir(tmp_path)
    maps, x = scene(32, 32)
    kspace = fft2c(maps * x).to(torch.complex64)
    write(Path("scan.mrd"), header((32, 32, 1), (32, 32, 1)), lines(kspace, range(8, 32)))
    names: dict = {}
    for number, code in enumerate(blocks("mri_files.md")):
        exec(compile(code, f"mri_files.md[{number}]", "exec"), names)
        assert names["result"].x.shape == (1, 1, 32, 32)
    assert Path("figure.png").exists() and names["few"].y.shape[1] <= 4
    off = (names["magnitude"][0, 0] - x.abs()).norm() / x.abs().norm()
    assert float(off) < 0.2


def test_ct_guide(tmp_path, monkeypatch, capsys):
    """The page's scan: counts of two discs, with a bin that is too bright, off the centre by three bins."""
    pytest.importorskip("matplotlib")
    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install 'pnp-imaging[io]'")
    from operators import Radon

    monkeypatch.chdir(tmp_path)
    side = torch.arange(64) - 31.5
    x = 0.02 * (torch.hypot(side[:, None], side) < 25) + 0.02 * (torch.hypot(side[:, None] - 8, side + 5) < 6)
    y = Radon(64, torch.arange(60) * torch.pi / 60, 91, offset=3.0)(x[None, None].float())[0, 0]
    white = torch.full((91,), 20000.0)
    white[40] = 21000
    counts = torch.poisson(20000 * (-y).exp(), generator=torch.Generator().manual_seed(0))
    arrays = {"data": counts[:, None], "data_white": white[None, None], "theta": 3.0 * torch.arange(60)}
    with h5py.File("scan.h5", "w") as file:
        for name, values in arrays.items():
            file[f"exchange/{name}"] = values.numpy()
    names: dict = {}
    (code,) = blocks("ct_files.md")
    exec(code, names)
    assert abs(names["m"].arguments["offset"] - 3) < 0.15 and Path("scan.png").exists()
    assert "centre of rotation" in capsys.readouterr().out
