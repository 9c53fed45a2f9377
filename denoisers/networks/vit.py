"""A vision transformer from images to images."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ViT"]


class _Attention(nn.Module):
    """Multi-head self-attention over (B, tokens, C), no bias in front."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.into = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.into(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), _Attention(width, heads))
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)
        return x + self.perceptron(x)


class ViT(nn.Module):
    """Vision transformer that gives back an image: patches, attention blocks, and a linear map to pixels.

    (B, channels, H, W) of any size to the same: images are filled with zeros to multiples of the patch and cut back,
    the learned grid of positions, one for each whole patch of ``image_shape``, is stretched bilinearly where it has
    not as many as there are tokens. No class token.

    Args:
        image_shape: (H, W) or an int. Positions are stretched unless both sides are multiples of ``patch``: at 256 with
            patches of 10, the paper's, from 25 x 25 to 26 x 26. The attribute is the size at which they are not, 250.
        channels: of the image.
        patch: side of a patch.
        width, depth, heads: of the transformer; ``width`` a multiple of ``heads``.

    Raises:
        ValueError: ``width`` is not a multiple of ``heads``; ``patch`` or ``heads`` is not positive.

    Dosovitskiy et al. 2021, arXiv:2010.11929; sizes of Mansour, Lin, Heckel 2022, arXiv:2202.02018.

    >>> sum(p.numel() for p in ViT(256).parameters())
    3680460
    """

    def __init__(
        self,
        image_shape: int | tuple[int, int],
        channels: int = 3,
        *,
        patch: int = 10,
        width: int = 264,
        depth: int = 4,
        heads: int = 6,
    ) -> None:
        super().__init__()
        if patch < 1:
            raise ValueError(f"patch: expected at least one pixel, got {patch}")
        if heads < 1 or width % heads:
            raise ValueError(f"width: expected a multiple of heads = {heads}, got {width}")
        height, breadth = (image_shape, image_shape) if isinstance(image_shape, int) else image_shape
        rows, columns = max(height // patch, 1), max(breadth // patch, 1)
        self.patch, self.image_shape = patch, (rows * patch, columns * patch)
        self.embed = nn.Conv2d(channels, width, patch, stride=patch)
        self.positions = nn.Parameter(torch.zeros(1, width, rows, columns))
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.head = nn.Linear(width, patch * patch * channels)

    def forward(self, x: Tensor) -> Tensor:
        height, breadth = x.shape[-2:]
        tokens = self.embed(F.pad(x, (0, -breadth % self.patch, 0, -height % self.patch)))
        rows, columns = tokens.shape[-2:]
        positions = self.positions
        if positions.shape[-2:] != (rows, columns):
            positions = F.interpolate(positions, (rows, columns), mode="bilinear", align_corners=False)
        tokens = self.norm(self.blocks((tokens + positions).flatten(2).transpose(1, 2)))
        pixels = self.head(tokens).transpose(1, 2).unflatten(2, (rows, columns))
        return F.pixel_shuffle(pixels, self.patch)[..., :height, :breadth]
