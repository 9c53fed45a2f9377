"""Training of the network that tells the noise of masked photographs from their texture.

Photographs of ``bsds400_color`` that neither ``benchmarks.noise_levels`` nor ``benchmarks.noise_doubt`` uses, in
gray, some made smaller or larger, those without smooth places up to four times as often; a quarter are drawings
(shapes of constant value, boards, waves, blobs) or nothing. 96 x 96 to 192 x 192 pixels; masks that keep 5 to 95 % of
them, lines, lattices, holes; noise of 0.005 to 0.3 of the peak. Three losses: of the logarithm of the level, that of
a Laplace distribution, and the share that lies outside of 0.8 to 1.3 times the truth, softened; of the factor by
which it may be off, that of a quantile. The weights are the average over the last steps; ``--start``
goes on from others. ``benchmarks.noise_doubt`` judges them.

    python -m benchmarks.noise_texture --data DIR --minutes 30 --to texture-v1.safetensors [--start FILE]
"""

import copy
import math
import time
from itertools import count
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from denoisers.weights import load_weights, save_weights
from denoisers.weights.filling import fill
from operators import random_mask
from pnp.noise_level.neighbours import neighbours
from pnp.noise_level.texture import TextureNet

from .common import data_folder, parser

_BATCHES = ((24, 96), (16, 128), (8, 192))  # images, and pixels of a side
FIRST, LAST = 40, 360  # of the photographs
_RATE, _WARM, _CLIP, _AVERAGE = 2.5e-3, 100, 1.0, 0.995
_MIDDLE, _HALF, _SOFT = 0.02, 0.243, 0.06  # of log 0.8 ... log 1.3
_QUANTILE, _MARGIN = 0.93, 0.02  # for nine of ten of images that are new


def drawing(side: int, g: torch.Generator) -> Tensor:
    """Shapes, a board, waves or blobs, (1, 1, side, side), in 0 ... 1."""
    rows, columns = torch.meshgrid(*[torch.arange(float(side))] * 2, indexing="ij")
    kind = int(torch.randint(4, (), generator=g))

    def place() -> tuple[Tensor, list[float]]:
        a, b, turn, *others = torch.rand(6, generator=g).tolist()
        along = (rows - a * side) * math.cos(6.28 * turn) + (columns - b * side) * math.sin(6.28 * turn)
        return along, [*others, a * side, b * side]

    if kind == 0:
        x = torch.zeros(side, side)
        for _ in range(int(torch.randint(2, 13, (), generator=g))):
            along, (height, size, round_, a, b) = place()
            inside = torch.hypot(rows - a, columns - b) < 0.4 * size * side if round_ < 0.5 else along > 0
            x = torch.where(inside, height, x)
    elif kind == 1:
        (one, (size, *_)), (other, _) = place(), place()
        period = 4 + 0.2 * size * side
        x = ((one / period).floor() + (other / period).floor()) % 2
    elif kind == 2:
        (one, (size, *_)), (other, _) = place(), place()
        x = torch.sin(one * (0.05 + size)) + torch.sin(0.01 * one * other * size)
    else:
        x = torch.zeros(side, side)
        for _ in range(8):
            along, (height, size, _, a, b) = place()
            x = x + height * torch.exp(-((rows - a) ** 2 + (columns - b) ** 2) / (2 * (2 + 0.2 * size * side) ** 2))
    return ((x - x.min()) / (x.max() - x.min()).clamp_min(1e-6))[None, None]


class Examples:
    """Data of known noise, drawn one after the other."""

    def __init__(self, data: str | None, seed: int) -> None:
        folder = data_folder(data, "bsds400_color")
        self.g = torch.Generator().manual_seed(seed)
        self.photographs = [folder[i] for i in range(FIRST, LAST)]
        detail = torch.cat([neighbours(x[None], torch.ones_like(x[None]))[1] for x in self.photographs])
        self.often = 1 + 3 * (detail.argsort().argsort() / len(detail)) ** 3

    def whole(self, n: int) -> int:
        return int(torch.randint(n, (), generator=self.g))

    def share(self) -> float:
        return float(torch.rand((), generator=self.g))

    def image(self, side: int) -> Tensor:
        """(1, side, side), in 0 ... 1."""
        kind = self.share()
        if kind > 0.75:
            return drawing(side, self.g)[0] if kind < 0.98 else torch.zeros(1, side, side)
        x, size = self.photographs[int(torch.multinomial(self.often, 1, generator=self.g))], 0.45 * 3.5 ** self.share()
        if self.share() < 0.4:
            x = F.interpolate(x[None], scale_factor=size, mode="bilinear", antialias=True)[0]
        x = F.pad(x[None], [v for n in (x.shape[-1], x.shape[-2]) for v in (0, max(0, side - n))], mode="reflect")[0]
        a, b = (self.whole(n - side + 1) for n in x.shape[-2:])
        x = x[:, a : a + side, b : b + side]
        turned = [axis for axis in (-1, -2) if self.share() < 0.5]
        return x.flip(turned) if self.share() < 0.5 else x.flip(turned).mT

    def mask(self, side: int) -> Tensor:
        """Booleans (1, side, side)."""
        keep, kind = 0.05 * 19 ** self.share(), self.share()
        if 0.8 < kind < 0.85:
            lines = torch.rand(side, 1, generator=self.g) < max(keep, 0.2)
            m = lines.expand(side, side)
        elif 0.85 <= kind < 0.9:
            n = 2 + self.whole(2)
            m = torch.zeros(side, side, dtype=torch.bool)
            m[self.whole(n) :: n, self.whole(n) :: n] = True
        else:
            m = random_mask((side, side), keep if kind < 0.95 else 1.0, seed=self.whole(2**31))
            for _ in range(8 if kind >= 0.9 else 0):
                a, b, tall, wide = self.whole(side), self.whole(side), 4 + self.whole(30), 4 + self.whole(30)
                m[a : a + tall, b : b + wide] = False
        m = m if int(m.sum()) > 100 else random_mask((side, side), 0.1, seed=self.whole(2**31))
        return (m.mT if self.share() < 0.5 else m)[None]

    def batch(self, number: int, side: int) -> tuple[Tensor, Tensor, Tensor]:
        """Data, masks (B, 1, side, side) and the logarithm of the noise (B,)."""
        data, masks, logs = [], [], []
        for _ in range(number):
            low, high = (0.012, 0.15) if self.share() < 0.7 else (0.005, 0.3)
            x, mask, std = self.image(side), self.mask(side).float(), low * (high / low) ** self.share()
            data.append(mask * (x + std * torch.randn(x.shape, generator=self.g)))
            masks.append(mask)
            logs.append(math.log(std))
        return torch.stack(data), torch.stack(masks), torch.tensor(logs)


def losses(told: Tensor, truth: Tensor) -> tuple[Tensor, float]:
    """Their sum, and the share of levels beyond the goal."""
    level, width, doubt = told.unbind(1)
    off, width = level - truth, width.clamp(-4, 2)
    beyond = (off - _MIDDLE).abs() - _HALF
    rest = (off.detach().abs() + _MARGIN).log() - doubt
    loss = off.abs() * (-width).exp() + width + 2 * torch.sigmoid(beyond / _SOFT)
    loss = loss + torch.maximum(_QUANTILE * rest, (_QUANTILE - 1) * rest)
    return loss.mean(), float((beyond > 0).float().mean())


def trained(examples: Examples, minutes: float, start: Path | None) -> tuple[TextureNet, int]:
    """The average network, and how many steps were made."""
    network = TextureNet().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    if start:
        fill(network, load_weights(str(start), family="noise-level")[0], start.name)
    average, begin, shown, taken = copy.deepcopy(network), time.monotonic(), [0.0, 0.0], 0
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=1e-3)
    for step in count(1):
        passed = (time.monotonic() - begin) / (60 * minutes)
        if passed >= 1:
            break
        rate = _RATE * (0.4 if start else 1.0) * min(1, step / _WARM) * (0.5 + 0.5 * math.cos(math.pi * passed))
        optimiser.param_groups[0]["lr"] = rate + 1e-5
        data, masks, truth = examples.batch(*_BATCHES[examples.whole(len(_BATCHES))])
        with torch.autocast("cpu", torch.bfloat16):
            told = network(data, masks)
        loss, missed = losses(told.float(), truth)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
        optimiser.step()
        with torch.no_grad():
            for mean, new in zip(average.parameters(), network.parameters()):
                mean.lerp_(new, 1 - min(_AVERAGE, step / (step + 20)))
        shown, taken = [0.98 * a + 0.02 * b for a, b in zip(shown, (float(loss), missed))], step
        if step % 100 == 0:
            print(f"{step} steps, {passed:.0%} of the time: loss {shown[0]:.3f}, {shown[1]:.1%} beyond", flush=True)
    return average, taken


def main() -> None:
    """Train, and write the weights."""
    p = parser(__doc__)
    p.add_argument("--minutes", type=float, default=30.0)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--to", type=Path, required=True)
    p.add_argument("--start", type=Path)
    options = p.parse_args()
    torch.manual_seed(options.seed)
    network, steps = trained(Examples(options.data, options.seed), options.minutes, options.start)
    card = {"family": "noise-level", "name": "texture", "steps": steps, "minutes": options.minutes,
            "start": options.start.stem if options.start else "", "channels": 1,
            "data": "320 photographs of BSDS500 (train and test) in gray, drawings"}  # fmt: skip
    save_weights(options.to, {k: v.contiguous() for k, v in network.state_dict().items()}, card, overwrite=True)


if __name__ == "__main__":
    main()
