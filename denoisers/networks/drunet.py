"""DRUNet: a bias-free residual U-Net, with the paper's size and any other."""

from collections.abc import Sequence
from typing import Literal, cast

import torch.nn.functional as F
from torch import Tensor, nn

from ..weights.filling import mismatch

__all__ = ["DRUNet", "ResBlock", "Scale"]


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


class ResBlock(nn.Module):
    """x + conv(relu(conv(x))), nearly the identity before training.

    >>> import torch
    >>> ResBlock(4)(torch.zeros(1, 4, 8, 8)).shape
    torch.Size([1, 4, 8, 8])
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        last = _conv(width, width)
        nn.init.normal_(last.weight, std=1e-3)
        self.res = nn.Sequential(_conv(width, width), nn.ReLU(), last)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.res(x)


class Scale(nn.Module):
    """Residual blocks around all coarser scales, (B, width, H, W) to the same; the coarsest scale is blocks only.

    >>> import torch
    >>> Scale((4, 8), blocks=1, skips="within")(torch.zeros(1, 4, 8, 8)).shape
    torch.Size([1, 4, 8, 8])
    """

    def __init__(self, widths: Sequence[int], blocks: int, skips: str) -> None:
        super().__init__()
        width, around = widths[0], skips == "around"
        self.around = around
        self.encode = nn.Sequential(*(ResBlock(width) for _ in range(blocks)))
        self.coarser = Scale(widths[1:], blocks, skips) if len(widths) > 1 else None
        if len(widths) > 1:
            self.down = nn.Conv2d(width, widths[1], 2, stride=2, bias=False)
            self.up = nn.ConvTranspose2d(widths[1], width, 2, stride=2, bias=False)
            self.decode = nn.Sequential(*(ResBlock(width) for _ in range(blocks)))

    def forward(self, z: Tensor) -> Tensor:
        encoded = self.encode(z)
        if self.coarser is not None:
            below = self.up(self.coarser(self.down(encoded)))
            encoded = self.decode(below if self.around else encoded + below)
        return z + encoded if self.around else encoded


class DRUNet(nn.Module):
    r"""Residual U-Net without biases, (B, inputs, H, W) to (B, outputs, H, W), sides divisible by :attr:`step`.

    At every scale residual blocks (convolution, ReLU, convolution) stand before and after what is done at half the
    resolution; 2 x 2 convolutions with stride 2 lead down, transposed ones up, and skips are added. Without biases,
    and with ReLU, :math:`f(a z) = a f(z)` for a > 0.

    Args:
        inputs: channels that it reads, those of the image and a map of the noise level.
        outputs: channels that it gives.
        widths: channels at each scale, from the finest to the coarsest.
        blocks: residual blocks before, and after, the coarser scales.
        unshuffle: the finest scale works on ``unshuffle`` x ``unshuffle`` pixels as channels of one (FFDNet).
        skips: ``"around"``: each scale adds its own input, as in the paper; ``"within"``: what its first blocks made of
            it is added to what comes from below, and the head's features to the last ones.

    Raises:
        ValueError: an argument is not positive, or ``skips`` is another word; the sides of an image do not divide.

    Zhang, Li, Zuo, Zhang, Van Gool, Timofte 2022, doi:10.1109/TPAMI.2021.3088914, section 3; the defaults are its size.

    >>> sum(p.numel() for p in DRUNet().parameters())
    32638656
    """

    def __init__(
        self,
        inputs: int = 2,
        outputs: int = 1,
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        blocks: int = 4,
        unshuffle: int = 1,
        skips: Literal["around", "within"] = "around",
    ) -> None:
        super().__init__()
        for name, values in (("inputs", [inputs]), ("outputs", [outputs]), ("widths", widths), ("blocks", [blocks]),
                             ("unshuffle", [unshuffle])):  # fmt: skip
            if not values or min(values) < 1:
                raise ValueError(f"{name}: expected positive numbers, got {values}")
        if skips not in ("around", "within"):
            raise ValueError(f"skips: expected 'around' or 'within', got {skips!r}")
        self.unshuffle, self.scales, self.blocks = int(unshuffle), len(widths), int(blocks)
        self.head = _conv(inputs * unshuffle**2, widths[0])
        self.body = Scale(widths, blocks, skips)
        self.tail = _conv(widths[0], outputs * unshuffle**2)
        nn.init.zeros_(self.tail.weight)  # an untrained network gives zero

    @property
    def step(self) -> int:
        """What the sides of an image must be divisible by."""
        return self.unshuffle * 2 ** (self.scales - 1)

    @property
    def radius(self) -> int:
        """Pixels around a pixel that it depends on, at most; exact tiles start at multiples of :attr:`step`."""
        within = sum(2 ** (s + 1) * self.blocks * (2 if s + 1 < self.scales else 1) for s in range(self.scales))
        return self.unshuffle * (2 + within + 2 ** (self.scales - 1)) + self.step

    def check(self, x: Tensor) -> None:
        """Raise ValueError unless the sides of ``x`` are divisible by :attr:`step`."""
        if x.shape[-2] % self.step or x.shape[-1] % self.step:
            raise ValueError(f"x: the sides of {tuple(x.shape)} are not divisible by {self.step}; pad the image")

    def forward(self, x: Tensor) -> Tensor:
        self.check(x)
        z = self.head(F.pixel_unshuffle(x, self.unshuffle))
        features = self.body(z)
        if not cast(Scale, self.body).around:
            features = features + z
        return F.pixel_shuffle(self.tail(features), self.unshuffle)

    def load_released(self, state: dict[str, Tensor]) -> None:
        """Load weights of the network under the names that the authors' code gives them (DPIR, KAIR, deepinv).

        Raises:
            ValueError: they are of a network of another kind or size.
        """
        own = {theirs: ours for ours, theirs in _released_names(self.scales, self.blocks).items()}
        if state.keys() != own.keys():
            odd = sorted(state.keys() ^ own.keys())[:4]
            raise ValueError(f"weights: not a DRUNet of {self.scales} scales and {self.blocks} blocks; names: {odd}")
        named = {own[name]: value for name, value in state.items()}
        if wrong := mismatch(named, self.state_dict()):
            raise ValueError(f"weights: a DRUNet of another size; {wrong}")
        self.load_state_dict(named)


def _released_names(scales: int, blocks: int) -> dict[str, str]:
    """Our names of the weights to the authors'."""
    names = {"head.weight": "m_head.weight", "tail.weight": "m_tail.weight"}
    for s in range(scales):
        place, last = "body" + ".coarser" * s, s == scales - 1
        for b in range(blocks):
            for layer in (0, 2):
                end = f"res.{layer}.weight"
                names[f"{place}.encode.{b}.{end}"] = f"m_body.{b}.{end}" if last else f"m_down{s + 1}.{b}.{end}"
                if not last:
                    names[f"{place}.decode.{b}.{end}"] = f"m_up{s + 1}.{b + 1}.{end}"
        if not last:
            names[f"{place}.down.weight"] = f"m_down{s + 1}.{blocks}.weight"
            names[f"{place}.up.weight"] = f"m_up{s + 1}.0.weight"
    return names


def released_size(state: dict[str, Tensor]) -> tuple[int, int, tuple[int, ...], int]:
    """Inputs, outputs, widths and blocks of a network from the authors' names; KeyError where they are others."""
    widths = [state["m_head.weight"].shape[0]]
    while (down := [v for k, v in state.items() if k.startswith(f"m_down{len(widths)}.") and "res" not in k]) != []:
        widths.append(down[0].shape[0])
    blocks = sum(1 for name in state if name.startswith("m_body.") and name.endswith(".res.0.weight"))
    return state["m_head.weight"].shape[1], state["m_tail.weight"].shape[0], tuple(widths), blocks
