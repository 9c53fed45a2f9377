"""Primary beams: what the antennas see of a wide field."""

import math

import torch
from torch import Tensor

from ..base import LinearOperator
from ..shapes import Constant, as_constant, check_batch, constant_like, image_axes, with_channels

__all__ = ["PrimaryBeam", "airy_beam", "gaussian_beam"]

_LIGHT = 299_792_458.0  # m / s


class PrimaryBeam(LinearOperator):
    r"""A sky times the power beam of the antennas, (B, C, H, W): ``RadioInterferometry(...) @ PrimaryBeam(beam)``.

    Where the beam is below ``cutoff`` of its maximum, it is taken as zero and :attr:`support` is False: nothing is
    measured there, and solvers keep the image at zero.

    Args:
        beam: power response, not negative, (H, W), (C, H, W) or (1 | B, C, H, W), such as :func:`gaussian_beam` and
            :func:`airy_beam` give.
        channels: C, where ``beam`` has one.
        cutoff: of the maximum, 0 ... 1.
        real: the sky is real.

    Raises:
        TypeError, ValueError: an argument does not fit.

    Thompson, Moran, Swenson 2017, doi:10.1007/978-3-319-44431-4, section 2.3.

    >>> op = PrimaryBeam(gaussian_beam(60.0, (9, 9), cell=10.0))
    >>> round(op(torch.ones(1, 1, 9, 9))[0, 0, 4, 7].item(), 3)  # half of the full width from the centre
    0.5
    """

    field = "radio"

    beam: Tensor

    def __init__(self, beam: Constant, *, channels: int = 1, cutoff: float = 0.01, real: bool = True) -> None:
        super().__init__()
        beam = as_constant("beam", beam)
        if (
            beam.is_complex()
            or not bool(torch.isfinite(beam).all())
            or not (float(beam.min()) >= 0 < float(beam.max()))
        ):
            raise ValueError("beam: expected real, finite values >= 0, some of them > 0")
        if not 0 <= cutoff < 1:
            raise ValueError(f"cutoff: expected a share of the beam's maximum, 0 ... 1, got {cutoff!r}")
        full = with_channels(beam.double(), channels, "beam")
        full = torch.where(full > cutoff * full.amax((-2, -1), keepdim=True), full, 0)
        self.register_buffer("beam", full, persistent=False)
        self.in_shape = self.out_shape = tuple(full.shape[1:])
        self.in_dtype = self.out_dtype = torch.float32 if real else torch.complex64

    @property
    def support(self) -> Tensor | None:
        seen = self.beam.detach() > 0
        return None if bool(seen.all()) else seen

    def A(self, x: Tensor) -> Tensor:
        check_batch("x", x, self.in_shape, self.in_dtype.is_complex)
        return constant_like(self.beam, x, "beam") * x

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_batch("y", y, self.out_shape, self.out_dtype.is_complex)
        return constant_like(self.beam, y, "beam") * y

    def solve_normal(self, b: Tensor, gamma: float | Tensor, **_) -> Tensor:
        return b / (1 + self._gamma(gamma, b) * constant_like(self.beam, b, "beam") ** 2)


def gaussian_beam(fwhm: float, image_shape: tuple[int, int], *, cell: float) -> Tensor:
    r"""Power beam :math:`2^{-(2 r / \mathrm{fwhm})^2}`, (H, W), one at pixel (H // 2, W // 2); ``fwhm``, the full width
    at half of the maximum, and ``cell`` in arcsec.

    >>> gaussian_beam(20.0, (3, 3), cell=10.0)[1].tolist()
    [0.5, 1.0, 0.5]
    """
    _positive(fwhm=fwhm, cell=cell)
    return torch.exp2(-((2 * _radius(image_shape, cell) / fwhm) ** 2))


def airy_beam(diameter: float, frequency: float, image_shape: tuple[int, int], *, cell: float) -> Tensor:
    r"""Power beam of an evenly lit dish, :math:`(2 J_1(x) / x)^2` with :math:`x = \pi D \sin\theta\, \nu / c`, (H, W).

    Args:
        diameter: of the dish, m.
        frequency: Hz.
        cell: arcsec; :math:`\sin\theta` grows evenly with the pixels, as in FITS' SIN projection.

    >>> beam = airy_beam(25.0, 1.4e9, (65, 65), cell=60.0)
    >>> beam[32, 32].item(), round(2 * 60 * (beam[32, 32:] > 0.5).sum().item() / 3600, 1)  # 1.03 wavelengths / D
    (1.0, 0.5)
    """
    _positive(diameter=diameter, frequency=frequency, cell=cell)
    x = math.pi * diameter * frequency / _LIGHT * math.radians(1 / 3600) * _radius(image_shape, cell)
    return torch.where(x > 1e-6, (2 * torch.special.bessel_j1(x) / x.clamp_min(1e-6)) ** 2, 1.0)


def _radius(image_shape: tuple[int, int], cell: float) -> Tensor:
    _, *sizes = image_axes(image_shape)
    rows, columns = (cell * (torch.arange(n, dtype=torch.float64, device="cpu") - n // 2) for n in sizes)
    return torch.hypot(rows[:, None], columns[None])


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (isinstance(value, int | float) and 0 < value < math.inf):
            raise ValueError(f"{name}: expected a finite number > 0, got {value!r}")
