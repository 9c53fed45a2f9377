"""Whether k-space has its zero frequency in the middle."""

from torch import Tensor

from ..doubts import Doubt

__all__ = ["off_centre", "outer_axes"]


def outer_axes(kspace: Tensor) -> tuple[int, ...]:
    """Axes, of -2 and -1, along which most energy of k-space (B, coils, H, W) lies at the border, not in the middle.

    >>> import torch
    >>> outer_axes(torch.fft.fftshift(torch.fft.fft2(torch.ones(1, 1, 8, 8)), -1))
    (-2,)
    """
    energy = kspace.detach().abs().square().sum((0, 1))
    found = []
    for axis in (-2, -1):
        line = energy.sum(-3 - axis)
        n = len(line)
        middle = float(line[n // 4 : n - n // 4].sum())
        if float(line.sum()) > 3 * middle:  # noise alone: twice
            found.append(axis)
    return tuple(found)


def off_centre(kspace: Tensor) -> tuple[Doubt, ...]:
    """Says that most energy of k-space (B, coils, H, W) lies at its border instead of in its middle, if it does.

    >>> import torch
    >>> off_centre(torch.fft.fft2(torch.ones(1, 1, 8, 8)))[0].words[:31]
    'the energy of k-space is not in'
    """
    if not outer_axes(kspace):
        return ()
    words = (
        "the energy of k-space is not in its middle, where the zero frequency is expected, at index n // 2; "
        "torch.fft.fftshift(kspace, (-2, -1)) puts it there"
    )
    return (Doubt("centre", words),)
