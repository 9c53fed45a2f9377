# %% [markdown]
# # Radio interferometry: one hour of MeerKAT
# Visibilities are samples of the sky's Fourier transform along the tracks that pairs of antennas draw while the Earth
# turns. The local denoiser was trained on photographs at 48 pixels and works here at any size.

# %%
import os
from pathlib import Path

import torch

TINY = bool(os.environ.get("PNP_TINY"))  # seconds instead of minutes, for tests
DATA = Path(os.environ.get("PNP_DATA", "data"))  # the data sets of the experiments, where there are any

# %%
import matplotlib.pyplot as plt

from pnp import LoFiDenoiser, PnPADMM, RadioInterferometry, data, gaussian_noise_snr, plot, uv_coverage
from pnp.train import read_images

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
plt.figure(figsize=(4, 4))
plt.plot(*uv[:, ::20].flip(0).numpy(), ",")
plt.axis("equal")
plt.title("uv coverage / wavelengths")

# %% [markdown]
# The dirty image is the sky blurred by the beam. Each iteration of ADMM solves a linear system in AᴴA, a block-Toeplitz
# matrix: two FFTs, however many visibilities there are. Data simulated on the very grid of the reconstruction, as here,
# flatter every method alike: a real sky does not lie on pixels, and real gains drift.

# %%
dirty = op.dirty_image(y)
dirty = dirty * float((dirty * sky).sum() / (dirty * dirty).sum())  # to the sky's scale, for the picture
result = PnPADMM(op, LoFiDenoiser()).solve(y)
print(result)
plot.show({"dirty image": dirty, "PnP-ADMM": result.x}, ref=sky)

# %% [markdown]
# The same data at twice the number of pixels: nothing is retrained.

# %%
fine = RadioInterferometry(uv, (2 * side, 2 * side), cell=cell / 2)
high = PnPADMM(fine, LoFiDenoiser())(y)
plot.show({f"{side} pixels": result.x})
plot.show({f"{2 * side} pixels": high})
