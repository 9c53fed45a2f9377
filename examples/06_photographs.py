# %% [markdown]
# # Photographs: missing pixels, blur, fewer pixels
# One denoiser, one solver, defaults throughout; total variation beside it at its best strength for the very image.

# %%
import os

import torch

TINY = bool(os.environ.get("PNP_TINY"))  # seconds instead of minutes, for tests

# %%
from pnp import (
    Blur,
    Downsampling,
    DRUNetDenoiser,
    Inpainting,
    PnPADMM,
    data,
    gaussian_noise,
    metrics,
    motion_kernel,
    plot,
    random_mask,
    tv_reconstruction,
)  # fmt: skip

side = 64 if TINY else 192
x = data.sample("coffee")[..., 100 : 100 + side, 180 : 180 + side]  # (1, 3, H, W)
denoiser = DRUNetDenoiser("natural-rgb")


def best_tv(op, y, std, truth=x):
    return max(
        (tv_reconstruction(op, y, std, strength=s, iterations=100) for s in (0.25, 0.5, 1.0, 2.0)),
        key=lambda v: float(metrics.psnr(v, truth)),
    )


# %% [markdown]
# ## A third of the pixels

# %%
op = Inpainting(random_mask((side, side), keep=0.33), channels=3)
y = op(gaussian_noise(x, 0.01))
plot.show({"measured": y, "TV": best_tv(op, y, 0.01), "PnP-ADMM": PnPADMM(op, denoiser)(y)}, ref=x)

# %% [markdown]
# ## Motion blur
# Pixels beyond the border were blurred into a photograph. With `boundary="valid"` the image reaches as far beyond the
# data as the kernel does, so that nothing is assumed there; pictures and scores are of the measured frame.

# %%
kernel = motion_kernel(11, 0.6)
height, width = (side + n - 1 for n in kernel.shape)
top, left = (n // 2 for n in kernel.shape)
scene = data.sample("coffee")[..., 100 - top :, 180 - left :][..., :height, :width]
op = Blur(kernel, (height, width), channels=3, boundary="valid")
y = gaussian_noise(op(scene), 0.01)
answers = {"TV": best_tv(op, y, 0.01, scene), "PnP-ADMM": PnPADMM(op, denoiser, noise_std=0.01)(y)}
frame = (..., slice(top, top + side), slice(left, left + side))
plot.show({"measured": y} | {name: image[frame] for name, image in answers.items()}, ref=scene[frame])

# %% [markdown]
# ## Half the pixels along each axis
# Each small pixel is the mean of four, which is also where bicubic interpolation takes it to be.

# %%
op = Downsampling(2, (side, side), channels=3, filter="average")
y = gaussian_noise(op(x), 0.005)
bicubic = torch.nn.functional.interpolate(y, (side, side), mode="bicubic", align_corners=False)
answer = PnPADMM(op, denoiser, noise_std=0.005)(y)
plot.show({"bicubic": bicubic, "TV": best_tv(op, y, 0.005), "PnP-ADMM": answer}, ref=x)
