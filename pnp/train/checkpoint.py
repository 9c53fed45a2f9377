"""Checkpoints that are whole or absent: written beside the old one and renamed over it, by one training at a time."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

try:
    import fcntl
except ImportError:  # Windows, which has no such locks
    fcntl = None

__all__ = ["alone", "fit_weights", "interruptible", "load_checkpoint", "save_checkpoint"]


@contextmanager
def alone(path: str | Path) -> Iterator[None]:
    """Hold the lock file ``path``. The system gives it back when a process ends, by kill -9 too; file systems without
    locks have none.

    Raises:
        FileExistsError: another process holds it; it is named.

    >>> import tempfile
    >>> with alone(Path(tempfile.mkdtemp()) / "run.lock"):
    ...     pass
    """
    if fcntl is None:
        yield
        return
    while True:
        file = open(path, "a+")  # noqa: SIM115 (closed below)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with file:
                file.seek(0)
                raise FileExistsError(f"{path}: {file.read() or 'another process'} is at work there") from None
        except OSError:
            break
        try:
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                break
        except FileNotFoundError:
            pass
        file.close()  # the one before took the file away in between
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
    finally:
        Path(path).unlink(missing_ok=True)
        file.close()


@contextmanager
def interruptible() -> Iterator[list[int]]:
    """Ctrl-C is noted in the list, so that what is being done may come to an end; once more, and it stops at once."""
    before = signal.getsignal(signal.SIGINT)
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread() or before in (None, signal.SIG_IGN):
        yield caught
        return

    def note(number: int, frame: Any) -> None:
        caught.append(number)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield caught
    finally:
        signal.signal(signal.SIGINT, before)


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

    Raises:
        ValueError: the file is no checkpoint.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "state.pt"
    >>> save_checkpoint(file, {"step": 3})
    >>> load_checkpoint(file)["step"]
    3
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch and zipfile raise anything for what is no checkpoint
        raise ValueError(f"{path}: no checkpoint, or a damaged one ({error})") from error


def fit_weights(
    state: dict[str, Tensor],
    like: dict[str, Tensor],
    *,
    colours: bool = False,
    level: float | None = None,
    unshuffle: int = 1,
) -> dict[str, Tensor]:
    """Weights ``state`` for a network whose own are ``like``: filters that read more channels than they were trained
    for get zeros for these, so that a network that is told the noise level can start from one that is not.

    Args:
        level: the one that ``like`` is for, in images' units; where ``state`` is told it by a last channel, its filters
            of a constant map join the bias, exactly but for the image's border.
        colours: ``state`` is of a gray network, ``like`` of a colour one: filters of the first channel are shared by
            three, and outputs repeated, so that a gray picture in three channels is treated as it was.
        unshuffle: pixels along a side that networks of both kinds read, and give, as channels of one.

    Raises:
        ValueError: names or other sizes differ.

    >>> fit_weights({"w": torch.ones(1, 1, 1, 1)}, {"w": torch.rand(1, 2, 1, 1)})["w"].flatten().tolist()
    [1.0, 0.0]
    """
    if state.keys() != like.keys():
        raise ValueError(f"start: another network; names differ: {sorted(state.keys() ^ like.keys())[:4]}")
    out, state, block = {}, dict(state), unshuffle**2
    for name, value in state.items():
        bias = name.removesuffix("weight") + "bias"
        if level is not None and bias in state and value.ndim == 4 and value.shape[1] == like[name].shape[1] + 1:
            state[bias] = state[bias] + level * value[:, -1].sum((1, 2))
            state[name] = value[:, :-1]
    for name, value in state.items():
        wanted = like[name].shape
        if colours and value.ndim == 4 and wanted[1] - value.shape[1] >= 2 * block:
            value = torch.cat((value[:, :block].repeat(1, 3, 1, 1) / 3, value[:, block:]), 1)
        if colours and value.ndim and value.shape[0] == block and wanted[0] == 3 * block:
            value = value.repeat(3, *[1] * (value.ndim - 1))
        pads = not colours or value.ndim != 4 or value.shape[1] != state[name].shape[1]  # a map may not become a colour
        if pads and value.ndim == 4 and value.shape[1] < wanted[1]:
            value = torch.cat((value, value.new_zeros(value.shape[0], wanted[1] - value.shape[1], *value.shape[2:])), 1)
        if value.shape != wanted:
            raise ValueError(f"start: {name} has shape {tuple(value.shape)}, expected {tuple(wanted)}")
        out[name] = value
    return out
