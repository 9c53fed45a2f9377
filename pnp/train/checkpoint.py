"""Checkpoints that are whole or absent: written beside the old one and renamed over it."""

import os
from pathlib import Path
from typing import Any

import torch

__all__ = ["load_checkpoint", "save_checkpoint"]


def save_checkpoint(path: str | Path, state: dict[str, Any]) -> None:
    """Write ``state`` so that a reader sees the old file or the new one, also after a crash in between."""
    path = Path(path)
    partial = path.with_suffix(path.suffix + ".partial")
    with open(partial, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read what :func:`save_checkpoint` wrote; tensors and plain values only, never code.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "state.pt"
    >>> save_checkpoint(file, {"step": 3})
    >>> load_checkpoint(file)["step"]
    3
    """
    return torch.load(path, map_location="cpu", weights_only=True)
