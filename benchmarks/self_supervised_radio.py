"""The black hole of M87 from the scans of two days, by a prior and by a network that sees these data alone.

Visibilities of the Event Horizon Telescope, 6 and 11 April 2017, have unknown gains of stations in every scan, so that
gains and image are found by turns, from three quarters of the scans. Closure phases and amplitudes of the others judge:
their gains are unknown, too, and no other scan tells them. Before that: means over scans; no baselines within a site,
which see the jet; noise of 2 % of each visibility, a total flux of 0.60 +- 0.01 Jy and images of 64 x 64 pixels of 2
microarcseconds, as in the imaging pipelines of the collaboration (2019, doi:10.3847/2041-8213/ab0e85); first, a disc of
50 microarcseconds. Deviation of the logarithms of gains: 0.3, twelve rounds.

Total variation (x >= 0) and the shipped prior have gains of their own. The network learns by splitting, as
``radio-split`` does, from the data of both days without the gains of total variation, so that no trained prior is
behind it; direct is the dirty image of the same data, with uniform weights, scaled to fit best.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from denoisers.networks.unet import UNet
from operators import Weighted
from pnp import PnPADMM, Reconstructor, Stop, tv_reconstruction
from pnp.corrections.radio import average_scans, closure_misfit, self_calibrate
from pnp.io import Visibilities, read_uvfits
from pnp.likelihood import Gaussian
from pnp.train import SelfSupervised, Splitting, Trainer
from pnp.train.losses import blocks
from pnp.train.rates import RATES

__all__ = ["FOLDS", "HEAD", "m87"]

DAYS, FOLDS = {"6 April": "096", "11 April": "101"}, 4
SIDE, CELL = 64, 2e-6  # pixels, arcsec
FLUX, SYSTEMATIC, SITE = 0.60, 0.02, 1e8  # Jy; of a visibility's modulus; wavelengths
ROUNDS, AMPLITUDE, STRENGTH, STEPS = 12, 0.3, 0.2, 800  # chosen with fold 2, for the others
HEAD = ["day", "method", "closure phases, chi²", "log closure amplitudes, chi²", "numbers", "CPU seconds"]


def opened(path: Path) -> Visibilities:
    """Means over scans, with the noise that is not thermal."""
    m = average_scans(read_uvfits(path, sign=1, image_shape=SIDE, cell=CELL))
    m = m.kept(m.arguments["uv"].norm(dim=0) > SITE, "baselines within a site")
    std = (torch.as_tensor(m.noise_std).square() + (SYSTEMATIC * m.y.abs()).square()).sqrt()
    return m.changed("systematic noise", noise_std=std)


def with_flux(m: Visibilities) -> Visibilities:
    """One more visibility: the total flux, of a station with itself, which has no gain."""

    def more(values: Tensor, last: float) -> Tensor:
        return torch.cat((values, torch.full((*values.shape[:-1], 1), last, dtype=values.dtype)), -1)

    columns = {k: more(v, float(v[0]) if k == "scan" else 0.0) for k, v in m.columns.items()}
    arguments = {**m.arguments, **{k: more(m.arguments[k], 0.0) for k in ("uv", "w")}}
    y, std = more(m.y, FLUX), more(torch.as_tensor(m.noise_std), 0.01)
    return m.changed("total flux", y=y, noise_std=std, arguments=arguments, columns=columns)


def disc() -> Tensor:
    """Of 50 microarcseconds, with the total flux."""
    at = (torch.arange(SIDE) - SIDE // 2) * CELL * 1e6
    x = torch.sigmoid((25 - torch.hypot(at[:, None], at[None])) / 2)
    return (FLUX * x / x.sum())[None, None]


def direct(m: Visibilities) -> Tensor:
    """The dirty image with uniform weights, scaled to fit best."""
    op, std = m.operator(), torch.as_tensor(m.noise_std)
    dirty = op.dirty_image(m.y, op.weights("uniform"))
    v = op(dirty) / std
    return dirty * ((v.conj() * m.y / std).real.sum() / v.abs().square().sum())


def prior(m: Visibilities) -> Tensor:
    """The shipped prior of radio skies."""
    return PnPADMM(m.operator(), noise_std=m.noise_std, stop=Stop(max_iter=40))(m.y)


def total_variation(m: Visibilities) -> Tensor:
    """Whitened, x >= 0."""
    std = torch.as_tensor(m.noise_std)
    op = Weighted(1 / std[0, 0]) @ m.operator()
    return tv_reconstruction(op, m.y / std, 1.0, strength=STRENGTH, iterations=150, nonnegative=True)


def turns(
    scans: list[Visibilities], image: Callable[[Visibilities], Tensor]
) -> tuple[list[Visibilities], list[Tensor]]:
    """Data without gains, and images, of each day."""
    found = [self_calibrate(with_flux(m), image, disc(), amplitude=AMPLITUDE, rounds=ROUNDS) for m in scans]
    return [m for m, _ in found], [x for _, x in found]


def learned(scans: list[Visibilities]) -> list[Tensor]:
    """Images of a network that learns from these scans by splitting."""
    torch.manual_seed(0)
    net = UNet(1, width=16, poolings=3)
    nn.init.zeros_(net.last.weight)
    nn.init.zeros_(net.last.bias)  # pyright: ignore[reportArgumentType]
    pairs = [(m.y, Gaussian(m.operator(), torch.as_tensor(m.noise_std))) for m in scans]
    model = Reconstructor(pairs[0][1].measured, net, "adjoint")
    task = SelfSupervised(pairs, Splitting(blocks(0.3), domain="filtered"), batch=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    trainer = Trainer(model, task, optimizer=optimizer, schedule=RATES["late-decay"](STEPS), clip=1.0, average=0.97)
    for _ in trainer.run(STEPS):
        pass
    model.load_state_dict(trainer.averaged)
    with torch.no_grad():
        return [model.eval()(y, likelihood.measured) for y, likelihood in pairs]


def m87(data: Path, fold: int, figures: str | None = None) -> list[list[Any]]:
    """Rows: day, method; reduced chi² of closures of the scans whose number modulo 4 is ``fold``, which were kept out,
    how many phases and amplitudes there are; seconds of both days."""
    days = [opened(data / "measured" / f"SR1_M87_2017_{d}_lo_hops_netcal_StokesI.uvfits") for d in DAYS.values()]
    out = [m.columns["scan"] % FOLDS == fold for m in days]
    used, judges = ([m.kept(k, "scans") for m, k in zip(days, which)] for which in ([~k for k in out], out))
    begin = time.process_time()
    calibrated, smooth = turns(used, total_variation)
    half = time.process_time()
    prior_images = turns(used, prior)[1]
    both = time.process_time()
    images = {"direct": [direct(m) for m in calibrated], "shipped prior": prior_images,
              "without a truth": learned(calibrated), "total variation": smooth}  # fmt: skip
    seconds = {"direct": half - begin, "shipped prior": both - half, "total variation": half - begin,
               "without a truth": half - begin + time.process_time() - both}  # fmt: skip
    if figures is not None:
        _picture(Path(figures) / f"m87-{fold}.png", images)
    rows = []
    for name, found in images.items():
        for day, judge, x in zip(DAYS, judges, found):
            misfit = closure_misfit(judge, judge.operator()(x))
            numbers = f"{misfit.phase_count}, {misfit.amplitude_count}"
            rows.append(
                [day, name, f"{misfit.phases:.2f}", f"{misfit.amplitudes:.2f}", numbers, f"{seconds[name]:.0f}"]
            )
    return rows


def _picture(path: Path, images: dict[str, list[Tensor]]) -> None:
    """North is up, east left; each image has its own scale."""
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(len(DAYS), len(images), figsize=(2.2 * len(images), 4.7), layout="constrained")
    for column, (name, found) in zip(axes.T, images.items()):
        column[0].set_title(name, fontsize=10)
        for axis, x in zip(column, found):
            axis.imshow(x[0, 0].clamp(min=0), cmap="afmhot", origin="lower")
            axis.set(xticks=[], yticks=[])
            axis.plot([4, 4 + 40e-6 / CELL], [4, 4], color="white")
    for axis, day in zip(axes[:, 0], DAYS):
        axis.set_ylabel(day)
    axes[0, 0].text(4, 6, "40 µas", color="white", fontsize=8)
    figure.savefig(path, dpi=70)
    plt.close(figure)
