# %% [markdown]
# # Accelerated MRI: a measured slice of eight coils
# The shipped slice was measured with 12 % of its k-space (a Poisson disc around a full centre). Coil sensitivities
# come from that centre by ESPIRiT; they are zero where there is no object, and periodic: the strip at the lower edge
# belongs to the upper one.

# %%
import os
import tempfile
from pathlib import Path

import torch

TINY = bool(os.environ.get("PNP_TINY"))  # seconds instead of minutes, for tests

# %%
from pnp import (
    MRI,
    NonCartesianMRI,
    PnPADMM,
    Stop,
    data,
    density_compensation,
    gaussian_noise,
    io,
    plot,
    radial_trajectory,
)  # fmt: skip

kspace = data.sample("brain")  # (1, 8, 230, 180), zero frequency in the middle
kspace = kspace[:, :4] if TINY else kspace
path = Path(tempfile.mkdtemp()) / "brain.cfl"
path.with_suffix(".hdr").write_text(f"# Dimensions\n1 230 180 {kspace.shape[1]}\n")
path.write_bytes(kspace[0].permute(1, 2, 0).numpy().tobytes("F"))

# %% [markdown]
# ## From a file
# `pnp.io.open` reads what scanners and their tools write: ISMRMRD, twix, fastMRI, or BART's `.cfl`, as the cell above
# has written it. It tells how the data were measured, and makes the operator: the mask is where k-space is not zero.

# %%
scan = io.open(path)
print(scan)
op = scan.operator()
kspace, mask, maps = scan.y, scan.arguments["mask"] > 0, scan.arguments["coil_maps"][0]
print(f"{float(mask.float().mean()):.0%} of k-space measured, {maps.shape[0]} coils")
plot.show({f"coil {i + 1}": maps[None, i : i + 1].abs() for i in range(4)}, limits=(0, 1), label="sensitivity")

# %% [markdown]
# There is no truth to compare with. So a tenth of the measured places is held out, the rest is reconstructed by
# zero-filling, least squares (SENSE, at its best weight of three) and plug-and-play ADMM, and each image has to
# predict what was held out. Most of the energy lies in the middle of k-space, where the rest is dense: hence the
# second figure, of the places outside.

# %%
held_out = mask & (torch.rand(mask.shape, generator=torch.Generator().manual_seed(0)) < 0.1)
outside = held_out.clone()
outside[115 - 12 : 115 + 12, 90 - 12 : 90 + 12] = False
rest = MRI(mask & ~held_out, maps)
y = kspace * rest.mask


def error(x, places):
    return float((MRI(places, maps)(x) - kspace * places).norm() / (kspace * places).norm())


result = PnPADMM(rest, stop=Stop(max_iter=4 if TINY else 100)).solve(y)
print(result)
zero = torch.zeros_like(result.x)
sense = min((rest.prox_l2(zero, y, gamma) for gamma in (10.0, 100.0, 1000.0)), key=lambda x: error(x, held_out))
images = {"zero-filled": rest.A_adjoint(y), "SENSE": sense, "PnP-ADMM": result.x}
for name, x in images.items():
    print(f"{name}: error {error(x, held_out):.1%} of the held-out samples, {error(x, outside):.1%} outside the middle")
plot.show(images)

# %% [markdown]
# ## Radial spokes, simulated
# The SENSE image of all samples serves as an object whose truth is known; its k-space is read along golden-angle
# spokes. The operator and the coils that simulate the data also reconstruct them, so figures are better than in a
# scanner, where coils are known only from measurements.

# %%
truth = op.prox_l2(zero, kspace, gamma=100.0)
spokes = 20 if TINY else 32
points = radial_trajectory(spokes, 360, golden=True)
radial = NonCartesianMRI(points, (230, 180), coil_maps=maps)
y = gaussian_noise(radial(truth), 0.03)
weights = density_compensation(points, (230, 180))
gridded = radial.A_adjoint(y * weights)
reconstruction = PnPADMM(radial, noise_std=0.03, stop=Stop(max_iter=3 if TINY else 100)).solve(y)
print(f"{reconstruction.reason} after {len(reconstruction.history)} iterations")
plot.show({"gridding": gridded, "PnP-ADMM": reconstruction.x}, ref=truth)
