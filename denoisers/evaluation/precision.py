"""Half precision of trained denoisers: where it is fast, and when it is not wanted."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

__all__ = ["full_precision", "has_bfloat16", "products_in", "rounded", "tolerated", "uneven", "wants_full_precision"]

_UNEVEN, _LEAST = 6.0, 0.2  # root mean square over mean of photographs is 1.2

_TOLERATED: ContextVar[float] = ContextVar("tolerated", default=math.inf)


def has_bfloat16(device: torch.device) -> bool:
    """Whether products in bfloat16 are faster than in float32 there: instructions for it, not emulation.

    >>> has_bfloat16(torch.device("cpu")) in (True, False)
    True
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in checks)


@contextmanager
def rounded(error: float) -> Iterator[None]:
    """Denoisers whose precision is ``"auto"`` may round an image by ``error`` of its norm inside, or of less
    where few values make up that norm (:func:`uneven`), not at all where ``error`` is 0. Solvers ask for it once sigma
    stays as it is: more would keep their iterates from settling.

    >>> with rounded(1e-3):
    ...     tolerated(), wants_full_precision()
    (0.001, False)
    """
    token = _TOLERATED.set(error)
    try:
        yield
    finally:
        _TOLERATED.reset(token)


def uneven(square: Tensor, mean: Tensor) -> Tensor:
    """What changes of an image are relative to: its root mean ``square``, (B,), or six times the ``mean`` of its
    magnitude, down to a fifth of the former, where few values are far above all others.

    >>> uneven(torch.tensor([1.0, 1.0, 1.0]), torch.tensor([0.8, 0.1, 0.01])).tolist()
    [1.0, 0.6000000238418579, 0.20000000298023224]
    """
    return torch.minimum(square, torch.maximum(_UNEVEN * mean, _LEAST * square))


def full_precision(wanted: bool = True) -> AbstractContextManager[None]:
    """Denoisers whose precision is ``"auto"`` work in single precision inside, or else as they like.

    >>> with full_precision():
    ...     wants_full_precision()
    True
    """
    return rounded(0.0 if wanted else math.inf)


def tolerated() -> float:
    """The error that :func:`rounded` allows."""
    return _TOLERATED.get()


def wants_full_precision() -> bool:
    """Whether :func:`full_precision` is in force."""
    return tolerated() == 0


@contextmanager
def products_in(precision: str, device: torch.device) -> Iterator[None]:
    """Convolutions in float32 on a CUDA device as they are written, for ``"float32"``, or with factors rounded to 11
    bits, for ``"tf32"``; for other words, and elsewhere, as torch is set (by default as ``"tf32"``).

    >>> with products_in("float32", torch.device("cpu")):
    ...     torch.ones(1).item()
    1.0
    """
    if device.type != "cuda" or precision not in ("float32", "tf32"):
        yield
        return
    cudnn = torch.backends.cudnn
    kept = cudnn.allow_tf32
    cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        cudnn.allow_tf32 = kept
