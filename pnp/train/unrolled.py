"""Solvers as trainable networks: a fixed number of iterations, or the derivative of the fixed point."""

import copy
import warnings
from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from denoisers.base import Denoiser

from ..arguments import one_of
from ..moving import Moving, check_settles
from ..solver import Solver

__all__ = ["FixedPoint", "Unrolled"]


class OneByOne(nn.Module):
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


class Unrolled(OneByOne):
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
        priors: ``"shared"``: all steps have the solver's denoiser (MoDL); ``"separate"``: each has a copy of it, which
            learns by itself (VarNet).

    Raises:
        ValueError: no iterations, other ``priors``, or a solver with ``expert``.

    Gregor, LeCun 2010; Monga, Li, Eldar 2021, doi:10.1109/MSP.2020.3016905; MoDL: Aggarwal, Mani, Jacob 2019,
    doi:10.1109/TMI.2018.2865356; VarNet: Hammernik et al. 2018, doi:10.1002/mrm.26977.

    >>> from operators import Identity
    >>> from pnp import PnPHQS
    >>> model = Unrolled(PnPHQS(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1), 3)
    >>> model(torch.rand(2, 1, 4, 4)).shape, len(list(model.parameters()))
    (torch.Size([2, 1, 4, 4]), 2)
    """

    def __init__(self, solver: Solver, iterations: int, *, priors: Literal["shared", "separate"] = "shared") -> None:
        super().__init__()
        one_of("priors", priors, ("shared", "separate"))
        if not isinstance(iterations, int) or iterations < 1:
            raise ValueError(f"iterations: expected at least one, got {iterations}")
        if solver.expert is not None:
            raise ValueError("solver: has its own rho and sigma (expert); unrolling learns factors of the default ones")
        self.solver = solver
        copies = iterations - 1 if priors == "separate" else 0
        self.others = nn.ModuleList(copy.deepcopy(solver.denoiser) for _ in range(copies))  # the first is the solver's
        self.log_sigma = nn.Parameter(torch.zeros(iterations, device="cpu"))
        self.log_rho = nn.Parameter(torch.zeros(iterations, device="cpu"))

    def one(self, y: Tensor, op: Any) -> Tensor:
        """The images after all iterations."""
        solver = self.solver if op is None else self.solver.with_op(op)
        state = solver.begin(y)
        problem = solver.problem(y, state.facts)
        for k in range(len(self.log_sigma)):
            at = problem.levels(k)
            sigma, rho = (v[k].exp().to(at.sigma) for v in (self.log_sigma, self.log_rho))
            at = at._replace(sigma=at.sigma * sigma, tau=at.tau / rho)
            if k and len(self.others):
                problem = problem._replace(prior=problem.prior.around(cast(Denoiser, self.others[k - 1])))
            state = solver.advance(problem, state, at)
        return state.x


class FixedPoint(OneByOne):
    r"""A solver that is differentiated at its fixed point, whatever the number of iterations that led there.

    With the iteration :math:`z = T(z; y, \theta)`, the derivative follows from

    .. math:: \bar z = \Big(\frac{\partial T}{\partial z}\Big)^* \bar z + \bar x

    which ``mode="implicit"`` solves to ``rtol`` by GMRES with products of one step's derivative;
    ``mode="one-step"`` takes :math:`\bar z = \bar x`, the derivative of the last step only: off by at most q / (1 - q)
    where T contracts by q (:func:`pnp.analysis.certify`), at no price. Memory is that of one step. z is everything that
    the next step depends on (:meth:`pnp.Solver.point`), in units of the image; accelerated methods have the derivative
    of their plain step. The gradient means something only where the solver converges. In derivatives by y the solver's
    calibration and an estimated noise level are constants; ``calibration=None`` and a ``noise_std`` make them exact.

    Args:
        solver: :class:`pnp.PnPADMM` or another method that has a fixed point.
        rtol: relative residual of the linear system.
        max_iter: products at most.
        mode: ``"implicit"`` or ``"one-step"``.

    Raises:
        TypeError: a sampler, or a denoiser that draws something in each iteration. ValueError: another mode.
        RuntimeError: the linear system is not solved to ``rtol``, when gradients are asked for.

    Bai, Kolter, Koltun 2019, arXiv:1909.01377; Gilton, Ongie, Willett 2021, doi:10.1109/TCI.2021.3118944; one step:
    Fung, Heaton, Li, McKenzie, Osher, Yin 2022, arXiv:2103.12803; Bolte, Pauwels, Vaiter 2023, arXiv:2305.13768.

    >>> from operators import Identity
    >>> from pnp import PnPHQS
    >>> model = FixedPoint(PnPHQS(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1))
    >>> y = torch.rand(1, 1, 4, 4, requires_grad=True)
    >>> bool(torch.autograd.grad(model(y).sum(), y)[0].abs().sum() > 0)
    True
    """

    def __init__(self, solver: Solver, *, rtol: float = 1e-4, max_iter: int = 200, mode: str = "implicit") -> None:
        super().__init__()
        if mode not in ("implicit", "one-step"):
            raise ValueError(f"mode: expected 'implicit' or 'one-step', got {mode!r}")
        check_settles(solver)
        self.solver, self.rtol, self.max_iter, self.mode = solver, rtol, max_iter, mode

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
        plain, values = solver.plain(state.values)
        tracked = solver.problem(y, facts)
        at = tracked.levels(state.step)
        moving = Moving(plain, solver.problem(y.detach(), state.facts), values, at)
        new = plain.step(tracked._replace(prior=moving.problem.prior), values, at)
        if self.mode == "one-step":
            return new.x
        return moving.unpack(_Implicit.apply(moving.step, self, moving.pack(new))).x

    def solve(self, product: Any, right: Tensor) -> Tensor:
        """Solution w of w - J* w = right."""
        import numpy as np
        from scipy.sparse import linalg

        def numpy(v: Tensor) -> np.ndarray:
            return v.detach().cpu().double().numpy()

        def matrix(v: np.ndarray) -> np.ndarray:
            w = torch.from_numpy(np.ascontiguousarray(v)).to(right).reshape(right.shape)
            return numpy(w - product(w)).ravel()

        count, b = right.numel(), numpy(right).ravel()
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
        return torch.from_numpy(size * w).to(right).reshape(right.shape)


class _Implicit(torch.autograd.Function):
    """Passes a method's vector on; its gradient becomes that of all steps before the last."""

    @staticmethod
    def forward(ctx: Any, step: Any, model: FixedPoint, vector: Tensor) -> Tensor:
        ctx.step, ctx.model = step, model
        ctx.save_for_backward(vector.detach())
        return vector.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (vector,) = ctx.saved_tensors
        point = vector.clone().requires_grad_()
        with torch.enable_grad():
            out = ctx.step(point)

        def product(w: Tensor) -> Tensor:
            return torch.autograd.grad(out, point, w, retain_graph=True, materialize_grads=True)[0]

        return None, None, ctx.model.solve(product, gradients[0])
