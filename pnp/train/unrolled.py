"""Solvers as trainable networks: a fixed number of iterations, or the derivative of the fixed point."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..solver import Solver

__all__ = ["FixedPoint", "Unrolled"]


class _OneByOne(nn.Module):
    """A model of (y, op) that takes lists of them as well, one sample each, as :class:`pnp.train.Measured` draws."""

    def forward(self, y: Tensor | Sequence[Tensor], op: Any = None) -> Tensor:
        """The reconstruction (B, C, H, W); ``op`` in place of the solver's, or lists of data and operators."""
        if isinstance(y, Tensor):
            return self.one(y, op)
        if not isinstance(op, list | tuple) or len(op) != len(y) or not y:
            raise ValueError("op: a list of data needs a list of as many operators, at least one")
        return torch.cat([self.one(data, its) for data, its in zip(y, op)])

    def one(self, y: Tensor, op: Any) -> Tensor:
        raise NotImplementedError


class Unrolled(_OneByOne):
    r"""``iterations`` steps of a solver as a network; a factor for sigma and one for rho is learned in each.

    .. math:: \sigma_k = e^{s_k} \sigma_k^0, \qquad \tau_k = e^{-r_k} \tau_k^0

    with the solver's own values :math:`\sigma_k^0, \tau_k^0 = 1 / \rho_k^0`, so that at the beginning
    (:math:`s = r = 0`) this is the solver stopped after as many iterations, and results keep following the data's
    units. The denoiser learns, too, where its parameters require gradients (shipped weights do not:
    ``denoiser.requires_grad_()``). In derivatives by y the solver's calibration and an estimated noise level are
    constants; ``calibration=None`` and a ``noise_std`` make them exact.

    Args:
        solver: :class:`pnp.PnPADMM` or another, without ``expert``.
        iterations: number of steps; memory grows with it.

    Raises:
        ValueError: no iterations, or a solver with ``expert``.

    Gregor, LeCun 2010; Monga, Li, Eldar 2021, doi:10.1109/MSP.2020.3016905.

    >>> from operators import Identity
    >>> from pnp import PnPHQS
    >>> model = Unrolled(PnPHQS(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1), 3)
    >>> model(torch.rand(2, 1, 4, 4)).shape, len(list(model.parameters()))
    (torch.Size([2, 1, 4, 4]), 2)
    """

    def __init__(self, solver: Solver, iterations: int) -> None:
        super().__init__()
        if not isinstance(iterations, int) or iterations < 1:
            raise ValueError(f"iterations: expected at least one, got {iterations}")
        if solver.expert is not None:
            raise ValueError("solver: has its own rho and sigma (expert); unrolling learns factors of the default ones")
        self.solver = solver
        self.log_sigma = nn.Parameter(torch.zeros(iterations))
        self.log_rho = nn.Parameter(torch.zeros(iterations))

    def one(self, y: Tensor, op: Any) -> Tensor:
        """The images after all iterations."""
        solver = self.solver if op is None else self.solver.with_op(op)
        state = solver.begin(y)
        problem = solver.problem(y, state.facts)
        for k in range(len(self.log_sigma)):
            at = problem.levels(k)
            sigma, rho = (v[k].exp().to(at.sigma) for v in (self.log_sigma, self.log_rho))
            at = at._replace(sigma=at.sigma * sigma, tau=at.tau / rho)
            state = solver.advance(problem, state, at)
        return state.x


class FixedPoint(_OneByOne):
    r"""A solver that is differentiated at its fixed point, whatever the number of iterations that led there.

    With the iteration :math:`z = T(z; y, \theta)`, the derivative follows from

    .. math:: \bar z = \Big(\frac{\partial T}{\partial z}\Big)^* \bar z + \bar x

    which GMRES solves to ``rtol`` with products of one step's derivative. Memory is that of one step. The gradient
    means something only where the solver converges. In derivatives by y the solver's calibration and an estimated
    noise level are constants; ``calibration=None`` and a ``noise_std`` make them exact.

    Args:
        solver: :class:`pnp.PnPADMM` or another.
        rtol: relative residual of the linear system.
        max_iter: products at most.

    Raises:
        RuntimeError: the linear system is not solved to ``rtol``, when gradients are asked for.

    Bai, Kolter, Koltun 2019, arXiv:1909.01377; Gilton, Ongie, Willett 2021, doi:10.1109/TCI.2021.3118944.

    >>> from operators import Identity
    >>> from pnp import PnPHQS
    >>> model = FixedPoint(PnPHQS(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1))
    >>> y = torch.rand(1, 1, 4, 4, requires_grad=True)
    >>> bool(torch.autograd.grad(model(y).sum(), y)[0].abs().sum() > 0)
    True
    """

    def __init__(self, solver: Solver, *, rtol: float = 1e-4, max_iter: int = 200) -> None:
        super().__init__()
        self.solver, self.rtol, self.max_iter = solver, rtol, max_iter

    def one(self, y: Tensor, op: Any) -> Tensor:
        """The images at the fixed point."""
        solver = self.solver if op is None else self.solver.with_op(op)
        with torch.no_grad():
            result = solver.solve(y)
        state = result.state
        if not torch.is_grad_enabled():
            return state.x
        if result.reason != "converged":
            warnings.warn(
                f"FixedPoint: {result.reason}: the derivative is that of no fixed point", RuntimeWarning, stacklevel=2
            )
        facts = solver.begin(y).facts  # with its graph: A* y depends on the data
        at = solver.problem(y, facts).levels(state.step)
        new = solver.step(solver.problem(y, facts), state.values, at)
        again = solver.problem(y.detach(), state.facts)
        # images and dual variables have a derivative; numbers of the samples stay what they are
        moving = [name for name, value in new._asdict().items() if value.ndim > 1]

        def step(*values: Tensor) -> tuple[Tensor, ...]:
            after = solver.step(again, state.values._replace(**dict(zip(moving, values, strict=True))), at)
            return tuple(getattr(after, name) for name in moving)

        return _Implicit.apply(step, self, *(getattr(new, name) for name in moving))

    def solve(self, product: Any, right: Tensor) -> Tensor:
        """Solution w of w - J* w = right."""
        import numpy as np
        from scipy.sparse import linalg

        def numpy(v: Tensor) -> np.ndarray:
            return v.detach().cpu().double().numpy()

        def matrix(v: np.ndarray) -> np.ndarray:
            w = torch.from_numpy(np.ascontiguousarray(v)).to(right)
            return numpy(w - product(w))

        count, b = right.numel(), numpy(right)
        size = float(np.linalg.norm(b))
        if size == 0:
            return right
        restart = min(self.max_iter, 50)
        make: Any = linalg.LinearOperator
        system = make((count, count), matvec=matrix, dtype=np.float64)
        turns = -(-self.max_iter // restart)
        w, failed = linalg.gmres(system, b / size, rtol=self.rtol, restart=restart, maxiter=turns)
        if failed:
            raise RuntimeError(
                f"the derivative at the fixed point was not found to {self.rtol} in {self.max_iter} products"
            )
        return torch.from_numpy(size * w).to(right)


class _Implicit(torch.autograd.Function):
    """Passes x, the first of a method's values, on; its gradient becomes that of all steps before the last."""

    @staticmethod
    def forward(ctx: Any, step: Any, model: FixedPoint, *values: Tensor) -> Tensor:
        ctx.step, ctx.model = step, model
        ctx.save_for_backward(*(v.detach() for v in values))
        return values[0].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (gradient,) = gradients
        point = [v.clone().requires_grad_() for v in ctx.saved_tensors]
        with torch.enable_grad():
            out = ctx.step(*point)
        sizes = [v.numel() * (2 if v.is_complex() else 1) for v in point]

        def flat(parts: Any) -> Tensor:
            return torch.cat([(torch.view_as_real(p.contiguous()) if p.is_complex() else p).flatten() for p in parts])

        def split(w: Tensor) -> list[Tensor]:
            parts = []
            for piece, v in zip(w.split(sizes), point):
                parts.append(torch.view_as_complex(piece.view(*v.shape, 2)) if v.is_complex() else piece.view(v.shape))
            return parts

        def product(w: Tensor) -> Tensor:
            grads = torch.autograd.grad(out, point, split(w), retain_graph=True, materialize_grads=True)
            return flat(grads)

        w = ctx.model.solve(product, flat((gradient, *(torch.zeros_like(v) for v in point[1:]))))
        return (None, None, *split(w))
