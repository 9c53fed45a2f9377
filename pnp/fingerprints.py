"""What values are, in words and numbers to keep and compare: settings, tensors, functions with what they hold."""

import dataclasses
import functools
import hashlib
import sys
from collections.abc import Iterator, Mapping
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["fingerprint", "module_settings", "tensor_hash"]

_LIBRARIES = frozenset((*sys.stdlib_module_names, "torch", "numpy", "scipy", "pnp", "denoisers", "operators")) - {
    "__main__"
}
_DEEPEST = 6  # of values within values; deeper ones count by their kind


def tensor_hash(tensor: Tensor) -> str:
    """Of shape, kind of numbers and bits."""
    flat = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(f"{tuple(flat.shape)} {flat.dtype}".encode())
    flat = torch.view_as_real(flat.resolve_conj()) if flat.is_complex() else flat
    digest.update(flat.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
    return digest.hexdigest()[:16]


def fingerprint(value: Any, depth: int = _DEEPEST) -> Any:
    """A plain value for JSON; ``None`` for what is no setting: objects of libraries that are neither data nor called.

    Functions count by their code and by what they close over, have as defaults, hold, or name of their own script, so
    that two closures of one function differ, and a function whose network was changed differs from what it was.

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
    if depth <= 0 and not isinstance(value, nn.Module):  # whose weights count however deep they lie
        return type(value).__qualname__
    if isinstance(value, tuple | list):
        return [fingerprint(v, depth - 1) for v in value]
    if isinstance(value, Mapping):
        return {str(k): fingerprint(v, depth - 1) for k, v in value.items()}
    if callable(value):
        return _of_callable(value, depth)
    return [type(value).__qualname__, fingerprint(vars(value), depth - 1)] if _holds_settings(value) else None


def module_settings(module: nn.Module, prefix: str = "", depth: int = _DEEPEST) -> Iterator[tuple[str, Any]]:
    """Settings, tensors and parts of a module, by name.

    >>> dict(module_settings(nn.Flatten(2)))
    {'start_dim': '2', 'end_dim': '-1'}
    """
    for name, value in vars(module).items():
        hidden = name.startswith("_") or name in ("training", "of_object")
        if not hidden and (told := fingerprint(value, depth)) is not None:
            yield f"{prefix}{name}", told
    for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
        yield f"{prefix}{name}", tensor_hash(tensor)
    for name, child in module.named_children():
        yield f"{prefix}{name}", type(child).__name__
        yield from module_settings(child, f"{prefix}{name}.", depth)


def _holds_settings(value: Any) -> bool:
    """Whether an object, which is neither data nor called, is one of the user's, or a plain record."""
    if isinstance(value, SimpleNamespace):
        return True
    origin = type(value).__module__.partition(".")[0]
    own = origin == "argparse" or origin not in (*sys.stdlib_module_names, "torch", "numpy", "scipy")
    return own and hasattr(value, "__dict__") and not isinstance(value, ModuleType)


def _of_callable(value: Any, depth: int) -> Any:
    if isinstance(value, functools.partial):
        return ["partial", *(fingerprint(v, depth - 1) for v in (value.func, value.args, value.keywords))]
    if isinstance(value, nn.Module):
        return [type(value).__qualname__, dict(module_settings(value, depth=max(depth - 1, 0)))]
    owner, function = getattr(value, "__self__", None), getattr(value, "__func__", value)
    code = getattr(function, "__code__", None)
    if code is not None:
        cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
        held = [cells, function.__defaults__, function.__kwdefaults__, owner]
        told = [*(fingerprint(v, depth - 1) for v in held), fingerprint(_named(function), depth - 2)]  # they branch
        return [f"{function.__qualname__} {_of_code(code)}", *told]
    if isinstance(value, type) or not hasattr(value, "__dict__"):
        return getattr(value, "__qualname__", type(value).__qualname__)
    called = _of_callable(type(value).__call__, depth - 1)
    return [type(value).__qualname__, fingerprint(vars(value), depth - 1), called]


def _named(function: Any) -> dict[str, Any]:
    """What a function of the user's names of its own module: data, settings, networks, other functions; not of
    installed packages, whose versions say what they are."""
    if _is_installed(function):
        return {}
    found = {k: function.__globals__[k] for k in sorted(_names(function.__code__)) if k in function.__globals__}
    return {k: v for k, v in found.items() if not isinstance(v, type | ModuleType) and not _is_installed(v)}


def _is_installed(value: Any) -> bool:
    """Whether a function, or an object's class, is of Python or of an installed package."""
    if isinstance(value, nn.Module | Tensor | np.ndarray):
        return False
    name = str(getattr(value, "__module__", None) or "__main__")
    path = str(getattr(sys.modules.get(name), "__file__", None) or "")
    return name.partition(".")[0] in _LIBRARIES or "site-packages" in path or "dist-packages" in path


def _names(code: CodeType) -> set[str]:
    inner = (_names(c) for c in code.co_consts if isinstance(c, CodeType))
    return set(code.co_names).union(*inner)


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
