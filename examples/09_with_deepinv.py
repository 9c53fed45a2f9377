# %% [markdown]
# # With deepinv, both ways
# Our operators in deepinv's solvers, deepinv's physics and denoisers in ours. `pip install "pnp-imaging[deepinv]"`.

# %%
import os

import torch

TINY = bool(os.environ.get("PNP_TINY"))  # seconds instead of minutes, for tests

# %%
import tempfile

import deepinv

from pnp import (
    MRI,
    DRUNetDenoiser,
    PnPADMM,
    Radon,
    TwoChannels,
    as_operator,
    check,
    data,
    gaussian_noise,
    metrics,
    plot,
    random_columns,
    to_deepinv,
)  # fmt: skip

side = 48 if TINY else 128
x = data.sample("camera")[..., 100 : 100 + side, 180 : 180 + side]
op = Radon(side, torch.arange(60) * (torch.pi / 60))
noise = 0.2
y = gaussian_noise(op(x), noise)

# %% [markdown]
# ## Our operator and denoiser in deepinv's solver
# `to_deepinv` makes a real `LinearPhysics`. Their solvers have two numbers to set, in the units of operator and image:
# `g_param`, the denoiser's level, and `stepsize`, the weight of the data, which is the ratio of that level and of the
# noise, squared. Theirs has the best level of four, chosen on the truth; ours its defaults.

# %%
physics = to_deepinv(op, deepinv.physics.GaussianNoise(noise))


def psnr(image):
    return float(metrics.psnr(image, x, data_range=float(x.max() - x.min())))


def hqs(level):
    solver = deepinv.optim.optimizers.HQS(
        data_fidelity=deepinv.optim.L2(), prior=deepinv.optim.PnP(DRUNetDenoiser()), stepsize=(level / noise) ** 2,
        g_param=level, max_iter=5 if TINY else 30,
    )  # fmt: skip
    with torch.no_grad():
        answer = solver(y, physics)
    print(f"g_param {level:g}: {psnr(answer):.2f} dB")
    return answer


theirs = max((hqs(level) for level in (0.01, 0.02, 0.04, 0.08)), key=psnr)
ours = PnPADMM(op, DRUNetDenoiser(), noise_std=noise)
plot.show({"deepinv's HQS, our operator": theirs, "PnP-ADMM": ours(y)}, ref=x)

# %% [markdown]
# ## Our solver in their trainer
# A solver is a module that takes data and operator, which is all that `Trainer.test` asks of a model. It does not take
# over the physics' noise level: `noise_std` says it (or it is estimated). Their PSNR has a peak of one, that of the
# pictures the range of the image.

# %%
loader = torch.utils.data.DataLoader([x[0]])  # pyright: ignore[reportArgumentType]
trainer = deepinv.Trainer(
    model=ours, physics=physics, optimizer=None, train_dataloader=loader, online_measurements=True,
    metrics=deepinv.metric.PSNR(), device="cpu", show_progress_bar=False, verbose=False, save_path=tempfile.mkdtemp(),
    non_blocking_transfers=False,
)  # fmt: skip
print(f"PSNR {trainer.test(loader)['PSNR']:.2f} dB")

# %% [markdown]
# ## Their physics and denoiser in our solver
# `as_operator` takes the physics' `A`, never its noisy call. It computes in single precision, and is checked in it. Of
# their denoisers that need no weights, total variation suits a solver; a median filter takes no noise level, and the
# solver reaches no fixed point with it.

# %%
kernel = deepinv.physics.functional.gaussian_blur(sigma=(2.0, 2.0))
blur = as_operator(deepinv.physics.BlurFFT((1, side, side), filter=kernel))
print(check(blur, dtype=torch.float32))
z = gaussian_noise(blur(x), 0.02)
tv = PnPADMM(blur, deepinv.models.TVDenoiser(), noise_std=0.02)(z)
plot.show(
    {"blurred": z, "PnP, their TV": tv, "PnP, our DRUNet": PnPADMM(blur, DRUNetDenoiser(), noise_std=0.02)(z)}, ref=x
)

# %% [markdown]
# Their tomography does not tell the size of its images. Their MRI has two real channels; `TwoChannels` makes ours such,
# and both give the same data.

# %%
tomography = deepinv.physics.Tomography(angles=60, img_width=side, circle=False, normalize=False)
ct = as_operator(tomography, in_shape=(1, side, side))
sinogram = gaussian_noise(ct(x), noise)  # (B, C, detectors, angles)
plot.show({"their tomography, PnP-ADMM": PnPADMM(ct, DRUNetDenoiser(), noise_std=noise)(sinogram)}, ref=x)

# %%
mask = random_columns((side, side), 3.0, 0.1, seed=0)
mri = as_operator(deepinv.physics.MRI(mask=mask.float(), img_size=(2, side, side)))
pair = torch.cat((x, 0.3 * x.flip(-1)), 1)  # real and imaginary part
print("difference from TwoChannels(MRI(mask)):", float((mri(pair) - TwoChannels(MRI(mask))(pair)).abs().max()))
kspace = mri(gaussian_noise(pair, 0.02))
images = {"zero-filled": mri.A_adjoint(kspace), "PnP-ADMM": PnPADMM(mri, DRUNetDenoiser(), noise_std=0.02)(kspace)}
plot.show(images, ref=pair)
