"""Whether k-space has its zero frequency in the middle."""

from torch import Tensor

from ..doubts import Doubt

__all__ = ["off_centre"]


def off_centre(kspace: Tensor) -> tuple[Doubt, ...]:
    """Says that most energy of k-space (B, coils, H, W) lies at its border instead of in its middle, if it does.

    >>> import torch
    >>> off_centre(torch.fft.fft2(torch.ones(1, 1, 8, 8)))[0].words[:31]
    'the energy of k-space is not in'
    """
    energy = kspace.detach().abs().square().sum((0, 1))
    for axis in (0, 1):
        line = energy.sum(1 - axis)
        n = len(line)
        middle = float(line[n // 4 : n - n // 4].sum())
        if float(line.sum()) > 3 * middle:  # noise alone: twice
            words = (
                "the energy of k-space is not in its middle, where the zero frequency is expected, at index n // 2; "
                "torch.fft.fftshift(kspace, (-2, -1)) puts it there"
            )
            return (Doubt("centre", words),)
    return ()
