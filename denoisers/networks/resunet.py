"""Networks of the IPPy course on end-to-end reconstruction: three convolutions, and U-Nets of blocks."""

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from ..evaluation.tiles import reflect_to
from .blocks import AttentionGate, ChannelGate, ConvBlock, PixelAttention, ResidualConvBlock

__all__ = ["ResCNN", "ResUNet", "SimpleCNN"]

Kind = Literal["plain", "residual", "attention"]
Activation = Literal["relu", "sigmoid", "tanh"] | None


class SimpleCNN(nn.Sequential):
    """Three 3 x 3 convolutions with ReLU between them, (B, channels, H, W) to the same.

    Args:
        channels: of the image.
        width: channels between convolutions.
        final: last activation, ``"relu"``, ``"sigmoid"``, ``"tanh"`` or ``None``.

    Raises:
        ValueError: ``final`` is another word.

    >>> sum(p.numel() for p in SimpleCNN().parameters())
    38145
    """

    def __init__(self, channels: int = 1, *, width: int = 64, final: Activation = None) -> None:
        super().__init__(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, channels, 3, padding=1),
            _activation(final),
        )


class ResCNN(nn.Module):
    """x + tanh(:class:`SimpleCNN` (x)), or another ``final`` activation than tanh, ``None`` for none.

    >>> sum(p.numel() for p in ResCNN().parameters())
    38145
    """

    def __init__(self, channels: int = 1, *, width: int = 64, final: Activation = "tanh") -> None:
        super().__init__()
        self.net = SimpleCNN(channels, width=width, final=final)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.net(x)


class _Down(nn.Module):
    """A block, what it gives, and the same at half the size."""

    def __init__(self, inputs: int, outputs: int, kind: Kind, layers: int, heads: int, merge: str) -> None:
        super().__init__()
        self.block = _block(inputs, outputs, kind, layers, merge)
        if kind == "attention":
            self.block = nn.Sequential(self.block, ChannelGate(outputs), PixelAttention(outputs, heads))
        self.shrink = nn.MaxPool2d(2) if merge == "concat" else nn.Conv2d(outputs, outputs, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        skip = self.block(x)
        return self.shrink(skip), skip


class _Up(nn.Module):
    """Upsample, merge the skip (concatenate or add, optionally gated), apply a block."""

    def __init__(self, inputs: int, outputs: int, kind: Kind, layers: int, heads: int, merge: str) -> None:
        super().__init__()
        self.widen: nn.Module = nn.ConvTranspose2d(inputs, inputs, 2, stride=2)
        attends = kind == "attention"
        self.attend = PixelAttention(inputs, heads) if attends and merge == "concat" else nn.Identity()
        self.gate = AttentionGate(inputs) if attends and merge == "sum" else None
        self.block = _block(2 * inputs if merge == "concat" else inputs, outputs, kind, layers, merge)
        self.merge = merge

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.attend(self.widen(x))
        skip = skip if self.gate is None else self.gate(skip, x)
        return self.block(torch.cat((x, skip), 1) if self.merge == "concat" else x + skip)


def _block(inputs: int, outputs: int, kind: Kind, layers: int, merge: str) -> nn.Module:
    if kind == "plain":
        return ConvBlock(inputs, outputs, layers)
    return ResidualConvBlock(inputs, outputs, layers, merge="concat" if merge == "concat" else "sum")


class ResUNet(nn.Module):
    """U-Net of residual blocks, (B, channels, H, W) of any size to the same.

    Two variants: ``"ippy"``, the released code (inputs and skips are concatenated, maxima over 2 x 2 shrink, nothing
    is added to the input), and ``"chapter"``, its text (they are summed, strided convolutions shrink, and the network
    gives x + tanh(net(x))). Sizes that halvings do not divide are mirrored and cut back.

    Attention is self-attention of all pixels in IPPy, on the way down and up. The chapter speaks of a gate in place of
    the plain skip, which learns where to look in each channel, and gives no formula: here :class:`AttentionGate`, with
    what comes from below as its signal. A skip ends on the way up, so this attention is a kind of ``up``.

    Args:
        channels: of the image.
        widths: channels at each scale, at least one, one more than there are halvings.
        layers: convolutions of a block.
        down, up: kind of block at each halving, ``"plain"``, ``"residual"`` or ``"attention"``, from the top down; one
            word for all.
        heads: of IPPy's attention.
        variant: see above.
        final: last activation, ``"relu"``, ``"sigmoid"``, ``"tanh"`` or ``None``; ``"variant"``: that of the variant.

    Raises:
        ValueError: a list has the wrong length, a word is unknown, or attention gates are asked for in ``down``.

    After the package IPPy (github.com/devangelista2/IPPy) and the chapter of the course that it accompanies.

    >>> sum(p.numel() for p in ResUNet().parameters())
    6786113
    """

    def __init__(
        self,
        channels: int = 1,
        *,
        widths: Sequence[int] = (64, 128, 256),
        layers: int = 2,
        down: Kind | Sequence[Kind] = "residual",
        up: Kind | Sequence[Kind] = "residual",
        heads: int = 4,
        variant: Literal["ippy", "chapter"] = "ippy",
        final: Activation | Literal["variant"] = "variant",
    ) -> None:
        super().__init__()
        if not widths or min(widths) < 1:
            raise ValueError(f"widths: expected the channels at one scale or more, got {tuple(widths)}")
        if variant not in ("ippy", "chapter"):
            raise ValueError(f"variant: expected 'ippy' or 'chapter', got {variant!r}")
        scales = list(zip(widths, widths[1:]))
        falling, rising = _kinds("down", down, len(scales)), _kinds("up", up, len(scales))
        if variant == "chapter" and "attention" in falling:
            raise ValueError("down: this attention is a gate on the skips; ask for it by up='attention'")
        merge = "concat" if variant == "ippy" else "sum"
        self.residual = variant == "chapter"
        self.final = _activation(("tanh" if self.residual else None) if final == "variant" else final)
        self.first = ConvBlock(channels, widths[0], 2)
        self.down = nn.ModuleList(_Down(a, b, kind, layers, heads, merge) for (a, b), kind in zip(scales, falling))
        self.bottom = _block(widths[-1], widths[-1], "residual", layers, merge)
        self.up = nn.ModuleList(_Up(b, a, kind, layers, heads, merge) for (a, b), kind in zip(scales, rising))
        self.last = nn.Conv2d(widths[0], channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        step = 2 ** len(self.down)
        padded = reflect_to(x, (height + -height % step, width + -width % step))
        z, skips = self.first(padded), []
        for down in self.down:
            z, skip = down(z)
            skips.append(skip)
        z = self.bottom(z)
        for up, skip in zip(reversed(self.up), reversed(skips)):
            z = up(z, skip)
        z = self.final(self.last(z))[..., :height, :width]
        return x + z if self.residual else z


def _kinds(name: str, value: Kind | Sequence[Kind], count: int) -> Sequence[Kind]:
    kinds: Sequence[str] = [value] * count if isinstance(value, str) else value
    if len(kinds) != count or any(kind not in ("plain", "residual", "attention") for kind in kinds):
        raise ValueError(f"{name}: expected {count} of 'plain', 'residual', 'attention', got {value!r}")
    return cast(Sequence[Kind], kinds)


def _activation(name: Activation) -> nn.Module:
    activations = {None: nn.Identity, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}
    if name not in activations:
        raise ValueError(f"final: expected None, 'relu', 'sigmoid' or 'tanh', got {name!r}")
    return activations[name]()
