# %% [markdown]
# # Photographs: missing pixels, blur, fewer pixels
# One denoiser, one solver, defaults throughout; total variation beside it at its best strength for the very image.

# %%
import os
from pathlib import Path

import torch

TINY = bool(os.environ.get("PNP_TINY"))  # seconds instead of minutes, for tests
DATA = Path(os.environ.get("PNP_DATA", "data"))  # the data sets of the experiments, where there are any

# %%
from pnp import (
    Blur,
    Downsampling,
    Inpainting,
    LoFiDenoiser,
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
denoiser = LoFiDenoiser("natural-rgb")


def best_tv(op, y, std):
    return max(
        (tv_reconstruction(op, y, std, strength=s, iterations=100) for s in (0.25, 0.5, 1.0, 2.0)),
        key=lambda v: float(metrics.psnr(v, x)),
    )


# %% [markdown]
# ## A third of the pixels

# %%
op = Inpainting(random_mask((side, side), keep=0.33), channels=3)
y = op(gaussian_noise(x, 0.01))
plot.show({"measured": y, "TV": best_tv(op, y, 0.01), "PnP-ADMM": PnPADMM(op, denoiser)(y)}, ref=x)

# %% [markdown]
# ## Motion blur

# %%
op = Blur(motion_kernel(11, 0.6), (side, side), channels=3)
y = gaussian_noise(op(x), 0.01)
plot.show({"measured": y, "TV": best_tv(op, y, 0.01), "PnP-ADMM": PnPADMM(op, denoiser, noise_std=0.01)(y)}, ref=x)

# %% [markdown]
# ## Half the pixels along each axis

# %%
op = Downsampling(2, (side, side), channels=3)
y = gaussian_noise(op(x), 0.005)
bicubic = torch.nn.functional.interpolate(y, (side, side), mode="bicubic", align_corners=False)
answer = PnPADMM(op, denoiser, noise_std=0.005)(y)
plot.show({"bicubic": bicubic, "TV": best_tv(op, y, 0.005), "PnP-ADMM": answer}, ref=x)
