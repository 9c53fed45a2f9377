"""Default reconstructions of real images against the input and oracle-tuned TV; needs data that do not ship."""

import functools
import os
import statistics
from pathlib import Path

import pytest
import torch

from benchmarks.reconstruction import PROBLEMS, SIZE, run
from denoisers import DRUNetDenoiser
from pnp.train import ImageFolder

MISSED = {  # dB that four times the iterations move the first three images; docs/measured.md says so, too
    "inpainting 30 %, noise 0.01": "-1.10 to -0.14",
    "motion blur 15 px, noise 0.01": "-0.34 to -0.03",
    "downsampling 2, noise 0.01": "-0.20 to 0.00",
    "MRI 4 x, noise 0.02": "-0.03 to +0.74",
    "CT, 40 angles, noise 0.5 px": "-0.14 to 0.00",
}


@functools.cache
def figures(name):
    folder = Path(os.environ.get("PNP_DATA", "")) / "bsd68"
    if not folder.is_dir():
        pytest.skip("set PNP_DATA to a folder that holds bsd68")
    images: list[torch.Tensor] = [x[None, :, :SIZE, :SIZE] for x in (ImageFolder(folder)[i] for i in range(5))]
    return run(name, images, {"ADMM": DRUNetDenoiser()}, True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", PROBLEMS)
def test_defaults_win_without_tuning(name):
    r = figures(name)
    assert statistics.median(a - b for a, b in zip(r["ADMM"], r["input"])) > 1.0
    assert statistics.median(a - b for a, b in zip(r["ADMM"], r["TV"])) > 0.5
    if not name.startswith("denoising"):
        assert statistics.median(a - b for a, b in zip(r["ADMM"], r["one denoising"])) > 0
    assert statistics.mean(r["ADMM ok"]) >= 0.9


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", PROBLEMS)
def test_four_times_the_iterations_move_no_answer(name, request):
    if name in MISSED:
        request.applymarker(pytest.mark.xfail(reason=f"they move them by {MISSED[name]} dB", strict=True))
    assert max(figures(name)["drift"]) < 0.1
