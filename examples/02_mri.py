# %% [markdown]
# # Accelerated MRI: a measured slice of eight coils
# The shipped slice was measured with 12 % of its k-space (a Poisson disc around a full centre). Coil sensitivities come
# from that centre by ESPIRiT.

# %%
import os
from pathlib import Path

import torch

TINY = bool(os.environ.get("PNP_TINY"))  # seconds instead of minutes, for tests
DATA = Path(os.environ.get("PNP_DATA", "data"))  # the data sets of the experiments, where there are any

# %%
from pnp import (
    MRI,
    LoFiDenoiser,
    NonCartesianMRI,
    PnPADMM,
    Stop,
    data,
    density_compensation,
    estimate_coil_maps,
    gaussian_noise,
    plot,
    radial_trajectory,
)  # fmt: skip

kspace = data.sample("brain")  # (1, 8, 230, 180), zero frequency in the middle
maps = estimate_coil_maps(kspace, crop=0.0)[0]
mask = (kspace != 0).any(1)[0]
op = MRI(mask, maps)
print(f"{float(mask.float().mean()):.0%} of k-space measured, {maps.shape[0]} coils")

# %% [markdown]
# Zero-filled, least squares (SENSE) and plug-and-play ADMM from the measured data themselves. There is no truth to
# compare with: look.

# %%
solver = PnPADMM(op, LoFiDenoiser(), stop=Stop(max_iter=15 if TINY else 100))
result = solver.solve(kspace)
print(result)
sense = op.prox_l2(torch.zeros_like(op.A_adjoint(kspace)), kspace, gamma=100.0)
plot.show({"zero-filled": op.A_adjoint(kspace), "SENSE": sense, "PnP-ADMM": result.x})

# %% [markdown]
# The coils' sensitivities, magnitudes:

# %%
plot.show({f"coil {i + 1}": maps[None, i : i + 1].abs() for i in range(4)})

# %% [markdown]
# ## Radial spokes, simulated
# The SENSE image serves as an object whose truth is known; its k-space is read along golden-angle spokes. The operator
# and the coils that simulate the data also reconstruct them, so figures are better than in a scanner, where coils are
# known from measurements alone.

# %%
spokes = 20 if TINY else 48
points = radial_trajectory(spokes, 360, golden=True)
radial = NonCartesianMRI(points, (230, 180), coil_maps=maps)
y = gaussian_noise(radial.A(sense), 0.01)
weights = density_compensation(points, (230, 180))
gridded = radial.A_adjoint(y * weights)
reconstruction = PnPADMM(radial, LoFiDenoiser(), noise_std=0.01, stop=Stop(max_iter=10 if TINY else 60)).solve(y)
print(reconstruction.reason)
plot.show({"gridding": gridded, "PnP-ADMM": reconstruction.x}, ref=sense)
