"""Unresolved sources of 0.03 to 1 Jy over a real radio sky: what is left of the diffuse emission, and of their fluxes.

Two sources of each flux, one on the emission and one beside it, over M31, whose peak is a hundredth or a ten thousandth
of the brightest; an hour of MeerKAT as in ``benchmarks.radio``, noise 30 dB below the emission's visibilities. Total
variation with x >= 0, at the best strength for the emission of the very sky, after 4000 iterations (sources make it
slow); the default solve; that with sources taken out before (``Peeled``); and that of a sky without any, the best that
can be asked for.

SNR is that of the emission, without the 9 x 9 pixels around each source. Fluxes are how far what 5 x 5 pixels hold
beyond the emission is from the true one, the worse of two; where there are no sources, what the emission's error alone
comes to there. Stripes are those of ``benchmarks.radio``. Checkerboard is the power of the error that alternates from
pixel to pixel (beyond 3/8 of a cycle per pixel) along both axes, or along one and hardly along the other (below 1/8),
whichever is most, over that of white noise of the same power in all: noise has 1.

    python -m benchmarks.radio_points --data DIR [--contrasts 100 10000] [--noises 30] [--between] [--figures FOLDER]
"""

import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from operators import RadioInterferometry, gaussian_noise
from pnp import PnPADMM, tv_reconstruction
from pnp.radio import Peeled

from .common import parser, save, table
from .radio import picture, sky, snr, stripes

FLUXES = (1.0, 0.3, 0.1, 0.03)  # Jy
APART = 24  # pixels of 256 between sources, at least
STRENGTHS, TV_STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0), (1000, 4000)  # to choose one, and with that
HEAD = ["contrast", "noise", "method", "diffuse SNR / dB", *(f"{f:g} Jy" for f in FLUXES), "stripes", "checkerboard"]


class Sources(NamedTuple):
    """Flux (n,) in Jy and position (n, 2), row and column, maybe between pixels."""

    flux: Tensor
    position: Tensor

    def near(self, shape: torch.Size, reach: int) -> Tensor:
        """Pixels as near to each source as that, (n, H, W)."""
        rows, columns = torch.meshgrid(*(torch.arange(n) for n in shape[-2:]), indexing="ij")
        away = (torch.stack((rows, columns), -1) - self.position.round()[:, None, None]).abs()
        return away.amax(-1) <= reach


def sources(diffuse: Tensor, shift: float = 0.0) -> Sources:
    """Two of each flux, on the emission and beside it by turns, ``shift`` pixels off the grid."""
    generator, found = torch.Generator().manual_seed(0), []
    rows, columns = diffuse.shape[-2:]
    while len(found) < 2 * len(FLUXES):
        at = torch.stack([torch.randint(n // 16, n - n // 16, (1,), generator=generator)[0] for n in (rows, columns)])
        on = bool(diffuse[0, 0, at[0], at[1]] > 0.02 * diffuse.max())
        near = any(float((at - other).abs().amax()) < APART * rows / 256 for other in found)
        if not near and on == (len(found) % 2 == 0):
            found.append(at)
    return Sources(torch.tensor(FLUXES).repeat_interleave(2), torch.stack(found).double() + shift)


def direct(op: RadioInterferometry, s: Sources) -> Tensor:
    """Visibilities of sources by their definition, in double precision."""
    uv, middle = op.points.double(), torch.tensor([n // 2 for n in op.image_shape], dtype=torch.float64)
    return (s.flux.double()[:, None] * torch.exp(-1j * ((s.position - middle) @ uv))).sum(0)[None, None]


def checkerboard(error: Tensor) -> float:
    """Mean power of an image where it alternates from pixel to pixel, along both axes or one, over that everywhere."""
    power = torch.fft.fft2(error.double())[0, 0].abs().square()
    rows, columns = (torch.fft.fftfreq(n).abs() for n in power.shape)
    bands = [(rows > 3 / 8, columns > 3 / 8), (rows > 3 / 8, columns < 1 / 8), (rows < 1 / 8, columns > 3 / 8)]
    return max(float(power[a][:, b].mean() / power.mean()) for a, b in bands)


def judged(
    image: Tensor, diffuse: Tensor, s: Sources, *, there: bool = True
) -> tuple[float, list[float], float, float]:
    """Diffuse SNR in dB, errors of fluxes in percent, stripes, checkerboard; ``there``: whether the sky has sources."""
    error = image - diffuse
    fluxes = (error[0, 0] * s.near(error.shape, 2)).sum((1, 2)) / s.flux - float(there)
    pairs = (100 * fluxes).reshape(-1, 2)
    worst = pairs.gather(1, pairs.abs().argmax(1, keepdim=True))[:, 0]
    away = ~s.near(error.shape, 4).any(0)
    rest, truth = image * away, diffuse * away
    return snr(rest, truth), worst.tolist(), stripes(rest, truth), checkerboard(rest - truth)


def row(
    contrast: float, noise: float, name: str, quality: float, fluxes: list[float], empty: float, alternating: float
) -> list[str]:
    """A row of the table."""
    percent = [f"{f:+.1f} %" for f in fluxes]
    return [f"{contrast:g}", f"{noise:g} dB", name, f"{quality:.2f}", *percent, f"{empty:.2f}", f"{alternating:.3f}"]


class Case(NamedTuple):
    """A sky's parts, and all methods' images of both."""

    diffuse: Tensor
    sources: Sources
    images: dict[str, Tensor]


def run(uv: Tensor, emission: Tensor, contrast: float, noise: float, shift: float = 0.0) -> Case:
    """All methods on ``emission`` of peak one, ``contrast`` times fainter; sources ``shift`` pixels off the grid."""
    diffuse = emission / contrast
    op = RadioInterferometry(uv, (diffuse.shape[-2], diffuse.shape[-1]), unit="rad/pixel")
    s, clean = sources(diffuse, shift), op.A(diffuse)
    std = 10 ** (-noise / 20) * float(clean.norm()) / (2 * clean.numel()) ** 0.5
    alone = gaussian_noise(clean, std, seed=0)
    y = alone + direct(op, s).to(alone.dtype)

    def variation(strength: float, iterations: int) -> Tensor:
        return tv_reconstruction(op, y, std, strength=strength, iterations=iterations, nonnegative=True)

    best = max(STRENGTHS, key=lambda strength: judged(variation(strength, TV_STEPS[0]), diffuse, s)[0])
    solver = PnPADMM(op, noise_std=std)
    images = {
        "TV, x >= 0": variation(best, TV_STEPS[1]),
        "default": solver(y),
        "default, peeled": Peeled(solver)(y),
        "default, no sources": solver(alone),
    }
    return Case(diffuse, s, images)


def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    p.add_argument("--contrasts", nargs="+", type=float, default=[1e2, 1e4], help="of the brightest source")
    p.add_argument("--noises", nargs="+", type=float, default=[30.0], help="dB below the diffuse emission")
    p.add_argument("--between", action="store_true", help="sources between pixels")
    p.add_argument("--figures", help="folder for pictures")
    options = p.parse_args()
    folder = Path(options.data or ".") / "radio"
    if not (folder / "meerkat_uv_1h.npy").exists():
        raise SystemExit("no folder 'radio' in the data folder; pass --data or set PNP_DATA")
    uv, emission = torch.from_numpy(np.load(folder / "meerkat_uv_1h.npy")).double(), sky(folder / "M31_256.fits")
    rows = []
    for contrast, noise in itertools.product(options.contrasts, options.noises):
        found = run(uv, emission, contrast, noise, 0.5 if options.between else 0.0)
        truth, s = found.diffuse, found.sources
        figures = {k: judged(v, truth, s, there="no sources" not in k) for k, v in found.images.items()}
        rows += [row(contrast, noise, name, *figures[name]) for name in figures]
        print(*rows[-len(figures) :], sep="\n", flush=True)
        if options.figures:
            images = {f"{k}, {figures[k][0]:.2f} dB": v / truth.max() for k, v in found.images.items()}
            shown = truth / truth.max()
            picture(Path(options.figures) / f"points-{contrast:g}-{noise:g}.png", {"emission": shown, **images}, shown)
    print(table(rows, HEAD))
    save(options.save, {"radio_points": {" ".join(row[:3]): row[3:] for row in rows}})


if __name__ == "__main__":
    main()
