"""What values are, in words and numbers to keep and compare: settings, tensors, functions with what they hold."""

import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from types import CodeType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["fingerprint", "tensor_hash"]

_DEEPEST = 6  # of values within values; deeper ones count by their kind


def tensor_hash(tensor: Tensor) -> str:
    """Of shape, kind of numbers and bits."""
    flat = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(f"{tuple(flat.shape)} {flat.dtype}".encode())
    flat = torch.view_as_real(flat.resolve_conj()) if flat.is_complex() else flat
    digest.update(flat.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
    return digest.hexdigest()[:16]


def fingerprint(value: Any, depth: int = _DEEPEST) -> Any:
    """A plain value for JSON; ``None`` for what is not a setting: objects that are neither data nor called.

    Functions count by their code and by what they close over, have as defaults or hold, so that two closures of one
    function differ.

    >>> scaled = lambda factor: lambda x: factor * x
    >>> fingerprint(scaled(2)) == fingerprint(scaled(2)), fingerprint(scaled(2)) == fingerprint(scaled(3))
    (True, False)
    """
    if value is None or isinstance(value, bool | int | str | float | complex):
        return repr(value)
    if isinstance(value, Tensor):
        return tensor_hash(value)
    if isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value)
        return hashlib.sha256(f"{array.shape} {array.dtype}".encode() + array.tobytes()).hexdigest()[:16]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return repr(value)
    if depth == 0:
        return type(value).__qualname__
    if isinstance(value, tuple | list):
        return [fingerprint(v, depth - 1) for v in value]
    if isinstance(value, Mapping):
        return {str(k): fingerprint(v, depth - 1) for k, v in value.items()}
    return _of_callable(value, depth) if callable(value) else None


def _of_callable(value: Any, depth: int) -> Any:
    if isinstance(value, functools.partial):
        return ["partial", *(fingerprint(v, depth - 1) for v in (value.func, value.args, value.keywords))]
    if isinstance(value, nn.Module):
        return [type(value).__qualname__, {k: tensor_hash(v) for k, v in value.state_dict().items()}]
    owner, function = getattr(value, "__self__", None), getattr(value, "__func__", value)
    code = getattr(function, "__code__", None)
    if code is not None:
        cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
        held = [cells, function.__defaults__, function.__kwdefaults__, owner]
        return [f"{function.__qualname__} {_of_code(code)}", *(fingerprint(v, depth - 1) for v in held)]
    if isinstance(value, type) or not hasattr(value, "__dict__"):
        return getattr(value, "__qualname__", type(value).__qualname__)
    called = _of_callable(type(value).__call__, depth - 1)
    return [type(value).__qualname__, fingerprint(vars(value), depth - 1), called]


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a name that is not bound yet
        return False


def _of_code(code: CodeType) -> str:
    digest = hashlib.sha256(code.co_code + repr(code.co_names).encode())
    for constant in code.co_consts:
        told = sorted(map(repr, constant)) if isinstance(constant, frozenset) else repr(constant)
        digest.update((_of_code(constant) if isinstance(constant, CodeType) else str(told)).encode())
    return digest.hexdigest()[:16]
