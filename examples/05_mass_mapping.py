# %% [markdown]
# # Mass mapping: from the shapes of galaxies to the mass
# Shear is convergence through a filter without a scale. A pixel has a sixth of its noise, so it matters what one knows
# of the maps: their power (Wiener) and more (a trained prior).

# %%
import os
from pathlib import Path

import torch

TINY = bool(os.environ.get("PNP_TINY"))  # seconds instead of minutes, for tests
DATA = Path(os.environ.get("PNP_DATA", "data"))  # the data sets of the experiments, where there are any

# %%
import matplotlib.pyplot as plt

from pnp import KaiserSquires, MassDenoiser, gaussian_noise, shape_noise_std
from pnp.lensing import (
    LognormalMaps,
    convergence_table,
    correlation,
    read_map,
    smoothed_kaiser_squires,
    wiener_reconstruction,
)  # fmt: skip

pixel = 0.29  # arcmin
side = 64 if TINY else 240
if (DATA / "lensing" / "ktng_kappa360v2.fits").exists():
    kappa = read_map(DATA / "lensing" / "ktng_kappa360v2.fits").map[..., :side, :side]  # a hydrodynamical simulation
else:
    kappa = LognormalMaps(1, (side, side), pixel)[0][None]
kappa = kappa - kappa.mean()
op = KaiserSquires((side, side))
std = shape_noise_std(pixel, n_gal=30)  # Stage IV
y = gaussian_noise(op(kappa), std)
print(f"noise {std:.3f} a pixel, convergence {float(kappa.std()):.3f}")

# %%
power = convergence_table(pixel)
maps = {
    "truth": kappa,
    "Kaiser-Squires, smoothed": smoothed_kaiser_squires(op, y, 4.0),
    "Wiener": wiener_reconstruction(op, y, power, std),
    "trained prior": MassDenoiser()(op.inverse(y), std),
}


def show(maps, limits=(-0.03, 0.12)):
    figure, axes = plt.subplots(2, len(maps), figsize=(3.2 * len(maps), 6.4), constrained_layout=True)
    for axis, below, (name, x) in zip(*axes, maps.items()):
        shown = axis.imshow(x[0, 0].numpy(), origin="lower", cmap="inferno", vmin=limits[0], vmax=limits[1])
        score = "" if name == "truth" else f"\ncorrelation {float(correlation(x, kappa)):.3f}"
        axis.set_title(name + score, fontsize=9)
        axis.set_axis_off()
        below.set_axis_off()
        if name != "truth":
            error = (x - kappa).abs()[0, 0].numpy()
            wrong = below.imshow(error, origin="lower", cmap="magma", vmin=0, vmax=limits[1])
    figure.colorbar(shown, ax=axes[0], shrink=0.7, label="convergence")
    figure.colorbar(wrong, ax=axes[1], shrink=0.7, label="absolute error")


show(maps)

# %% [markdown]
# ## A survey with holes, simulated
# The trained prior knows convergence in its own units; the solver leaves it these, and the weight that it was trained
# with. Shear says nothing of the mean: it is set to zero, and the report says so.

# %%
from pnp import PnPADMM

holes = torch.ones(side, side)
for i in range(8):
    row, column = int(side * ((0.37 * i) % 1)), int(side * ((0.61 * i) % 1))
    holes[row : row + side // 8, column : column + side // 8] = 0
masked = KaiserSquires((side, side), mask=holes)
shear = gaussian_noise(masked(kappa), std) * holes
result = PnPADMM(masked, MassDenoiser(), noise_std=std).solve(shear)
print(result)
show(
    {
        "truth": kappa,
        "smoothed": smoothed_kaiser_squires(masked, shear, 4.0),
        "Wiener": wiener_reconstruction(masked, shear, power, std),
        "PnP-ADMM": result.x,
    }
)

# %% [markdown]
# ## Measured shear of the COSMOS field
# The Wiener filter knows the noise of every pixel, infinite where nothing was measured. B modes hold no lensing: they
# show the noise.

# %%
names = ("e1", "e2", "mask")
files = [DATA / "lensing" / f"cosmos_full_{name}_0.29arcmin360.fits" for name in names]
if all(f.exists() for f in files):
    e1, e2, mask = (read_map(f).map for f in files)
    seen = mask[0, 0] > 0
    noise = torch.stack([read_map(DATA / "lensing" / f"std{i}.fits").map for i in (1, 2)]).mean(0)[0]
    noise = torch.where(seen & (noise > 0), noise, float("inf"))
    survey = KaiserSquires((360, 360), mask=seen.float())
    shear = torch.complex(e1, e2) * seen  # of all signs these give the strongest E modes, and peaks above zero
    wiener = wiener_reconstruction(survey, shear, power, noise, rtol=1e-4)
    turned = wiener_reconstruction(survey, 1j * shear, power, noise, rtol=1e-4)  # B modes where E modes were
    print(f"E modes {float(wiener[0, 0][seen].std()):.4f}, B modes {float(turned[0, 0][seen].std()):.4f}")
    figure, axes = plt.subplots(1, 2, figsize=(8, 4), constrained_layout=True)
    for axis, (name, x) in zip(axes, {"COSMOS, Wiener, E": wiener, "B": turned}.items()):
        inside = torch.where(seen, x[0, 0], float("nan"))
        shown = axis.imshow(inside, origin="lower", cmap="inferno", vmin=-0.02, vmax=0.06)
        axis.set_title(name)
    figure.colorbar(shown, ax=axes, shrink=0.7)
else:
    print("no measured shear here: set PNP_DATA")
