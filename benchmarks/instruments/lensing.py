"""Weak lensing from files: the measured COSMOS shear maps, and a simulated cluster's catalogue.

    python -m benchmarks.instruments lensing --data DIR [--figures FOLDER]

Mass maps by PnP-ADMM with the mass prior and by the Wiener filter, and of the same shear turned by 45 degrees, whose E
modes are B modes, which hold no lensing: standard deviations where shear is measured.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from denoisers import MassDenoiser
from pnp import PnPADMM
from pnp.corrections.lensing import prior_doubts
from pnp.io import Measurement, write_sky_map
from pnp.io import open as open_measurement
from pnp.lensing import convergence_table, wiener_reconstruction

from ..common import parser, save, table

SCALE = 0.29  # arcmin, that of the prior


def measurements(data: Path) -> dict[str, Measurement]:
    """The files that are there."""
    lensing, found = data / "lensing", {}
    if (lensing / "cosmos_full_e1_0.29arcmin360.fits").exists():
        std = (lensing / "std1.fits", lensing / "std2.fits")
        found["COSMOS"] = open_measurement(lensing / "cosmos_full_e1_0.29arcmin360.fits", std=std, pixel_scale=SCALE)
    if (data / "measured" / "glimpse_cat_3_0.fits").exists():
        names = {"e1": "e1n_gal", "e2": "e2n_gal", "unit": "arcmin"}
        found["glimpse"] = open_measurement(data / "measured" / "glimpse_cat_3_0.fits", pixel_scale=SCALE, **names)
    return found


def maps(measured: Measurement) -> dict[str, Tensor]:
    """Mass maps, and those of the shear's B modes."""
    op, noise = measured.operator(), measured.noise_std
    assert isinstance(noise, Tensor)
    power, found = convergence_table(SCALE), {}
    for mode, y in {"E": measured.y, "B": 1j * measured.y}.items():
        result = PnPADMM(op, MassDenoiser(), noise_std=noise).solve(y)
        found[f"PnP-ADMM, {mode}"] = result.x
        found[f"Wiener, {mode}"] = wiener_reconstruction(op, y, power, noise, rtol=1e-4)
    return found


def main() -> None:
    """One table."""
    p = parser(__doc__)
    p.add_argument("--figures", help="folder for pictures and FITS files")
    options = p.parse_args()
    if options.data is None:
        raise SystemExit("--data: pass the folder of the data sets, or set PNP_DATA")
    rows: list[list[Any]] = []
    for name, measured in measurements(Path(options.data)).items():
        seen = measured.arguments["mask"] > 0
        for doubt in prior_doubts(measured, MassDenoiser()):
            print(f"{name}: {doubt}")
        found = {k: torch.where(seen, x - x[0, 0][seen].mean(), torch.nan) for k, x in maps(measured).items()}
        spreads = [f"{float(x[0, 0][seen].std()):.4f}" for x in found.values()]
        peak = float(found["PnP-ADMM, E"][0, 0][seen].max())
        rows.append([name, " x ".join(map(str, seen.shape)), measured.provenance["signs"], *spreads, f"{peak:.3f}"])
        if options.figures:
            import matplotlib

            from pnp.plot import show

            Path(options.figures).mkdir(parents=True, exist_ok=True)
            empty = matplotlib.colormaps["gray"].with_extremes(bad="steelblue")
            values = found["PnP-ADMM, E"][0, 0][seen]
            limits = (float(values.quantile(0.002)), float(values.quantile(0.998)))
            pictures = {k: x.flip(-2) for k, x in found.items()}
            show(pictures, path=f"{options.figures}/{name}.png", limits=limits, cmap=empty, label="convergence")
            file = Path(options.figures) / f"{name}-kappa.fits"
            write_sky_map(file, found["PnP-ADMM, E"], measured, overwrite=True)
    head = ["map", "pixels", "signs", "PnP-ADMM, E", "Wiener, E", "PnP-ADMM, B", "Wiener, B", "peak"]
    print(table(rows, head))
    save(options.save, {"lensing files": rows})
