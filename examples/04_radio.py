# %% [markdown]
# # Radio interferometry: one hour of MeerKAT
# Visibilities are samples of the sky's Fourier transform along the tracks that pairs of antennas draw while the Earth
# turns. The prior has seen radio galaxies, and photographs stretched to the contrast of skies, but not this sky.

# %%
import os
import tempfile
from pathlib import Path
from typing import Any

import torch

TINY = bool(os.environ.get("PNP_TINY"))  # seconds instead of minutes, for tests
DATA = Path(os.environ.get("PNP_DATA", "data"))  # the data sets of the experiments, where there are any

# %%
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

from pnp import Downsampling, PnPADMM, RadioInterferometry, data, gaussian_noise_snr, io, plot, uv_coverage
from pnp.corrections.radio import noise_from_data
from pnp.radio import restored
from pnp.train import read_images

path, told = DATA / "measured" / "galario_uvtable.npy", {"unit": "m", "wavelength": 1e-3, "cell": 0.09}
if not path.is_file():
    path, told = Path(tempfile.mkdtemp()) / "disc.csv", {"unit": "lambda", "cell": 15.0}
    uv = uv_coverage("vla-d")
    seen = gaussian_noise_snr(
        RadioInterferometry(uv, (64, 64), cell=15.0)(data.sample("camera")[..., ::8, ::8] ** 3), 30
    )
    columns = np.stack((*uv.numpy(), seen.real[0, 0].numpy(), seen.imag[0, 0].numpy(), np.ones(uv.shape[1])), 1)
    np.savetxt(path, columns, delimiter=",", header="u,v,re,im,weight", comments="")

# %% [markdown]
# ## From a file
# `pnp.io.open` reads UVFITS, measurement sets and tables of visibilities: here galario's example of a disc of dust
# around a young star at a wavelength of 1 mm (its source does not say whether it was measured), without units, which
# are told (without the data folder the cell above writes another
# table). Weights of tables are often right up to a factor, so the noise is taken from the data. Beside the dirty
# image the answer is restored: smoothed by the fitted beam, with the residual added. North is up.

# %%
measured: Any = io.open(path, image_shape=(64, 64) if TINY else (128, 128), **told)
measured = noise_from_data(measured)
op = measured.operator()
result = PnPADMM(op, noise_std=measured.noise_std).solve(measured.y)
images = restored(op, measured.y, result.x, natural=1 / measured.noise_std.flatten() ** 2)
print(measured)
print(result)
dirty = op.dirty_image(measured.y, images.weights)
plot.show({"dirty, Jy/beam": dirty.flip(-2), "restored, Jy/beam": images.restored.flip(-2)})

# %% [markdown]
# ## One hour of MeerKAT
# Now with a truth to compare with.

# %%
side = 64 if TINY else 256
if (DATA / "radio" / "M31_256.fits").exists():
    sky = read_images(DATA / "radio" / "M31_256.fits")[0][None].clamp(min=0)
    sky = torch.nn.functional.interpolate(sky / sky.max(), (side, side), mode="area")
else:
    sky = data.sample("camera")[..., 100 : 100 + side, 180 : 180 + side] ** 3  # bright places on a dark sky

uv = uv_coverage("meerkat", hours=(-0.5, 0.5))  # wavelengths
cell = float(0.5 / uv.abs().max() * 206265)  # arcsec: the longest baseline just resolved
op = RadioInterferometry(uv, (side, side), cell=cell)
y = gaussian_noise_snr(op(sky), 30.0)
print(f"{y.shape[-1]} visibilities, cell {cell:.2f} arcsec")

# %%
u, v = uv[:, ::20].numpy() / 1000
figure, axis = plt.subplots(figsize=(4.2, 4.2), layout="constrained")
axis.plot(u, v, ".", ms=1, label="measured")
axis.plot(-u, -v, ".", ms=1, label="conjugates")  # the sky is real
axis.set(xlabel="u / 1000 wavelengths", ylabel="v / 1000 wavelengths", title="uv coverage, every 20th sample")
axis.set_aspect("equal")
axis.legend(fontsize=8, markerscale=6)
plt.show()

# %% [markdown]
# The dirty image is the sky blurred by the beam. Each iteration of ADMM solves a linear system in AᴴA, a
# block-Toeplitz matrix: two FFTs, however many visibilities there are. Data simulated on the very grid of the
# reconstruction, as here, flatter every method alike: a real sky does not lie on pixels, and real gains drift.
#
# Most of the sky is faint: in all pictures colours follow the power 0.4 of the flux, which the colour bars tell.
# North is up. Scores and errors are of the flux itself.

# %%
stretched = ListedColormap(plt.get_cmap("inferno")(np.linspace(0, 1, 4096) ** 0.4))


def show(images, **options):
    upright = {name: x.flip(-2) for name, x in images.items()}
    return plot.show(upright, cmap=stretched, label="flux / pixel, colours by power 0.4", **options)


dirty = op.dirty_image(y)
dirty = dirty * float((dirty * sky).sum() / (dirty * dirty).sum())  # to the sky's scale, for the picture
result = PnPADMM(op).solve(y)
print(result)
show({"dirty image": dirty, "PnP-ADMM": result.x}, ref=sky.flip(-2))

# %% [markdown]
# The same data on twice as many pixels each way: nothing is retrained. Averaged back, the finer image is about as
# close to the sky, since the data know no more than before.

# %%
fine = RadioInterferometry(uv, (2 * side, 2 * side), cell=cell / 2)
answer = PnPADMM(fine).solve(y)
high = 4 * answer.x  # flux in the area of a coarse pixel
triangle = torch.tensor([0.25, 0.5, 0.25])
coarse = Downsampling(2, (2 * side, 2 * side), filter=triangle[:, None] * triangle)(high)  # around the same centres


def middle(x):
    quarter = x.shape[-1] // 4
    return x[..., quarter:-quarter, quarter:-quarter]


def snr(x):
    return 20 * float((sky.norm() / (x - sky).norm()).log10())


low_title = f"{side} pixels\nSNR {snr(result.x):.1f} dB"
high_title = f"{2 * side} pixels\nSNR {snr(coarse):.1f} dB, averaged back"
show({"sky": middle(sky), low_title: middle(result.x), high_title: middle(high)}, limits=(0.0, float(sky.max())))
