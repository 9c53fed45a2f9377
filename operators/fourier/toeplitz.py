"""Normal operators of Fourier samples: a convolution of the image, whatever the number of samples."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..modes import constant

__all__ = ["Toeplitz", "fast_length"]

_AT_ONCE = 2**18  # values of the columns that a CPU's thread transforms together: they stay in its cache


class Toeplitz:
    r"""Block-Toeplitz operator :math:`(Tx)_n = \sum_k t_{n - k} x_k` on images (..., H, W), self-adjoint.

    Two FFTs on a doubled grid; for a real kernel and real images half-spectra. Self-adjoint means
    :math:`t_{-n} = \bar t_n`, so the spectrum is real.

    Args:
        kernel: t, (2H - 1, 2W - 1), its middle at (H - 1, W - 1); double precision.
        real: images are real and only the real part of the result is wanted.

    Fessler et al. 2005, doi:10.1109/TSP.2005.853152.

    >>> t = Toeplitz(torch.tensor([[1.0, 2.0, 1.0]], dtype=torch.complex128), real=True)
    >>> t(torch.tensor([[1.0, 0.0]]))
    tensor([[2., 1.]])
    """

    def __init__(self, kernel: Tensor, *, real: bool = False) -> None:
        self.shape = ((kernel.shape[-2] + 1) // 2, (kernel.shape[-1] + 1) // 2)
        self.real = real
        kernel = kernel.real if real and kernel.is_complex() else kernel
        self.kernel = (kernel + kernel.flip(-2, -1).conj()).div_(2)
        self.grid = tuple(fast_length(n) for n in kernel.shape)
        self._cast: dict[tuple[torch.dtype, torch.device], Tensor] = {}
        self._near: dict[tuple[torch.dtype, torch.device], tuple[Tensor, float]] = {}

    def _transformed(self) -> Tensor:
        (h, w), (a, b) = self.shape, self.grid
        padded = torch.zeros(a, b, dtype=self.kernel.dtype, device=self.kernel.device)
        padded[:h, :w] = self.kernel[h - 1 :, w - 1 :]
        padded[a - h + 1 :, :w] = self.kernel[: h - 1, w - 1 :]
        padded[:h, b - w + 1 :] = self.kernel[h - 1 :, : w - 1]
        padded[a - h + 1 :, b - w + 1 :] = self.kernel[: h - 1, : w - 1]
        # the second axis first (see __call__): columns of the spectrum lie together in memory
        return (torch.fft.rfft2(padded) if self.real else torch.fft.fft2(padded)).real.T.contiguous()

    def spectrum(self, like: Tensor) -> Tensor:
        """Spectrum of the kernel on the doubled grid, transposed, in the precision and on the device of ``like``."""
        if self.kernel.requires_grad:
            return self._transformed().to(like.real)
        dtype, device = key = like.real.dtype, like.device
        if key not in self._cast:
            self._cast[key] = constant(lambda: self._transformed().to(device, dtype))
        return self._cast[key]

    def __call__(self, x: Tensor) -> Tensor:
        (h, w), (a, b) = self.shape, self.grid
        forward: Callable[..., Tensor] = torch.fft.rfft if self.real else torch.fft.fft
        backward: Callable[..., Tensor] = torch.fft.irfft if self.real else torch.fft.ifft
        rows, spectrum = forward(x, n=b, dim=-1), self.spectrum(x)
        count = rows.shape[-1]
        if x.device.type == "cpu":
            count = max(1, _AT_ONCE * torch.get_num_threads() // (a * max(1, rows[..., 0, 0].numel())))
        for k in range(0, rows.shape[-1], count):
            some = slice(k, k + count)  # without names, so that columns are kept twice at most
            columns = torch.fft.fft(rows[..., some].transpose(-2, -1).contiguous(), n=a, dim=-1) * spectrum[some]
            rows[..., some] = torch.fft.ifft(columns, dim=-1)[..., :h].transpose(-2, -1)
            del columns
        return backward(rows, n=b, dim=-1)[..., :w].contiguous()

    def circulant(self) -> Tensor:
        """Spectrum (H, W) of the closest circulant operator on the image's own grid, positive where T is.

        T. Chan 1988, doi:10.1137/0909051.
        """
        h, w = self.shape
        tall, wide = _triangle(h, self.kernel)[:, None], _triangle(w, self.kernel)
        out = torch.zeros(h, w, dtype=self.kernel.dtype, device=self.kernel.device)
        for rows, top in ((slice(h - 1, None), 0), (slice(0, h - 1), 1)):
            for columns, left in ((slice(w - 1, None), 0), (slice(0, w - 1), 1)):
                out[top:, left:] += tall[rows] * wide[columns] * self.kernel[rows, columns]
        return torch.fft.fft2(out).real

    def preconditioner(self, gamma: Tensor) -> Callable[[Tensor], Tensor]:
        """Inverse of I + gamma C, C the :meth:`circulant` operator without negative values; gamma (B, 1, 1, 1).

        gamma is limited to 100 over the largest value of C: measured on polar, radio and random points, a bolder
        preconditioner costs iterations where the samples leave gaps, this one saves half to three quarters of them.
        """
        spectrum, most = self._circulant_for(gamma)
        inverse = 1 / (1 + gamma.clamp_max(100 / most) * spectrum)

        def apply(r: Tensor) -> Tensor:
            if self.real:
                return torch.fft.irfft2(torch.fft.rfft2(r) * inverse, s=r.shape[-2:])
            return torch.fft.ifft2(torch.fft.fft2(r) * inverse)

        return apply

    def _circulant_for(self, like: Tensor) -> tuple[Tensor, float]:
        """The :meth:`circulant` spectrum without negative values, for real images half of it, such as ``like``, and its
        largest value."""
        key = like.dtype, like.device
        if key in self._near:
            return self._near[key]

        def make() -> tuple[Tensor, float]:
            spectrum = self.circulant().clamp_min(0)
            half = spectrum[:, : spectrum.shape[1] // 2 + 1] if self.real else spectrum
            return half.to(like), float(spectrum.max())

        if self.kernel.requires_grad:
            return make()
        self._near[key] = constant(make)
        return self._near[key]


def fast_length(n: int, *, odd: bool = False) -> int:
    """Smallest number, or odd number, >= ``n`` for which FFTs are fast.

    >>> fast_length(23), fast_length(23, odd=True)
    (24, 25)
    """
    from scipy.fft import next_fast_len

    length = int(next_fast_len(n) or n)
    while odd and length % 2 == 0:
        length = int(next_fast_len(length + 1) or n)
    return length


def _triangle(n: int, like: Tensor) -> Tensor:
    """Share of pairs of pixels at each difference -(n - 1) ... n - 1."""
    return 1 - torch.arange(1 - n, n, dtype=like.real.dtype, device=like.device).abs() / n
