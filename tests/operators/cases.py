"""Small operators: some that write ``A`` alone, of which the base class derives the rest, and one of every kind."""

from collections.abc import Callable

import torch
from torch import Tensor

from operators import (
    MRI,
    NUFFT,
    NUFFT3D,
    Blur,
    Downsampling,
    FanBeam,
    Gradient,
    Identity,
    Inpainting,
    KaiserSquires,
    NonCartesianMRI,
    RadioInterferometry,
    Radon,
    Slices,
    StackedMRI,
    TwoChannels,
    VolumeMRI,
    Weighted,
    as_operator,
    gaussian_kernel,
    random_mask,
    stack,
)
from operators.base import LinearOperator


class MaskedFFT(LinearOperator):
    """Masked 2-D Fourier samples of a real image, (B, 1, H, W) -> (B, 1, H, W) complex."""

    def __init__(self, mask):
        super().__init__()
        self.register_buffer("mask", mask)
        self.in_shape = (1, *mask.shape)

    def A(self, x):
        return self.mask * torch.fft.fft2(x, norm="ortho")


class ComplexFFT(MaskedFFT):
    """The same of a complex image."""

    in_dtype = torch.complex64


class Convolution(LinearOperator):
    """Valid convolution with a trainable kernel, (B, 1, H, W) -> (B, 2, H - 2, W - 1)."""

    def __init__(self, image_shape: tuple[int, int] = (5, 6), seed: int = 0) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        self.kernel = torch.nn.Parameter(torch.randn(2, 1, 3, 2, dtype=torch.float64, generator=g))
        self.in_shape = (1, *image_shape)

    def A(self, x: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(x, self.kernel.to(x.dtype))


class ComplexMap(LinearOperator):
    """Trainable complex map, stored as real (..., 2), on a complex image (B, 1, H, W)."""

    in_dtype = torch.complex64

    def __init__(self, image_shape: tuple[int, int] = (3, 4), seed: int = 0) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        self.map = torch.nn.Parameter(torch.randn(2, *image_shape, 2, dtype=torch.float64, generator=g))
        self.in_shape = (1, *image_shape)

    def A(self, x: Tensor) -> Tensor:
        maps = torch.view_as_complex(self.map).to(x.real.dtype.to_complex())
        return torch.fft.fft2(maps * x, norm="ortho")[..., :-1]


class BatchMask(LinearOperator):
    """Pointwise weights with a batch axis, (1 or B, C, H, W)."""

    weights: Tensor

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", weights, persistent=False)
        self.in_shape = tuple(weights.shape[1:])

    def A(self, x: Tensor) -> Tensor:
        return self.weights.to(x.real.dtype) * x


def mask(h: int = 5, w: int = 6) -> Tensor:
    """A fixed pattern that keeps two thirds."""
    return (torch.arange(h * w).reshape(h, w) * 7) % 3 > 0


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def _points(axes: int = 2, m: int = 30) -> Tensor:
    return random(axes, m).clamp(-3, 3)


def _maps(*shape: int) -> Tensor:
    return random(2, *shape, dtype=torch.complex128)


def _radon(**options) -> Radon:
    return Radon(5, torch.arange(6.0) / 2, **options)


def _weighted() -> LinearOperator:
    op = _radon()
    return Weighted(random(*op.out_shape).abs() + 0.1) @ op


def half_spectrum(x: Tensor) -> Tensor:
    return torch.fft.fft2(x, norm="ortho")[..., ::2]


OPERATORS: dict[str, Callable[[], LinearOperator]] = {
    "identity": lambda: Identity((4, 5)),
    "inpainting": lambda: Inpainting(random_mask((5, 6), 0.5)),
    "blur": lambda: Blur(gaussian_kernel(0.6), (6, 7)),
    "blur, zeros around": lambda: Blur(gaussian_kernel(0.5), (6, 5), boundary="zero"),
    "blur, valid": lambda: Blur(gaussian_kernel(0.5, 3), (6, 7), boundary="valid"),
    "downsampling": lambda: Downsampling(2, (6, 8), filter="average"),
    "gradient": lambda: Gradient((4, 5)),
    "mri": lambda: MRI(random_mask((5, 4), 0.5)),
    "mri, coils": lambda: MRI(random_mask((5, 4), 0.7), _maps(5, 4)),
    "mri of a volume": lambda: VolumeMRI(random_mask((2, 12), 0.7).reshape(2, 3, 4), _maps(2, 3, 4)),
    "nufft": lambda: NUFFT(_points(), (4, 5)),
    "nufft, real": lambda: NUFFT(_points(), (4, 5), real=True),
    "nufft of a volume": lambda: NUFFT3D(_points(3), (2, 3, 3)),
    "mri, non-Cartesian": lambda: NonCartesianMRI(_points(), (4, 5), _maps(4, 5)),
    "mri, stack": lambda: StackedMRI(_points(), (2, 3, 4), _maps(2, 3, 4)),
    "radio": lambda: RadioInterferometry(_points(), (4, 5), unit="rad/pixel"),
    "radon": _radon,
    "radon, truncated": lambda: _radon(detector_count=4),
    "fan beam": lambda: FanBeam(5, torch.arange(6.0), 20.0, 20.0),
    "lensing": lambda: KaiserSquires((4, 5)),
    "lensing, masked": lambda: KaiserSquires((4, 5), mask=random_mask((4, 5), 0.7)),
    "two channels": lambda: TwoChannels(KaiserSquires((4, 5))),
    "weighted": _weighted,
    "sum": lambda: 2.0 * Identity((4, 5)) + Inpainting(random_mask((4, 5), 0.5)),
    "stack": lambda: stack(Inpainting(random_mask((4, 5), 0.5)), Identity((4, 5))),
    "slices": lambda: Slices(_radon(), 2),
    "matrix": lambda: as_operator(random(9, 12), in_shape=(1, 3, 4)),
    "derived": lambda: as_operator(half_spectrum, in_shape=(1, 4, 5)),
}
