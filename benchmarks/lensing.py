"""Mass maps at Stage-IV noise: Kaiser-Squires, smoothed, Wiener, PnP with a trained prior, a trained local field.

Maps held out of the trainings: simulated lognormal ones (96 x 96 pixels of 0.29 arcmin, sources at redshift 1.5), and
nine tiles of 120 x 120 of the hydrodynamical kappa TNG map, which is of another kind than what anything was trained on
(but the redshift of the sources was chosen, of four, by its power). Noise: 30 galaxies per square arcmin, 0.37 in both
components of ellipticity. The smoothing is tuned on other simulated maps; Wiener has the power that the simulated maps
were made with. Figures: RMSE; correlation; power over the true one at multipoles around 1000 and 4000; peaks above 0.1
over the true number. Pictures, and curves of power and of peaks over their height, go to figures/lensing-*.png.

With --mask: the COSMOS mask over the whole kappa TNG map, RMSE where shear is seen, within five pixels of holes and
borders, and where nothing is seen, so that the map is a guess.

    python -m benchmarks.lensing --data DIR [--maps 20] [--mask] [--field FILE] [--prior NAME]
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from denoisers import Denoiser, MassDenoiser
from denoisers.weights import weights_path
from operators import KaiserSquires, gaussian_noise
from pnp import PnPADMM
from pnp.lensing import (
    LognormalMaps,
    convergence_table,
    correlation,
    peak_counts,
    radial_power,
    read_map,
    smoothed_kaiser_squires,
    wiener_reconstruction,
)
from pnp.train.evaluation import load_trained
from pnp.train.recipes.mass import NOISE, PIXEL, SIDE

from .common import parser, save, table

Method = Callable[[KaiserSquires, Tensor], Tensor]


class FieldPrior(Denoiser):
    """A local field that was trained to denoise convergence at the survey's noise level, with LoFi's filter."""

    channels = 1
    own_units = True
    sigma_range = (NOISE, NOISE)

    def __init__(self) -> None:
        super().__init__()
        self.field = load_trained(weights_path("mass-prior", family="local-field"))[0].requires_grad_(False)

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self.field(x)


def methods(prior: str, field: str, width: float) -> dict[str, Method]:
    """By name: operator and shear to convergence."""
    denoiser, local, model = MassDenoiser(prior), FieldPrior(), load_trained(field)[0]

    def learned(op: KaiserSquires, y: Tensor) -> Tensor:
        modes = op.modes(y)
        with torch.no_grad():
            return model(torch.cat((modes.real, modes.imag), 1))

    return {
        "Kaiser-Squires": lambda op, y: op.inverse(y),
        f"smoothed, {width:g} pixels": lambda op, y: smoothed_kaiser_squires(op, y, width),
        "Wiener": lambda op, y: wiener_reconstruction(op, y, convergence_table(PIXEL), NOISE),
        "prior, once": lambda op, y: denoiser(op.inverse(y), NOISE),
        "PnP-ADMM": lambda op, y: PnPADMM(op, denoiser, noise_std=NOISE)(y),
        "LoFi prior, once": lambda op, y: local(op.inverse(y), NOISE),
        "PnP-ADMM, LoFi prior": lambda op, y: PnPADMM(op, local, noise_std=NOISE)(y),
        "LoFi behind KS": learned,
    }


def tuned_width() -> float:
    """The smoothing of least error on simulated maps that serve nothing else."""
    maps, op = LognormalMaps(10, (SIDE, SIDE), PIXEL, first=500_000), KaiserSquires((SIDE, SIDE))
    errors = {}
    for width in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0):
        total = 0.0
        for i in range(len(maps)):
            y = gaussian_noise(op.A(maps[i][None]), NOISE, seed=i)
            total += float((smoothed_kaiser_squires(op, y, width) - maps[i]).square().mean())
        errors[width] = total
    return min(errors, key=lambda w: errors[w])


def figures(x: Tensor, truth: Tensor) -> list[float]:
    """RMSE, correlation, power at two scales and peaks, over the true ones."""
    ell, p = radial_power(x, PIXEL, bins=8)
    q = radial_power(truth, PIXEL, bins=8)[1]
    ratio = (p.mean(0) / q.mean(0)).tolist()
    near = [min(range(8), key=lambda i: abs(float(ell[i]) - target)) for target in (1000, 4000)]
    high = torch.tensor([0.1])
    peaks = float(peak_counts(x, high).sum()) / max(float(peak_counts(truth, high).sum()), 1)
    return [
        float((x - truth).square().mean().sqrt()),
        float(correlation(x, truth).mean()),
        *(ratio[i] for i in near),
        peaks,
    ]


def draw(path: Path, truth: Tensor, maps: dict[str, Tensor], seen: Tensor | None = None) -> None:
    """The first truth and its maps on one scale, errors below on another; lines around the holes of a mask."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = ["truth", *maps]
    figure, axes = plt.subplots(2, len(names), figsize=(2.3 * len(names), 4.8), constrained_layout=True)
    low, high = -0.03, float(truth.quantile(0.999))
    for i, name in enumerate(names):
        x = truth if name == "truth" else maps[name]
        shown = axes[0, i].imshow(x[0, 0].numpy(), origin="lower", cmap="inferno", vmin=low, vmax=high)
        axes[0, i].set_title(name, fontsize=9)
        if name != "truth":
            error = axes[1, i].imshow((x - truth)[0, 0].numpy(), origin="lower", cmap="RdBu", vmin=-high, vmax=high)
            axes[1, i].set_title("error", fontsize=8)
    for a in axes.flat:
        a.set_axis_off()
        if seen is not None and a.images:
            a.contour(seen[0, 0].numpy(), levels=[0.5], colors="tab:cyan", linewidths=0.3)
    figure.colorbar(shown, ax=axes[0], shrink=0.8, label="convergence")
    figure.colorbar(error, ax=axes[1], shrink=0.8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_statistics(path: Path, truth: Tensor, maps: dict[str, Tensor]) -> None:
    """Power over the multipole, and peaks a map over their least height."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    heights = torch.linspace(0.02, 0.3, 29)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), constrained_layout=True)
    for name, x in {"truth": truth, **maps}.items():
        style = {"color": "black", "lw": 2} if name == "truth" else {"lw": 1.2}
        ell, power = radial_power(x, PIXEL)
        left.loglog(ell, ell**2 * power.mean(0) / (2 * torch.pi), label=name, **style)
        right.semilogy(heights, peak_counts(x, heights).double().mean(0).clamp_min(1e-2), label=name, **style)
    left.set(xlabel="multipole", ylabel="l² C / 2 pi", title="power", ylim=(1e-8, None))
    right.set(xlabel="height above", ylabel="peaks a map", title="peaks", ylim=(0.05, None))
    for axis in (left, right):
        axis.grid(alpha=0.3)
    left.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def compare(name: str, truths: list[Tensor], ways: dict[str, Method], options) -> None:
    """Table and picture of one kind of maps."""
    op = KaiserSquires((truths[0].shape[-2], truths[0].shape[-1]))
    truth = torch.stack([t - t.mean() for t in truths])
    y = gaussian_noise(op.A(truth), NOISE, seed=7)
    rows, maps = [], {}
    for way, run in ways.items():
        x = torch.cat([run(op, y[i : i + 1]) for i in range(len(y))])
        x = x - x.mean((-2, -1), keepdim=True)
        rows.append([way, *(round(v, 4) for v in figures(x, truth))])
        maps[way] = x
        print(name, rows[-1], flush=True)
        save(options.save, {f"{name}, {way}": rows[-1][1:]})
    head = [name, "RMSE", "correlation", "power, l ~ 1000", "l ~ 4000", "peaks > 0.1"]
    print("\n".join(["", table([[r[0], *(f"{v:.4f}" for v in r[1:])] for r in rows], head), ""]))
    place = Path("figures") / f"lensing-{name.split()[0]}"
    draw(place.with_suffix(".png"), truth, maps)
    draw_statistics(place.with_name(place.name + "-statistics.png"), truth, maps)


def masked(data: Path, ways: dict[str, Method], options) -> None:
    """The COSMOS mask: errors where shear is seen, beside its holes, and in them."""
    kappa = read_map(data / "lensing" / "ktng_kappa360v2.fits").map
    seen = (read_map(data / "lensing" / "cosmos_full_mask_0.29arcmin360.fits").map > 0).float()
    kappa = kappa - kappa.mean()
    op = KaiserSquires((360, 360), mask=seen[0, 0])
    y = gaussian_noise(op.A(kappa), NOISE, seed=7) * seen
    near = F.max_pool2d(1 - seen, 11, 1, 5) * seen
    rows, maps = [], {}
    for way, run in ways.items():
        if "once" in way or "behind" in way:  # these know only white noise
            continue
        x = run(op, y)
        wrong, parts = (x - kappa).square(), (seen, near, seen - near, 1 - seen)
        rows.append([way, *(f"{float((wrong * m).sum() / m.sum()) ** 0.5:.4f}" for m in parts)])
        maps[way] = x
        print(rows[-1], flush=True)
        save(options.save, {f"masked, {way}": rows[-1][1:]})
    print(table(rows, ["COSMOS mask", "RMSE where seen", "within 5 pixels of a hole", "elsewhere", "not seen"]))
    draw(Path("figures") / "lensing-masked.png", kappa, maps, seen)


def main() -> None:
    """Reconstruct, count, draw."""
    p = parser(__doc__)
    p.add_argument("--maps", type=int, default=20)
    p.add_argument("--mask", action="store_true", help="a masked survey instead")
    p.add_argument("--field", help="weight file of the recipe mass-field; default: the shipped one")
    p.add_argument("--prior", default="lognormal", help="weights of the mass denoiser")
    options = p.parse_args()
    if options.data is None or not (Path(options.data) / "lensing").is_dir():
        raise SystemExit(f"no folder 'lensing' in the data folder ({options.data}); pass --data or set PNP_DATA")
    field = options.field or str(weights_path("mass", family="local-field"))
    ways = methods(options.prior, field, tuned_width())
    if options.mask:
        masked(Path(options.data), ways, options)
        return
    simulated = LognormalMaps(options.maps, (SIDE, SIDE), PIXEL, first=0)
    compare("simulated maps", [simulated[i] for i in range(len(simulated))], ways, options)
    kappa = read_map(Path(options.data) / "lensing" / "ktng_kappa360v2.fits").map[0]
    tiles = [kappa[:, i : i + 120, j : j + 120] for i in (0, 120, 240) for j in (0, 120, 240)]
    compare("TNG tiles", tiles, ways, options)


if __name__ == "__main__":
    main()
