"""Argument checks of solvers; every error names the argument."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase as NormBase
from torch.nn.modules.dropout import _DropoutNd as DropoutNd

from denoisers.base import Denoiser
from denoisers.wrappers.bounded import Bounded
from operators.adapters.incoming import as_operator
from operators.nonlinear import Operator
from operators.shapes import check_batch

from .levels import Expert
from .stopping import Stop

__all__ = [
    "check_arguments",
    "check_bounds",
    "check_deviation",
    "check_devices",
    "check_mode",
    "check_solve",
    "check_start",
    "check_values",
    "no_solver",
    "one_of",
    "operator_of",
    "positive",
]

_AT_ONCE = 2**18  # values: volumes go in parts


def operator_of(op: Any) -> Operator:
    """``op`` itself where it is an operator, else what :func:`operators.as_operator` makes of it.

    Raises:
        TypeError: a denoiser, a solver or data in its place.
    """
    if isinstance(op, Operator):
        return op
    kind = type(op).__name__
    if isinstance(op, Denoiser):
        raise TypeError(f"op: got a denoiser, {kind}; the order is solver(op, denoiser)")
    if isinstance(op, nn.Module) and hasattr(op, "likelihood"):
        raise TypeError(f"op: got a solver, {kind}; its operator is its attribute op")
    if isinstance(op, Tensor) and op.ndim != 2:
        raise TypeError(f"op: expected an operator or a matrix, got a tensor of shape {tuple(op.shape)}")
    return as_operator(op)


def positive(name: str, value: Any) -> float:
    """``value`` as a number; raise where it is none, or not positive and finite.

    >>> positive("photons", 100)
    100.0
    """
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name}: expected a number, got {value!r}") from None
    if isinstance(value, bool | str) or not 0 < number < math.inf:
        raise ValueError(f"{name}: expected a finite number > 0, got {value!r}")
    return number


def no_solver(given: Any) -> TypeError:
    """The error where something else than a solver is given; what holds one, such as :class:`pnp.FinerGrid`, is told.

    >>> no_solver(3)
    TypeError('solver: expected a solver, got int; PnPADMM(op) is one')
    """
    inner = getattr(given, "solver", None)
    one = "PnPADMM(op)" if inner is None else f"its .solver, {type(inner).__name__},"
    return TypeError(f"solver: expected a solver, got {type(given).__name__}; {one} is one")


def check_deviation(noise_std: Any) -> None:
    """Raise where ``noise_std`` is a kind of number that no standard deviation is, or a number out of range.

    >>> check_deviation(0.0), check_deviation(None)
    (None, None)
    """
    if isinstance(noise_std, bool | str) or "bool" in str(getattr(noise_std, "dtype", "")):
        raise TypeError(f"noise_std: expected None, a number or (B,) numbers, got {noise_std!r}")
    if isinstance(noise_std, complex) or (isinstance(noise_std, Tensor) and noise_std.is_complex()):
        raise TypeError("noise_std: a standard deviation is real, per real component, got a complex value")
    if isinstance(noise_std, int | float) and not 0 <= noise_std < math.inf:
        raise ValueError(f"noise_std: expected finite values >= 0, got {noise_std!r}")


def one_of(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise where ``value`` is none of ``choices``.

    >>> one_of("rule", "gcv", ("auto", "gcv"))
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")


def check_arguments(strength: Any, stop: Any, expert: Any) -> None:
    """Raise where an argument of a solver's constructor is of the wrong kind or out of range."""
    number = isinstance(strength, int | float) and not isinstance(strength, bool)
    if strength != "auto" and not (number and 0 < strength < math.inf):
        raise ValueError(f"strength: expected a positive number or 'auto', got {strength!r}")
    if stop is not None and not isinstance(stop, Stop):
        hint = f"; Stop(max_iter={stop}) ends after {stop} iterations" if isinstance(stop, int) else ""
        raise TypeError(f"stop: expected pnp.Stop(...), got {stop!r}{hint}")
    if expert is None:
        return
    if not isinstance(expert, Expert):
        raise TypeError(f"expert: expected pnp.Expert(rho, sigma), got {expert!r}")
    if strength != 1.0:
        raise ValueError("strength: give either strength or expert=Expert(rho, sigma), not both")
    for name, value in expert._asdict().items():
        if not (callable(value) or isinstance(value, (int, float, Tensor))):
            raise TypeError(f"expert: {name}: expected a number or a function of the step, got {value!r}")
        if isinstance(value, bool):
            raise TypeError(f"expert: {name}: expected a number, got {value!r}")


def check_solve(callback: Any, checkpoint: Any, every: Any) -> None:
    """Raise where an argument of :meth:`pnp.Solver.solve` besides data and images is of the wrong kind."""
    if callback is not None and not callable(callback):
        raise TypeError(f"callback: expected a function (state, record), got {type(callback).__name__}")
    if checkpoint is not None and not isinstance(checkpoint, str | Path):
        raise TypeError(f"checkpoint: expected a path, got {checkpoint!r}")
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise ValueError(f"every: expected a number of iterations >= 1, got {every!r}")


def check_start(x0: Any, y: Tensor, op: Operator) -> None:
    """Raise where an image to start from, if there is one, has not the shape that the data ``y`` ask for."""
    if x0 is None:
        return
    check_batch("x0", x0, op.in_shape, op.in_dtype.is_complex)
    if x0.shape[0] != y.shape[0]:
        raise ValueError(f"x0: batch of {x0.shape[0]}, but y has {y.shape[0]}")


def check_devices(y: Tensor, **others: nn.Module | Tensor | None) -> None:
    """Raise where a tensor, or those of a module, are on another device than the data ``y``.

    >>> check_devices(torch.zeros(1), operator=nn.Linear(1, 1), x0=None)
    """
    for name, other in others.items():
        if other is None:
            continue
        for tensor in [other] if isinstance(other, Tensor) else [*other.parameters(), *other.buffers()]:
            if tensor.device != y.device:
                the = name if isinstance(other, Tensor) else f"the {name}"
                raise ValueError(f"y: on device {y.device}, but {the} is on {tensor.device}; move one of them")


def check_mode(denoiser: nn.Module) -> None:
    """Raise where a layer of the denoiser would work on statistics of the batch, or at random."""
    for layer in denoiser.modules():
        statistics = isinstance(layer, NormBase) and layer.track_running_stats
        if layer.training and (statistics or isinstance(layer, DropoutNd | nn.RReLU)):
            raise ValueError(f"denoiser: its {type(layer).__name__} is in training mode; call denoiser.eval()")


def check_bounds(denoiser: nn.Module) -> None:
    """Raise where bounds are inside of another denoiser, and would be taken in its units instead of the user's."""
    if any(isinstance(m, Bounded) for m in denoiser.modules() if m is not denoiser):
        raise ValueError("denoiser: expected Bounded outermost, Bounded(Wrapper(denoiser), ...)")


def check_values(name: str, value: Tensor) -> None:
    """Raise unless ``value`` is in single or double precision and finite."""
    if value.real.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{name}: expected single or double precision, got {value.dtype}; convert with {name}.float()")
    parts = value.detach().flatten().split(_AT_ONCE)
    if not bool(torch.stack([torch.isfinite(part).all() for part in parts]).all()):
        raise ValueError(f"{name}: holds NaN or infinite values")
