"""Weak lensing: convergence to shear (Kaiser-Squires)."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..base import LinearOperator
from ..doubts import Doubt
from ..shapes import Constant, as_constant, check_batch, check_number, constant_like, image_axes, with_channels

__all__ = ["CONVENTIONS", "KaiserSquires", "LensingConvention"]


class LensingConvention(NamedTuple):
    """Axes, signs and special frequencies of the map from convergence to shear.

    Attributes:
        x_axis: the first sky axis, ``"columns"`` (x to the right, as pictures are drawn) or ``"rows"``.
        sign: of gamma1 and of gamma2. gamma2 changes its sign with the direction of one axis, so (1, -1) is a y axis
            that points against the rows.
        dc: response to the mean: 1 keeps it (no such thing is measured), 0 loses it, as lensing does.
        nyquist: ``"real"``: both components are images of real filters, so that gamma1 and gamma2 do not mix on the
            last row and column of frequencies of even sizes; ``"keep"``: the formula as it is.
    """

    x_axis: str = "columns"
    sign: tuple[int, int] = (1, 1)
    dc: float = 0.0
    nyquist: str = "real"


CONVENTIONS = {
    "lenspack": LensingConvention(),
    "jax-lensing": LensingConvention(),
    "lofi": LensingConvention(x_axis="rows", dc=1.0, nyquist="keep"),
}
"""lenspack's ``ks93inv``, jax-lensing's (the same), LoFi's (rows first: gamma1 of the other sign; the mean passes)."""


class KaiserSquires(LinearOperator):
    r"""Shear of a convergence map, :math:`\hat\gamma = D\,\hat\kappa`, real (B, 1, H, W) to complex.

    .. math:: D(k) = \frac{k_1^2 - k_2^2 + 2 i\, k_1 k_2}{k_1^2 + k_2^2}, \qquad \gamma = \gamma_1 + i \gamma_2

    Periodic borders. A mask multiplies the shear. The pixel scale does not enter: shear and convergence have no unit;
    where it is given, solvers compare it with that of a prior.

    Args:
        image_shape: (H, W).
        convention: ``"lenspack"``, ``"jax-lensing"``, ``"lofi"`` or a :class:`LensingConvention`.
        mask: where shear is measured, (H, W) or (1 | B, 1, H, W), values 0 and 1.
        pixel_scale: side of a pixel in arcmin, if known.

    Raises:
        ValueError: unknown convention, wrong shape or values.

    Noise that differs between pixels is whitened in front: ``Weighted(1 / std, dtype=torch.complex64) @ op``, with the
    data ``y / std``. Kaiser, Squires 1993, doi:10.1086/172297.

    >>> op = KaiserSquires((16, 16))
    >>> kappa = torch.randn(1, 1, 16, 16)
    >>> bool((op.inverse(op(kappa), exact=True) - (kappa - kappa.mean())).abs().max() < 1e-5)
    True
    """

    field = "kappa"

    mask: Tensor | None
    response: Tensor
    response_single: Tensor

    def __init__(
        self,
        image_shape: tuple[int, int],
        *,
        convention: str | LensingConvention = "lenspack",
        mask: Constant | None = None,
        pixel_scale: float | None = None,
    ) -> None:
        super().__init__()
        self.in_shape = self.out_shape = image_axes(image_shape)
        if pixel_scale is not None and not 0 < check_number("pixel_scale", pixel_scale) < math.inf:
            raise ValueError(f"pixel_scale: expected a positive number of arcmin, got {pixel_scale!r}")
        self.pixel_scale = pixel_scale
        self.out_dtype = torch.complex64
        if isinstance(convention, str):
            if convention not in CONVENTIONS:
                raise ValueError(f"convention: expected one of {sorted(CONVENTIONS)}, got {convention!r}")
            convention = CONVENTIONS[convention]
        if not isinstance(convention, LensingConvention):
            raise TypeError(f"convention: expected a name or a LensingConvention, got {type(convention).__name__}")
        self.convention = convention
        response = _response(self.in_shape[1:], convention)
        self.register_buffer("response", response, persistent=False)
        self.register_buffer("response_single", response.to(torch.complex64), persistent=False)
        self.register_buffer("mask", None if mask is None else _checked(mask, self.in_shape), persistent=False)

    def _response_for(self, x: Tensor) -> Tensor:
        return self.response if x.real.dtype == torch.float64 else self.response_single

    def _filter(self, x: Tensor, response: Tensor) -> Tensor:
        return torch.fft.ifft2(torch.fft.fft2(x) * response)

    @property
    def measured(self) -> Tensor | None:
        return None if self.mask is None else self.mask.detach() > 0

    def _masked(self, y: Tensor) -> Tensor:
        if self.mask is None:
            return y
        return torch.where(constant_like(self.mask, y, "mask") > 0, y, 0)  # holes of a survey's map may be NaN

    def A(self, x: Tensor) -> Tensor:
        check_batch("x", x, self.in_shape, complex_data=False)
        return self._masked(self._filter(x, self._response_for(x)))

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_batch("y", y, self.out_shape, complex_data=True)
        return self._filter(self._masked(y), self._response_for(y).conj()).real

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        if self.mask is not None:
            return self.A_adjoint(self.A(x))
        return self._filter(x, self._response_for(x).abs() ** 2).real

    def solve_normal(self, b: Tensor, gamma: float | Tensor, **options) -> Tensor:
        if self.mask is not None:
            return super().solve_normal(b, gamma, **options)
        return self._filter(b, 1 / (1 + self._gamma(gamma, b) * self._response_for(b).abs() ** 2)).real

    def doubts(self, y: Tensor) -> tuple[Doubt, ...]:
        """Lensing makes no B modes: where fewer are left with the second component's sign turned round, the convention
        is not the data's, or their axes are exchanged."""
        y = self._masked(y.detach())
        left, turned = (float(self.modes(v).imag.square().sum()) for v in (y, y.conj().resolve_conj()))
        sizes = y.abs().double().square()  # as many pixels as are not outweighed by noisier ones
        count = min(2 * float(sizes.sum().square() / sizes.square().sum()) / len(y), y[0].numel())
        if not turned < (1 - max(8 / math.sqrt(2 * count), 0.05)) * left:
            return ()
        words = (
            "B modes would be fewer with the other sign of the second component, by {:.2g} %: y.conj() fits, another "
        )
        return (Doubt("geometry", words.format(100 * (1 - turned / left)) + "convention, or exchanged axes, y.mT"),)

    def norm(self) -> float:
        return float(self.response.abs().max()) if self.mask is None else super().norm()

    def modes(self, y: Tensor, *, exact: bool = False) -> Tensor:
        r"""E and B modes :math:`\kappa_E + i \kappa_B` of shear, complex (B, 1, H, W): the direct inversion.

        .. math:: \hat\kappa_E + i\, \hat\kappa_B = \bar D\, \hat\gamma

        as the codes have it: :math:`|D| = 1`, but for the mean, which is lost or kept as the convention has it, and,
        for real filters, the last row and column of frequencies of even sides. There they respond weakly; ``exact``
        divides by :math:`|D|^2`, which inverts them, too, and magnifies their noise. What lies in the mask's holes is
        taken as zero. Lensing makes no B modes; what is there is noise, mask or border.
        """
        check_batch("y", y, self.out_shape, complex_data=True)
        y = self._masked(y.to(y.real.dtype.to_complex()))
        d = self._response_for(y)
        power = d.abs() ** 2
        return self._filter(y, torch.where(power > 1e-12, d.conj() / power.clamp_min(1e-12), 0) if exact else d.conj())

    def inverse(self, y: Tensor, *, exact: bool = False) -> Tensor:
        """Convergence from shear, E modes (B, 1, H, W): Kaiser and Squires' estimate; ``exact`` as in :meth:`modes`."""
        return self.modes(y, exact=exact).real


def _checked(mask: Constant, shape: tuple[int, ...]) -> Tensor:
    mask = as_constant("mask", mask)
    if mask.is_complex():
        raise TypeError(f"mask: expected real values, got {mask.dtype}")
    full = with_channels(mask, 1)
    if full.shape[1:] != shape:
        raise ValueError(f"mask: expected (H, W) = {shape[1:]}, got {tuple(mask.shape)}")
    full = full.to(torch.float64)
    if not bool(((full == 0) | (full == 1)).all()):
        raise ValueError("mask: expected zeros and ones; weights go into Weighted(...) @ KaiserSquires(...)")
    if not bool(full.flatten(1).any(1).all()):
        raise ValueError("mask: nothing is measured (in a sample)")
    return full


def _response(shape: tuple[int, ...], convention: LensingConvention) -> Tensor:
    """Transfer function (1, 1, H, W) in double precision."""
    if convention.x_axis not in ("columns", "rows"):
        raise ValueError(f"x_axis: expected 'columns' or 'rows', got {convention.x_axis!r}")
    if convention.nyquist not in ("real", "keep"):
        raise ValueError(f"nyquist: expected 'real' or 'keep', got {convention.nyquist!r}")
    if not (isinstance(convention.sign, tuple) and len(convention.sign) == 2):
        raise ValueError(f"sign: expected two of 1 and -1, got {convention.sign!r}")
    if not all(s in (-1, 1) for s in convention.sign) or convention.dc not in (0, 1):
        raise ValueError(f"sign, dc: expected two of 1 and -1, and 0 or 1, got {convention.sign!r}, {convention.dc!r}")
    rows, columns = (torch.fft.fftfreq(n, dtype=torch.float64, device="cpu") for n in shape)
    k1, k2 = torch.broadcast_tensors(columns[None, :], rows[:, None])
    if convention.x_axis == "rows":
        k1, k2 = k2, k1
    square = k1**2 + k2**2
    square[0, 0] = 1.0
    first, second = (k1**2 - k2**2) / square, 2 * k1 * k2 / square
    if convention.nyquist == "real":  # a real filter responds alike to k and -k
        first, second = (0.5 * (f + f.flip(0, 1).roll((1, 1), (0, 1))) for f in (first, second))
    response = torch.complex(convention.sign[0] * first, convention.sign[1] * second)
    response[0, 0] = convention.dc
    return response[None, None]
