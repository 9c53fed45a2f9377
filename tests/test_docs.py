"""The code in the guides runs."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

Image = pytest.importorskip("PIL.Image")
DOCS = Path(__file__).parent.parent / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def test_command_line(folder, tmp_path, monkeypatch, capsys):
    """Every line of the page runs; files are there that it names."""
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
    (text,) = re.findall(r"```bash\n(.*?)```", (DOCS / "command_line.md").read_text(), re.DOTALL)
    for line in text.splitlines():
        words = line.partition("#")[0].replace("IMAGES", str(folder)).split()[1:]
        try:
            main(words)
        except SystemExit as end:
            assert words == ["--version"] and not end.code, capsys.readouterr().err
    assert load_weights("mine.safetensors", family="lofi")[1]["recipe"]["sigmas"] == [5 / 255, 25 / 255]
    assert {p.name for p in tmp_path.iterdir()} >= {"clean.png", "photo-denoised.png", "image.npy"}
    assert len(list(Path("answers").iterdir())) == 6


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


def test_uncertainty_guide(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for number, code in enumerate(blocks("uncertainty.md")):
        exec(compile(code.replace("draws=10", "draws=4"), f"uncertainty.md[{number}]", "exec"), names)
    said = capsys.readouterr().out
    assert "equivariant bootstrap" in said and "9 images of Blur" in said
    assert {p.name for p in tmp_path.iterdir()} == {"sure.png", "intervals.json"}
