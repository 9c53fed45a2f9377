"""Networks for super-resolution: SRCNN, SRResNet and their xUnit versions."""

from typing import Literal

from torch import Tensor, nn

from .xunit import XUnit

__all__ = ["SRCNN", "SRResNet", "Skip", "XSRCNN", "XSRResNet"]


class SRCNN(nn.Sequential):
    """Convolutions 9 - 5 - 5 with ReLU between them, from an enlarged image to a sharp one of the same size.

    (B, channels, H, W) to the same. Dong, Loy, He, Tang 2014, doi:10.1007/978-3-319-10593-2_13.

    >>> sum(p.numel() for p in SRCNN().parameters())
    57281
    """

    def __init__(self, channels: int = 1, *, widths: tuple[int, int] = (64, 32)) -> None:
        first, second = widths
        super().__init__(
            nn.Conv2d(channels, first, 9, padding=4),
            nn.ReLU(),
            nn.Conv2d(first, second, 5, padding=2),
            nn.ReLU(),
            nn.Conv2d(second, channels, 5, padding=2),
        )


class XSRCNN(nn.Sequential):
    """:class:`SRCNN` with :class:`XUnit` (9 x 9) for ReLU and fewer parameters: ``"f"`` has a smaller second filter
    (3 x 3), ``"c"`` fewer channels after the first (42).

    Kligvasser, Rott Shaham, Michaeli 2018, doi:10.1109/CVPR.2018.00258, section 4.3.

    >>> [sum(p.numel() for p in XSRCNN(variant).parameters()) for variant in ("f", "c")]
    [32769, 44241]
    """

    def __init__(self, variant: Literal["f", "c"] = "f", channels: int = 1) -> None:
        if variant not in ("f", "c"):
            raise ValueError(f"variant: expected 'f' or 'c', got {variant!r}")
        width, size = (64, 3) if variant == "f" else (42, 5)
        super().__init__(
            nn.Conv2d(channels, width, 9, padding=4),
            XUnit(width),
            nn.Conv2d(width, 32, size, padding=size // 2),
            XUnit(32),
            nn.Conv2d(32, channels, 5, padding=2),
        )


class Skip(nn.Sequential):
    """Layers and their input, summed.

    >>> import torch
    >>> Skip(nn.Identity())(torch.ones(1)).item()
    2.0
    """

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return x + super().forward(x)


class SRResNet(nn.Sequential):
    """Residual network from a small image (B, channels, H, W) to one of ``scale`` times the size.

    Convolution 9 x 9 and PReLU, ``depth`` residual blocks, a convolution with batch normalisation and a skip around
    all of them, doublings by pixel shuffle, convolution 9 x 9.

    Args:
        channels: of the image.
        scale: 2, 4 or 8.
        depth: number of residual blocks.

    Ledig et al. 2017, doi:10.1109/CVPR.2017.19; sizes of doi:10.1109/CVPR.2018.00258.

    >>> import torch
    >>> SRResNet(depth=2)(torch.zeros(1, 3, 5, 6)).shape
    torch.Size([1, 3, 20, 24])
    """

    def __init__(self, channels: int = 3, *, scale: int = 4, depth: int = 16) -> None:
        if scale not in (2, 4, 8):
            raise ValueError(f"scale: expected 2, 4 or 8, got {scale}")
        doublings = []
        for _ in range(scale.bit_length() - 1):
            doublings += [nn.Conv2d(64, 256, 3, padding=1), nn.PixelShuffle(2), nn.PReLU()]
        blocks = (self._block() for _ in range(depth))
        super().__init__(
            nn.Conv2d(channels, 64, 9, padding=4),
            nn.PReLU(),
            Skip(*blocks, nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64)),
            *doublings,
            nn.Conv2d(64, channels, 9, padding=4),
        )

    @staticmethod
    def _block() -> nn.Module:
        return Skip(
            nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64), nn.PReLU(),
            nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64),
        )  # fmt: skip


class XSRResNet(SRResNet):
    """:class:`SRResNet` of ten blocks with an :class:`XUnit` in place of batch normalisation and PReLU in each.

    Kligvasser, Rott Shaham, Michaeli 2018, doi:10.1109/CVPR.2018.00258, section 4.3.

    >>> sum(p.numel() for p in XSRResNet().parameters())
    1158534
    """

    def __init__(self, channels: int = 3, *, scale: int = 4, depth: int = 10) -> None:
        super().__init__(channels, scale=scale, depth=depth)

    @staticmethod
    def _block() -> nn.Module:
        return Skip(nn.Conv2d(64, 64, 3, padding=1), XUnit(64), nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64))
