"""How noisy are the data: an estimate where the user gives none."""

import torch
from torch import Tensor

from operators.base import LinearOperator

__all__ = ["estimate_noise"]

_NORMAL_MAD = 0.6744897501960817  # median of |n| for a standard normal n


def _diagonal_detail(x: Tensor) -> Tensor:
    """Finest diagonal wavelet detail (Haar, undecimated): white noise keeps its variance, smooth images vanish."""
    return (x[..., 1:, 1:] - x[..., 1:, :-1] - x[..., :-1, 1:] + x[..., :-1, :-1]) / 2


def _median(values: Tensor, keep: Tensor | None = None) -> Tensor:
    """Median of |values| of each sample, among those to ``keep`` (all where there are none) -> (B,)."""
    out = []
    for b in range(values.shape[0]):
        v = values[b] if keep is None or not bool(keep[b].any()) else values[b][keep[b]]
        out.append(v.abs().flatten().median() if v.numel() else v.real.new_zeros(()))
    return torch.stack(out)


@torch.no_grad()
def estimate_noise(op: LinearOperator, y: Tensor) -> tuple[Tensor, str]:
    r"""Standard deviation of white noise in the data, per real component, for each sample (B,), and the method.

    Data that are real images (blur, inpainting, down-sampling): median absolute deviation of the finest diagonal
    wavelet detail, over blocks in which all four pixels were measured. Other data: the same detail of the adjoint
    image :math:`A^* y`, relative to that of :math:`A^* n` with simulated unit noise n, so any colour that the
    operator gives to the noise cancels. Image texture makes both err on the high side. Donoho, Johnstone 1994,
    doi:10.1093/biomet/81.3.425.

    >>> from operators.mask import Identity
    >>> y = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> 0.9 < estimate_noise(Identity((64, 64)), y)[0].item() < 1.1
    True
    """
    spatial = y.ndim == 4 and min(y.shape[-2:]) >= 2
    if spatial and not y.is_complex():
        present = (y != 0).to(y.dtype)
        blocks = (present[..., 1:, 1:] * present[..., 1:, :-1] * present[..., :-1, 1:] * present[..., :-1, :-1]) > 0
        return _median(_diagonal_detail(y), blocks) / _NORMAL_MAD, "median detail of the data"
    generator = torch.Generator().manual_seed(0)
    unit = torch.randn(1, *y.shape[1:], generator=generator, dtype=y.real.dtype).to(y.device)
    if y.is_complex():
        unit = torch.complex(unit, torch.randn(unit.shape, generator=generator, dtype=unit.dtype).to(y.device))
    unit = unit * (y != 0)
    image, noise = op.A_adjoint(y), op.A_adjoint(unit.to(y.dtype))
    if image.ndim != 4 or min(image.shape[-2:]) < 2:
        raise ValueError("noise_std: an estimate needs images (C, H, W) of at least 2 x 2 pixels; please give it")
    image, noise = (torch.view_as_real(v).movedim(-1, 1).flatten(1, 2) if v.is_complex() else v for v in (image, noise))
    ratio = _median(_diagonal_detail(image)) / _median(_diagonal_detail(noise)).clamp_min(torch.finfo(image.dtype).tiny)
    return ratio, "median detail of the adjoint image"
