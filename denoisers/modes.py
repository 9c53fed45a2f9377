"""What torch can be put into while a denoiser works: derivatives, autocast, transforms, inference mode."""

import contextlib
from abc import ABCMeta
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

__all__ = [
    "Lasting",
    "channels_last",
    "holds",
    "in_dual_level",
    "is_plain",
    "is_trusted",
    "refuse_transforms",
    "transformed",
    "trusted",
]

_functorch: Any = torch._C._functorch  # pyright: ignore[reportAttributeAccessIssue]
_TRUSTED: ContextVar[bool] = ContextVar("trusted", default=False)


class Lasting(ABCMeta):
    """Modules made in inference mode have weights that a graph can hold, as all others have."""

    def __call__(cls, *args: Any, **options: Any) -> Any:
        if not torch.is_inference_mode_enabled():
            return super().__call__(*args, **options)
        with torch.inference_mode(False), torch.enable_grad():
            return super().__call__(*args, **options)


def transformed() -> bool:
    """Whether a transform of ``torch.func`` is in force: tensors may have axes, or derivatives, that are hidden."""
    return _functorch.maybe_current_level() is not None


def in_dual_level() -> bool:
    """Whether derivatives may be asked for in forward mode."""
    return forward_ad._current_level >= 0


def is_plain(tensors: Iterable[Tensor]) -> bool:
    """Whether tensors can be worked on in place and in fixed memory: nobody asks for derivatives by them, backward or
    forward, and there is neither autocast nor a transform.

    >>> is_plain([torch.zeros(1)]), is_plain([torch.zeros(1, requires_grad=True)])
    (True, False)
    """
    tensors = [*tensors]
    backward = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    return not (backward or in_dual_level() or transformed() or torch.is_autocast_enabled(tensors[0].device.type))


def channels_last(x: Tensor) -> Tensor:
    """``x`` with channels last in memory, which makes convolutions fast; as it is where ``torch.func.vmap`` hides axes.

    >>> channels_last(torch.zeros(1, 2, 3, 3)).stride()
    (18, 1, 6, 2)
    """
    return x if transformed() else x.contiguous(memory_format=torch.channels_last)


def holds(condition: Tensor) -> bool | None:
    """Whether a condition holds everywhere; ``None`` where ``torch.func.vmap`` hides it.

    >>> holds(torch.tensor([True, False]))
    False
    """
    try:
        return bool(condition.all())
    except RuntimeError:
        return None


@contextlib.contextmanager
def trusted() -> Iterator[None]:
    """Noise levels within are known to be right: they are not read back from a device to be checked, which would wait
    for all that it is doing. On the CPU they are checked all the same.

    >>> with trusted():
    ...     is_trusted(torch.zeros(1))
    False
    """
    token = _TRUSTED.set(True)
    try:
        yield
    finally:
        _TRUSTED.reset(token)


def is_trusted(value: Tensor) -> bool:
    """Whether :func:`trusted` spares a look at a value."""
    return _TRUSTED.get() and value.device.type != "cpu"


def refuse_transforms(name: str) -> None:
    """Raise within a transform of ``torch.func``, for what works outside of torch."""
    if transformed():
        raise RuntimeError(f"{name}: works in numpy, without derivatives and transforms of torch.func; give it batches")
