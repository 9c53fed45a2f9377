"""LoFi's noise suppression filter: a learnable transfer function that serves images of every size."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["NoiseFilter"]

_LAYOUTS = ("real", "pair")


class NoiseFilter(nn.Module):
    r"""Learnable filter in the Fourier domain, initially the identity.

    .. math:: u = F^{-1} (\Phi \odot F y)

    on the image padded with ``pad`` zeros on each side. The transfer function :math:`\Phi` is stored for images of
    side ``size`` and read off at the frequencies of other sizes, odd or oblong ones too: it is resampled
    bicubically in cycles per pixel, so the same frequency sees the same gain. (The authors' code resamples the
    array without fftshift, which stretches the response.) arXiv:2411.04995, III-D.

    Args:
        size: side of the training images.
        channels: channels of the image; one filter a channel, or one in all for ``"pair"``.
        pad: zeros around the image, in pixels.
        layout: ``"real"``: channels are real images. ``"pair"``: two channels are the parts of one complex image.

    (B, C, H, W) -> (B, outputs, H, W): real parts of the filtered channels, then imaginary parts.

    >>> image = torch.rand(1, 1, 15, 20)
    >>> torch.allclose(NoiseFilter(16, 1)(image)[:, :1], image, atol=1e-6)
    True
    """

    def __init__(self, size: int, channels: int = 1, *, pad: int = 5, layout: str = "real") -> None:
        super().__init__()
        if layout not in _LAYOUTS:
            raise ValueError(f"layout: expected one of {_LAYOUTS}, got {layout!r}")
        if layout == "pair" and channels != 2:
            raise ValueError(f"channels: a pair has 2, got {channels}")
        self.pad, self.layout = pad, layout
        filters = 1 if layout == "pair" else channels
        self.outputs = 2 * filters
        side = size + 2 * pad
        response = torch.zeros(filters, side, side, 2)  # complex as (real, imaginary)
        response[..., 0] = 1
        self.response = nn.Parameter(response)

    def transfer(self, image_shape: tuple[int, int]) -> Tensor:
        """Complex gain (filters, H, W) at the FFT frequencies of an ``image_shape`` array, DC first.

        >>> NoiseFilter(16).transfer((9, 12)).shape
        torch.Size([1, 9, 12])
        """
        response = self.response
        if tuple(response.shape[1:3]) != tuple(image_shape):
            response = self._resample(image_shape)
        return torch.view_as_complex(response.contiguous())

    def _resample(self, image_shape: tuple[int, int]) -> Tensor:
        side = self.response.shape[1]
        margin = 2  # the bicubic kernel reaches two samples out, across the periodic seam
        shifted = torch.fft.fftshift(self.response.permute(0, 3, 1, 2), (-2, -1))
        ring = F.pad(shifted, (margin,) * 4, mode="circular")
        points = []
        for n in image_shape:
            frequency = torch.fft.fftfreq(n, device=ring.device, dtype=ring.dtype)  # cycles per pixel
            points.append(frequency * side + side // 2 + margin)
        grid = torch.stack(torch.meshgrid(*points, indexing="ij"), -1)
        grid = (2 * grid / (side + 2 * margin - 1) - 1).flip(-1).expand(ring.shape[0], *image_shape, 2)
        return F.grid_sample(ring, grid, mode="bicubic", align_corners=True).permute(0, 2, 3, 1)

    def forward(self, image: Tensor) -> Tensor:
        if image.dtype != self.response.dtype:  # half precision, which knows no complex numbers
            return self(image.to(self.response.dtype)).to(image.dtype)
        if self.layout == "pair":
            image = torch.complex(image[:, :1], image[:, 1:])
        height, width = image.shape[-2:]
        padded = F.pad(image, (self.pad,) * 4)
        spectrum = torch.fft.fft2(padded) * self.transfer((padded.shape[-2], padded.shape[-1]))
        filtered = torch.fft.ifft2(spectrum)[..., self.pad : self.pad + height, self.pad : self.pad + width]
        return torch.cat((filtered.real, filtered.imag), 1)
