# %% [markdown]
# # From counts to an image
# Few photons: the noise of a pixel grows with its intensity, and zeros are data too. A camera that misses half of its
# pixels, a blurred one, and X-rays through a body, each with the likelihood that counts have and with Gaussian noise
# made to fit. Everything ships with the package.

# %%
import os

import torch

TINY = bool(os.environ.get("PNP_TINY"))  # seconds instead of minutes, for tests

# %%
from pnp import (
    Blur,
    Bounded,
    DRUNetDenoiser,
    Gaussian,
    Inpainting,
    PnPADMM,
    Poisson,
    PoissonRoots,
    Radon,
    Transmission,
    data,
    gaussian_kernel,
    plot,
    random_mask,
)

side = 64 if TINY else 128
photo = data.sample("camera")[..., 60 : 60 + side, 180 : 180 + side]
prior = Bounded(DRUNetDenoiser("natural-gray"), low=0.0)  # intensities are not negative


def draw(mean, seed=0):
    return torch.poisson(mean.clamp_min(0), generator=torch.Generator().manual_seed(seed))


# %% [markdown]
# ## Half of the pixels, three photons each
# `Poisson` knows the noise of each datum, but a denoiser is told one level for the whole image. In the domain of square
# roots the noise of counts is the same everywhere: `PoissonRoots` has the exact likelihood there, and its answer is
# squared.

# %%
truth = photo * (3 / photo.mean())
mask = Inpainting(random_mask((side, side), 0.5, seed=0))
y = mask(draw(mask(truth)))
images = {
    "Gaussian, each datum": PnPADMM(Gaussian(mask, (y + 1).sqrt()), prior)(y),
    "Poisson": PnPADMM(Poisson(mask), prior)(y),
    "Poisson, in roots": PnPADMM(PoissonRoots(mask), prior)(y).square(),
}
plot.show({"counts": y, **images}, ref=truth)

# %% [markdown]
# ## Blurred, with a background
# A dark current of half a count is known: `background=` has the units of the data.

# %%
blur = Blur(gaussian_kernel(1.2), (side, side))
y = draw(blur(truth) + 0.5, seed=1)
images = {
    "Gaussian, each datum": PnPADMM(Gaussian(blur, (y + 1).sqrt()), prior)(y - 0.5),
    "Poisson": PnPADMM(Poisson(blur, background=0.5), prior)(y),
}
plot.show({"counts": y, **images}, ref=truth)

# %% [markdown]
# ## X-rays through a body
# Counts behind an absorber, $k \sim \mathrm{Poisson}(I_0 e^{-Ax})$. Where a ray has no photon a logarithm has no value;
# `Transmission` takes the counts themselves. Attenuation has a unit: the darkest ray keeps $e^{-6}$ of its photons.

# %%
angles = torch.arange(30 if TINY else 90) * (torch.pi / (30 if TINY else 90))
body = photo / photo.amax()
rays = Radon(side, angles)
density = 6 / float(rays(body).amax())  # attenuation of a pixel of intensity one
scan = density * rays
y = draw(1000 * (-scan(body)).exp(), seed=2)
lines = -(y.clamp_min(0.5) / 1000).log()
images = {
    "FBP": rays.fbp(lines / density, "hann"),
    "Gaussian, each ray": PnPADMM(Gaussian(scan, y.clamp_min(0.5).rsqrt()), prior)(lines),
    "Transmission": PnPADMM(Transmission(scan, 1000.0), prior)(y),
}
print(f"{int((y == 0).sum())} of {y.numel()} rays without a photon")
plot.show(images, ref=body)
