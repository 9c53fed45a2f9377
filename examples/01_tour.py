# %% [markdown]
# # A tour in ten lines
# An operator says what was measured, a denoiser knows what images look like, a solver composes them.

# %%
import os

TINY = bool(os.environ.get("PNP_TINY"))  # seconds instead of minutes, for tests

# %%
from pnp import Inpainting, PnPADMM, data, gaussian_noise, plot, random_mask

side = 64 if TINY else 256
x = data.sample("camera")[..., 60 : 60 + side, 150 : 150 + side]
op = Inpainting(random_mask((side, side), keep=0.3))  # three pixels of ten are left
y = op(gaussian_noise(x, 0.01))

solver = PnPADMM(op)  # nothing to tune: the field's own prior, the noise level estimated
result = solver.solve(y)

# %% [markdown]
# The answer says why it stopped, and what it took the noise to be. `result.x` is the denoiser's image, `result.x_data`
# the one that fits the data.

# %%
print(result)
plot.show({"measured": y, "PnP-ADMM": result.x}, ref=x)

# %% [markdown]
# Each iteration leaves a record: how far the iterate still moves, and how strong the denoiser was. The residual jumps
# where sigma has come to its last value: from there on the dual variable counts too, which was rescaled until then.

# %%
plot.plot_result(result, reference=x)

# %% [markdown]
# Units do not matter: data a million times as large give the same image, a million times as large. With a power of two
# all bits are the same; other factors round differently, which the iterations enlarge to a thousandth or so.

# %%
again = solver(2**20 * y)
print("largest difference:", float((again / 2**20 - result.x).abs().max()))

# %% [markdown]
# `strength` is the one knob: larger is smoother, and the more so the noisier the data. `noise_std` is given where it is
# known. A solve can be stopped and continued, and each sample of a batch stops by its own rule.

# %%
noisy = op(gaussian_noise(x, 0.1))
answers = {f"strength {s:g}": PnPADMM(op, noise_std=0.1, strength=s)(noisy) for s in (0.2, 1, 5)}
plot.show(answers, ref=x)
