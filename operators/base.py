"""What an operator is: a linear map on batches, of which everything follows from ``A``."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .implicit import implicit_solve, linear_map
from .linalg import cg, cg_reports, column, default_rtol, power_norms
from .modes import anywhere, exact, is_trusted, largest, lasting, pull_back
from .nonlinear import Operator
from .shapes import check_batch, check_precision

__all__ = ["LinearOperator"]

_DOUBLE = (torch.float64, torch.complex128)


def _tell(name: str, reached: float, wanted: float, remedy: str, depth: int) -> None:
    """Warn where conjugate gradients ended far from the residual that was wanted."""
    if reached > 10 * wanted:
        words = f"{name}: a relative residual of {reached:.1e} after 500 iterations, not {wanted:.1e}; {remedy}"
        warnings.warn(words, RuntimeWarning, stacklevel=depth)


class LinearOperator(Operator):
    r"""Linear map :math:`A` from images (B, C, H, W) to data (B, ...), immutable once made.

    A subclass sets ``in_shape`` and writes ``A``; all else has a default. Inner products are real,
    :math:`\langle a, b\rangle = \mathrm{Re} \sum a \bar b`, so the adjoint of an operator on real images takes the
    real part. Precision follows the argument: constants are buffers and are cast to it.

    Attributes:
        in_shape, out_shape: shapes without the batch axis; ``out_shape`` is found by one call where it is not set.
        in_dtype, out_dtype: ``torch.float32`` or ``torch.complex64``; only real or complex matters.
        field: what its images are, ``"natural"``, ``"ct"``, ``"mri"``, ``"radio"`` or ``"kappa"``; solvers without a
            denoiser take a prior for it.

    >>> class Half(LinearOperator):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.in_shape = (1, 4, 4)
    ...     def A(self, x):
    ...         return x[..., :2, :]
    >>> op = Half()
    >>> op.out_shape, op.A_adjoint(torch.ones(1, 1, 2, 4)).sum().item()
    ((1, 2, 4), 8.0)
    """

    # ---- the one method to write is A(x); what has a default

    def linearised(self, x: Tensor) -> "LinearOperator":
        """Itself: a linear operator is its derivative everywhere."""
        return self

    def A_adjoint(self, y: Tensor) -> Tensor:
        """Adjoint for the real inner product, data (B, *out_shape) -> images; by default the derivative of ``A``."""
        check_precision("y", y)
        create = torch.is_grad_enabled()
        with lasting(), exact(y):
            y = y.clone() if y.is_inference() else y
            return pull_back(self.A, self._zeros(y.shape[0], y, self.in_dtype), y, create=create)

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        """Normal operator on images."""
        return self.A_adjoint(self.A(x))

    def weighted_normal(self, x: Tensor, weights: Tensor) -> Tensor:
        """:math:`A^* W A x` for real weights that broadcast to the data."""
        y = self.A(x)
        return self.A_adjoint(weights.to(y.real.dtype) * y)

    def solve_normal(
        self,
        b: Tensor,
        gamma: float | Tensor,
        *,
        x0: Tensor | None = None,
        rtol: float | None = None,
        max_iter: int = 500,
    ) -> Tensor:
        r"""Solve :math:`(I + \gamma A^* A) x = b` for each sample, :math:`\gamma \ge 0` a number or (B,).

        By default with conjugate gradients from ``x0`` to the relative residual ``rtol`` (1e-6 in single, 1e-10 in
        double precision) and implicit derivatives of first order with respect to b, gamma and A; operators with a
        closed form override it and need none of the options.
        """
        g = self._gamma(gamma, b)

        def matrix(x: Tensor) -> Tensor:
            with exact(x):
                return x + g * self.A_adjoint_A(x)

        def solve(v: Tensor, start: Tensor | None) -> Tensor:
            return cg(matrix, v, x0=start, rtol=rtol, max_iter=max_iter, precond=self.preconditioner(g))[0]

        return implicit_solve(matrix, b, solve, x0=x0)

    def preconditioner(self, gamma: Tensor) -> Callable[[Tensor], Tensor] | None:
        """Approximate inverse of :math:`I + \\gamma A^* A`, self-adjoint and positive, for conjugate gradients;
        ``gamma`` (B, 1, 1, 1); by default of :meth:`convolution`. None: they go without."""
        near = self.convolution()
        return None if near is None else near.preconditioner(gamma)

    def convolution(self) -> Any:
        """The :class:`operators.fourier.toeplitz.Toeplitz` operator that :math:`A^* A` is, or is near to. None: there
        is none that is known."""
        return None

    def weighted_convolution(self, weights: Tensor) -> Any:
        """:meth:`convolution` of :math:`A^* W A`."""
        return None

    def weighted_preconditioner(self, gamma: Tensor, weights: Tensor) -> Callable[[Tensor], Tensor] | None:
        """:meth:`preconditioner` of :math:`I + \\gamma A^* W A` for real weights that broadcast to the data: of
        :meth:`weighted_convolution`, else that of their mean."""
        near = self.weighted_convolution(weights)
        if near is not None:
            return near.preconditioner(gamma)
        each = weights if weights.ndim > len(self.out_shape) else weights[None]
        return self.preconditioner(gamma * column(each.flatten(1).mean(1).to(gamma), gamma))

    def slabs(self, batch: int) -> Any:
        """Of volumes whose normal operator acts slice by slice: (sample, slices, operator of those slices as a batch of
        images) for slabs of bounded memory. None: of others."""
        return None

    def few_slices(self, y: Tensor) -> "tuple[LinearOperator, Tensor]":
        """Some slices' operator and their data, with the noise of ``y``, of volumes that are measured slice by slice;
        what is estimated once (noise, gain) is estimated from these. By default all: itself and ``y``."""
        return self, y

    def prox_l2(
        self,
        z: Tensor,
        y: Tensor,
        gamma: float | Tensor,
        *,
        x0: Tensor | None = None,
        rtol: float | None = None,
        **_: Any,
    ) -> Tensor:
        r"""Proximal map :math:`\arg\min_x \frac\gamma2 \|Ax - y\|^2 + \frac12 \|x - z\|^2`, gamma >= 0 or (B,).

        A warning tells where 500 iterations do not reach ``rtol``, as with a large gamma.

        Raises:
            ValueError: ``gamma`` is negative or not finite, or a shape does not fit.
        """
        check_batch("z", z, self.in_shape, self.in_dtype.is_complex)
        check_batch("y", y, self.out_shape, self.out_dtype.is_complex)
        g = self._gamma(gamma, z)
        with exact(z), cg_reports() as reports:
            x = self.solve_normal(z + g * self.A_adjoint(y), gamma, x0=x0, rtol=rtol)
        if reports:
            _tell(
                "prox_l2", largest(reports[-1].residual), rtol or default_rtol(z.dtype), "a smaller gamma is easier", 3
            )
        return x

    def A_dagger(self, y: Tensor, *, rtol: float | None = None, max_iter: int | None = None, **_: Any) -> Tensor:
        r"""Least squares solution of smallest norm, by conjugate gradients on the normal equations from zero.

        It is not regularised, and fits the noise as well as the data: for noisy data of ill-conditioned operators (few
        coils, sinograms) :func:`operators.least_squares` with ``noise_std=`` ends where only noise is left; a small
        ``max_iter`` regularises, too, and a solver does better. Without ``max_iter`` 500 iterations have to reach
        ``rtol``, else a warning tells what they did reach.

        Derivatives by y are those of the pseudo-inverse, :math:`(A A^*)^+ A`, to any order; a derivative by the
        operator's constants raises RuntimeError (``prox_l2`` with a large gamma has one).
        """
        check_batch("y", y, self.out_shape, self.out_dtype.is_complex)

        def solve(v: Tensor) -> Tensor:
            x, info = cg(self.A_adjoint_A, self.A_adjoint(v), rtol=rtol, max_iter=max_iter or 500)
            if max_iter is None:
                wanted = rtol or default_rtol(v.dtype)
                _tell("A_dagger", largest(info.residual), wanted, "give max_iter to stop early on purpose", 5)
            return x

        def back(g: Tensor) -> Tensor:  # on data, where the right-hand side is in the range of the matrix
            v = cg(self.A_A_adjoint, self.A(g), rtol=rtol, max_iter=max_iter or 500)[0]
            return v if y.is_complex() or not v.is_complex() else v.real

        with exact(y):
            return linear_map(y, solve, back, *(t for t in (*self.buffers(), *self.parameters()) if t.requires_grad))

    def norm(self) -> float:
        """Largest singular value, in double precision; of all samples, should A hold constants with a batch axis."""
        return float(self.norms().max())

    def norms(self) -> Tensor:
        """Largest singular values by Lanczos steps from a fixed image, half noise, half even, (1 | B,): of each sample
        where A holds constants with a batch axis."""
        kind = torch.complex128 if self.in_dtype.is_complex else torch.float64
        x = torch.randn(1, *self.in_shape, generator=torch.Generator().manual_seed(0), dtype=kind, device="cpu")
        with torch.no_grad():
            # even images are near the strongest of blurs and projections, which noise alone finds slowly
            return power_norms(self.A_adjoint_A, 1 + x.to(self._device()))

    # ---- names that others know

    def A_A_adjoint(self, y: Tensor) -> Tensor:
        """``A(A_adjoint(y))``."""
        return self.A(self.A_adjoint(y))

    def A_vjp(self, x: Tensor, v: Tensor) -> Tensor:
        """Vector-Jacobian product at ``x``: the adjoint, since A is linear (deepinv's name)."""
        return self.A_adjoint(v)

    # ---- helpers

    def _zeros(self, batch: int, like: Tensor, kind: torch.dtype) -> Tensor:
        double = like.dtype in _DOUBLE
        real = torch.float64 if double else torch.float32
        dtype = real.to_complex() if kind.is_complex else real
        return torch.zeros(batch, *self.in_shape, dtype=dtype, device=like.device)

    def _gamma(self, gamma: float | Tensor, like: Tensor) -> Tensor:
        check_precision("b", like)
        try:
            g = column(gamma, like)
        except (TypeError, ValueError) as error:
            raise type(error)(f"gamma: {error}") from None
        if not is_trusted(g) and anywhere(~((g >= 0) & torch.isfinite(g))):
            raise ValueError(f"gamma: expected finite values >= 0, got {gamma}")
        return g

    # ---- algebra

    @property
    def H(self) -> "LinearOperator":
        """Adjoint as an operator; ``op.H.H is op``."""
        from .compose import Adjoint

        return Adjoint(self)

    def __matmul__(self, other: "LinearOperator") -> "LinearOperator":
        from .compose import Compose

        return Compose(self, other) if isinstance(other, LinearOperator) else NotImplemented

    def __add__(self, other: "LinearOperator") -> "LinearOperator":
        from .compose import Sum

        return Sum(self, other) if isinstance(other, LinearOperator) else NotImplemented

    def __mul__(self, factor: float | complex) -> "LinearOperator":
        from .compose import Scaled

        return Scaled(self, factor) if isinstance(factor, (int, float, complex)) else NotImplemented

    def __rmul__(self, factor: float | complex) -> "LinearOperator":
        return self * factor

    def __neg__(self) -> "LinearOperator":
        return self * -1.0

    def __sub__(self, other: "LinearOperator") -> "LinearOperator":
        return self + (-other)
