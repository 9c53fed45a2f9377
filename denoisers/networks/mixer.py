"""Image-to-Image Mixer and its relatives: perceptrons along rows, columns and channels of a field of patches."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Along", "Img2ImgMixer", "LinearMixer", "OriginalMixer", "UMixer"]


def _sides(image_shape: int | tuple[int, int], patch: int) -> tuple[int, int]:
    """Rows and columns of patches."""
    height, width = (image_shape, image_shape) if isinstance(image_shape, int) else image_shape
    if patch < 1 or height < 1 or width < 1 or height % patch or width % patch:
        raise ValueError(f"image_shape: expected multiples of the patch's side {patch}, got {(height, width)}")
    return height // patch, width // patch


def _perceptron(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class Along(nn.Module):
    """A perceptron, or one linear map, along one axis of (B, ..., C) before the last, the same for all others.

    Products from the left need no transposed copies.

    >>> Along(1, nn.Linear(4, 4))(torch.zeros(2, 4, 5, 3)).shape
    torch.Size([2, 4, 5, 3])
    """

    def __init__(self, axis: int, inner: nn.Module) -> None:
        super().__init__()
        self.axis, self.inner = axis, inner

    def forward(self, x: Tensor) -> Tensor:
        shape = x.shape
        z = x.reshape(shape[: self.axis].numel(), shape[self.axis], -1)
        for part in self.inner if isinstance(self.inner, nn.Sequential) else (self.inner,):
            if isinstance(part, nn.Linear):
                assert part.bias is not None
                z = torch.baddbmm(part.bias[:, None], part.weight.expand(len(z), -1, -1), z)
            else:
                z = part(z)
        return z.reshape(shape)


class _MixerLayer(nn.Module):
    """(B, h, w, C): one skip around height then width, one around the channels; normalised before each."""

    def __init__(self, rows: int, columns: int, channels: int, factor: int, linear: bool = False) -> None:
        super().__init__()

        def mix(size: int) -> nn.Module:
            return nn.Linear(size, size) if linear else _perceptron(size, factor * size)

        self.space = nn.Sequential(nn.LayerNorm(channels), Along(1, mix(rows)), Along(2, mix(columns)))
        self.channels = nn.Sequential(nn.LayerNorm(channels), _perceptron(channels, factor * channels))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.space(x)
        return x + self.channels(x)


class _Embedding(nn.Module):
    """Images (B, c, H, W) to patches (B, H / P, W / P, C)."""

    def __init__(self, inputs: int, channels: int, patch: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).permute(0, 2, 3, 1).contiguous()


class _Expansion(nn.Module):
    """Each patch of C channels becomes ``side`` x ``side`` of ``outputs``, normalised; c runs fastest in the linear
    map's output, then the column, then the row."""

    def __init__(self, channels: int, outputs: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.linear = nn.Linear(channels, side * side * outputs, bias=False)
        self.norm = nn.LayerNorm(outputs)

    def values(self, x: Tensor) -> Tensor:
        """(B, h, w, C) to (B, h, w, side * side, outputs)."""
        return self.norm(self.linear(x).unflatten(-1, (self.side**2, -1)))

    def spread(self, values: Tensor) -> Tensor:
        """(B, h, w, side * side, outputs) to (B, h * side, w * side, outputs)."""
        return values.unflatten(3, (self.side, self.side)).transpose(2, 3).flatten(3, 4).flatten(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.spread(self.values(x))


class _Head(nn.Module):
    """Patches (B, h, w, C) to images (B, c, H, W); the last convolution is done before pixels find their places."""

    def __init__(self, channels: int, outputs: int, patch: int) -> None:
        super().__init__()
        self.expand = _Expansion(channels, channels, patch)
        self.conv = nn.Conv2d(channels, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        values = F.linear(self.expand.values(x), self.conv.weight[:, :, 0, 0])
        return self.expand.spread(values).permute(0, 3, 1, 2)


class Img2ImgMixer(nn.Module):
    r"""Image-to-Image Mixer: patches, N layers that mix along height, width and channels, and back to pixels.

    (B, channels, H, W) to the same. Weights belong to one size of images; :class:`InSquares` takes others. Nothing is
    added to the input: a denoiser trains it to give the noise. In a layer, x + W(H(LN x)), then x + C(LN x); H, W, C
    are perceptrons of one hidden layer ``factor`` times as wide, with GELU.

    Args:
        image_shape: (H, W), or an int for a square; multiples of ``patch``.
        channels: of the image.
        patch: side of a patch, P.
        width: channels of the patches, C.
        depth: number of layers, N.
        factor: of the hidden layers, f.
        extra: further input channels, such as a map of the noise level.

    Raises:
        ValueError: ``image_shape`` is not a multiple of ``patch``, or an image has another size.

    Mansour, Lin, Heckel 2022, arXiv:2202.02018; the layer normalisation before the last convolution is the code's.

    >>> sum(p.numel() for p in Img2ImgMixer(256).parameters())
    3443456
    """

    _linear = False

    def __init__(
        self,
        image_shape: int | tuple[int, int],
        channels: int = 3,
        *,
        patch: int = 4,
        width: int = 128,
        depth: int = 16,
        factor: int = 4,
        extra: int = 0,
    ) -> None:
        super().__init__()
        rows, columns = _sides(image_shape, patch)
        self.image_shape = rows * patch, columns * patch
        self.embed = _Embedding(channels + extra, width, patch)
        self.layers = nn.Sequential(*(_MixerLayer(rows, columns, width, factor, self._linear) for _ in range(depth)))
        self.head = _Head(width, channels, patch)

    def forward(self, x: Tensor) -> Tensor:
        _check_size(x, self.image_shape)
        return self.head(self.layers(self.embed(x)))


class LinearMixer(Img2ImgMixer):
    """:class:`Img2ImgMixer` that mixes height and width by one linear map each.

    >>> sum(p.numel() for p in LinearMixer(256).parameters())
    3482380
    """

    _linear = True

    def __init__(
        self,
        image_shape: int | tuple[int, int],
        channels: int = 3,
        *,
        patch: int = 4,
        width: int = 140,
        depth: int = 19,
        factor: int = 4,
        extra: int = 0,
    ) -> None:
        super().__init__(image_shape, channels, patch=patch, width=width, depth=depth, factor=factor, extra=extra)


class _Merge(nn.Module):
    """2 x 2 neighbours of C channels to one of 2 C: (0, 0), (1, 0), (0, 1), (1, 1) side by side, LN, linear."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.linear = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        parts = [x[:, i::2, j::2] for i, j in ((0, 0), (1, 0), (0, 1), (1, 1))]
        return self.linear(self.norm(torch.cat(parts, -1)))


class UMixer(nn.Module):
    """Mixer layers at four scales, in the shape of a U: each is used twice, with the same weights.

    (B, channels, H, W) to the same, H and W multiples of 32. Skips are sums.
    Mansour, Lin, Heckel 2022, arXiv:2202.02018.

    >>> sum(p.numel() for p in UMixer(256).parameters())
    6451136
    """

    def __init__(
        self, image_shape: int | tuple[int, int], channels: int = 3, *, width: int = 96, patch: int = 4, scales: int = 4
    ) -> None:
        super().__init__()
        rows, columns = _sides(image_shape, patch * 2 ** (scales - 1))
        self.image_shape = (rows * patch * 2 ** (scales - 1), columns * patch * 2 ** (scales - 1))
        rows, columns = _sides(self.image_shape, patch)

        def layer(s: int) -> nn.Module:
            return _MixerLayer(rows >> s, columns >> s, width << s, 1)

        self.embed = _Embedding(channels, width, patch)
        self.down = nn.ModuleList(layer(s) for s in range(scales))
        self.merge = nn.ModuleList(_Merge(width << s) for s in range(scales - 1))
        self.up = nn.ModuleList(layer(s) for s in range(scales))
        self.expand = nn.ModuleList(_Expansion(width << (s + 1), width << s, 2) for s in range(scales - 1))
        self.head = _Head(width, channels, patch)

    def forward(self, x: Tensor) -> Tensor:
        _check_size(x, self.image_shape)
        x, skips = self.embed(x), []
        for s, layer in enumerate(self.down):
            x = layer(layer(x))
            if s < len(self.merge):
                skips.append(x)
                x = self.merge[s](x)
        x = self.up[-1](self.up[-1](x))
        for s in reversed(range(len(self.expand))):
            x = self.expand[s](x)
            x = self.up[s](self.up[s](x)) + skips[s]
        return self.head(x)


class _TokenLayer(nn.Module):
    """(B, tokens, C): token mixing, then channel mixing, each with its skip."""

    def __init__(self, tokens: int, channels: int, token_hidden: int, channel_hidden: int) -> None:
        super().__init__()
        self.tokens = nn.Sequential(nn.LayerNorm(channels), Along(1, _perceptron(tokens, token_hidden)))
        self.channels = nn.Sequential(nn.LayerNorm(channels), _perceptron(channels, channel_hidden))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.tokens(x)
        return x + self.channels(x)


class OriginalMixer(nn.Module):
    """MLP-Mixer with its patches turned back into pixels: all patches are mixed by one perceptron.

    (B, channels, H, W) to the same. Tolstikhin et al. 2021, arXiv:2105.01601, sized as in arXiv:2202.02018.

    >>> sum(p.numel() for p in OriginalMixer(256).parameters())
    6869123
    """

    def __init__(
        self,
        image_shape: int | tuple[int, int],
        channels: int = 3,
        *,
        patch: int = 4,
        width: int = 128,
        depth: int = 8,
        token_hidden: int = 96,
        channel_hidden: int = 256,
    ) -> None:
        super().__init__()
        self.patches = _sides(image_shape, patch)
        self.image_shape = self.patches[0] * patch, self.patches[1] * patch
        tokens = self.patches[0] * self.patches[1]
        self.embed = _Embedding(channels, width, patch)
        self.layers = nn.Sequential(*(_TokenLayer(tokens, width, token_hidden, channel_hidden) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.ConvTranspose2d(width, channels, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        _check_size(x, self.image_shape)
        x = self.norm(self.layers(self.embed(x).flatten(1, 2)))
        return self.head(x.transpose(1, 2).unflatten(2, self.patches))


def _check_size(x: Tensor, image_shape: tuple[int, int]) -> None:
    if x.ndim != 4 or x.shape[-2:] != image_shape:
        raise ValueError(f"x: this network is for images of {image_shape}, got {tuple(x.shape)}")
