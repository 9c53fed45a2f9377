"""The scripts for a machine with a GPU run before there is one."""

import json
import os

import pytest
import torch

from benchmarks import gpu, gpu_train
from benchmarks.gpu_parts import PARTS

from ..pnp.train.training import draw_pictures
from .close import DEVICE

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("part", PARTS)
def test_every_part_runs(part, tmp_path, capsys):
    out = tmp_path / "figures.json"
    gpu.main(["--here", "--tiny", "--parts", part, "--save", str(out), "--device", str(DEVICE)])
    figures = json.loads(out.read_text())
    assert figures and f"## {part}" in capsys.readouterr().out
    if part == "waiting":
        waits = {k: float(v[1]) for k, v in figures.items()}
        assert len(waits) == 5 and max(waits.values()) <= 1


def test_training_of_shipped_weights_goes_on(tmp_path, capsys):
    for folder in ("bsds400_color", "bsd68"):
        (tmp_path / folder).mkdir()
        draw_pictures(tmp_path / folder)
    command = [
        "--data",
        str(tmp_path),
        "--recipes",
        "lofi-natural-gray-fast",
        "--out",
        str(tmp_path / "runs"),
        "--tiny",
    ]
    for _ in range(2):
        gpu_train.main([*command, "--device", str(DEVICE), "--minutes", "0.1"])
    assert "-v1.safetensors" in capsys.readouterr().out
    assert os.path.exists(tmp_path / "runs" / "steps.json") and torch.cuda.is_available()
