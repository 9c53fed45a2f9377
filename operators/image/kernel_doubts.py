"""Whether the spectrum of blurred images bears the marks of the kernel."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..doubts import Doubt

__all__ = ["kernel_doubts"]

_SIDE = 160  # pixels: larger images are cropped
_ROUNDS = 15
_SURE = {True: 60.0, False: 220.0}  # of log likelihood, for kernels that are alike all around, and others


@torch.no_grad()
def kernel_doubts(y: Tensor, kernel: Tensor) -> tuple[Doubt, ...]:
    r"""Doubts about a kernel (1 | B, 1 | C, h, w) of data y (B, C, H, W).

    Images have a spectrum S that falls with the frequency and hardly depends on the direction, so

    .. math:: |\hat y(f)|^2 \sim (|\hat k(f)|^2 S(|f|) + \sigma^2) \cdot \mathrm{Exp}(1)

    (Whittle 1953, doi:10.1007/BF02590998). S is fitted to each kernel, by expectation maximisation; a mirrored one or a
    narrower one that is far more likely is named. What turns a kernel by half a turn leaves its spectrum what it is.
    """
    side = min(_SIDE, *y.shape[-2:])
    if side < max(32, 2 * max(kernel.shape[-2:])):
        return ()
    top, left = ((n - side) // 2 for n in y.shape[-2:])
    crop = y[..., top : top + side, left : left + side].detach().double()
    for b in range(len(y)):
        one = kernel[b if len(kernel) > 1 else 0].detach().double().mean(0)
        if found := _of_one(crop[b].mean(0), one):
            return (found,)
    return ()


def _of_one(y: Tensor, kernel: Tensor) -> Doubt | None:
    even = bool((kernel - kernel.flip(-1)).abs().max() < 1e-4 * kernel.abs().max())
    others = {"narrower": _narrower(kernel)}
    if not even:
        others["mirrored"] = kernel.flip(-1)
    if kernel.shape[-1] == kernel.shape[-2] and not bool((kernel - kernel.mT).abs().max() < 1e-4 * kernel.abs().max()):
        others["transposed"] = kernel.mT
    worse = _badness(y, [kernel, *others.values()])
    if worse is None:
        return None
    best, gain = max(zip(others, (worse[0] - worse[1:]).tolist(), strict=True), key=lambda pair: pair[1])
    if not gain > _SURE[len(others) == 1]:
        return None
    words = "the kernel is wider than the blur in the data: theirs is about 0.7 times as wide"
    if best != "narrower":
        words = (
            f"the blur in the data has another direction: the kernel {best} fits; A convolves, it does not correlate"
        )
    return Doubt("kernel", words, sure=False)


def _narrower(kernel: Tensor) -> Tensor:
    size = [max(1, 2 * round(0.35 * n - 0.5) + n % 2) for n in kernel.shape]
    small = F.interpolate(kernel[None, None], size=size, mode="area")[0, 0]
    return small * (kernel.sum() / small.sum().clamp_min(1e-30))


def _badness(y: Tensor, kernels: list[Tensor]) -> Tensor | None:
    """Minus the log likelihood of each kernel; of constant data there is none."""
    n = len(y)
    window = torch.hann_window(n, periodic=False, dtype=y.dtype, device=y.device)
    window = window[:, None] * window
    power = torch.fft.fft2((y - y.mean()) * window).abs().square() / window.square().sum()
    gains = torch.stack([torch.fft.fft2(k, s=(n, n)).abs().square() for k in kernels])
    f = torch.fft.fftfreq(n, dtype=y.dtype, device=y.device)
    radius = torch.hypot(f[:, None], f)
    taken = (radius > 2.5 / n) & (radius < 0.5)
    ring, power, gains = (radius[taken] * n / 2).long(), power[taken], gains[:, taken]
    count = torch.bincount(ring).clamp_min(1)

    def mean(v: Tensor) -> Tensor:
        return v.new_zeros(len(v), len(count)).index_add_(1, ring, v) / count

    means = mean(power[None])[0]
    if not bool((means > 1e-24 * y.square().mean()).any()):  # else rounding alone
        return None
    noise = means[means > 0].min()
    s = power.mean().expand(len(kernels), len(count))
    for _ in range(_ROUNDS):
        here = s[:, ring]
        share = gains * here / (gains * here + noise)
        s = mean(here * (1 - share) + share**2 * power / gains.clamp_min(1e-30))
    variance = gains * s[:, ring] + noise
    return (variance.log() + power / variance).sum(1)
