# %% [markdown]
# # Tomography from few angles, and a network behind filtered back projection
# Slices come from the data folder (one patient); without it the shipped photograph stands in.

# %%
import os
from pathlib import Path

import torch

TINY = bool(os.environ.get("PNP_TINY"))  # seconds instead of minutes, for tests
DATA = Path(os.environ.get("PNP_DATA", "data"))  # the data sets of the experiments, where there are any

# %%
from pnp import (
    LoFiDenoiser,
    PnPADMM,
    Radon,
    Reconstructor,
    UNet,
    data,
    gaussian_noise_relative,
    plot,
    tv_reconstruction,
)
from pnp.train import ImageFolder, Measured, Trainer, warmup_stable_decay
from pnp.train.images import squared

side = 64 if TINY else 128
if (DATA / "ct").is_dir():
    folder = ImageFolder(DATA / "ct")
    originals = [folder[i] for i in range(len(folder))]
else:
    photo = data.sample("camera")[0]
    originals = [photo[:, i : i + 256, j : j + 256] for i in (0, 128, 256) for j in (0, 128, 256)]
slices = [squared(x, side) for x in originals]
fine_slice = squared(originals[-1], 2 * side)[None]
truth = torch.nn.functional.avg_pool2d(fine_slice, 2)  # held out of the training below

# %% [markdown]
# Forty projections with 1 % of noise, measured on pixels of half the size, so that the data are not the operator's
# own. `Radon` is exact to the model of square pixels, and its adjoint to rounding.

# %%
angles = torch.arange(40) * (torch.pi / 40)
op = Radon(side, angles)
fine = Radon(2 * side, angles, detector_count=op.detector_count, pixel_size=0.5)
y = gaussian_noise_relative(fine(fine_slice), 0.01)
std = 0.01 * float(y.norm()) / y.numel() ** 0.5
images = {
    "FBP": op.fbp(y),
    "total variation": tv_reconstruction(op, y, std, strength=0.2, nonnegative=True),
    "PnP-ADMM": PnPADMM(op, LoFiDenoiser(), noise_std=std)(y),
}
plot.show(images, ref=truth)

# %% [markdown]
# ## A network trained on FBP
# `Reconstructor` puts a network behind `op.fbp`; measurements are made on the fly, with fresh noise every time.

# %%
torch.manual_seed(0)
model = Reconstructor(op, UNet(1, width=16, poolings=3), "fbp")
task = Measured(slices[:-5], op, lambda y, seed: gaussian_noise_relative(y, 0.01, seed=seed), batch=4)
steps = 3 if TINY else 250
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, betas=(0.9, 0.99))
trainer = Trainer(model, task, optimizer=optimizer, schedule=warmup_stable_decay(steps, warmup=20), average=0.99)
for record in trainer.run(steps):
    if record.step % 50 == 0:
        print(f"step {record.step}, loss {record.loss:.2e}")
model.load_state_dict(trainer.averaged)
model.eval()
with torch.no_grad():
    images["FBP and U-Net"] = model(y)
plot.show(images, ref=truth)

# %% [markdown]
# The file that it saves knows the operator, and refuses another one.

# %%
import tempfile

path = Path(tempfile.mkdtemp()) / "fbp-unet.safetensors"
model.save(path)
try:
    Reconstructor.load(path, Radon(side, torch.arange(41) * (torch.pi / 41)), UNet(1, width=16, poolings=3))
except ValueError as error:
    print(error)
