"""The code in the guides runs."""

import re
from pathlib import Path

import pytest
import torch

Image = pytest.importorskip("PIL.Image")
DOCS = Path(__file__).parent.parent / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


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
