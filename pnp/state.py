"""Where a solve stands, and how it is kept on disk."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.linalg import column, dot

from .calibration import Calibration
from .problem import Problem

__all__ = ["State", "movement", "sizes"]


def sizes(v: Tensor, problem: Problem) -> Tensor:
    """Norm of each sample in units of its calibration, so that squares stay within range."""
    v = v.detach() / column(problem.calibration.scale, v)
    return dot(v, v).sqrt()


def movement(old: "State", new: "State", *, dual: bool) -> Tensor:
    """Relative change of x, and with ``dual`` of the dual variable, from one state to the next, (B,)."""
    change = sizes(new.x - old.x, new.problem)
    if dual:
        change = torch.hypot(change, sizes(new.dual - old.dual, new.problem))
    size = sizes(new.x, new.problem)
    return change / torch.where(size > 0, size, torch.ones_like(size))


class State(NamedTuple):
    """Where a solve stands; all tensors batch first, so that samples are independent of each other.

    :meth:`to_dict` gives tensors, numbers and words alone, which ``torch.save`` and
    ``torch.load(..., weights_only=True)`` keep; a solve that goes on from them ends with the same bits.

    Attributes:
        step: number of iterations done.
        x: the denoiser's output (B, C, H, W).
        x_data: the data-consistent image.
        dual: scaled dual variable of ADMM (zeros in methods without one).
        rho: penalty of the last iteration in units of the calibration, (B,).
        problem: what was worked out once.
        source: how the noise level was found.
        method: name of the solver.
        residual: relative change of x and dual in the last iteration at a constant sigma, (B,); infinite before.
        pace: share of an iteration that is made, (B,): 1, or 1/2 from where the residual grew on.

    >>> import torch
    >>> from operators import Identity
    >>> from pnp import PnPADMM, Stop
    >>> solver = PnPADMM(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1, stop=Stop(max_iter=3))
    >>> y = torch.ones(1, 1, 4, 4)
    >>> kept = solver.solve(y).state.to_dict()
    >>> solver.solve(y, state=State.from_dict(kept)).state.step
    6
    """

    step: int
    x: Tensor
    x_data: Tensor
    dual: Tensor
    rho: Tensor
    problem: Problem
    source: str
    method: str
    residual: Tensor
    pace: Tensor

    def to_dict(self) -> dict[str, Any]:
        """A plain dictionary of everything."""
        problem = self.problem._asdict() | {"calibration": self.problem.calibration._asdict()}
        return self._asdict() | {"problem": problem}

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> "State":
        """The state of which :meth:`to_dict` made ``kept``.

        Raises:
            ValueError: a part is missing.
        """
        try:
            problem = kept["problem"] | {"calibration": Calibration(**kept["problem"]["calibration"])}
            parts: dict[str, Any] = {**kept, "problem": Problem(**problem)}
            return cls(**parts)
        except (KeyError, TypeError) as error:
            raise ValueError(f"kept: not the dictionary of a State, {error}") from error
