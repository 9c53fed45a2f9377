"""Networks that learn from one instrument's measured data alone, judged on measurements that nothing has seen.

A tooth (two detector rows, every fourth view kept out), a brain (eight coils, a third of the columns used), a disc of
dust (galario's table, a fifth of the visibilities kept out; its source does not say whether it was measured), shear of
the COSMOS field (a fifth of the pixels kept out). Each network sees these few data only; the shipped priors never saw
them. Tooth and brain also with the prior of photographs before and after its adaptation to the same data.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from denoisers import DRUNetDenoiser
from denoisers.networks.unet import UNet
from operators import MRI, KaiserSquires, Radon, estimate_coil_maps, random_columns
from pnp import PnPADMM, PnPHQS, Reconstructor
from pnp.corrections import ct as corrections
from pnp.corrections.mri import border_samples, noise_covariance
from pnp.corrections.radio import noise_from_data
from pnp.io import Visibilities
from pnp.io import open as open_measurement
from pnp.likelihood import Gaussian
from pnp.train import MeasuredLoss, Recorrupted, SelfSupervised, Splitting, Trainer, Unrolled, adapt
from pnp.train.losses import Augmented, blocks, columns
from pnp.train.rates import RATES
from pnp.train.recipes.unseen import smoothed

__all__ = ["CASES", "HEAD", "measured"]


class Scan(NamedTuple):
    """Data that are used, with their likelihood, and data that judge, with theirs; ``direct``: the field's image."""

    y: Tensor
    likelihood: Gaussian
    other: Tensor
    judge: Gaussian
    direct: Tensor


class Case(NamedTuple):
    """Scans of one instrument, what learns from them, and by which loss."""

    scans: list[Scan]
    model: nn.Module
    loss: MeasuredLoss


def tooth(data: Path) -> Case:
    """Bins of four columns; FBP with the Hann window."""
    scans = []
    for row in (0, 1):
        m = open_measurement(data / "ct_extra" / "tooth.h5", rows=row)
        y = F.avg_pool2d(corrections.remove_stripes(m.y), (1, 4))
        std = F.avg_pool2d(torch.as_tensor(m.noise_std).square(), (1, 4)).sqrt() / 2
        angles, offset = torch.as_tensor(m.arguments["angles"]), (319.5 - 296) / 4  # its source names column 296
        used = torch.arange(len(angles)) % 4 != 0
        op, rest = (Radon(160, angles[k], 160, offset=offset) for k in (used, ~used))
        likelihood, judge = Gaussian(op, std[:, :, used]), Gaussian(rest, std[:, :, ~used])
        scans.append(Scan(y[:, :, used], likelihood, y[:, :, ~used], judge, op.fbp(y[:, :, used], "hann")))
    model = Reconstructor(scans[0].likelihood.measured, _network(1), "fbp")
    return Case(scans, model, Augmented(Recorrupted(0.3, mirrored=True, domain="filtered")))


def brain(data: Path) -> Case:
    """The middle of k-space, 96 x 80; zero-filled, combined by the maps."""
    y = open_measurement(data / "mri_espirit" / "full.cfl").y
    levels = noise_covariance(border_samples(y)).diagonal().real.div(2).sqrt().float()
    y = y[..., 67:163, 50:130] / levels[:, None, None]  # noise of one in each coil
    mask = random_columns((96, 80), 3.0, 0.16).float()
    maps = estimate_coil_maps(mask * y, calibration=(96, 12))
    op, rest = MRI(mask, maps), MRI(1 - mask, maps)
    y, other = torch.where(op.measured, y, 0), torch.where(rest.measured, y, 0)
    solver = PnPHQS(op, DRUNetDenoiser(None, preset="fast", complex=True, precision="float32"), noise_std=1.0)
    solver.annealing, solver.first = 5, 0.1
    scan = Scan(y, Gaussian(op, 1.0), other, Gaussian(rest, 1.0), op.A_adjoint(y))
    return Case([scan], Unrolled(solver, 5), Splitting(columns(0.3, centre=12)))


def disc(data: Path) -> Case:
    """Images of 128 x 128 pixels of 0.09 arcsec; the dirty image, scaled to fit best."""
    m = open_measurement(data / "measured" / "galario_uvtable.npy", unit="m", wavelength=1e-3, cell=0.09,
                         image_shape=(128, 128))  # fmt: skip
    assert isinstance(m, Visibilities)
    m = noise_from_data(m)
    used = torch.rand(m.y.shape[-1], generator=torch.Generator().manual_seed(0)) > 0.2
    (y, likelihood), (other, judge) = (_part(m, which) for which in (used, ~used))
    op = likelihood.measured
    dirty = op.dirty_image(y, op.weights("uniform"))
    v, w = op(dirty), 1 / likelihood.deviation(y).square()
    direct = dirty * ((w * v.conj() * y).real.sum() / (w * v.abs().square()).sum())
    scan = Scan(y, likelihood, other, judge, direct)
    return Case([scan], Reconstructor(op, _network(1), "adjoint"), Splitting(blocks(0.3), domain="filtered"))


def _part(m: Visibilities, which: Tensor) -> tuple[Tensor, Gaussian]:
    part = m.kept(which, "some")
    return part.y, Gaussian(part.operator(), torch.as_tensor(part.noise_std))


def cosmos(data: Path) -> Case:
    """Tiles of 72 x 72 pixels; Kaiser and Squires' map, smoothed by an arcminute."""
    folder, scans = data / "lensing", []
    std = (folder / "std1.fits", folder / "std2.fits")
    m = open_measurement(folder / "cosmos_full_e1_0.29arcmin360.fits", std=std, pixel_scale=0.29)
    given, noise = m.y, torch.as_tensor(m.noise_std)
    away = torch.rand(360, 360, generator=torch.Generator().manual_seed(0)) < 0.2
    op = KaiserSquires((72, 72), pixel_scale=0.29)
    for i, j in ((i, j) for i in range(0, 360, 72) for j in range(0, 360, 72)):
        tile = (..., slice(i, i + 72), slice(j, j + 72))
        y, std, out = given[tile], noise[tile], away[tile[1:]]
        if float(std.isfinite().float().mean()) < 0.5:
            continue
        shown, kept = (torch.where(out == side, std, math.inf) for side in (False, True))
        y, other = (torch.where(s.isfinite(), y, 0) for s in (shown, kept))
        scans.append(Scan(y, Gaussian(op, shown), other, Gaussian(op, kept), smoothed(op, y)))
    model = Reconstructor(op, _network(1), smoothed)  # pyright: ignore[reportArgumentType]
    return Case(scans, model, Augmented(Recorrupted(0.5, mirrored=True), ["shifts", "flips"]))


CASES: dict[str, tuple[Callable[[Path], Case], int]] = {
    "tooth": (tooth, 100), "brain": (brain, 60), "disc": (disc, 150), "COSMOS": (cosmos, 100)
}  # fmt: skip
"""Makers, and steps of training."""

ADAPTED = ("tooth", "brain")


def _network(channels: int) -> UNet:
    net = UNet(channels, width=16, poolings=3)
    nn.init.zeros_(net.last.weight)
    nn.init.zeros_(net.last.bias)  # pyright: ignore[reportArgumentType]
    return net


def misfits(scan: Scan, x: Tensor) -> Tensor:
    """Squares of what data that were kept out differ from the image's, over those of the noise, one for each datum."""
    std = scan.judge.deviation(scan.other).expand(scan.other.shape)
    known = std.isfinite() if scan.judge.measured.measured is None else scan.judge.measured.measured.expand(std.shape)
    rest = ((scan.judge.measured.A(x) - scan.other).abs() / std).square()
    return rest[known] / (2 if scan.other.is_complex() else 1)


def adapted(scans: list[Scan]) -> dict[str, list[Tensor]]:
    """The shipped prior of photographs, and the same adapted to the data of each scan."""
    found: dict[str, list[Tensor]] = {"photographs' prior": [], "adapted": []}
    for s in scans:
        prior = DRUNetDenoiser(precision="float32")
        done = adapt(prior, s.likelihood, s.y)
        print(done)
        for method, denoiser in zip(found, (prior, done.denoiser)):
            found[method].append(PnPADMM(s.likelihood, denoiser)(s.y))
    return found


def measured(name: str, data: Path) -> list[list[Any]]:
    """Rows: method; of data that were kept out the root mean square of the misfit in deviations of the noise; by how
    much what is beyond the noise is smaller than the shipped prior's; its mean square less the shipped prior's, and the
    standard error of this difference over 16 groups of neighbours."""
    make, steps = CASES[name]
    torch.manual_seed(0)
    scans, model, loss = make(data)
    task = SelfSupervised([(s.y, s.likelihood) for s in scans], loss, batch=min(2, len(scans)))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    trainer = Trainer(model, task, optimizer=optimizer, schedule=RATES["late-decay"](steps), clip=1.0, average=0.97)
    for _ in trainer.run(steps):
        pass
    model.load_state_dict(trainer.averaged)
    found: dict[str, list[Tensor]] = {"direct": [s.direct for s in scans]}
    with torch.no_grad():
        found["shipped prior"] = [PnPADMM(s.likelihood)(s.y) for s in scans]
        given = [s.likelihood if isinstance(model, Unrolled) else s.likelihood.measured for s in scans]
        found["without a truth"] = [model.eval()(s.y, its) for s, its in zip(scans, given)]
    found |= adapted(scans) if name in ADAPTED else {}
    each = {k: torch.cat([misfits(s, x) for s, x in zip(scans, images)]).double() for k, images in found.items()}
    rows, usual = [], each["shipped prior"]
    for method, values in each.items():
        groups = torch.stack([part.mean() for part in (values - usual).chunk(16)])
        beyond = [float(v.mean()) - 1 for v in (usual, values)]
        less = f"{10 * math.log10(beyond[0] / beyond[1]):+.2f}" if min(beyond) > 0 else ""
        rms, change, scatter = values.mean().sqrt(), groups.mean(), groups.std() / len(groups) ** 0.5
        rows.append([name, method, f"{rms:.4f}", less, f"{change:+.4f}", f"{scatter:.4f}"])
    return rows


HEAD = ["data", "method", "rms / noise", "dB less error beyond the noise", "mean square less shipped prior's", "+-"]
