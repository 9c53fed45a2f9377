r"""Fit of how far the noise estimate of masked images may be off.

The photographs and drawings of ``benchmarks.noise_texture`` behind masks, each with its estimate. The logarithm of
:math:`|\log` (estimated over true level) :math:`| + 0.02` is predicted by the same curve of smooth blocks: ridge
regression for the quantile of nine in ten. The weights that are printed are ``_SPREAD`` of the file
``pnp/noise_level/texture.py``. A quarter of the examples is left out: how many of these lie within their factor, and of
how many estimates, within the goal and beyond it, a report would say that they are unsure. ``benchmarks.noise_levels``
tells the same of its grid.

    python -m benchmarks.noise_doubt --data DIR [--images 280]
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from operators import Inpainting
from pnp.noise_level.doubt import DOUBTFUL
from pnp.noise_level.estimate import judged
from pnp.noise_level.texture import MARGIN, curve, describe

from .common import parser
from .noise_levels import LEAST, MOST
from .noise_texture import masked

_QUANTILE, _RIDGE, _SOFT = 0.9, 1e-4, 0.02


def examples(data: str | None, count: int) -> tuple[Tensor, Tensor]:
    """What is known (n, k) and the logarithm of estimated over true level (n,)."""
    known, off = [], []
    for y, mask, std, _ in masked(data, count):
        found = curve(y[0], mask)
        if found is not None:
            known.append(describe(found[1]))
            off.append((judged(Inpainting(mask[0]), y)[0] / std).log())
    return torch.stack(known), torch.cat(off).double()


def fitted(known: Tensor, wanted: Tensor) -> Tensor:
    """Weights of the quantile, for columns of which the first is one."""
    mean, unit = known[:, 1:].mean(0), known[:, 1:].std(0).clamp_min(1e-6)
    scaled = torch.cat((torch.ones_like(known[:, :1]), (known[:, 1:] - mean) / unit), 1)
    weights = torch.zeros(scaled.shape[1], dtype=known.dtype, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=400, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        rest = (wanted - scaled @ weights) / _SOFT
        total = _SOFT * (_QUANTILE * F.softplus(rest) + (1 - _QUANTILE) * F.softplus(-rest)).mean()
        total = total + _RIDGE * weights[1:].square().sum()
        total.backward()
        return total

    optimiser.step(loss)  # pyright: ignore[reportArgumentType]
    slopes = weights.detach()[1:] / unit
    return torch.cat(((weights.detach()[0] - slopes @ mean)[None], slopes))


def main() -> None:
    """Print the weights."""
    options = parser(__doc__).parse_args()
    known, off = examples(options.data, options.images or 280)
    wanted, out = (off.abs() + MARGIN).log(), torch.arange(len(off)) % 4 == 0
    doubt = (known[out] @ fitted(known[~out], wanted[~out])).exp().exp()
    ratio = off[out].exp()
    fine, told = (ratio >= LEAST) & (ratio <= MOST), doubt > DOUBTFUL
    inside = float((off[out].abs().exp() <= doubt).double().mean())
    print(f"left out: {int(out.sum())}, {inside:.0%} within their factor; told unsure: "
          f"{float(told[fine].double().mean()):.0%} of {int(fine.sum())} within {LEAST} ... {MOST}, "
          f"{float(told[~fine].double().mean()):.0%} of {int((~fine).sum())} others")  # fmt: skip
    print(", ".join(f"{float(w):.4g}" for w in fitted(known, wanted)))


if __name__ == "__main__":
    main()
