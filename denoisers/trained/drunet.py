"""DRUNet as a denoiser: in units of the noise and conditioned on it, in bfloat16 where the processor has it."""

import copy
import math
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ..base import Denoiser, check_images, sigma_column
from ..evaluation.precision import has_bfloat16, products_in, tolerated, uneven, wants_full_precision
from ..evaluation.residual import joined, joins
from ..evaluation.tiles import reflect_to, run_in_tiles
from ..modes import channels_last, is_plain
from ..networks.drunet import DRUNet, released_size
from ..weights import WeightFileError, available, load_weights
from ..weights.filling import fill
from .card import settled

__all__ = ["DRUNetDenoiser"]

_PRESETS: dict[str, dict[str, Any]] = {
    "fast": {"widths": (16, 32, 64, 128), "blocks": 2, "unshuffle": 1, "skips": "within"},
    "accurate": {"widths": (32, 64, 128, 256), "blocks": 2, "unshuffle": 1, "skips": "within"},
    "paper": {"widths": (64, 128, 256, 512), "blocks": 4, "unshuffle": 1, "skips": "around"},
}
_ORDER = ("fast", "accurate")  # the better for its time first (docs/priors.md)
_FLOATS = 6  # a pixel and channel of the finest scale: skips, a block, what a convolution needs


class DRUNetDenoiser(Denoiser):
    r"""Pretrained residual U-Net, which works in units of the noise and is told that it does.

    .. math:: D(x, \sigma) = x - \sigma\, f\big([(x - \bar x) / \sigma,\, 1]\big)

    f is a :class:`DRUNet`, :math:`\bar x` the mean of each channel. So the denoiser commutes with affine changes of
    units, :math:`D(a x + b, a\sigma) = a D(x, \sigma) + b` for a > 0, and is the identity at :math:`\sigma = 0`. The
    constant channel conditions it on the level: without it f, which has no biases, would not depend on
    :math:`\sigma` at all, and D would trust what it sees of the noise alone. In bfloat16 all this holds up to its
    rounding, a few hundredths of :math:`\sigma`.

    Args:
        weights: ``"natural-gray"``, ``"ct"`` (optionally with a preset and a version, ``"natural-gray-fast@1"``), a
            ``.safetensors`` file, or ``None`` for an untrained network. Our own weights, not those of the paper. A
            ``.pth`` file of the paper's authors makes their denoiser: x and a map of sigma in image units to x.
        preset: ``"fast"`` (1.1 M parameters), ``"accurate"`` (4.3 M, three times the time), or ``"paper"`` (32.6 M,
            untrained). ``None``: that of the weights, or of the shipped ones the better for its time; of an untrained
            network ``"accurate"``.
        channels: of the image; ``None``: those of the weights, else 1.
        complex: for complex images (B, 1, H, W), whose parts are its channels; it commutes with rotations of the
            phase. ``None``: as the weights are, else real.
        precision: of evaluations without derivatives on float32 images: ``"float32"``, ``"tf32"`` (on CUDA devices
            factors are rounded to 11 bits; elsewhere float32), ``"bfloat16"``, or ``"auto"``, bfloat16 where the
            processor has instructions for it; solvers take it while sigma falls, and from then on single precision, as
            torch is set, unless their tolerance is so wide, as :class:`pnp.PnPADMM`'s is for most images, that the
            rounding does not show. The card says what it costs in dB.
        max_memory: bytes that an evaluation without gradients may use beyond its input and output; larger images
            are done in tiles, with the same result.

    Images have any size; they are continued by mirroring to what the halvings need. Pretrained weights come in eval
    mode and frozen; ``requires_grad_()`` to fine-tune them.

    Raises:
        ValueError: unknown name, preset or precision, one that contradicts the weights, wrong number of channels.
        FileNotFoundError: no such weight file. ``denoisers.weights.WeightFileError``: it is damaged.

    Zhang, Li, Zuo, Zhang, Van Gool, Timofte 2022, doi:10.1109/TPAMI.2021.3088914; in units of the noise:
    Mohan, Kadkhodaie, Simoncelli, Fernandez-Granda 2020, arXiv:1906.05478.

    >>> DRUNetDenoiser(None, preset="fast")(torch.rand(1, 1, 33, 40), 0.1).shape
    torch.Size([1, 1, 33, 40])
    """

    intensity_range = None

    def __init__(
        self,
        weights: str | None = "natural-gray",
        *,
        preset: str | None = None,
        channels: int | None = None,
        complex: bool | None = None,
        precision: Literal["auto", "float32", "tf32", "bfloat16"] = "auto",
        max_memory: float = 2e9,
    ) -> None:
        super().__init__()
        if precision not in ("auto", "float32", "tf32", "bfloat16"):
            raise ValueError(f"precision: expected 'auto', 'float32', 'tf32' or 'bfloat16', got {precision!r}")
        if not max_memory > 0:
            raise ValueError(f"max_memory: expected a positive number of bytes, got {max_memory}")
        if preset not in (None, *_PRESETS):
            raise ValueError(f"preset: expected one of {sorted(_PRESETS)}, got {preset!r}")
        self.precision, self.max_memory = precision, float(max_memory)
        released = weights is not None and str(weights).endswith((".pth", ".pt"))
        state, card = (None, {}) if weights is None else _read(str(weights), preset)
        known = {} if weights is None else {"channels": 1, "complex": False} | card
        card = {"preset": "accurate", "channels": 1} | settled(known, preset=preset, channels=channels, complex=complex)
        self.card, self.channels = card, int(card["channels"])
        if self.channels < 1:
            raise ValueError(f"channels: expected at least 1, got {self.channels}")
        self.sigma_range = tuple(card["sigma_range"]) if "sigma_range" in card else None
        self.takes_complex = bool(card.get("complex", False))
        size = card["size"] if released else _PRESETS[card["preset"]]
        parts = self.channels * (2 if self.takes_complex else 1)
        self.net = DRUNet(parts + 1, parts, **size)
        self.in_image_units = released
        if released:
            self.intensity_range = (0.0, 1.0)
        self._width = size["widths"][0] / size["unshuffle"] ** 2
        self.to(memory_format=torch.channels_last)
        self._half: tuple[Any, DRUNet] | None = None
        self._steeper: tuple[Any, float] | None = None
        self._options: dict[str, Any] | None = None  # of torch.compile
        self._compiled: dict[bool, tuple[DRUNet, Any]] = {}
        if state is not None:
            if released:
                self.net.load_released(state)
            else:
                fill(self, state, str(weights))
            self.eval().requires_grad_(False)  # requires_grad_() again to fine-tune

    @property
    def radius(self) -> int:
        """Radius of the receptive field in pixels."""
        return self.net.radius

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise (B, C, H, W); ``sigma`` is the noise standard deviation in the units of ``x``, float or (B,)."""
        if self.takes_complex and isinstance(x, Tensor) and x.is_complex():
            return self._complex(x, sigma)
        check_images(x, 1 if self.takes_complex else self.channels)
        if self.takes_complex:
            return self._complex(torch.complex(x, torch.zeros_like(x)), sigma).real
        return self._real(x, sigma_column(sigma, x))

    def _complex(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Real and imaginary part as channels, after the image's mean phase was turned to zero."""
        check_images(x.real, self.channels)
        mean = x.mean((1, 2, 3), keepdim=True)
        size = mean.abs()
        phase = torch.where(size > 0, mean / torch.where(size > 0, size, torch.ones_like(size)), torch.ones_like(mean))
        turned = x * phase.conj()
        parts = self._real(torch.cat((turned.real, turned.imag), 1), sigma_column(sigma, x.real))
        return torch.complex(*parts.contiguous().chunk(2, 1)) * phase

    def _real(self, x: Tensor, level: Tensor) -> Tensor:
        own = self.net.head.weight.dtype  # other precisions are converted, and cast back
        if x.dtype != own:
            return self._real(x.to(own), level.to(own)).to(x.dtype)
        rounds = self._rounds(x, level)
        if not any(rounds) or all(rounds):
            return self._at(x, level, half=rounds[0])
        out, chosen = torch.empty_like(x), torch.tensor(rounds, device="cpu")
        for half in (True, False):  # each as it would be alone
            out[chosen == half] = self._at(x[chosen == half], level[chosen == half], half=half)
        return out

    def _at(self, x: Tensor, level: Tensor, *, half: bool) -> Tensor:
        """In one precision."""
        height, width = x.shape[-2:]
        step = self.net.step
        if self.in_image_units:
            seen, told = x, level
        else:
            seen = (x - x.mean((-2, -1), keepdim=True)) / torch.where(level > 0, level, torch.ones_like(level))
            told = torch.ones_like(level)
        seen = reflect_to(seen, (height + -height % step, width + -width % step))
        seen = channels_last(torch.cat((seen, told.expand(-1, 1, *seen.shape[-2:])), 1))
        pixels = self.max_memory / (_FLOATS * self._width * x.element_size() * len(x))
        with products_in(self.precision, x.device):
            found = run_in_tiles(self._network(x, half=half), seen, self.radius, pixels, step=step)[
                ..., :height, :width
            ]
        return found if self.in_image_units else x - level * found

    def _rounds(self, x: Tensor, level: Tensor) -> list[bool]:
        """Which samples are worked on in bfloat16."""
        auto = self.precision == "auto" and not wants_full_precision() and has_bfloat16(x.device)
        plain = not self.training and x.dtype == torch.float32 and is_plain((x, *self.net.parameters()))
        if not plain or not (auto or self.precision == "bfloat16"):
            return [False] * len(x)
        if not auto or tolerated() == math.inf:
            return [True] * len(x)
        if x.device.type != "cpu":  # to look is to wait
            return [False] * len(x)
        size = uneven(x.square().mean((1, 2, 3)).sqrt(), x.abs().mean((1, 2, 3)))
        return (self._excess() * rounding(x, level) <= tolerated() * size).tolist()

    def _excess(self) -> float:
        """How many times as far as :func:`rounding` says bfloat16 moves an image, at least once: other weights than the
        shipped ones may be steeper."""
        key = self._weights()
        if self._steeper is None or self._steeper[0] != key:
            x, level = _trial(self.net.tail.out_channels // self.net.unshuffle**2, self.net.head.weight)
            moved = self._at(x, level, half=True) - self._at(x, level, half=False)
            far = moved.square().mean((1, 2, 3)).sqrt() / rounding(x, level)
            self._steeper = (key, max(1.0, float(far.max())))
        return self._steeper[1]

    def compiled(self, **options: Any) -> "DRUNetDenoiser":
        """The same with its network compiled where nobody asks for derivatives; ``torch.compile``'s options."""
        other = copy.copy(self)
        other._half, other._options, other._compiled = None, options, {}
        return other

    def _network(self, x: Tensor, *, half: bool) -> Any:
        """The network in the precision of this evaluation."""
        net = self._short() if half else self.net
        dtype = torch.bfloat16 if half else x.dtype
        if self._options is not None and is_plain((x, *net.parameters())):
            kept = self._compiled.get(half)
            if kept is None or kept[0] is not net:
                kept = self._compiled[half] = (net, torch.compile(net, **self._options))
            run = kept[1]
        else:
            run = partial(joined, net) if joins(net, x.to(dtype)) else net
        return lambda z: run(z.to(dtype)).to(z.dtype)

    def _weights(self) -> list[Any]:
        """Something that changes with the weights."""
        return [(w.data_ptr(), 0 if w.is_inference() else w._version, w.device) for w in self.net.parameters()]

    def _short(self) -> DRUNet:
        """The network in bfloat16."""
        key = self._weights()
        if self._half is None or self._half[0] != key:
            short = copy.deepcopy(self.net).requires_grad_(False).to(torch.bfloat16)
            self._half = (key, short.to(memory_format=torch.channels_last))
        return self._half[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_half": None, "_steeper": None, "_compiled": {}}


def rounding(x: Tensor, level: Tensor) -> Tensor:
    """Bound of the root mean square that bfloat16 moves a denoised image by, (B,): what is rounded within the network,
    and what it is given; of the shipped weights, as measured."""
    return 0.005 * level.flatten() + 1e-3 * x.flatten(1).std(1, correction=0)


def _trial(channels: int, like: Tensor, side: int = 48) -> tuple[Tensor, Tensor]:
    """Stripes, edges and noise at three levels, always the same."""
    level = like.new_tensor([0.1, 0.2, 0.3])
    rows = torch.linspace(0, 1, side, device="cpu")
    image = ((6 * rows[:, None]).sin() + (9 * rows).cos() > 0.5) / 2 + rows / 2
    noise = torch.randn(3, channels, side, side, generator=torch.Generator().manual_seed(0), device="cpu")
    return image.to(like) + level[:, None, None, None] * noise.to(like), level[:, None, None, None]


def _read(weights: str, preset: str | None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and card: shipped ones by name and preset, a file of ours, or one of the paper's authors."""
    if not weights.endswith((".pth", ".pt")):
        return load_weights(_named(weights, preset), family="drunet")
    if not Path(weights).is_file():
        raise FileNotFoundError(f"weights: no file {weights!r}")
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        inputs, outputs, widths, blocks = released_size(state)
    except Exception as error:  # torch and zipfile raise anything for what is not a weight file
        raise WeightFileError(f"weights: {Path(weights).name} is not a DRUNet of its authors ({error})") from error
    if inputs != outputs + 1:
        raise WeightFileError(f"weights: {Path(weights).name} has {inputs} inputs and {outputs} outputs, not one more")
    size = {"widths": widths, "blocks": blocks}
    return state, {"channels": outputs, "preset": "paper", "size": {"unshuffle": 1, "skips": "around", **size}}


def _named(weights: str, preset: str | None) -> str:
    """Full name of shipped weights: ``"ct"`` is that of the preset, by default of the one that measures better."""
    name, at, version = weights.partition("@")
    found = [w for w in shipped_weights(name) if preset is None or w == f"{name}-{preset}"]
    return f"{found[0]}{at}{version}" if found else weights


def shipped_weights(name: str) -> list[str]:
    """Full names of the shipped weights that ``name`` stands for, the best first; none: it is no such name.

    >>> shipped_weights("natural-gray")[0], shipped_weights("sonar")
    ('natural-gray-fast', [])
    """
    shipped = {key.partition("@")[0] for key in available("drunet")}
    return [w for w in (name, *(f"{name}-{preset}" for preset in _ORDER)) if w in shipped]
