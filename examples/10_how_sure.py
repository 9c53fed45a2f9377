# %% [markdown]
# # How sure is this image
# A reconstruction looks finished everywhere, also where nothing was measured. Here an image is seen by 30 % of k-space:
# what the report says, what was measured at all, how far each pixel may be off, whether intervals hold the truth, and
# what a wrong mask looks like. A photograph that ships with the package stands in for the body.

# %%
import os

import torch

TINY = bool(os.environ.get("PNP_TINY"))  # seconds instead of minutes, for tests

# %%
import matplotlib.pyplot as plt

from pnp import (
    MRI,
    PnPADMM,
    certify,
    data,
    data_support,
    gaussian_noise,
    metrics,
    plot,
    random_columns,
    uncertainty,
)
from pnp.analysis import calibrate_intervals

side = 32 if TINY else 128
truth = data.sample("camera")[..., 80 : 80 + side, 180 : 180 + side].to(torch.complex64)
op = MRI(random_columns((side, side), 3.3, 0.1, seed=0))
y = op.mask * gaussian_noise(op(truth), 0.02, seed=0)
solver = PnPADMM(op, noise_std=0.02)
result = solver.solve(y)
print(result)
plot.show({"zero-filled": op.A_adjoint(y).abs(), "PnP-ADMM": result.x.abs()}, ref=truth.abs())

# %% [markdown]
# ## What was measured, and what is prior
# `data_support` asks the operator and the noise alone: a share of the image's energy, and of its structure, that no
# datum holds.

# %%
support = data_support(op, result.x, noise_std=0.02)
print(support)
assert support.unheld is not None  # an image was given
plot.show({"answer": result.x.abs(), "the prior's part": support.unheld.abs()})

# %% [markdown]
# ## How far may a pixel be off
# The bootstrap turns the answer, measures it anew, solves and turns back: deviations of the estimator, noise and bias.
# Intervals are those of the magnitude.

# %%
draws = 2 if TINY else 8
sure = uncertainty(solver, y, draws=draws)
print(sure)
error = (sure.x.abs() - truth.abs()).abs()
plot.show({"deviation": sure.std, "error": error})

# %% [markdown]
# Raw intervals are too narrow, since no method knows what the prior is wrong about. Images of the same kind, whose
# truth is known, correct them: crops of other photographs. Ten of them give the largest error as the quantile, which is
# on the safe side; from fifty on it is close to the level.

# %%
others = [data.sample(name).mean(1, keepdim=True) for name in ("astronaut", "coffee")]
pairs = []
for i in range(3 if TINY else 10):
    photo = others[i % 2]
    top, left = 61 * i % (photo.shape[-2] - side), 97 * i % (photo.shape[-1] - side)
    known = photo[..., top : top + side, left : left + side].to(torch.complex64)
    pairs.append((uncertainty(solver, op.mask * gaussian_noise(op(known), 0.02, seed=i + 1), draws=draws), known))
intervals = calibrate_intervals(pairs, level=0.7 if TINY else 0.9)
calibrated = intervals(sure)
for name, one in (("as it comes", sure), ("calibrated", calibrated)):
    inside = ((truth.abs() >= one.lower) & (truth.abs() <= one.upper)).double().mean()
    print(f"{name}: {100 * float(inside):.0f} % of the pixels hold the truth")

# %% [markdown]
# A profile through the middle: the truth, the answer and its interval.

# %%
row = side // 2
low, high = (v[0, 0, row] for v in (calibrated.lower, calibrated.upper))
figure, axes = plt.subplots(figsize=(8, 3))
axes.fill_between(range(side), low, high, alpha=0.3, label="90 % interval")
axes.plot(truth[0, 0, row].abs(), "k", lw=1, label="truth")
axes.plot(calibrated.x[0, 0, row].abs(), lw=1, label="answer")
axes.set_xlabel("column")
axes.legend()
plt.show()

# %% [markdown]
# ## Is the iteration itself to be trusted
# `certify` measures at the answer whether the step contracts, and how far away its fixed point can be.

# %%
print(certify(solver, y, result))

# %% [markdown]
# ## When something is wrong
# The same data with a mask of another seed: the report says so.

# %%
other = MRI(random_columns((side, side), 3.3, 0.1, seed=1))
wrong = PnPADMM(other, noise_std=0.02).solve(y)
print(wrong)
for name, x in (("the wrong", wrong.x), ("the right", result.x)):
    print(f"with {name} mask {float(metrics.psnr(x.abs(), truth.abs())):.1f} dB")
