"""Layers for evaluation only: the same values in less time, without derivatives."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..networks.xunit import XUnit

__all__ = ["Affine", "FewOutputs", "FoldedXUnit", "InstanceNorm", "Perceptron"]

_STRIP = 2**20  # values of a strip of rows
_MANY = 32  # channels at which convolutions are fast
_linear = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None


class Affine(nn.Module):
    """What batch normalisation does in eval mode, a factor and a summand a channel; in place."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        mean, var = norm.running_mean, norm.running_var
        if mean is None or var is None:
            raise ValueError("model: batch normalisation without running statistics cannot be folded")
        scale = torch.rsqrt(var.double() + norm.eps) * (1.0 if norm.weight is None else norm.weight.double())
        shift = (0.0 if norm.bias is None else norm.bias.double()) - mean.double() * scale
        self.register_buffer("scale", scale.to(mean.dtype)[:, None, None])
        self.register_buffer("shift", shift.to(mean.dtype)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.shift, x, self.scale, out=x)


class InstanceNorm(nn.Module):
    """Instance normalisation of channels-last images in place; sums over pixels are products of matrices."""

    def __init__(self, norm: nn.InstanceNorm2d) -> None:
        super().__init__()
        self.eps, self.weight, self.bias = norm.eps, norm.weight, norm.bias

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        pixels = x.permute(0, 2, 3, 1).reshape(batch, -1, channels)
        count = height * width
        mean = pixels.new_full((batch, 1, count), 1 / count)
        pixels.sub_(mean @ pixels)
        rest = mean @ pixels  # what rounding left of it
        variance = torch.diagonal(pixels.mT @ pixels, dim1=1, dim2=2)[:, None] / count
        scale = torch.rsqrt(variance + self.eps) * (1 if self.weight is None else self.weight)
        shift = (0 if self.bias is None else self.bias) - rest * scale
        torch.addcmul(shift, pixels, scale, out=pixels)
        return pixels.view(batch, height, width, channels).permute(0, 3, 1, 2)


class FoldedXUnit(nn.Module):
    """:class:`XUnit` of the usual design, in place: z exp2(-d^2), where the filter holds the second normalisation and
    the root of log2(e)."""

    def __init__(self, unit: XUnit) -> None:
        super().__init__()
        before, _, filter, after, _ = unit.gate
        assert (
            isinstance(before, nn.BatchNorm2d) and isinstance(filter, nn.Conv2d) and isinstance(after, nn.BatchNorm2d)
        )
        self.before = Affine(before)
        self.filter = fuse_conv_bn_eval(filter, after)
        root = math.sqrt(math.log2(math.e))
        for part in self.filter.parameters():
            part.data.mul_(root)

    def forward(self, z: Tensor) -> Tensor:
        batch, channels, height, width = z.shape
        reach = self.filter.kernel_size[0] // 2
        rows = max(_STRIP // (batch * channels * width), 4 * reach, 1) if z.device.type == "cpu" else height
        above: Tensor | None = None
        for top in range(0, height, rows):  # strips that stay in the cache; z below them is still the input
            bottom = min(top + rows, height)
            seen = min(bottom + reach, height)
            a = z.new_zeros(batch, channels, bottom - top + 2 * reach, width)
            a = a.contiguous(memory_format=torch.channels_last)
            inside = a[..., reach : reach + seen - top, :]
            torch.addcmul(self.before.shift, z[..., top:seen, :], self.before.scale, out=inside).relu_()
            if above is not None:
                a[..., :reach, :] = above
            above = a[..., bottom - top : bottom - top + reach, :].clone() if bottom < height else None
            d = F.conv2d(a, self.filter.weight, self.filter.bias, padding=(0, reach), groups=channels)
            z[..., top:bottom, :].mul_(d.square_().neg_().exp2_())
        return z


class FewOutputs(nn.Module):
    """Convolution to a few channels that keeps the size: its taps, or its columns of taps, become channels of a
    smaller one, whose answers are shifted and summed. What is made for many channels works at sixteen at least."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        size, outputs = conv.kernel_size[0], conv.out_channels
        self.bias, self.reach, self.outputs = conv.bias, size // 2, outputs
        columns = outputs * size**2 > _MANY
        self.downs = range(1) if columns else range(-self.reach, self.reach + 1)
        weight = conv.weight.detach()  # output, input, row, column
        weight = weight.permute(3, 0, 1, 2).flatten(0, 1)[..., None] if columns else weight.permute(2, 3, 0, 1)
        self.weight = nn.Parameter(weight.contiguous(), requires_grad=False)

    @staticmethod
    def fits(conv: nn.Conv2d) -> bool:
        """Whether it is such a convolution, and on a CPU."""
        size = conv.kernel_size[0]
        same = conv.kernel_size == (size, size) and conv.padding == (size // 2, size // 2) and conv.stride == (1, 1)
        simple = conv.dilation == (1, 1) and conv.groups == 1 and conv.padding_mode == "zeros"
        few = conv.out_channels * size <= _MANY <= conv.in_channels and conv.weight.device.type == "cpu"
        return same and simple and few and size % 2 == 1 and size > 1

    def forward(self, x: Tensor) -> Tensor:
        (batch, channels, height, width), r = x.shape, self.reach
        if len(self.downs) > 1:
            pixels = x.permute(1, 0, 2, 3).reshape(channels, -1)
            taps = (self.weight.flatten(0, 2) @ pixels).unflatten(1, (batch, height, width)).transpose(0, 1)
        else:
            taps = F.conv2d(x, self.weight, padding=(r, 0)).contiguous()
        taps = taps.unflatten(1, (len(self.downs), 2 * r + 1, self.outputs))
        y = taps[:, len(self.downs) // 2, r].clone()
        for i, down in enumerate(self.downs):
            for right in range(-r, r + 1):
                if down or right:
                    tap = taps[:, i, r + right, :, _within(down, height), _within(right, width)]
                    y[:, :, _within(-down, height), _within(-right, width)] += tap
        return y if self.bias is None else y.add_(self.bias[:, None, None])


def _within(shift: int, size: int) -> slice:
    """Places of a side that lie inside when moved by -``shift``."""
    return slice(max(shift, 0), max(size + min(shift, 0), 0))


class Perceptron(nn.Module):
    """Linear, GELU, Linear along one axis; for float32 on CPUs by oneDNN, each product with what follows it."""

    def __init__(self, first: nn.Linear, last: nn.Linear, axis: int = -1) -> None:
        super().__init__()
        self.first, self.last, self.axis = first, last, axis

    def forward(self, x: Tensor) -> Tensor:
        x = x.movedim(self.axis, -1)
        first, last = self.first, self.last
        if _linear is None or not x.dtype == first.weight.dtype == torch.float32 or x.device.type != "cpu":
            hidden = first(x)
            return last(F.gelu(hidden, out=hidden)).movedim(-1, self.axis)  # pyright: ignore[reportCallIssue]
        hidden = _linear(x.contiguous(), first.weight, first.bias, "gelu", [], "none")
        return _linear(hidden, last.weight, last.bias, "none", [], "").movedim(-1, self.axis)
