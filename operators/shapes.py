"""Checks of batches, images and constants by their shapes."""

from operator import index
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "Constant",
    "as_constant",
    "as_mask",
    "check_batch",
    "check_broadcast",
    "check_factor",
    "check_number",
    "check_precision",
    "check_seed",
    "constant_like",
    "image_axes",
    "with_channels",
]

Constant = Tensor | np.ndarray
"""What constants of operators may be given as."""


def as_constant(name: str, value: Any) -> Tensor:
    """A tensor as it is, but for conjugates and signs that torch only notes down; an array of numpy's as a copy,
    whatever its byte order and strides: columns of FITS tables are big-endian, reversed views run backwards, memory
    maps are read-only.

    Raises:
        TypeError: neither, or an array of something else than numbers, or with a mask.

    >>> as_constant("mask", np.arange(3, dtype=">i2")[::-1]).tolist()
    [2, 1, 0]
    """
    if isinstance(value, Tensor):
        return value.resolve_conj().resolve_neg()
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name}: expected a torch.Tensor or an array, got {type(value).__name__}")
    if np.ma.isMaskedArray(value) or value.dtype.kind not in "biufc":
        what = "a masked array; fill it first" if np.ma.isMaskedArray(value) else value.dtype
        raise TypeError(f"{name}: expected an array of numbers, got {what}")
    real = np.float64 if value.dtype.itemsize > 4 else np.float32
    pair = np.complex128 if value.dtype.itemsize > 8 else np.complex64
    kind = {"b": np.bool_, "i": np.int64, "u": np.int64, "f": real, "c": pair}[value.dtype.kind]
    return torch.from_numpy(np.array(value, dtype=kind, order="C"))


def as_mask(name: str, value: Any) -> Tensor:
    """A mask in floating point, a copy: of booleans, integers 0 and 1, or real weights.

    Raises:
        TypeError: as :func:`as_constant`.
        ValueError: complex, negative, NaN or infinite values, or integers above 1, as the 255 of a mask that was kept
            as a picture: they would be weights.

    >>> as_mask("mask", torch.tensor([True, False])).tolist()
    [1.0, 0.0]
    """
    mask = as_constant(name, value)
    if mask.is_complex() or not bool((torch.isfinite(mask) & (mask >= 0)).all()):
        raise ValueError(f"{name}: expected booleans or finite real weights >= 0")
    if mask.is_floating_point():
        return mask.clone()
    if mask.dtype != torch.bool and bool((mask > 1).any()):
        raise ValueError(
            f"{name}: expected booleans, integers 0 and 1, or real weights, got integers up to {int(mask.max())}; "
            f"{name} != 0 keeps what is not zero, {name}.float() takes them as weights"
        )
    return mask.to(torch.float32)


_PRECISIONS = frozenset((torch.float32, torch.float64, torch.complex64, torch.complex128))


def check_precision(name: str, value: Tensor) -> None:
    """Raise unless ``value`` is in single or double precision: half precision has no Fourier transforms on CPUs, and
    does not hold the sums of large images.

    >>> check_precision("x", torch.zeros(1))
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor, got {type(value).__name__}")
    if value.dtype not in _PRECISIONS:
        wanted = (
            "single or double precision" if value.is_floating_point() or value.is_complex() else "floating point values"
        )
        cast = "to(torch.complex64)" if value.is_complex() else "float()"
        raise TypeError(f"{name}: expected {wanted}, got {value.dtype}; convert with {name}.{cast}")


def check_batch(name: str, value: Any, shape: tuple[int, ...], complex_data: bool) -> None:
    """Raise unless ``value`` is a non-empty floating batch (B, *shape); real values may stand for complex ones.

    Raises:
        TypeError: not a tensor, integers, half precision, or complex where the operator is real.
        ValueError: wrong rank or shape, empty batch.

    >>> check_batch("y", torch.zeros(2, 1, 4), (1, 4), complex_data=False)
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor, got {type(value).__name__}")
    if value.layout != torch.strided:
        raise TypeError(f"{name}: expected a dense tensor, got {value.layout}; convert with {name}.to_dense()")
    expected = ("B", *shape)
    if value.ndim != len(expected):
        hint = "; add the batch axis, for instance x[None]" if value.ndim == len(shape) else ""
        raise ValueError(f"{name}: expected shape {expected}, got {tuple(value.shape)}{hint}")
    if tuple(value.shape[1:]) != tuple(shape):
        raise ValueError(f"{name}: expected shape {expected}, got {tuple(value.shape)}")
    if value.shape[0] == 0:
        raise ValueError(f"{name}: empty batch, shape {tuple(value.shape)}")
    check_precision(name, value)
    if value.is_complex() and not complex_data:
        raise TypeError(f"{name}: this operator expects real values, got {value.dtype}")


def check_broadcast(name: str, values: Tensor, shape: tuple[int, ...]) -> None:
    """Raise unless ``values``, with or without a batch axis, broadcast to data (B, *shape).

    >>> check_broadcast("weights", torch.ones(1, 1, 4), (3, 4))
    """
    try:
        fits = torch.broadcast_shapes(values.shape, (1, *shape))[1:] == tuple(shape)
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(f"{name}: shape {tuple(values.shape)} does not broadcast to data {('B', *shape)}")


def check_factor(factor: int, name: str = "factor") -> int:
    """``factor``, a whole number from 1 on; a ValueError that has its ``name`` else."""
    if isinstance(factor, bool) or not isinstance(factor, int | np.integer) or factor < 1:
        raise ValueError(f"{name}: expected a whole number from 1 on, got {factor!r}")
    return int(factor)


def check_number(name: str, value: Any) -> float:
    """``value`` as a float; a TypeError that has its ``name`` where it is not one real number.

    >>> check_number("std", 2)
    2.0
    """
    try:
        if not isinstance(value, bool | str):
            return float(value)
    except (TypeError, ValueError, RuntimeError):
        pass
    raise TypeError(f"{name}: expected a number, got {value!r}")


def check_seed(seed: Any) -> int:
    """``seed``, a whole number of any kind, such as numpy's; a TypeError else.

    >>> check_seed(0)
    0
    """
    try:
        if not isinstance(seed, bool):
            return index(seed)
    except TypeError:
        pass
    raise TypeError(f"seed: expected a whole number, got {seed!r}")


def image_axes(image_shape: tuple[int, int], channels: int = 1) -> tuple[int, int, int]:
    """(C, H, W) as integers; raise where ``image_shape`` is not two positive numbers or ``channels`` is not one.

    >>> image_axes((4, 5), 3)
    (3, 4, 5)
    """
    try:
        height, width = (index(n) for n in image_shape)
    except (TypeError, ValueError):
        raise ValueError(f"image_shape: expected integers (H, W), got {image_shape!r}") from None
    if height < 1 or width < 1:
        raise ValueError(f"image_shape: expected positive (H, W), got {(height, width)}")
    if not isinstance(channels, int) or channels < 1:
        raise ValueError(f"channels: expected an integer >= 1, got {channels!r}")
    return channels, height, width


def constant_like(constant: Tensor, x: Tensor, name: str) -> Tensor:
    """A constant (1 | B, ...) in the precision of the batch ``x``; raise where it is for another batch, or where that
    precision is half."""
    check_precision("x", x)
    if 1 not in (constant.shape[0], x.shape[0]) and constant.shape[0] != x.shape[0]:
        raise ValueError(f"{name}: holds {constant.shape[0]} samples, the batch has {x.shape[0]}")
    return constant.to(x.real.dtype.to_complex() if constant.is_complex() else x.real.dtype)


def with_channels(mask: Tensor, channels: int, name: str = "mask") -> Tensor:
    """A mask (H, W), (C, H, W) or (1 | B, C, H, W) as (1 | B, C, H, W), repeated to ``channels`` where it has one.

    Raises:
        ValueError: wrong rank, or a number of channels that is neither 1 nor ``channels``.

    >>> with_channels(torch.ones(4, 5), 3).shape
    torch.Size([1, 3, 4, 5])
    """
    if mask.ndim not in (2, 3, 4):
        raise ValueError(f"{name}: expected (H, W), (C, H, W) or (B, C, H, W), got {tuple(mask.shape)}")
    image_axes((1, 1), channels)
    full = mask.reshape(*[1] * (4 - mask.ndim), *mask.shape)
    if full.shape[1] == 1:
        full = full.expand(-1, channels, -1, -1)
    if channels not in (1, full.shape[1]):
        raise ValueError(f"channels: {channels} does not fit {name} of shape {tuple(mask.shape)}")
    return full
