"""Images on a coarser grid."""

from operator import index

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from ..base import LinearOperator
from ..kept import Kept
from ..shapes import Constant, as_constant, check_precision, constant_like, image_axes
from .blur import check_kernel, kernel_axes
from .kernels import gaussian_kernel

__all__ = ["Downsampling", "bicubic_kernel"]


def bicubic_kernel(factor: int) -> Tensor:
    """Keys' cubic (a = -0.5) stretched by ``factor`` against aliasing, (4r - 1)² taps.

    The taps are symmetric about the kept pixel (MATLAB's imresize samples the same cubic about the centre of a
    block). doi:10.1109/TASSP.1981.1163711.

    >>> round(bicubic_kernel(2).sum().item(), 5)
    1.0
    """
    t = torch.arange(-2 * factor + 1, 2 * factor, dtype=torch.float64, device="cpu").abs() / factor
    near = (1.5 * t - 2.5) * t**2 + 1
    far = ((-0.5 * t + 2.5) * t - 4) * t + 2
    line = torch.where(t <= 1, near, far)
    line = line / line.sum()
    return (line[:, None] * line).float()


def _kernel(filter: str | Constant, factor: int) -> Tensor:
    if not isinstance(filter, str):
        return as_constant("filter", filter)
    if filter == "gaussian":
        return gaussian_kernel(0.5 * factor) if factor > 1 else torch.ones(1, 1, device="cpu")
    if filter == "bicubic":
        return bicubic_kernel(factor)
    if filter == "naive":
        return torch.ones(1, 1, device="cpu")
    if filter == "average":  # origin at tap r // 2; the roll in the operator moves it to the block's first pixel
        exact = 1 / factor**2  # in double precision, too
        return torch.full((factor, factor), exact, dtype=torch.float64, device="cpu")
    raise ValueError(f"filter: expected 'gaussian', 'bicubic', 'average', 'naive' or a kernel, got {filter!r}")


class Downsampling(LinearOperator):
    r"""Anti-aliased image on an r times coarser grid, (B, C, H, W) -> (B, C, H/r, W/r).

    .. math:: (Ax)_p = (k * x)_{r p}

    Args:
        factor: r, an integer that divides both sides of the image.
        image_shape: (H, W).
        channels: of the image, where the kernel has one.
        filter: ``"gaussian"`` (standard deviation r/2), ``"bicubic"`` (:func:`bicubic_kernel`), ``"average"`` (means
            of r x r blocks), ``"naive"`` (every r-th pixel from the first), or a kernel as of :class:`Blur`.

    The image continues periodically, and the prox has the closed form of Zhao et al. 2016,
    doi:10.1109/TIP.2016.2567075.

    Raises:
        ValueError: ``factor`` does not divide the image, or a wrong filter.

    >>> Downsampling(2, (4, 4), filter="average")(torch.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[2.5, 4.5], [10.5, 12.5]]]]
    """

    kernel: Tensor

    def __init__(
        self, factor: int, image_shape: tuple[int, int], *, channels: int = 1, filter: str | Constant = "gaussian"
    ) -> None:
        super().__init__()
        try:
            factor = index(factor)
        except TypeError:
            raise ValueError(f"factor: expected an integer >= 1, got {factor!r}") from None
        if factor < 1:
            raise ValueError(f"factor: expected an integer >= 1, got {factor!r}")
        _, height, width = image_axes(image_shape)
        if height % factor or width % factor:
            raise ValueError(f"factor: {factor} does not divide the image, {(height, width)}")
        self.factor, self.image_shape = factor, (height, width)
        kernel = check_kernel(_kernel(filter, factor), self.image_shape)
        # averages start at the first pixel of a block, not at its centre
        shift = (factor - 1) - factor // 2 if isinstance(filter, str) and filter == "average" else 0
        self.shift = shift
        self.register_buffer("kernel", kernel.clone(), persistent=False)
        self.in_shape = kernel_axes(kernel, image_shape, channels)
        self.out_shape = (self.in_shape[0], height // factor, width // factor)
        self.out_dtype = torch.float32
        self._spectrum = Kept(values=True)

    def spectrum(self, like: Tensor) -> Tensor:
        """Transfer function of the filter, (1 | B, C | 1, H, W), both halves, in the precision of ``like``."""
        kernel = constant_like(self.kernel, like, "filter")
        return self._spectrum(self.kernel, kernel.dtype, lambda: self._transformed(kernel))

    def _transformed(self, kernel: Tensor) -> Tensor:
        h, w = kernel.shape[-2:]
        padded = F.pad(kernel, (0, self.image_shape[1] - w, 0, self.image_shape[0] - h))
        origin = (-(h // 2) - self.shift, -(w // 2) - self.shift)
        return torch.fft.fft2(padded.roll(origin, (-2, -1)))

    def A(self, x: Tensor) -> Tensor:
        blurred = torch.fft.ifft2(self.spectrum(x) * torch.fft.fft2(x)).real
        return blurred[..., :: self.factor, :: self.factor]

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_precision("y", y)
        # the spectrum of an image with zeros between its pixels is the coarse spectrum, repeated
        spectrum = self.spectrum(y).conj()
        return torch.fft.ifft2(torch.fft.fft2(y).repeat(1, 1, self.factor, self.factor) * spectrum).real

    def solve_normal(self, b: Tensor, gamma: float | Tensor, **_) -> Tensor:
        r = self.factor
        transfer, spectrum = self.spectrum(b), torch.fft.fft2(b)
        fold = "b c (i h) (j w) -> b c i j h w"

        def aliases(v: Tensor) -> Tensor:
            return rearrange(v, fold, i=r, j=r)

        energy = aliases(transfer.abs() ** 2).sum((2, 3)) / r**2
        coarse = aliases(transfer * spectrum).sum((2, 3)) / r**2
        g = self._gamma(gamma, b)
        correction = (g * coarse / (1 + g * energy)).repeat(1, 1, r, r)
        return torch.fft.ifft2(spectrum - transfer.conj() * correction).real

    def norm(self) -> float:
        power = self.spectrum(self.kernel.double()).detach().abs() ** 2
        folded = rearrange(power, "b c (i h) (j w) -> b c i j h w", i=self.factor, j=self.factor)
        return float((folded.sum((2, 3)) / self.factor**2).max()) ** 0.5
