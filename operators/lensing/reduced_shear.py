"""The reduced shear that galaxies show."""

import warnings

import torch
from torch import Tensor

from ..base import LinearOperator
from ..nonlinear import Operator
from ..shapes import check_batch, constant_like
from .kaiser_squires import KaiserSquires

__all__ = ["ReducedShear"]

_LEAST = 0.02  # of 1 - kappa: solvers' iterates may overshoot where answers do not


class ReducedShear(Operator):
    r"""What the shapes of galaxies show, :math:`g = \gamma / (1 - \kappa)`, not linear in the convergence.

    The mean of the convergence, which lensing does not see, does change it: a sheet of mass :math:`c` turns g into
    :math:`g / (1 - c)`, so a convergence known but for its mean gives g but for such a factor.

    Args:
        shear: the linear map from convergence to shear.

    >>> model = ReducedShear(KaiserSquires((8, 8)))
    >>> kappa = 0.1 * torch.randn(1, 1, 8, 8, dtype=torch.float64)
    >>> step = 1e-6 * torch.randn_like(kappa)
    >>> change = model(kappa + step) - model(kappa)
    >>> bool((model.linearised(kappa)(step) - change).abs().max() < 1e-4 * change.abs().max())
    True
    """

    def __init__(self, shear: KaiserSquires) -> None:
        super().__init__()
        if not isinstance(shear, KaiserSquires):
            raise TypeError(f"shear: expected KaiserSquires, got {type(shear).__name__}")
        self.shear, self.field = shear, shear.field
        self.in_shape, self.in_dtype = shear.in_shape, shear.in_dtype
        self.out_shape, self.out_dtype = shear.out_shape, shear.out_dtype

    def A(self, x: Tensor) -> Tensor:
        """Reduced shear, complex (B, 1, H, W); convergence above 0.98, as iterates may have it, divides as 0.98."""
        return self.shear.A(x) / (1 - x).clamp_min(_LEAST)

    def forward(self, x: Tensor) -> Tensor:
        """Reduced shear, complex (B, 1, H, W).

        Raises:
            ValueError: the convergence reaches 1, where the images of a galaxy are many, or is not finite.
        """
        _check_weak(x, self.shear)
        return self.A(x)

    def linearised(self, x: Tensor) -> LinearOperator:
        r"""Derivative at ``x``, :math:`\delta \mapsto A\delta / (1 - \kappa) + A\kappa\,\delta / (1 - \kappa)^2`,
        as an operator, for Gauss-Newton steps."""
        return _ReducedShearDerivative(self.shear, x)

    def solve(self, g: Tensor, solver, *, steps: int = 4) -> Tensor:
        r"""Convergence from reduced shear with any solver of the linear problem, by :math:`\gamma \leftarrow
        g\,(1 - \kappa)` alternating with ``kappa = solver(gamma)``. Seitz, Schneider 1995, astro-ph/9408050.

        ``solver`` may be ``op.inverse``; on even sides its last frequencies keep an error unless ``exact=True``, which
        magnifies them, so that many steps diverge. Of each sample the iterate of the smallest change comes back; a
        RuntimeWarning says where that is not a solution, as the steps diverged, or the convergence reaches 1.
        """
        if steps < 1:
            raise ValueError(f"steps: expected at least 1, got {steps}")
        kappa = best = solver(g)
        least = last = torch.full((len(kappa),), float("inf"), dtype=kappa.real.dtype, device=kappa.device)
        for _ in range(steps - 1):
            before, kappa = kappa, solver(g * (1 - kappa))
            last = _change(kappa.detach(), before.detach())
            best = torch.where((last < least).reshape(-1, 1, 1, 1), kappa, best)
            least = torch.fmin(last, least)
        settled = (least < 1e-4) | ((last <= least) & (least < 0.1))
        if steps > 1 and not bool(settled.all()):
            warnings.warn(
                f"ReducedShear.solve: diverges, the smallest change in {steps} steps was {float(least.max()):.2g} of "
                "the convergence; smooth the map, or mask the cores of clusters",
                RuntimeWarning, stacklevel=2,
            )  # fmt: skip
        if not bool((best.detach() < 1).all()):
            warnings.warn(
                "ReducedShear.solve: the convergence reaches 1 or is not finite; reduced shear has no meaning there",
                RuntimeWarning, stacklevel=2,
            )  # fmt: skip
        return best


def _change(new: Tensor, old: Tensor) -> Tensor:
    """Norm of the difference over that of ``new``, (B,)."""
    size = torch.linalg.vector_norm(new.flatten(1), dim=1)
    return torch.linalg.vector_norm((new - old).flatten(1), dim=1) / size.clamp_min(torch.finfo(size.dtype).tiny)


def _check_weak(kappa: Tensor, shear: KaiserSquires) -> None:
    check_batch("kappa", kappa, shear.in_shape, complex_data=False)
    if not bool(torch.isfinite(kappa).all()):
        raise ValueError("kappa: holds NaN or infinite values")
    if not bool((kappa < 1).all()):
        raise ValueError("kappa: reaches 1; the reduced shear has no meaning there")


class _ReducedShearDerivative(LinearOperator):
    def __init__(self, shear: KaiserSquires, kappa: Tensor) -> None:
        super().__init__()
        check_batch("kappa", kappa, shear.in_shape, complex_data=False)
        self.shear, self.in_shape, self.out_shape = shear, shear.in_shape, shear.out_shape
        self.out_dtype = torch.complex64
        gain = 1 / (1 - kappa).clamp_min(_LEAST)
        self.register_buffer("gain", gain, persistent=False)
        self.register_buffer("slope", shear.A(kappa) * gain**2 * (1 - kappa > _LEAST), persistent=False)

    gain: Tensor
    slope: Tensor

    def A(self, x: Tensor) -> Tensor:
        y = self.shear.A(x)
        return y * constant_like(self.gain, y, "kappa") + x * constant_like(self.slope, y, "kappa")

    def A_adjoint(self, y: Tensor) -> Tensor:
        y = y.to(y.real.dtype.to_complex())
        direct = (y * constant_like(self.slope, y, "kappa").conj()).real
        return self.shear.A_adjoint(y * constant_like(self.gain, y, "kappa")) + direct
