"""Blocks of convolutions that U-Nets are made of."""

from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["AttentionGate", "ChannelGate", "ConvBlock", "PixelAttention", "ResidualConvBlock"]


class ConvBlock(nn.Sequential):
    """``layers`` times 3 x 3 convolution, batch normalisation, ReLU: (B, inputs, H, W) to (B, outputs, H, W)."""

    def __init__(self, inputs: int, outputs: int, layers: int = 2) -> None:
        if layers < 1:
            raise ValueError(f"layers: expected at least 1, got {layers}")
        parts: list[nn.Module] = []
        for i in range(layers):
            conv = nn.Conv2d(inputs if i == 0 else outputs, outputs, 3, padding=1)
            parts += [conv, nn.BatchNorm2d(outputs), nn.ReLU()]
        super().__init__(*parts)


class ResidualConvBlock(nn.Module):
    """A :class:`ConvBlock` and its input: side by side into a 3 x 3 convolution (``"concat"``, IPPy), or summed
    (``"sum"``, the IPPy course; a 1 x 1 convolution fits the channels where they differ)."""

    def __init__(
        self, inputs: int, outputs: int, layers: int = 2, *, merge: Literal["concat", "sum"] = "concat"
    ) -> None:
        super().__init__()
        if merge not in ("concat", "sum"):
            raise ValueError(f"merge: expected 'concat' or 'sum', got {merge!r}")
        self.block = ConvBlock(inputs, outputs, layers)
        self.join: nn.Module
        if merge == "concat":
            self.join = nn.Conv2d(inputs + outputs, outputs, 3, padding=1)
        else:
            self.join = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        self.merge = merge

    def forward(self, x: Tensor) -> Tensor:
        out = self.block(x)
        return self.join(torch.cat((x, out), 1)) if self.merge == "concat" else self.join(x) + out


class ChannelGate(nn.Module):
    """Squeeze and excitation: channels are scaled by a number in (0, 1) that follows from all of their means.

    Hu, Shen, Sun 2018, doi:10.1109/CVPR.2018.00745.
    """

    def __init__(self, channels: int, ratio: int = 4) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Linear(channels, channels // ratio), nn.ReLU(), nn.Linear(channels // ratio, channels), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x.mean((2, 3)))[..., None, None]


class PixelAttention(nn.Module):
    """Multi-head self-attention of all positions, without skip, normalisation or positions' code; memory grows with
    the square of H W."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"heads: expected a divisor of {channels} channels, got {heads}")
        self.attention = nn.MultiheadAttention(channels, heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        out = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return out.transpose(1, 2).reshape(x.shape)


class AttentionGate(nn.Module):
    r"""What a skip carries, each value times a number in (0, 1) that follows from the skip and a signal at its place.

    .. math:: x \cdot \mathrm{sigmoid}(W_2\, \mathrm{ReLU}(W_1 [x, g] + b_1) + b_2)

    (B, channels, H, W) twice, skip x and signal g, to the same; half as many channels between the 1 x 1 convolutions.
    Oktay et al. 2018, arXiv:1804.03999, who have one gate for all channels of a pixel.

    >>> AttentionGate(4)(torch.zeros(1, 4, 5, 6), torch.ones(1, 4, 5, 6)).shape
    torch.Size([1, 4, 5, 6])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // 2, 1)
        self.gate = nn.Sequential(
            nn.Conv2d(2 * channels, inner, 1), nn.ReLU(), nn.Conv2d(inner, channels, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor, signal: Tensor) -> Tensor:
        return x * self.gate(torch.cat((x, signal), 1))
