"""The data term of one measurement, x -> -log p(y | A x): its gradient, and its proximal map."""

import copy
import math
from typing import NamedTuple

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.linalg import CGInfo, accurate, cg_reports, column, dot, planned
from operators.modes import trusted
from operators.nonlinear import Operator
from operators.slabs import each_slab

from .likelihood import Gaussian, Likelihood

__all__ = ["Fit", "Inner", "typical_weight"]

_RELAX = 1.6  # over-relaxation of the split, Boyd et al. 2011, section 3.4.3
_SPLITS, _LINEARISATIONS, _HALVINGS = 200, 20, 8
_UNREAD = 64  # reports of inner solves that wait to be read


class Inner(NamedTuple):
    """What the inner solves of a fit did: their number, iterations in all and the most of one, worst residual."""

    solves: int = 0
    iterations: int = 0
    most: int = 0
    residual: float = 0.0


def typical_weight(likelihood: Likelihood, y: Tensor) -> Tensor:
    """Mean of a likelihood's weights where something is measured, (B,)."""
    weights, taken = likelihood.weights(y), likelihood.op.measured
    taken = torch.ones_like(weights) if taken is None else taken.to(weights)
    weights, taken = (v.expand(y.shape[0], *likelihood.op.out_shape).flatten(1) for v in (weights, taken))
    return (weights * taken).sum(1) / taken.sum(1).clamp_min(1)


class Fit:
    r"""The data term :math:`f(Ax)` of data ``y``, in units of the image.

    Lengths :math:`\tau` and gradients are those of images measured in ``unit`` (B,), so that no square leaves the range
    of the precision: :math:`\tau = \tau_\mathrm{image} / u^2` and :math:`u^2 \nabla f`.

    Args:
        likelihood: with known noise.
        y: data.
        unit: of the image, (B,).
        norm: :math:`\|A\|_2`, of its derivative at the first image where A is not linear.
        back: :math:`A^* y` of a linear operator.
        limit: largest :math:`\gamma = \tau u^2 / \sigma_n^2` of Gaussian data, (B,): beyond it they are exact.
        floor: least noise standard deviation for gradients, (B,).
        tolerance: of the fixed point, which says how far inner solves go, in their residual and their answers' error.
    """

    def __init__(
        self,
        likelihood: Likelihood,
        y: Tensor,
        *,
        unit: Tensor,
        norm: Tensor,
        back: Tensor,
        limit: Tensor,
        floor: Tensor,
        tolerance: float,
    ) -> None:
        self.likelihood, self.y, self.unit, self.norm = likelihood, y, unit, norm
        self.tamed = likelihood.tamed(y)
        self.back, self.limit = back, limit
        usual, finest = (1e-7, 1e-12) if y.real.dtype == torch.float64 else (1e-5, 1e-6)
        self.rtol = min(usual, max(0.01 * tolerance, finest))  # a fixed point asked for more needs more
        self.error = 5 * tolerance  # a bound, of which measured errors are a small part
        # of what an iteration moves; split data and linearised operators have an outer loop that needs more
        direct = isinstance(likelihood.op, LinearOperator) and type(likelihood).closed
        self.share = min(0.1, 20 * tolerance) if direct else 0.0
        self._inner, self._reports = Inner(), list[CGInfo]()
        self._lately: list[int] = []  # iterations of the last solves
        self.planned: int | None = None  # iterations of an inner solve that does not look whether it is done
        self._gamma: tuple[Tensor, Tensor] | None = None
        self.smooth = likelihood
        if isinstance(likelihood, Gaussian):
            self.smooth = likelihood.with_noise(torch.maximum(likelihood.noise_std, floor))

    def at(self, settled: bool) -> "Fit":
        """That of the iterations at levels that stay what they are, or that still fall: of tamed data, for a denoiser
        of a high level keeps what stands far out, and none of the noise's would ever take it away."""
        if settled or self.tamed is self.y:
            return self
        early = copy.copy(self)
        early.y = self.tamed
        return early

    @property
    def op(self) -> Operator:
        """The operator."""
        return self.likelihood.op

    @torch.no_grad()
    def adjoint_image(self, y: Tensor | None = None) -> Tensor:
        """:math:`A^* y` of these data, or of others; of the derivative where solvers begin if A is not linear."""
        op, y = self.op, self.y if y is None else y
        op = op if isinstance(op, LinearOperator) else op.linearised(op.first_image(y))
        return op.A_adjoint(self.likelihood.as_data(y))

    # ---- values and gradients

    def value(self, x: Tensor) -> Tensor:
        """f(Ax), (B,), with the noise level that gradients have."""
        return self.smooth.value(self.op.A(x), self.y)

    def gradient(self, x: Tensor) -> Tensor:
        r""":math:`u^2 \nabla_x f(Ax)`, of the shape of x."""
        if isinstance(self.op, LinearOperator) and type(self.smooth).closed and isinstance(self.smooth, Gaussian):
            return column((self.unit / self.smooth.noise_std) ** 2, x) * (self.op.A_adjoint_A(x) - self.back)
        return self.op.linearised(x).A_adjoint(self.data_gradient(self.op.A(x)))

    def data_gradient(self, v: Tensor) -> Tensor:
        r""":math:`u^2 \nabla_v f(v)`, of the data's shape."""
        u = column(self.unit, v)
        if isinstance(self.smooth, Gaussian):  # has no units but those of the data
            return u * self.smooth.with_noise(self.smooth.noise_std / self.unit).gradient(v / u, self.y / u)
        return u**2 * self.smooth.gradient(v, self.y)

    def longest(self) -> Tensor:
        """Longest step of the gradient, (B,): 1 over the largest curvature of f(Ax)."""
        if isinstance(self.smooth, Gaussian):
            return (self.smooth.noise_std / self.unit / self.norm) ** 2
        return 1 / (self.smooth.curvature(self.y) * self.norm**2 * self.unit**2)

    def step_share(self, tau: Tensor) -> Tensor:
        """Longest step beside the gradient of a prior of curvature 1 over tau, as a share of tau: 1 / (1 + L tau)."""
        return self.longest() / (self.longest() + tau)

    def gamma(self, tau: Tensor) -> Tensor:
        """Weight of the data beside one, (B,), at a length ``tau``; of Gaussian ones no more than the limit."""
        if not isinstance(self.likelihood, Gaussian):
            return tau / self.longest() / self.norm**2
        if self._gamma is None or self._gamma[0] is not tau:  # asked for again when the iteration is recorded
            gamma = tau * (self.unit / self.likelihood.noise_std) ** 2
            gamma = torch.minimum(torch.nan_to_num(gamma, nan=math.inf, posinf=math.inf), self.limit)
            self._gamma = tau, gamma
        return self._gamma[1]

    # ---- proximal maps

    def data_prox(self, v: Tensor, s: Tensor) -> Tensor:
        """Proximal map of f itself at data ``v``, with a length ``s`` (B,) in squares of the image's unit."""
        if isinstance(self.likelihood, Gaussian):
            u = column(self.unit, v)
            return u * self.likelihood.with_noise(self.likelihood.noise_std / self.unit).prox(v / u, self.y / u, s)
        return self.likelihood.prox(v, self.y, s * self.unit**2)

    def prox(self, z: Tensor, tau: Tensor, *, x0: Tensor | None = None) -> Tensor:
        r""":math:`\arg\min_x \tau u^2 f(Ax) + \tfrac12 \|x - z\|^2`, from ``x0``.

        Gaussian data of a linear operator: one linear solve. Other data: split on Ax, :math:`\min_u f(u)` and linear
        solves in turn (Boyd et al. 2011, doi:10.1561/2200000016). Nonlinear operators: linearised in turn, with
        shorter steps where the objective grows.
        """
        if isinstance(self.op, LinearOperator):
            return self._linear(self.op, None, z, tau, x0)
        x = z if x0 is None else x0
        value = self._objective(x, z, tau)
        done = torch.zeros_like(value, dtype=torch.bool)
        for _ in range(_LINEARISATIONS):
            op = self.op.linearised(x)
            new = self._linear(op, self.op.A(x) - op.A(x), z, tau, x)
            share = torch.ones_like(value)
            for _ in range(_HALVINGS):
                ahead = self._objective(x + column(share, x) * (new - x), z, tau)
                worse = ~(ahead <= value * (1 + 1e-6))
                if not bool(worse.any()):
                    break
                share = torch.where(worse, share / 2, share)
            step = column(torch.where(worse | done, torch.zeros_like(share), share), x) * (new - x)
            x, value = x + step, torch.where(worse | done, value, ahead)
            done = done | (dot(step, step) <= (10 * self.rtol) ** 2 * dot(x, x))
            if bool(done.all()):
                break
        return x

    def _linear(self, op: LinearOperator, offset: Tensor | None, z: Tensor, tau: Tensor, x0: Tensor | None) -> Tensor:
        """Proximal map where data are op(x) + offset."""
        if type(self.likelihood).closed:
            gamma = self.gamma(tau)
            back = self.back if offset is None else op.A_adjoint(self.y - offset)
            return self._solve(op, z, back, gamma, x0)
        weight = tau / self.longest() / self.norm**2 * self._typical()
        if z.real.dtype != torch.float64:  # beyond the limit z would lose its digits beside the data's
            weight = torch.minimum(weight, self.limit)
        offset = torch.zeros_like(self.y) if offset is None else offset
        x = z if x0 is None else x0
        v = op.A(x) + offset
        length = tau / weight
        u = self.data_prox(v, length)
        d = self._dual(u) * column(length, u)
        going = torch.ones_like(weight)  # 1 for samples that continue, 0 for those that are done
        for _ in range(_SPLITS):
            new = self._solve(op, z, op.A_adjoint(u - d - offset), weight, x)
            v = op.A(new) + offset
            ahead = _RELAX * v + (1 - _RELAX) * u
            close = self.data_prox(ahead + d, length)
            moved, apart, on = new - x, v - close, column(going, u)
            u, d = u + on * (close - u), d + on * (ahead - close)
            x = x + column(going, x) * moved
            still = (dot(moved, moved) <= self.rtol**2 * dot(x, x)) & (dot(apart, apart) <= self.rtol**2 * dot(v, v))
            going = going * (~still)
            if not bool(going.any()):
                break
        return x

    def _typical(self) -> Tensor:
        """Mean of the data's weights over their largest, (B,)."""
        return typical_weight(self.smooth, self.y) / self.smooth.curvature(self.y)

    def _dual(self, u: Tensor) -> Tensor:
        try:
            return self.data_gradient(u)
        except TypeError:  # no gradient
            return torch.zeros_like(u)

    def _solve(self, op: LinearOperator, z: Tensor, back: Tensor, gamma: Tensor, x0: Tensor | None) -> Tensor:
        """Solution of (I + gamma A* A) x = z + gamma back, of volumes slab by slab, where that goes."""

        def solve(op: LinearOperator, sample: int | slice, z: Tensor, back: Tensor, *x0: Tensor) -> Tensor:
            g = gamma[sample].expand(len(z))
            return op.solve_normal(z + column(g, z) * back, g, x0=x0[0] if x0 else None, rtol=self.rtol)

        slabs, images = op.slabs(len(z)) if z.ndim == 5 else None, (z, back, *(() if x0 is None else (x0,)))
        with cg_reports() as reports, trusted(), planned(self.planned), accurate(self.error, self.share):
            x = solve(op, slice(None), *images) if slabs is None else each_slab(slabs, solve, *images)
        self._reports += reports
        if len(self._reports) > _UNREAD:
            self.hear(self.said().tolist())
        return x

    # ---- what inner solves say of themselves

    @property
    def inner(self) -> Inner:
        """What the inner solves did so far."""
        self.hear(self.said().tolist())
        return self._inner

    def said(self) -> Tensor:
        """Numbers of the inner solves since they were last heard, not read from the device: iterations in all, the most
        of one, the worst residual, whether one was not finished. Empty, where there were none."""
        if not self._reports:
            return self.unit.new_empty(0)
        most = torch.stack([info.iterations.max() for info in self._reports])
        worst = torch.stack([info.residual.max() for info in self._reports]).amax()
        short = torch.stack([info.unfinished.any() for info in self._reports]).any()
        return torch.stack([v.to(self.unit.dtype) for v in (most.sum(), most.amax(), worst, short)])

    def hear(self, said: list[float], *, plan: int = 0) -> bool:
        """Take over what :meth:`said` gave; False where an inner solve was not finished: then nothing counts, and what
        was planned is doubled. ``plan``: later solves take as long as so many before them, and do not look whether they
        are done, where that would wait for a device."""
        reports, self._reports = self._reports, []
        if not said:
            return True
        total, most, worst, short = said
        if short and self.planned is not None:
            self.planned *= 2
            return False
        old = self._inner
        self._inner = Inner(
            old.solves + len(reports), old.iterations + int(total), max(old.most, int(most)), max(old.residual, worst)
        )
        single = isinstance(self.op, LinearOperator) and type(self.likelihood).closed
        if plan and single and self.back.device.type != "cpu":
            self._lately = [*self._lately[-2:], int(most)]
            usual = max(self._lately[-plan:])
            self.planned = usual + usual // 8
        return True

    def _objective(self, x: Tensor, z: Tensor, tau: Tensor) -> Tensor:
        """tau f(Ax) + |x - z|²/2 in squares of the unit, (B,)."""
        away = (x - z) / column(self.unit, x)
        f = self.smooth.value(self.op.A(x), self.y)
        return tau * torch.nan_to_num(f, nan=math.inf) + dot(away, away) / 2
