# %% [markdown]
# # Tomography: few angles, low dose, and a network behind filtered back projection
# Slices come from the data folder (one patient); without it the shipped photograph stands in. FBP has its best filter
# and total variation its best strength for the very image, plug-and-play its defaults.

# %%
import os
import tempfile
from pathlib import Path

import h5py
import torch

TINY = bool(os.environ.get("PNP_TINY"))  # seconds instead of minutes, for tests
DATA = Path(os.environ.get("PNP_DATA", "data"))  # the data sets of the experiments, where there are any

# %%
from pnp import (
    PnPADMM,
    Radon,
    Reconstructor,
    UNet,
    Weighted,
    data,
    gaussian_noise_relative,
    io,
    metrics,
    plot,
    transmission_noise,
    tv_reconstruction,
)
from pnp.corrections import ct
from pnp.train import ImageFolder, Measured, Trainer, warmup_stable_decay
from pnp.train.images import squared

path = DATA / "ct_extra" / "tooth.h5"
if not path.is_file():
    path = Path(tempfile.mkdtemp()) / "scan.h5"
    angles, light = torch.arange(60) * (torch.pi / 60), 5000.0
    seen = Radon(64, angles, 99, offset=1.5)(data.sample("camera")[..., ::8, ::8]) / 20
    with h5py.File(path, "w") as file:  # (views, rows, bins), and two flat and dark fields
        file["exchange/data"] = torch.poisson(light * torch.exp(-seen[0].movedim(0, 1))).numpy()
        file["exchange/data_white"] = torch.full((2, 1, 99), light).numpy()
        file["exchange/data_dark"] = torch.zeros(2, 1, 99).numpy()
        file["exchange/theta"] = angles.rad2deg().numpy()

# %% [markdown]
# ## From a file
# A tooth, as a synchrotron has stored it: counts of a parallel beam with flat and dark fields (HDF5, data exchange;
# without the data folder the cell above writes such a file). The reader makes line integrals with their noise. Then
# the centre of rotation is found, and stripes are removed, which would be rings.

# %%
scan = ct.centred(io.open(path))
scan = scan.changed("stripes removed", y=ct.remove_stripes(scan.y, size=9))
print(scan.provenance["corrections"])
pixels = 64 if TINY else 320
op = scan.operator(image_shape=pixels, pixel_size=scan.y.shape[-1] / pixels)
result = PnPADMM(op, noise_std=scan.noise_std).solve(scan.y)
print(result)
plot.show({"FBP": op.fbp(scan.y), "PnP-ADMM": result.x}, limits=(0, float(result.x.max())))

# %% [markdown]
# The rest of the notebook needs a truth, and simulates.

# %%
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


def best(images):
    return max(images, key=lambda v: float(metrics.psnr(v, truth)))


def best_fbp(op, y):
    return best(op.fbp(y, name) for name in ("ram-lak", "shepp-logan", "cosine", "hamming", "hann"))


def best_tv(op, y, std):
    return best(
        tv_reconstruction(op, y, std, strength=s, iterations=100, nonnegative=True) for s in (0.25, 0.5, 1.0, 2.0)
    )


# %% [markdown]
# ## Few angles
# Forty projections with 1 % of noise, measured on pixels of half the size, so that the data are not the operator's
# own. `Radon` is exact to the model of square pixels, and its adjoint to rounding.

# %%
angles = torch.arange(40) * (torch.pi / 40)
op = Radon(side, angles)
fine = Radon(2 * side, angles, detector_count=op.detector_count, pixel_size=0.5)
y = gaussian_noise_relative(fine(fine_slice), 0.01)
std = 0.01 * float(y.norm()) / y.numel() ** 0.5
images = {
    "FBP": best_fbp(op, y),
    "total variation": best_tv(op, y, std),
    "PnP-ADMM": PnPADMM(op, noise_std=std)(y),
}
plot.show(images, ref=truth)

# %% [markdown]
# ## Low dose
# All angles, few photons: 3000 a ray before the body, of which the densest ray keeps 2 %. A ray's noise is about
# $e^{y/2} / \sqrt{I_0}$; divided by it, operator and data have noise of standard deviation one.

# %%
photons, views = 3000.0, 60 if TINY else 180
angles = torch.arange(views) * (torch.pi / views)
fine = Radon(2 * side, angles, detector_count=op.detector_count, pixel_size=0.5)
line_integrals = fine(fine_slice)
density = 4 / float(line_integrals.max())  # attenuation of a pixel of intensity one
y_low = transmission_noise(density * line_integrals, photons)
dense = density * Radon(side, angles)
weights = photons**0.5 * (-y_low / 2).exp()
white, y_white = Weighted(weights[0]) @ dense, weights * y_low
low_dose = {
    "FBP": best_fbp(Radon(side, angles), y_low / density),
    "total variation": best_tv(white, y_white, 1.0),
    "PnP-ADMM": PnPADMM(white, noise_std=1.0)(y_white),
}
plot.show(low_dose, ref=truth)

# %% [markdown]
# ## A network trained on FBP
# Few angles again. `Reconstructor` puts a network behind `op.fbp`; measurements are made on the fly, with fresh noise
# every time.

# %%
torch.manual_seed(0)
model = Reconstructor(op, UNet(1, width=16, poolings=3), "fbp")
task = Measured(slices[:-5], op, lambda y, seed: gaussian_noise_relative(y, 0.01, seed=seed), batch=4)
steps = 3 if TINY else 500
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, betas=(0.9, 0.99))
trainer = Trainer(model, task, optimizer=optimizer, schedule=warmup_stable_decay(steps, warmup=20), average=0.99)
for record in trainer.run(steps):
    if record.step % 100 == 0:
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
