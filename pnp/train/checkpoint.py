"""Checkpoints that are whole or absent: written beside the old one and renamed over it, by one training at a time."""

import os
import pickle
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from denoisers.weights.filling import mismatch, not_finite
from denoisers.weights.writing import written

try:
    import fcntl
except ImportError:  # Windows, which has no such locks
    fcntl = None

__all__ = [
    "Interrupted",
    "alone",
    "check_kept",
    "check_state",
    "fit_weights",
    "interruptible",
    "load_checkpoint",
    "save_checkpoint",
]


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
                raise FileExistsError(f"{path}: {file.read() or 'another process'} is already running there") from None
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


class Interrupted(KeyboardInterrupt):
    """A training that was told to stop, and did; ``number`` is the signal's."""

    def __init__(self, words: str, number: int = signal.SIGINT) -> None:
        super().__init__(words)
        self.number = int(number)


@contextmanager
def interruptible() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM (of SLURM, Docker, kill) are noted in the list, so that what is being done may come to an end;
    once more, and it stops at once. What is ignored stays ignored."""
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in before.items() if handler not in (None, signal.SIG_IGN)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: Any) -> None:
        caught.append(number)
        restore()

    for number in before:
        signal.signal(number, note)
    try:
        yield caught
    finally:
        restore()


def save_checkpoint(path: str | Path, state: dict[str, Any]) -> None:
    """Write ``state`` so that a reader sees the old file or the new one, also after a crash in between."""
    with written(path) as partial, open(partial, "wb") as file:
        torch.save(state, file)


def check_state(state: Any, like: dict[str, Tensor]) -> None:
    """Raise unless ``state`` has the parts of :meth:`pnp.train.Trainer.state_dict`, for a network whose own weights are
    ``like``."""
    if not isinstance(state, dict):
        raise ValueError(f"state: expected a dictionary, got {type(state).__name__}")
    kinds = {"model": dict, "averaged": dict, "optimizer": dict, "step": int, "random": Tensor}
    for name, kind in kinds.items():
        if name not in state:
            raise ValueError(f"state: {name} is missing")
        if type(state[name]) is bool or not isinstance(state[name], kind):
            raise ValueError(f"state: {name} is {type(state[name]).__name__}, expected {kind.__name__}")
    if state["step"] < 0:
        raise ValueError(f"state: step is {state['step']}, expected at least 0")
    for name in ("model", "averaged"):
        if wrong := mismatch(state[name], like):
            raise ValueError(f"state: {name} is not of this network, {wrong}")
        if wrong := not_finite(state[name]):
            raise ValueError(f"state: {name} holds NaN or infinite values in {wrong!r}")


def check_kept(state: Any) -> None:
    """Raise unless ``state`` has what a training by recipe keeps beside the trainer's parts."""
    parts = {"recipe": dict, "card": dict, "best": float, "step": int, "averaged": dict}
    for name, kind in parts.items():
        found = state.get(name) if isinstance(state, dict) else None
        if not isinstance(found, (float, int) if kind is float else kind):
            raise ValueError(f"checkpoint: not of a training by recipe, {name} is missing or no {kind.__name__}")
    if state["step"] < 0:
        raise ValueError(f"checkpoint: step is {state['step']}, expected at least 0")
    since = state.get("since", [0.0, 0])
    if not (isinstance(since, list | tuple) and [type(v) for v in since] in ([float, int], [int, int])):
        raise ValueError(f"checkpoint: since is {since!r}, expected a sum and a count")
    if type(state["card"].get("data", "")) is not str:
        raise ValueError("checkpoint: its card does not say of which data it is")


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read what :func:`save_checkpoint` wrote; tensors and plain values only, never code.

    Raises:
        FileNotFoundError: no such file. ValueError: the file is not a checkpoint.

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
    except pickle.UnpicklingError as error:  # whose words advise to run its code
        raise ValueError(
            f"{path}: no checkpoint: it holds more than tensors and plain values, or is damaged"
        ) from error
    except Exception as error:  # torch and zipfile raise anything for what is not a checkpoint
        words = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: no checkpoint, or a damaged one ({words})") from error


def fit_weights(
    state: dict[str, Tensor],
    like: dict[str, Tensor],
    *,
    colours: bool = False,
    level: float | None = None,
    unshuffle: int = 1,
) -> dict[str, Tensor]:
    """Weights ``state`` for a network whose own are ``like``: filters that read more channels than they were trained
    for get zeros for these, so that a noise-conditioned network can start from one that is not.

    Args:
        level: the one that ``like`` is for, in images' units; if ``state`` has a noise-level channel, its filters are
            folded into the bias, which is exact away from the image's border.
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
