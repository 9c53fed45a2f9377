"""The shipped LoFi prior: a noise-conditioned cascade of local fields that commutes with changes of units."""

import math
from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..base import Denoiser, check_images, sigma_column
from ..evaluation.strips import conv_strips
from ..evaluation.tiles import reflect_to, run_in_tiles
from ..modes import channels_last, is_plain
from ..networks.lofi_geometry import sample
from ..weights import load_weights
from ..weights.filling import fill
from .card import settled

__all__ = ["Field", "LoFiDenoiser"]

_BOUND = 6.0  # the correction never exceeds this many noise standard deviations
_PRESETS = {  # hidden units, feature channels, patch diameters of the fields, first to last
    "fast": (48, 16, (7, 5, 5)),
    "accurate": (64, 32, (7, 5, 5, 5, 5)),
}


class Field(nn.Module):
    """One local field: the same MLP at every point, reading the disc-shaped patch of pixels around it.

    On the pixel grid the patch and the first layer together are a convolution, which is how whole images are
    evaluated; ``at`` evaluates the same function at arbitrary points, by bicubic interpolation of its input.

    Args:
        inputs: channels of the field that it reads.
        hidden: units of the hidden layer.
        outputs: values that it gives at each point.
        diameter: of the patch in pixels, odd.
        level_free: remove the patch's mean, so that the field cannot see a constant added to its input.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, *, diameter: int, level_free: bool = False) -> None:
        super().__init__()
        self.radius = diameter // 2
        self.level_free = level_free
        rows, columns = torch.meshgrid(*[torch.arange(-self.radius, self.radius + 1)] * 2, indexing="ij")
        inside = rows**2 + columns**2 <= (self.radius + 0.3) ** 2 if diameter > 3 else torch.ones_like(rows) > 0
        self.register_buffer("inside", inside, persistent=False)
        self.weight = nn.Parameter(torch.empty(hidden, inputs, diameter, diameter))
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.head = nn.Conv2d(hidden, outputs, 1)
        nn.init.normal_(self.weight, std=math.sqrt(2 / (inputs * int(inside.sum()))))

    def kernel(self) -> Tensor:
        """Weights (hidden, inputs, diameter, diameter) of patch and first layer as one correlation kernel."""
        inside = cast(Tensor, self.inside).to(self.weight.dtype)
        weight = self.weight * inside
        if self.level_free:
            weight = weight - inside * (weight.sum((2, 3), keepdim=True) / inside.sum())
        return weight

    def forward(self, field: Tensor, base: Tensor | None = None) -> Tensor:
        """Field (B, inputs, H, W) -> (B, outputs, H, W), added to ``base``; mirrored about the image's edge pixels."""
        if field.device.type == "cpu" and is_plain((field, *self.parameters())):
            return self._in_strips(field, base)
        padded = F.pad(field, (self.radius,) * 4, mode="reflect")
        values = self.head(F.conv2d(padded, self.kernel(), self.bias).relu_())
        return values if base is None else base + values

    def _in_strips(self, field: Tensor, base: Tensor | None) -> Tensor:
        weight, bias = self.head.weight[:, :, 0, 0].T, cast(Tensor, self.head.bias)
        out = field.new_empty(len(field), *field.shape[2:], len(bias))
        for image, top, hidden in conv_strips(field, self.kernel(), self.bias):
            rows = slice(top, top + hidden.shape[2])
            place, units = out[image, rows].flatten(0, 1), hidden[0].relu_().permute(1, 2, 0).flatten(0, 1)
            if base is None:
                torch.addmm(bias, units, weight, out=place)
            else:
                torch.add(base[image, :, rows].permute(1, 2, 0).flatten(0, 1), bias, out=place)
                place.addmm_(units, weight)
        return out.permute(0, 3, 1, 2)

    def at(self, field: Tensor, points: Tensor) -> Tensor:
        """Field (B, inputs, H, W) at points (B, P, 2), (row, column) in pixels -> (B, outputs, P)."""
        offsets = torch.nonzero(cast(Tensor, self.inside)) - self.radius  # (K, 2)
        patch = sample(field, points[:, :, None] + offsets.to(points.dtype))  # (B, P, K, C)
        weight = self.kernel()[:, :, cast(Tensor, self.inside)]  # (hidden, C, K)
        hidden = torch.einsum("bpkc,hck->bhp", patch, weight) + self.bias[:, None]
        return F.conv1d(hidden.relu(), self.head.weight[..., 0], self.head.bias)


class LoFiDenoiser(Denoiser):
    r"""Pretrained local-field denoiser, noise level as an input: LoFi in a cascade of small fields.

    .. math:: D(x, \sigma) = x - \sigma\, b\big(f_L(f_{L-1}(\dots f_1(x / \sigma)))\big), \quad b(r) = 6 \tanh(r / 6)

    Each :math:`f_l` is a local field (a patch, an MLP, nothing shared beyond the patch), and the last one can be
    read at any continuous coordinate. Since :math:`f_1` sees the image in units of the noise and without its local
    mean, the denoiser commutes with affine changes of units,

    .. math:: D(a x + b, a\sigma) = a D(x, \sigma) + b, \quad a > 0,

    it is the identity at :math:`\sigma = 0`, and no pixel moves by more than :math:`6\sigma` (a bounded denoiser in
    the sense of Chan, Wang, Elgendy 2017, doi:10.1109/TCI.2016.2629286). It differs from the paper's network
    (:meth:`denoisers.LoFi.paper`; arXiv:2411.04995) by the noise input, the cascade, the fixed geometry and the
    residual output; ``python -m benchmarks.denoising`` compares.

    Args:
        weights: ``"natural-gray"``, ``"natural-gray-taught"`` (by a better denoiser's answers), ``"natural-rgb"``
            (optionally with a version, ``"natural-gray@1"``), a ``.safetensors`` file, or ``None`` for an untrained
            network.
        preset: ``"accurate"`` or ``"fast"``; ``None``: that of the weights, else ``"accurate"``.
        channels: of the image; ``None``: those of the weights, else 1.
        max_memory: bytes that an evaluation without gradients may use beyond its input and output; larger images
            are done in tiles, with the same result.

    Pretrained weights come in eval mode and frozen; ``requires_grad_()`` to fine-tune them.

    Raises:
        ValueError: unknown name or preset, one that contradicts the weights, wrong number of channels, negative sigma.
        FileNotFoundError: no such weight file. ``denoisers.weights.WeightFileError``: it is damaged.

    >>> denoiser = LoFiDenoiser()
    >>> x = torch.rand(1, 1, 33, 40)
    >>> denoiser(x, 0.1).shape
    torch.Size([1, 1, 33, 40])
    """

    intensity_range = None

    def __init__(
        self,
        weights: str | None = "natural-gray",
        *,
        preset: str | None = None,
        channels: int | None = None,
        max_memory: float = 2e9,
    ) -> None:
        super().__init__()
        state, card = (None, {}) if weights is None else load_weights(weights, family="lofi")
        card = {"preset": "accurate", "channels": 1} | settled(card, preset=preset, channels=channels)
        if card["preset"] not in _PRESETS:
            raise ValueError(f"preset: expected one of {sorted(_PRESETS)}, got {card['preset']!r}")
        if not max_memory > 0:
            raise ValueError(f"max_memory: expected a positive number of bytes, got {max_memory}")
        self.card, self.max_memory = card, float(max_memory)
        self.channels = int(card["channels"])
        if self.channels < 1:
            raise ValueError(f"channels: expected at least 1, got {self.channels}")
        self.sigma_range = tuple(card["sigma_range"]) if "sigma_range" in card else None
        hidden, features, diameters = _PRESETS[card["preset"]]
        inputs = [self.channels] + [features] * (len(diameters) - 1)
        outputs = [features] * (len(diameters) - 1) + [self.channels]
        self.fields = nn.ModuleList(
            Field(i, hidden, o, diameter=d, level_free=n == 0)
            for n, (i, o, d) in enumerate(zip(inputs, outputs, diameters, strict=True))
        )
        last = cast(Field, self.fields[-1]).head
        nn.init.zeros_(last.weight)  # an untrained network is the identity
        nn.init.zeros_(cast(Tensor, last.bias))
        self.to(memory_format=torch.channels_last)
        if state is not None:
            fill(self, state, str(weights))
            self.eval().requires_grad_(False)  # requires_grad_() again to fine-tune

    @property
    def radius(self) -> int:
        """Radius of the receptive field in pixels."""
        return sum(cast(Field, field).radius for field in self.fields)

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise (B, C, H, W); ``sigma`` is the noise standard deviation in the units of ``x``, float or (B,)."""
        check_images(x, self.channels)
        own = cast(Field, self.fields[0]).weight.dtype  # other precisions are converted and cast back
        if x.dtype != own:
            return self.forward(x.to(own), sigma).to(x.dtype)
        level = sigma_column(sigma, x)
        floats = 4.5 * cast(Field, self.fields[0]).weight.shape[0]  # a pixel, at the widest point of a field
        pixels = self.max_memory / (floats * x.element_size() * x.shape[0])
        return run_in_tiles(lambda tile: self._denoise(tile, level), x, self.radius, pixels)

    def at(self, x: Tensor, sigma: float | Tensor, coordinates: Tensor) -> Tensor:
        """Denoised values at continuous coordinates, (P, 2) as (row, column) in [-0.5, 0.5] -> (B, C, P).

        >>> LoFiDenoiser().at(torch.rand(1, 1, 32, 32), 0.1, torch.tensor([[0.0, 0.25]])).shape
        torch.Size([1, 1, 1])
        """
        check_images(x, self.channels)
        extent = x.new_tensor([x.shape[-2] - 1, x.shape[-1] - 1])
        points = ((coordinates.to(x.dtype) + 0.5) * extent).expand(x.shape[0], -1, 2)
        observed = rearrange(sample(x, points[:, :, None]), "b p 1 c -> b c p")
        level = sigma_column(sigma, x)[:, 0]
        last = cast(Field, self.fields[-1])
        correction = last.at(self._features(self._in_noise_units(x, level[..., None]), last=False), points)
        return observed - level * _BOUND * torch.tanh(correction / _BOUND)

    def _in_noise_units(self, x: Tensor, level: Tensor) -> Tensor:
        centred = x - x.mean((-2, -1), keepdim=True)  # only for the digits: the first field removes levels itself
        return centred / torch.where(level > 0, level, torch.ones_like(level))

    def _features(self, z: Tensor, last: bool = True) -> Tensor:
        height, width = z.shape[-2:]
        z = reflect_to(z, max(cast(Field, f).radius for f in self.fields) + 1)
        z = self.fields[0](channels_last(z))
        for field in self.fields[1:-1]:
            z = field(z, z)
        return (self.fields[-1](z) if last else z)[..., :height, :width]

    def _denoise(self, x: Tensor, level: Tensor) -> Tensor:
        correction = self._features(self._in_noise_units(x, level))
        return x - level * _BOUND * torch.tanh(correction / _BOUND)
