# %% [markdown]
# # Your own operator, checked by the doctor
# Write `A`. Adjoint, normal operator, proximal map, norm and gradients follow.

# %%
import os

import torch

TINY = bool(os.environ.get("PNP_TINY"))  # seconds instead of minutes, for tests

# %%
from pnp import LinearOperator, PnPADMM, as_operator, check, data, gaussian_noise, plot

side = 48 if TINY else 128


class TwoViews(LinearOperator):
    """Sums over short pieces of rows, and of columns: two blurred views of one image."""

    def __init__(self, image_shape, taps):
        super().__init__()
        self.in_shape, self.taps = (1, *image_shape), taps

    def A(self, x):
        rows = x.unfold(-1, self.taps, 1).mean(-1)
        columns = x.unfold(-2, self.taps, 1).mean(-1)
        return torch.cat((rows.flatten(1), columns.flatten(1)), 1)


op = TwoViews((side, side), taps=7)
print(check(op))

# %%
x = data.sample("camera")[..., 100 : 100 + side, 180 : 180 + side]
y = gaussian_noise(op(x), 0.02)
result = PnPADMM(op, noise_std=0.02).solve(y)
print(result)
plot.show({"adjoint": op.A_adjoint(y) / 2, "PnP-ADMM": result.x}, ref=x)

# %% [markdown]
# A faster adjoint may be written by hand. The doctor compares it with the operator, and names what is wrong: here the
# author forgot to divide by the number of taps.


# %%
class Wrong(TwoViews):
    def A_adjoint(self, y):
        return self.taps * super().A_adjoint(y)


print(check(Wrong((side, side), taps=7)))

# %% [markdown]
# Functions and matrices work as they are.

# %%
flipped = as_operator(lambda image: image.flip(-1), in_shape=(1, side, side))
matrix = as_operator(torch.randn(300, 256), in_shape=(1, 16, 16))
print(check(flipped).ok, check(matrix).ok)
