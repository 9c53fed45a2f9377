"""Whether the state of an earlier solve belongs to a solver and its data."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from operators.base import LinearOperator

from .arguments import check_devices, check_mode
from .likelihood import Gaussian
from .problem import data_gain
from .state import State, rebuilt

if TYPE_CHECKING:
    from .solver import Solver

__all__ = ["continued"]


def continued(solver: "Solver", state: Any, y: Tensor, x0: Tensor | None = None) -> State:
    """``state`` after a check that it belongs to these data and this noise level."""
    if not isinstance(state, State):
        raise TypeError(f"state: expected the state of a Result, result.state, got {type(state).__name__}")
    if state.method != type(solver).__name__:
        raise ValueError(f"state: was made by {state.method}, not by {type(solver).__name__}")
    if x0 is not None:
        raise ValueError("x0: a solve either continues from state or starts from x0")
    solver.likelihood.check(y)
    if state.residual.device != y.device:
        raise ValueError(
            f"state: on device {state.residual.device}, but y is on {y.device}; state.to(y.device) moves it"
        )
    check_devices(y, operator=solver.op, denoiser=solver.denoiser)
    check_mode(solver.denoiser)
    like = solver.problem(y, state.facts)
    old, new = state.facts.back.detach(), like.fit.adjoint_image()
    if new.dtype != old.dtype:
        began = old.real.dtype.to_complex() if y.is_complex() else old.real.dtype
        raise ValueError(f"state: was made from data of {began}, but y is of {y.dtype}; continue it with y.to({began})")
    if new.shape != old.shape or not bool((new - old).abs().max() <= 1e-4 * old.abs().max()):
        raise ValueError("state: belongs to other data than y")
    kind, gaussian = type(solver.likelihood).__name__, isinstance(solver.likelihood, Gaussian)
    if state.source.isidentifier() and state.source != ("given" if gaussian else kind):
        raise ValueError(f"state: belongs to data that are {state.source}, not {kind}")
    op = solver.op
    if isinstance(op, LinearOperator):  # of the same adjoint image: a mask, and none
        few, _ = op.few_slices(y)
        seen = data_gain(few, old[(slice(None), *(slice(n) for n in few.in_shape))])
        if not torch.allclose(seen, state.facts.gain.detach(), rtol=1e-3):
            raise ValueError("state: belongs to another operator")
    given = solver.likelihood.noise_std
    if given is not None:
        level = torch.as_tensor(given, dtype=state.facts.noise_std.dtype, device=y.device)
        if not torch.allclose(level.expand_as(state.facts.noise_std), state.facts.noise_std, rtol=1e-5, atol=0):
            raise ValueError("state: was made with another noise_std")
    return solver.tuned(y, state._replace(values=rebuilt(solver.init(like), state.values)))
