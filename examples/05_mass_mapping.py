# %% [markdown]
# # Mass mapping: from the shapes of galaxies to the mass
# Shear is convergence through a filter without a scale. A pixel has a sixth of its noise, so it matters what one
# knows of the maps: their power (Wiener) and more (a trained prior).

# %%
import os
import tempfile
from pathlib import Path

import numpy as np
import torch

TINY = bool(os.environ.get("PNP_TINY"))  # seconds instead of minutes, for tests
DATA = Path(os.environ.get("PNP_DATA", "data"))  # the data sets of the experiments, where there are any

# %%
from pnp import KaiserSquires, MassDenoiser, PnPADMM, Weighted, gaussian_noise, io, plot, shape_noise_std
from pnp.lensing import (
    LognormalMaps,
    convergence_table,
    correlation,
    read_map,
    smoothed_kaiser_squires,
    wiener_reconstruction,
)  # fmt: skip

pixel = 0.29  # arcmin
path, names = DATA / "measured" / "glimpse_cat_3_0.fits", {"e1": "e1n_gal", "e2": "e2n_gal", "unit": "arcmin"}
if not path.is_file():
    path, names = Path(tempfile.mkdtemp()) / "galaxies.csv", {}
    g = torch.Generator().manual_seed(0)
    true = next(iter(LognormalMaps(1, (64, 64), pixel)))[None]
    rows, columns = torch.randint(64, (2, 8000), generator=g)
    shapes = KaiserSquires((64, 64))(true)[0, 0, rows, columns]
    shapes = shapes + 0.2 * torch.complex(*torch.randn(2, 8000, generator=g))
    ra, dec = 10 - columns * pixel / 60, (rows - 32) * pixel / 60
    table = np.stack((ra, dec, shapes.real, shapes.imag), 1)
    np.savetxt(path, table, delimiter=",", header="ra,dec,e1,e2", comments="")

# %% [markdown]
# ## From a file
# A catalogue of galaxies, FITS, CSV or HDF5, becomes shear in pixels with its noise: here one that was simulated for
# the mapping method GLIMPSE (without the data folder, one that the cell above writes). The signs of east and of the
# shear's second part are taken from the data where they tell, which these do not: they stay as they are.

# %%
galaxies = io.open(path, pixel_scale=pixel, **names)
print(galaxies)
op = galaxies.operator()
result = PnPADMM(op, MassDenoiser(), noise_std=galaxies.noise_std).solve(galaxies.y)
print(result)
std = torch.as_tensor(galaxies.noise_std)  # infinite where there are none
first = wiener_reconstruction(op, galaxies.y, convergence_table(pixel), std, rtol=1e-4)
plot.show({"Wiener": first, "PnP-ADMM": result.x}, label="convergence")

# %% [markdown]
# ## A simulation, with the truth beside it

# %%
side = 64 if TINY else 240
if (DATA / "lensing" / "ktng_kappa360v2.fits").exists():
    kappa = read_map(DATA / "lensing" / "ktng_kappa360v2.fits").map[..., :side, :side]  # a hydrodynamical simulation
else:
    kappa = next(iter(LognormalMaps(1, (side, side), pixel)))[None]
kappa = kappa - kappa.mean()
op = KaiserSquires((side, side))
std = shape_noise_std(pixel, n_gal=30)  # Stage IV
y = gaussian_noise(op(kappa), std)
print(f"noise {std:.3f} per pixel, convergence {float(kappa.std()):.3f}")

# %% [markdown]
# Kaiser and Squires' map is the shear's noise with some mass in it, most of it outside the range that is shown (the
# colour bars' arrows).

# %%
power = convergence_table(pixel)


def show(maps, **options):
    upright = {name: x.flip(-2) for name, x in maps.items()}  # rows go up
    return plot.show(upright, cmap="inferno", label="convergence", **options)


def compare(maps):
    titles = {f"{name}\ncorrelation {float(correlation(x, kappa)):.3f}": x for name, x in maps.items()}
    return show(titles, ref=kappa.flip(-2), limits=(-0.03, 0.12))


compare(
    {
        "Kaiser-Squires": op.inverse(y),
        "smoothed, 4 pixels": smoothed_kaiser_squires(op, y, 4.0),
        "Wiener": wiener_reconstruction(op, y, power, std),
        "trained prior": MassDenoiser()(op.inverse(y), std),
    }
)

# %% [markdown]
# ## A survey with holes, simulated
# The trained prior knows convergence in its own units; the solver leaves it these, and the weight that it was trained
# with. Shear says nothing of the mean: it is set to zero, and the report says so.

# %%
holes = torch.ones(side, side)
for i in range(8):
    row, column = int(side * ((0.37 * i) % 1)), int(side * ((0.61 * i) % 1))
    holes[row : row + side // 8, column : column + side // 8] = 0
masked = KaiserSquires((side, side), mask=holes)
shear = gaussian_noise(masked(kappa), std) * holes
result = PnPADMM(masked, MassDenoiser(), noise_std=std).solve(shear)
print(result)
compare(
    {
        "smoothed, 4 pixels": smoothed_kaiser_squires(masked, shear, 4.0),
        "Wiener": wiener_reconstruction(masked, shear, power, std),
        "PnP-ADMM": result.x,
    }
)

# %% [markdown]
# ## Measured shear of the COSMOS field
# Every pixel has its own noise, infinite where nothing was measured: the Wiener filter takes it as it is, the solver
# an operator and data divided by it, whose noise is one. B modes hold no lensing: they show the noise. Shear leaves
# the mean open, so that of the field is taken off.

# %%
names = ("e1", "e2", "mask")
files = [DATA / "lensing" / f"cosmos_full_{name}_0.29arcmin360.fits" for name in names]
if all(f.exists() for f in files):
    e1, e2, mask = (read_map(f).map for f in files)
    seen = mask[0, 0] > 0
    noise = torch.stack([read_map(DATA / "lensing" / f"std{i}.fits").map for i in (1, 2)]).mean(0)[0]
    noise = torch.where(seen & (noise > 0), noise, float("inf"))
    survey = KaiserSquires((360, 360), mask=seen.float())
    white = Weighted(1 / noise, dtype=torch.complex64) @ survey
    shear = torch.complex(e1, e2) * seen  # of all signs these give the strongest E modes, and peaks above zero
    maps = {}
    for mode, data in {"E": shear, "B": 1j * shear}.items():  # turned by 45 degrees, B modes are where E modes were
        maps[f"Wiener, {mode}"] = wiener_reconstruction(survey, data, power, noise, rtol=1e-4)
        maps[f"PnP-ADMM, {mode}"] = PnPADMM(white, MassDenoiser(), noise_std=1.0)(data / noise)
    maps = {name: torch.where(seen, x - x[0, 0][seen].mean(), float("nan")) for name, x in maps.items()}
    for name, x in maps.items():
        print(f"{name}: standard deviation {float(x[0, 0][seen].std()):.4f}")
    show(maps, limits=(-0.04, 0.06))
else:
    print("no measured shear here: set PNP_DATA")
