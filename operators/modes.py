"""What torch can be put into while an operator works: inference mode, autocast, transforms, dual levels."""

import contextlib
import difflib
import inspect
import re
from abc import ABCMeta
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch._compile import _disable_dynamo
from torch.autograd import forward_ad

__all__ = [
    "Lasting",
    "anywhere",
    "constant",
    "exact",
    "in_dual_level",
    "is_trusted",
    "keep",
    "largest",
    "lasting",
    "pull_back",
    "tracked",
    "trusted",
    "uncompiled",
]

Made = TypeVar("Made")
_functorch: Any = torch._C._functorch  # pyright: ignore[reportAttributeAccessIssue]
_TRUSTED: ContextVar[bool] = ContextVar("trusted", default=False)


class _OverAll(torch.autograd.Function):
    """Largest of all values, those too that ``torch.func.vmap`` hides: the same for every one of its samples."""

    @staticmethod
    def forward(values: Tensor) -> Tensor:
        return values.max()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, *_: Any) -> None:
        return None

    @staticmethod
    def jvp(ctx: Any, *_: Any) -> None:
        return None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], values: Tensor) -> tuple[Tensor, None]:
        return _OverAll.apply(values), None


def largest(values: Tensor) -> float:
    """Largest value, also of samples that ``torch.func.vmap`` hides.

    >>> torch.func.vmap(lambda v: v + largest(v))(torch.tensor([1.0, 3.0])).tolist()
    [4.0, 6.0]
    """
    values = values.detach()
    try:
        return float(values.max())
    except RuntimeError:  # within vmap a tensor has no value of its own
        return float(_OverAll.apply(values))


def anywhere(condition: Tensor) -> bool:
    """Whether a condition holds anywhere, also for samples that ``torch.func.vmap`` hides.

    >>> anywhere(torch.tensor([True, False]))
    True
    """
    try:
        return bool(condition.any())
    except RuntimeError:
        return bool(_OverAll.apply(condition.to(torch.uint8)))


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """Tensors made within may later be part of a graph, in inference mode, too. The grad mode stays what it is.

    >>> with torch.inference_mode(), lasting():
    ...     torch.zeros(1).is_inference()
    False
    """
    if not torch.is_inference_mode_enabled():
        yield
        return
    with torch.inference_mode(False), torch.no_grad():
        yield


class _Outside(torch.autograd.Function):
    """Calls a function where no transform of ``torch.func`` is in force: there torch runs what a Function does."""

    @staticmethod
    def forward(token: Tensor, function: Callable[[], None]) -> Tensor:
        function()
        return token.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, *_: Any) -> tuple[None, None]:
        return None, None

    @staticmethod
    def jvp(ctx: Any, *_: Any) -> None:
        return None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, None]:
        return _Outside.apply(*inputs), None


def constant(make: Callable[[], Made]) -> Made:
    """What ``make`` gives, fit to be kept: made outside of inference mode and of transforms of ``torch.func``.

    >>> with torch.inference_mode():
    ...     constant(lambda: torch.zeros(1)).is_inference()
    False
    """
    made: list[Made] = []

    def run() -> None:
        with lasting():
            made.append(make())

    if _functorch.maybe_current_level() is None:
        uncompiled(run)
    else:
        _Outside.apply(torch.zeros((), device="cpu"), run)
    return made[0]


def uncompiled(function: Callable[..., Made], *arguments: Any) -> Made:
    """``function(*arguments)`` as it is: torch.compile would turn numpy into torch, in single precision.

    >>> uncompiled(abs, -1)
    1
    """
    if torch.compiler.is_compiling():
        return _left_alone(function, *arguments)
    return function(*arguments)


@_disable_dynamo
def _left_alone(function: Callable[..., Made], *arguments: Any) -> Made:
    return function(*arguments)


def keep(module: nn.Module) -> None:
    """Replace constants of ``module`` that were made in inference mode by copies that a graph can hold."""
    for part in module.modules():
        for values in (part._buffers, part.__dict__):
            for name, value in [*values.items()]:
                if isinstance(value, Tensor) and value.is_inference():
                    values[name] = value.clone()
        for name, value in [*part._parameters.items()]:
            if value is not None and value.is_inference():
                part._parameters[name] = nn.Parameter(value.detach().clone(), requires_grad=value.requires_grad)


class Lasting(ABCMeta):
    """Kind of the modules whose constants a graph can hold, also those made in inference mode."""

    def __call__(cls, *args: Any, **options: Any) -> Any:
        with lasting():
            try:
                made = super().__call__(*args, **options)
            except TypeError as error:
                if (found := _UNKNOWN.search(str(error))) is None:
                    raise
                raise TypeError(_unknown(cls, *found.groups())) from error
            keep(made)
        return made


_UNKNOWN = re.compile(r"(?:unexpected keyword|has no) argument '(\w+)'(?:; did you mean ([\w ]+)\?)?")


def _unknown(kind: type, name: str, meant: str | None) -> str:
    """Names the class, whoever was handed the argument in the end, and what is close to it."""
    known = [n for n, p in inspect.signature(kind.__init__).parameters.items() if p.kind != p.VAR_KEYWORD][1:]
    close = " or ".join(difflib.get_close_matches(name, known, 2)) or meant
    return f"{kind.__name__}: has no argument {name!r}; " + (
        f"did you mean {close}?" if close else f"it takes {', '.join(known)}"
    )


@contextlib.contextmanager
def trusted() -> Iterator[None]:
    """Weights gamma within are known to be right: they are not read back from a device to be checked, which would wait
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


@contextlib.contextmanager
def exact(like: Tensor) -> Iterator[None]:
    """Without autocast on the device of ``like``: products of matrices keep the precision of their arguments.

    >>> with torch.autocast("cpu", dtype=torch.bfloat16), exact(torch.zeros(1)):
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    torch.float32
    """
    kind = like.device.type
    if not torch.is_autocast_enabled(kind):
        yield
        return
    with torch.autocast(kind, enabled=False):
        yield


def in_dual_level() -> bool:
    """Whether derivatives may be asked for in forward mode."""
    return forward_ad._current_level >= 0


def tracked(value: Tensor | None) -> bool:
    """Whether a derivative by ``value`` may be asked for, backward or forward, or a transform hides what it is."""
    if value is None:
        return False
    if _functorch.is_functorch_wrapped_tensor(value):
        return True
    backward = value.requires_grad and torch.is_grad_enabled()
    return backward or (in_dual_level() and forward_ad.unpack_dual(value).tangent is not None)


def pull_back(function: Callable[[Tensor], Tensor], at: Tensor, y: Tensor, *, create: bool) -> Tensor:
    """Adjoint of the derivative of ``function`` at ``at``, applied to ``y``, by reverse mode.

    Args:
        create: whether the result can be differentiated again.
    """
    if _functorch.maybe_current_level() is not None or torch.compiler.is_compiling():  # go with their own kind alone
        pulled: Any = torch.func.vjp(function, at)
        value, back = pulled
        return back(y.to(value.dtype))[0]
    with torch.enable_grad():
        at = at if at.requires_grad else at.detach().requires_grad_()
        value = function(at)
        if value.shape != y.shape:
            raise ValueError(f"y: expected shape {('B', *value.shape[1:])}, got {tuple(y.shape)}")
        (gradient,) = torch.autograd.grad(value, at, y.to(value.dtype), create_graph=create, materialize_grads=True)
    return gradient
