"""xUnit, an activation that looks around, and the networks for denoising built with it."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["ConvNet", "DnCNN", "XDnCNN", "XNet", "XUnit"]


class Gaussian(nn.Module):
    """exp(-d^2), value by value."""

    def forward(self, d: Tensor) -> Tensor:
        return torch.exp(-d.square())


class XUnit(nn.Module):
    r"""Spatial activation: each value is multiplied with a gate that a window of its own channel opens or shuts,

    .. math:: x = z\, e^{-d^2}, \qquad d = \mathrm{BN}(h * \mathrm{ReLU}(\mathrm{BN}(z)) + b)

    with one k x k filter h a channel. (B, C, H, W) to the same; zeros around the image.

    Args:
        channels: C.
        kernel_size: k, odd.
        design: what the gate is made of, in the paper's short words: BN batch normalisation, RL ReLU, CD depth-wise
            convolution, GS Gaussian; also SG, the sigmoid of later code.

    Raises:
        ValueError: ``kernel_size`` is not odd, or ``design`` has an unknown word.

    Kligvasser, Rott Shaham, Michaeli 2018, doi:10.1109/CVPR.2018.00258, section 3; other designs: figure 6.

    >>> XUnit(64)(torch.ones(1, 64, 8, 8)).shape
    torch.Size([1, 64, 8, 8])
    """

    def __init__(self, channels: int, kernel_size: int = 9, *, design: str = "BN+RL+CD+BN+GS") -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size: expected a positive odd number, got {kernel_size}")
        parts: dict[str, Callable[[], nn.Module]] = {
            "BN": lambda: nn.BatchNorm2d(channels),
            "RL": nn.ReLU,
            "CD": lambda: nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels),
            "GS": Gaussian,
            "SG": nn.Sigmoid,
        }
        words = design.split("+")
        if not set(words) <= parts.keys():
            raise ValueError(f"design: expected words of {', '.join(parts)} joined by +, got {design!r}")
        self.gate = nn.Sequential(*(parts[word]() for word in words))

    def forward(self, z: Tensor) -> Tensor:
        return z * self.gate(z)


Layout = Literal["conv-unit-norm", "conv-norm-unit"]


def _layers(
    inputs: int, outputs: int, width: int, depth: int, unit: Callable[[int], nn.Module], layout: Layout, norm: bool
) -> nn.Sequential:
    """``depth`` 3 x 3 convolutions with units between them and batch normalisation between the inner ones."""
    if depth < 2:
        raise ValueError(f"depth: expected at least 2 convolutions, got {depth}")
    if layout not in ("conv-unit-norm", "conv-norm-unit"):
        raise ValueError(f"layout: expected 'conv-unit-norm' or 'conv-norm-unit', got {layout!r}")
    layers: list[nn.Module] = []
    for i in range(depth - 1):
        first = i == 0
        if norm and not first and layout == "conv-unit-norm":
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.Conv2d(inputs if first else width, width, 3, padding=1))
        if norm and not first and layout == "conv-norm-unit":
            layers.append(nn.BatchNorm2d(width))
        layers.append(unit(width))
    return nn.Sequential(*layers, nn.Conv2d(width, outputs, 3, padding=1))


class XNet(nn.Sequential):
    """``depth`` 3 x 3 convolutions of ``width`` channels, an :class:`XUnit` after all but the last.

    (B, inputs, H, W) to (B, outputs, H, W). ``layout``: ``"conv-unit-norm"`` has the batch normalisation of the
    authors' code, in front of inner convolutions but the last; ``"conv-norm-unit"`` has it where the paper's text
    says, between an inner convolution and its unit.

    >>> sum(p.numel() for p in XNet(1, depth=4, kernel_size=11).parameters())  # 99,136 and 385 biases
    99521
    """

    def __init__(
        self,
        inputs: int,
        outputs: int | None = None,
        *,
        width: int = 64,
        depth: int = 9,
        kernel_size: int = 9,
        layout: Layout = "conv-unit-norm",
        design: str = "BN+RL+CD+BN+GS",
    ) -> None:
        def unit(channels: int) -> nn.Module:
            return XUnit(channels, kernel_size, design=design)

        super().__init__(*_layers(inputs, outputs or inputs, width, depth, unit, layout, norm=True))


class ConvNet(nn.Sequential):
    """``depth`` 3 x 3 convolutions of ``width`` channels, batch normalisation and ReLU after all but the last.

    >>> ConvNet(1, depth=4)(torch.ones(1, 1, 8, 8)).shape
    torch.Size([1, 1, 8, 8])
    """

    def __init__(self, inputs: int, outputs: int | None = None, *, width: int = 64, depth: int = 10) -> None:
        def unit(channels: int) -> nn.Module:
            return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())

        super().__init__(*_layers(inputs, outputs or inputs, width, depth, unit, "conv-norm-unit", norm=False))


class XDnCNN(nn.Module):
    """An :class:`XNet` of nine convolutions that estimates the noise: (B, C, H, W) to (B, C, H, W), y - net(y).

    Kligvasser, Rott Shaham, Michaeli 2018, doi:10.1109/CVPR.2018.00258, section 4.1; 304,641 parameters for C = 1.

    Args:
        channels: C.
        extra: further input channels, such as a map of the noise level; they carry no noise.
        width, depth, kernel_size, layout: of the :class:`XNet`.

    >>> sum(p.numel() for p in XDnCNN(1).parameters())
    304641
    """

    def __init__(
        self,
        channels: int = 1,
        *,
        extra: int = 0,
        width: int = 64,
        depth: int = 9,
        kernel_size: int = 9,
        layout: Layout = "conv-unit-norm",
    ) -> None:
        super().__init__()
        self.channels = channels
        self.net = XNet(channels + extra, channels, width=width, depth=depth, kernel_size=kernel_size, layout=layout)

    def forward(self, y: Tensor) -> Tensor:
        return y[:, : self.channels] - self.net(y)


class DnCNN(nn.Module):
    """Residual denoiser of ``depth`` 3 x 3 convolutions, batch normalisation between inner ones and their ReLU.

    Only the first and the last convolution have biases, as the normalisation makes the others idle.
    Zhang, Zuo, Chen, Meng, Zhang 2017, doi:10.1109/TIP.2017.2662206.

    >>> sum(p.numel() for p in DnCNN(1).parameters()), sum(p.numel() for p in DnCNN(3).parameters())
    (556097, 558403)
    """

    def __init__(self, channels: int = 1, *, width: int = 64, depth: int = 17) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"depth: expected at least 2 convolutions, got {depth}")
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        for _ in range(depth - 2):
            layers += [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, y: Tensor) -> Tensor:
        return y - self.net(y)
