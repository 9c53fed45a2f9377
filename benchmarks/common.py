"""What the benchmarks share: images, noise, time, tables."""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from denoisers import (
    Denoiser,
    DRUNetDenoiser,
    GradientStepDenoiser,
    LoFiDenoiser,
    MixerDenoiser,
    XDnCNNDenoiser,
)
from pnp.train.images import ImageFolder

__all__ = ["COLOUR", "FAMILIES", "data_folder", "noisy", "parser", "save", "shipped", "table", "timed"]

FAMILIES = {
    "drunet": DRUNetDenoiser,
    "gradient-step": GradientStepDenoiser,
    "lofi": LoFiDenoiser,
    "mixer": MixerDenoiser,
    "xdncnn": XDnCNNDenoiser,
}
COLOUR = {
    "drunet": "natural-rgb",
    "lofi": "natural-rgb",
    "mixer": "natural-rgb-30-small",
    "xdncnn": "natural-rgb",
}  # their colour weights


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Command line with what every benchmark takes."""
    p = argparse.ArgumentParser(description=doc)
    p.add_argument("--data", default=os.environ.get("PNP_DATA"), help="folder of the data sets (or set PNP_DATA)")
    p.add_argument("--images", type=int, default=None, help="only the first IMAGES images")
    p.add_argument("--save", default=None, help="JSON file to which the figures are added")
    return p


def data_folder(data: str | None, name: str, *, channels: int = 1) -> ImageFolder:
    """The images of ``data/name``; ends with a message where they are missing."""
    if data is None or not (Path(data) / name).is_dir():
        raise SystemExit(f"no folder {name!r} in the data folder ({data}); pass --data or set PNP_DATA")
    return ImageFolder(Path(data) / name, channels=channels)


def shipped(name: str, *, colour: bool = False) -> Denoiser:
    """A shipped denoiser as FAMILY or FAMILY:WEIGHTS, the latter a name or a file; ends with a message otherwise."""
    family, _, weights = name.partition(":")
    if family not in FAMILIES:
        raise SystemExit(f"expected one of {', '.join(FAMILIES)} [:WEIGHTS], got {name!r}")
    named = weights or (COLOUR.get(family, "natural-rgb") if colour else None)
    try:
        return FAMILIES[family]() if named is None else FAMILIES[family](named)
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(f"{name}: {error}") from error


def noisy(x: Tensor, std: float, seed: int) -> Tensor:
    """``x`` with seeded white noise, neither clipped nor rounded."""
    return x + std * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))


def timed(function: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """Value and seconds of a call."""
    start = time.perf_counter()
    value = function()
    return value, time.perf_counter() - start


def table(rows: list[list[Any]], head: list[str]) -> str:
    """Rows as a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(f"{v:.2f}" if isinstance(v, float) else str(v) for v in row) + " |" for row in rows]
    return "\n".join(lines)


def save(path: str | None, figures: dict[str, Any]) -> None:
    """Add ``figures`` to a JSON file."""
    if path is None:
        return
    old = json.loads(Path(path).read_text()) if Path(path).exists() else {}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps({**old, **figures}, indent=1, sort_keys=True) + "\n")
