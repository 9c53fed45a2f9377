"""Pairs of measurement and image from npz files."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from operators.shapes import as_constant

from .opening import named

__all__ = ["read_measurements"]


def read_measurements(folder: str | Path) -> list[tuple[Tensor, Tensor]]:
    """Pairs (y, x) of a folder's npz files, arrays ``y`` (data without batch, real or complex) and ``x`` (C, H, W), for
    :class:`pnp.train.Pairs` with ``turn=False`` and a :class:`pnp.Reconstructor`.

    Raises:
        FileNotFoundError: no folder, or no such file in it. ValueError: a file is broken or holds NaN; it is named.
    """
    files = sorted(f for f in Path(folder).glob("*.npz") if not f.name.startswith("."))
    if not files:
        raise FileNotFoundError(f"no npz files in {folder}")
    pairs = []
    for path in files:
        with named(path), np.load(path, allow_pickle=False) as loaded:
            pair = [as_constant(name, loaded[name]) for name in ("y", "x")]
            pair = [v.to(torch.complex64 if v.is_complex() else torch.float32) for v in pair]
            for name, value in zip("yx", pair):
                if not bool(torch.isfinite(value).all()):
                    raise ValueError(f"values of {name} are not finite")
            pairs.append((pair[0], pair[1]))
    return pairs
