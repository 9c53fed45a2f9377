"""A reconstruction of data that ship with the package, as a figure beside the truth; needs matplotlib.

pixels: 40 % of a photograph's pixels; blur: a photograph blurred by motion; mri: a brain slice, eight coils, every
fourth column; ct: a photograph seen from 60 angles.
"""

import argparse
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import operators
from denoisers.weights.writing import refuse_existing, refuse_unwritable

from .. import data
from ..metrics import psnr
from ..plot import show
from ..solvers.admm import PnPADMM
from .common import progress, put, say

__all__ = ["options", "run"]

_NOISE = 0.01


def _photograph(size: int) -> Tensor:
    return data.sample("camera")[..., 60 : 60 + size, 150 : 150 + size]


def _pixels(size: int) -> tuple[Any, Tensor]:
    return operators.Inpainting(operators.random_mask((size, size), 0.4, seed=0)), _photograph(size)


def _blur(size: int) -> tuple[Any, Tensor]:
    return operators.Blur(operators.motion_kernel(15, 0.6), (size, size)), _photograph(size)


def _ct(size: int) -> tuple[Any, Tensor]:
    return operators.Radon(size, torch.arange(60, device="cpu") * torch.pi / 60), _photograph(size)


def _mri(size: int) -> tuple[Any, Tensor]:
    """A measured slice, whose least-squares image is the truth of a simulation."""
    kspace = data.sample("brain")
    maps = operators.estimate_coil_maps(kspace, crop=0.0)[0]
    acquired = operators.MRI((kspace != 0).any(1)[0], maps)
    x = acquired.prox_l2(torch.zeros(1, 1, 230, 180, dtype=kspace.dtype, device="cpu"), kspace, gamma=100.0)
    mask = operators.random_columns((230, 180), acceleration=4, center_fraction=0.08, seed=0)
    return operators.MRI(mask, maps), x


_PROBLEMS: dict[str, Callable[[int], tuple[Any, Tensor]]] = {
    "pixels": _pixels,
    "blur": _blur,
    "mri": _mri,
    "ct": _ct,
}


def options(p: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    p.add_argument("problem", nargs="?", choices=tuple(_PROBLEMS), default="pixels", help=", ".join(_PROBLEMS))
    p.add_argument("--out", "--to", dest="out", help="picture (default: pnp-demo-PROBLEM.png)")
    p.add_argument("--size", type=int, default=192, help="side of photographs in pixels (default: 192)")
    p.add_argument("--force", action="store_true", help="replace the picture, if it is there")


@torch.no_grad()
def run(given: argparse.Namespace) -> None:
    """Simulate, reconstruct, draw."""
    if not 32 <= given.size <= 352:
        raise ValueError(f"--size: expected 32 to 352, got {given.size}")
    place = given.out or f"pnp-demo-{given.problem}.png"
    refuse_existing(place, overwrite=given.force)
    refuse_unwritable(place)
    op, x = _PROBLEMS[given.problem](given.size)
    y = operators.gaussian_noise(op(x), _NOISE, seed=0)
    if op.measured is not None:
        y = torch.where(op.measured.to(bool), y, torch.zeros_like(y))
    with progress(given, None) as callback:
        result = PnPADMM(op, noise_std=_NOISE).solve(y, callback=callback)
    say(given, result)
    start = {"ct": lambda: op.fbp(y)}.get(given.problem, lambda: op.A_adjoint(y))()
    start, answer, truth = (v.abs() if v.is_complex() else v for v in (start, result.x, x))
    show({"from the data": start, "pnp": answer}, ref=truth, path=place)
    span = float(truth.max() - truth.min())
    gain = [float(psnr(v, truth, data_range=span)) for v in (start, answer)]
    put(given, place, figure=place, psnr={"start": gain[0], "answer": gain[1]}, reason=result.reason)
