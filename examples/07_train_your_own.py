# %% [markdown]
# # Train your own denoiser and use it
# A minute of training on a folder of images (here: pieces of the shipped photographs), then the same solver with it. It
# cannot match the shipped weights, which saw hours; the way is the same.

# %%
import os
from pathlib import Path

TINY = bool(os.environ.get("PNP_TINY"))  # seconds instead of minutes, for tests
DATA = Path(os.environ.get("PNP_DATA", "data"))  # the data sets of the experiments, where there are any

# %%
import tempfile
from dataclasses import replace

from PIL import Image

from pnp import Blur, LoFiDenoiser, PnPADMM, data, gaussian_kernel, gaussian_noise, plot
from pnp.train import train
from pnp.train.evaluation import evaluate, mean_scores
from pnp.train.recipes import RECIPES

folder = Path(tempfile.mkdtemp())
images = DATA / "bsd400_gray"
if not images.is_dir() or TINY:
    images = folder / "images"
    images.mkdir()
    for name in ("astronaut", "coffee"):
        photo = data.sample(name)[0].mean(0)
        for i in range(0, 384, 128):
            for j in range(0, 384, 128):
                piece = photo[i : i + 128, j : j + 128]
                Image.fromarray((255 * piece).byte().numpy()).save(images / f"{name}-{i}-{j}.png")

# %% [markdown]
# A recipe is a record of all settings. The training can be killed at any moment and continues with `resume=True`.

# %%
recipe = replace(RECIPES["lofi-natural-gray-fast"], steps=4 if TINY else 400, crop=32)
weights = train(recipe, images, folder / "runs", resume=True, save_every=200)
mine = LoFiDenoiser(str(weights))
print(mine.card["recipe"])

# %%
side = 64 if TINY else 128
x = data.sample("camera")[..., 100 : 100 + side, 180 : 180 + side]
op = Blur(gaussian_kernel(1.6), (side, side))
y = gaussian_noise(op(x), 0.02)
answers = {"blurred": y}
for name, denoiser in {"mine": mine, "shipped LoFi": LoFiDenoiser()}.items():
    answers[name] = PnPADMM(op, denoiser, noise_std=0.02)(y)
plot.show(answers, ref=x)

# %% [markdown]
# `evaluate` scores weights on images, corrupted as in the training; the command `pnp evaluate` does the same.

# %%
held_out = folder / "held-out"
held_out.mkdir(exist_ok=True)
Image.fromarray((255 * x[0, 0]).byte().numpy()).save(held_out / "camera.png")
print(mean_scores(evaluate(weights, held_out)))
