"""Real radio skies seen by MeerKAT for an hour: PnP-ADMM with each prior beside the dirty image and TV.

30,240 visibilities on baselines scaled to [-pi, pi] (the published set of QuantifAI), 20 and 30 dB of noise. Total
variation is subject to positivity and has its best strength for the very image; so are the priors (``Bounded``), and
the first of them stands also with unresolved sources taken out before (``Peeled``), and without bounds; the dirty image
is in flux per beam, scaled to fit the sky best. One more sky is M31 at a hundredth of its brightness with three
unresolved sources of about one. SNR is 20 lg(|sky| / |error|), the field's figure; stripes: the deviation of the answer
where the sky is below a thousandth of its peak, in thousandths of the peak. No prior was trained on these skies.

    python -m benchmarks.radio --data DIR [--priors drunet:radio-fast drunet:natural-gray-fast lofi] [--figures FOLDER]
"""

import itertools
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from denoisers import Bounded, Denoiser
from operators import RadioInterferometry, gaussian_noise_snr
from pnp import PnPADMM, tv_reconstruction
from pnp.radio import Peeled

from .common import parser, save, shipped, table

NOISES, SLACK = (20.0, 30.0), 0.25  # of the noise, by which iterates may be negative, as by default
SKIES = {"M31": "M31_256.fits", "galaxy cluster": "cluster.fits", "3C288": "3c288.fits", "M31 / 100, points": ""}
STRENGTHS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)


def sky(path: Path) -> Tensor:
    """Image (1, 1, H, W) of a FITS file, peak one, negative noise of the observation cut off."""
    from astropy.io import fits

    values = np.squeeze(np.asarray(fits.getdata(path), dtype=np.float32))
    x = torch.from_numpy(values.copy()).clamp(min=0)[None, None]
    return x / x.max()


def with_points(x: Tensor) -> Tensor:
    """A sky with three sources of 0.5 to 1, a pixel each."""
    x = x.clone()
    for row, column, flux in ((70, 90, 1.0), (150, 60, 0.5), (180, 190, 0.8)):
        x[0, 0, row, column] = flux
    return x


def snr(image: Tensor, x: Tensor) -> float:
    """In dB."""
    return 20 * float(torch.log10(x.norm() / (image - x).norm()))


def stripes(image: Tensor, x: Tensor) -> float:
    """Root mean square of the answer on empty sky, in thousandths of the peak."""
    empty = x < 1e-3 * x.max()
    return 1e3 * float((image[empty] - x[empty]).square().mean().sqrt() / x.max()) if bool(empty.any()) else 0.0


def methods(
    op: RadioInterferometry, y: Tensor, std: float, x: Tensor, priors: dict[str, Denoiser]
) -> dict[str, Tensor]:
    """All methods' images."""
    dirty, first = op.dirty_image(y), next(iter(priors))
    skies = [tv_reconstruction(op, y, std, strength=s, iterations=200, nonnegative=True) for s in STRENGTHS]
    return {
        "dirty": dirty * float((dirty * x).sum() / (dirty * dirty).sum()),
        "TV, x >= 0": max(skies, key=lambda v: snr(v, x)),
        **{
            name: PnPADMM(op, Bounded(denoiser, low=0.0, slack=SLACK), noise_std=std)(y)
            for name, denoiser in priors.items()
        },
        f"{first}, peeled": Peeled(PnPADMM(op, Bounded(priors[first], low=0.0, slack=SLACK), noise_std=std))(y),
        f"{first}, of any sign": PnPADMM(op, priors[first], noise_std=std)(y).clamp(min=0),
    }


def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    p.add_argument("--figures", help="folder for pictures")
    p.add_argument("--priors", nargs="+", default=["drunet:radio-fast", "drunet:natural-gray-fast", "lofi"])
    options = p.parse_args()
    folder = Path(options.data or ".") / "radio"
    if not (folder / "meerkat_uv_1h.npy").exists():
        raise SystemExit("no folder 'radio' in the data folder; pass --data or set PNP_DATA")
    uv = torch.from_numpy(np.load(folder / "meerkat_uv_1h.npy")).double()
    priors, rows = {name: shipped(name) for name in options.priors}, []
    for (name, file), noise in itertools.product(SKIES.items(), NOISES):
        x = sky(folder / file) if file else with_points(sky(folder / SKIES["M31"]) / 100)
        op = RadioInterferometry(uv, (x.shape[-2], x.shape[-1]), unit="rad/pixel")
        clean = op.A(x)
        y = gaussian_noise_snr(clean, noise, seed=0)
        std = 10 ** (-noise / 20) * float(clean.norm()) / (2 * clean.numel()) ** 0.5
        images = methods(op, y, std, x, priors)
        rows.append([name, f"{noise:g} dB", *(f"{snr(v, x):.2f}, {stripes(v, x):.2f}" for v in images.values())])
        print(rows[-1], flush=True)
        if options.figures:
            picture(
                Path(options.figures) / f"radio-{name.replace(' / ', '-').replace(' ', '-')}-{noise:g}.png",
                {"sky": x, **{f"{k}, {snr(v, x):.2f} dB": v for k, v in images.items()}},
                x,
            )
    print(table(rows, ["sky", "noise", *(f"{k}: SNR / dB, stripes" for k in images)]))
    save(options.save, {"radio": {" ".join(row[:2]): row[2:] for row in rows}})


def picture(path: Path, images: dict[str, Tensor], x: Tensor) -> None:
    """Images, logarithmic, and below them how they differ from the sky ``x``; names are titles."""
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(2, len(images), figsize=(3.6 * len(images), 7.2), layout="constrained")
    for (name, image), above, below in zip(images.items(), axes[0], axes[1]):
        above.imshow(image[0, 0].clamp(min=1e-3).log10(), cmap="inferno", vmin=-3, vmax=0)
        above.set_title(name)
        below.imshow((image - x)[0, 0], cmap="RdBu", vmin=-0.1, vmax=0.1)
        below.set_title("log10 above; difference from the sky" if image is x else "difference", fontsize=9)
        for axis in (above, below):
            axis.axis("off")
    figure.savefig(path, dpi=70)
    plt.close(figure)


if __name__ == "__main__":
    main()
