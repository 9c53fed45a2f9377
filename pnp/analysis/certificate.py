"""What can be proven of an answer: that the iteration contracts around it, and how far away its fixed point is."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from denoisers.evaluation.precision import full_precision
from operators.linalg import column
from operators.modes import lasting

from ..arguments import no_solver
from ..continuing import continued
from ..moving import Moving, check_settles
from ..prior import Prior
from ..solver import Solver
from ..state import sizes
from .derivative import Derivative
from .spectrum import Top, largest

__all__ = ["Certificate", "certify"]

_POWERS = (2, 4, 8, 16, 32)
_SMALL = 0.9  # of the radius to a power: that of a norm which may be below one
_VERDICTS = {
    "contracts": "every iteration brings images around the answer closer together",
    "settles": "iterations around the answer lead to one fixed point, though single ones may lead away from it",
    "not certified": "nothing is proven: iterations may circle, or leave the answer along the direction shown",
}
_CLOSE = "the spectral radius is too close to one for how well it is known; more steps may tell"


class Certificate(NamedTuple):
    r"""What holds around an answer; one value per sample, (B,), but for words and images.

    Norms and eigenvalues are those of derivatives at the answer, so that everything is said of its neighbourhood, to
    first order. They are found from below; ``doubt`` is added before anything is concluded.

    Attributes:
        verdicts: ``"contracts"``: the norm of the step's derivative is below one. ``"settles"``: its spectral radius
            is. ``"not certified"``: neither.
        norm: :math:`q = \|T'\|_2` of the step T, for vectors of everything that the next step depends on.
        radius: :math:`\rho(T')`: errors end up falling by this factor in each iteration.
        eigenvalue: the complex eigenvalue of that modulus.
        change: :math:`\|T(z) - z\| / \|x\|`.
        bound: of the distance from the fixed point over :math:`\|x\|`:
            :math:`\|T^m(z) - z\| / (1 - q_m) / \|x\|` with :math:`q_m = \|(T^m)'\| < 1`; infinite where none was found.
        power: m.
        residual: :math:`\|I - D'\|` of the denoiser where the step evaluates it, below one for a contractive residual.
        reflected: :math:`\|2 D' - I\|`, at most one for a firmly non-expansive denoiser.
        doubt: by name, the relative residual of each figure's eigenpair: how well its iteration has converged.
        direction: image (B, C, ...) of unit norm along which the step contracts least.
        products: with derivatives, in all.

    """

    verdicts: list[str]
    norm: Tensor
    radius: Tensor
    eigenvalue: Tensor
    change: Tensor
    bound: Tensor
    power: Tensor
    residual: Tensor
    reflected: Tensor
    doubt: dict[str, Tensor]
    direction: Tensor
    products: int

    @property
    def certified(self) -> bool:
        """Whether iterations around every sample's answer lead to a fixed point."""
        return all(verdict != "not certified" for verdict in self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and words for JSON, without the direction; infinite bounds are ``None``."""
        plain: dict[str, Any] = {"verdicts": self.verdicts, "products": self.products}
        for name in ("norm", "radius", "change", "bound", "power", "residual", "reflected"):
            plain[name] = [v if v < float("inf") else None for v in getattr(self, name).tolist()]
        plain["eigenvalue"] = [[v.real, v.imag] for v in self.eigenvalue.tolist()]
        return plain | {"doubt": {name: value.tolist() for name, value in self.doubt.items()}}

    def __str__(self) -> str:
        lines = []
        for b, verdict in enumerate(self.verdicts):
            named = f"sample {b}: " if len(self.verdicts) > 1 else ""
            sure = verdict != "not certified" or float(self.radius[b]) >= 1
            bound = float(self.bound[b])
            told = f"at most {bound:.2g} of its norm from the fixed point" if bound < float("inf") else "no bound"
            lines += [
                f"{named}{verdict}: {_VERDICTS[verdict] if sure else _CLOSE} (to first order)",
                f"  the answer is {told}; one more iteration changes {float(self.change[b]):.2g}",
                f"  step: norm {float(self.norm[b]):.4f}, spectral radius {float(self.radius[b]):.4f}",
                f"  denoiser: |I - D'| {float(self.residual[b]):.4f}, |2D' - I| {float(self.reflected[b]):.4f}",
                "  relative residuals: " + ", ".join(f"{k} {float(v[b]):.0e}" for k, v in self.doubt.items()),
            ]
        return "\n".join(lines)


def certify(
    solver: Solver, y: Tensor, result: Any = None, *, steps: int = 40, rtol: float = 1e-3, powers: bool = True
) -> Certificate:
    r"""Whether a solver's iteration T contracts around its answer, and how far the fixed point is away.

    The derivative of T at the last level of sigma, at the end of the solve, as far as it is damped there; in units of
    the image, over everything that the next iteration depends on (:meth:`pnp.Solver.point`). :math:`\|T'\|` (Lanczos
    on :math:`T'^* T'`) below one proves that iterations contract, the spectral radius (Arnoldi on :math:`T'`, which
    need not be normal) that they settle: Ostrowski's theorem. Accelerated methods are judged by their plain step.

    Args:
        solver: any method with a fixed point.
        y: the data.
        result: of ``solver.solve(y)``, or its state; ``None``: solve now.
        steps: products at most for each figure.
        rtol: relative residual to which each is found.
        powers: look for a bound by norms of several iterations where that of one is above one; takes most of the
            time.

    Raises:
        TypeError: a sampler, or a denoiser that draws something in each iteration: there is no fixed point.
        RuntimeError: denoiser or operator have no derivative. ValueError: ``result`` belongs to other data.

    Ryu, Liu, Wang, Chen, Wang, Yin 2019, arXiv:1905.05406; Ortega, Rheinboldt 2000, doi:10.1137/1.9780898719468,
    10.1.3.

    >>> from operators import Identity
    >>> from pnp import PnPHQS
    >>> solver = PnPHQS(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1)
    >>> certificate = certify(solver, torch.ones(1, 1, 4, 4))
    >>> certificate.verdicts, round(certificate.residual.item(), 3)
    (['contracts'], 0.5)
    """
    if not isinstance(solver, Solver):
        raise no_solver(solver)
    if not isinstance(y, Tensor):
        raise TypeError(f"y: expected the data, certify(solver, y, result), got {type(y).__name__}")
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps: expected a number of products >= 1, got {steps!r}")
    if not 0 < rtol < 1:
        raise ValueError(f"rtol: expected a number between 0 and 1, got {rtol!r}")
    check_settles(solver)
    with lasting(), torch.no_grad():
        y = y.detach().clone()
        state = solver.solve(y).state if result is None else getattr(result, "state", result)
        state = continued(solver, state, y)
        problem = solver.problem(y, state.facts)
        plain, values = solver.plain(state.values)
        at = problem.levels(max(state.step, solver.settled))
        moving = Moving(plain, problem, values, at, state.pace if plain is solver else None)
        return _Search(moving, steps, rtol).certificate(powers=powers)


class _Search:
    """The figures of one step, and how well each is known."""

    def __init__(self, moving: Moving, steps: int, rtol: float) -> None:
        self.moving, self.options = moving, {"steps": steps, "rtol": rtol}
        self.doubt: dict[str, Tensor] = {}
        self.products = 0

    def certificate(self, *, powers: bool) -> Certificate:
        moving = self.moving
        denoiser = self.denoiser()
        step = Derivative(moving.step, moving.vector)
        norm, least = self.norm("norm", step)
        spectrum = largest(step.forward, moving.vector, symmetric=False, **self.options)
        self.note("radius", spectrum)
        radius, q = spectrum.value.abs(), norm * (1 + self.doubt["norm"] / 2)
        rho = radius * (1 + self.doubt["radius"])
        x = moving.unpack(moving.vector).x
        size = sizes(x, moving.problem.unit).double().cpu()
        size = torch.where(size > 0, size, torch.ones_like(size))
        change = (moving.step(moving.vector) - moving.vector).double().norm(dim=1).cpu() / size
        bound = torch.where(q < 1, change / (1 - q), torch.full_like(q, float("inf")))
        power = torch.ones(len(q), dtype=torch.long, device="cpu")
        if powers:
            bound, power = self.powers(step, rho, size, bound)
        verdicts = ["contracts" if a < 1 else "settles" if b < 1 else "not certified" for a, b in zip(q, rho)]
        worst = torch.where((rho < 1).to(least.device)[:, None], least, spectrum.vector)
        image = moving.unpack(worst).x
        image = image / column(sizes(image, torch.ones_like(moving.problem.unit)).clamp_min(1e-30), image)
        return Certificate(
            verdicts, norm, radius, spectrum.value, change, bound, power, *denoiser, self.doubt, image, self.products
        )

    def note(self, name: str, top: Top) -> None:
        """Keep how well a figure is known."""
        size = top.value.abs()
        self.doubt[name] = top.residual / torch.where(size > 0, size, torch.ones_like(size))
        self.products += int(top.products.max())

    def norm(self, name: str, pair: Derivative, *form: Any) -> tuple[Tensor, Tensor]:
        """A norm, (B,), and the vector that has it."""
        top = pair.norm(*form, **self.options)
        self.note(name, top)
        return top.value.real.clamp_min(0).sqrt(), top.vector

    def denoiser(self) -> tuple[Tensor, Tensor]:
        """The largest norms of I - D' and 2 D' - I over the step's evaluations."""
        moving, heard = self.moving, _Heard(self.moving.problem.prior, [])
        moving.solver.step(moving.problem._replace(prior=heard), moving.unpack(moving.vector), moving.at)
        found: list[tuple[Tensor, Tensor]] = []
        for k, (prior, x, sigma) in enumerate(heard.calls):
            name = f" {k + 1}" if len(heard.calls) > 1 else ""
            pair = Derivative(_of_images(prior, x, sigma), _flat(x))
            found.append(
                (self.norm(f"residual{name}", pair, 1.0, 1.0)[0], self.norm(f"reflected{name}", pair, 1.0, 2.0)[0])
            )
        residual, reflected = (torch.stack(part).amax(0) for part in zip(*found))
        return residual, reflected

    def powers(self, step: Derivative, rho: Tensor, size: Tensor, bound: Tensor) -> tuple[Tensor, Tensor]:
        """Bounds by several iterations for samples that have none by one."""
        power, vector, made = torch.ones(len(rho), dtype=torch.long, device="cpu"), self.moving.vector, 0
        for m in _POWERS:
            open_ = bound.isinf() & (rho < 1)
            if not bool(open_.any()):
                break
            for _ in range(m - made):
                vector = self.moving.step(vector)
            made = m
            if m < _POWERS[-1] and not bool((rho[open_] ** m < _SMALL).any()):
                continue
            top = step.norm(0.0, 1.0, m, **self.options)
            self.products += int(top.products.max())
            q = (top.value.real.clamp_min(0) + top.residual).sqrt()
            moved = (vector - self.moving.vector).double().norm(dim=1).cpu() / size
            found = open_ & (q < 1)
            bound, power = torch.where(found, moved / (1 - q), bound), torch.where(found, m, power)
        return bound, power


class _Heard:
    """A prior that notes what it is asked."""

    def __init__(self, prior: Prior, calls: list[tuple[Prior, Tensor, Tensor]]) -> None:
        self.prior, self.calls = prior, calls

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.calls.append((self.prior, x, sigma))
        return self.prior(x, sigma)

    def around(self, denoiser: Any) -> "_Heard":
        return _Heard(self.prior.around(denoiser), self.calls)

    def within(self, x: Tensor) -> Tensor:
        return self.prior.within(x)


def _flat(x: Tensor) -> Tensor:
    return (torch.view_as_real(x.contiguous()) if x.is_complex() else x).flatten(1)


def _of_images(prior: Prior, x: Tensor, sigma: Tensor) -> Callable[[Tensor], Tensor]:
    """The prior as a map of real vectors."""

    def function(vector: Tensor) -> Tensor:
        image = torch.view_as_complex(vector.reshape(*x.shape, 2)) if x.is_complex() else vector.reshape(x.shape)
        with full_precision():
            return _flat(prior(image, sigma))

    return function
