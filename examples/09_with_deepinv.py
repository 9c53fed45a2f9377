# %% [markdown]
# # With deepinv, both ways
# Our operators in deepinv's solvers, deepinv's physics and denoisers in ours. `pip install "pnp-imaging[deepinv]"`.

# %%
import os
from pathlib import Path

import torch

TINY = bool(os.environ.get("PNP_TINY"))  # seconds instead of minutes, for tests
DATA = Path(os.environ.get("PNP_DATA", "data"))  # the data sets of the experiments, where there are any

# %%
import deepinv

from pnp import LoFiDenoiser, PnPADMM, Radon, as_operator, check, data, gaussian_noise, plot, to_deepinv

side = 48 if TINY else 128
x = data.sample("camera")[..., 100 : 100 + side, 180 : 180 + side]
op = Radon(side, torch.arange(60) * (torch.pi / 60))
y = gaussian_noise(op(x), 0.2)

# %% [markdown]
# ## Our operator and denoiser in deepinv's solver
# `to_deepinv` makes a real `LinearPhysics`. Its step lengths are in the operator's units, hence the norm.

# %%
physics = to_deepinv(op)
theirs = deepinv.optim.optimizers.HQS(
    data_fidelity=deepinv.optim.L2(), prior=deepinv.optim.PnP(LoFiDenoiser()), stepsize=20 / op.norm() ** 2 * 10,
    g_param=0.05, max_iter=5 if TINY else 30,
)  # fmt: skip
with torch.no_grad():
    answer = theirs(y, physics)
ours = PnPADMM(op, LoFiDenoiser(), noise_std=0.2)(y)
plot.show({"deepinv's HQS, our operator": answer, "PnP-ADMM": ours}, ref=x)

# %% [markdown]
# ## Their physics and denoiser in our solver
# `as_operator` takes the physics' `A`, never its noisy call. It computes in single precision, and is checked in it.

# %%
kernel = deepinv.physics.functional.gaussian_blur(sigma=(2.0, 2.0))
blur = deepinv.physics.BlurFFT((1, side, side), filter=kernel)
adapted = as_operator(blur)
print(check(adapted, dtype=torch.float32))
z = gaussian_noise(adapted(x), 0.02)
result = PnPADMM(adapted, LoFiDenoiser(), noise_std=0.02).solve(z)
median = PnPADMM(adapted, deepinv.models.MedianFilter(3), noise_std=0.02)(z)
plot.show({"blurred": z, "PnP, their median filter": median, "PnP, our LoFi": result.x}, ref=x)
