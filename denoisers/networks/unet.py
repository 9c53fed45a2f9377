"""The U-Net of fastMRI."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["UNet"]


def _double(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
            nn.InstanceNorm2d(outputs),
            nn.LeakyReLU(0.2),
        ]
    return nn.Sequential(*layers)


def _widen(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 2, stride=2, bias=False), nn.InstanceNorm2d(outputs), nn.LeakyReLU(0.2)
    )


class UNet(nn.Module):
    """U-Net with instance normalisation: ``poolings`` halvings, channels doubled at each, skips by concatenation.

    (B, inputs, H, W) to (B, outputs, H, W), any size that leaves two pixels after the last halving, 1 x 2 at least; an
    odd side is mirrored by one pixel on the way up. Nothing is added to the input.

    Args:
        inputs, outputs: channels.
        width: channels at full size.
        poolings: number of halvings.

    Raises:
        ValueError: the image is smaller: one pixel has no deviation to be divided by.

    Zbontar et al. 2018, arXiv:1811.08839; Ronneberger, Fischer, Brox 2015, doi:10.1007/978-3-319-24574-4_28.

    >>> sum(p.numel() for p in UNet(3, width=21).parameters()), sum(p.numel() for p in UNet(1).parameters())
    (3340767, 7756097)
    """

    def __init__(self, inputs: int = 1, outputs: int | None = None, *, width: int = 32, poolings: int = 4) -> None:
        super().__init__()
        widths = [width << level for level in range(poolings + 1)]
        self.down = nn.ModuleList(_double(a, b) for a, b in zip([inputs, *widths], widths))
        self.widen = nn.ModuleList(_widen(b, a) for a, b in zip(widths, widths[1:]))
        self.up = nn.ModuleList(_double(2 * a, a) for a in widths[:-1])
        self.last = nn.Conv2d(width, outputs or inputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        least = 1 << len(self.widen)
        height, width = x.shape[-2:]
        if min(height, width) < least or max(height, width) < 2 * least:
            raise ValueError(
                f"x: {len(self.widen)} halvings take at least {least} x {2 * least} pixels, got {height} x {width}"
            )
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(F.avg_pool2d(x, 2) if level else x)
            skips.append(x)
        skips.pop()
        for widen, block, skip in zip(reversed(self.widen), reversed(self.up), reversed(skips)):
            x = widen(x)
            missing = skip.shape[-1] - x.shape[-1], skip.shape[-2] - x.shape[-2]
            x = F.pad(x, (0, missing[0], 0, missing[1]), mode="reflect") if any(missing) else x
            x = block(torch.cat((x, skip), 1))
        return self.last(x)
