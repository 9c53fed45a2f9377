"""Every method gives on a device what it gives on the CPU, and waits for it at most once an iteration."""

import warnings
from typing import Any

import pytest
import torch

import pnp
from denoisers import LoFiDenoiser
from operators import MRI, NUFFT, Identity, Inpainting, Radon, gaussian_noise, random_columns, random_mask
from pnp import Expert, PnPADMM, Poisson, Stop

from . import stand_in
from .close import DEVICE, assert_close, kept_exact, on

SIDE = 32
made_up = pytest.mark.skipif("stand-in" not in torch.cuda.get_device_name(), reason="the device is real")


def image(batch: int = 2) -> torch.Tensor:
    x = pnp.data.sample("camera")[..., 100 : 100 + SIDE, 180 : 180 + SIDE]
    return torch.cat([x, x.flip(-1)])[:batch]


def maps() -> torch.Tensor:
    angle = torch.linspace(0.2, 1.3, SIDE).expand(SIDE, SIDE)
    return torch.stack((angle.cos() + 0j, angle.sin() * torch.exp(1j * angle)))


def jittered(n: int) -> torch.Tensor:
    """Points near those of a grid, of which conjugate gradients take few iterations."""
    line = (torch.arange(n) / n - 0.5) * 2 * torch.pi
    grid = torch.stack(torch.meshgrid(line, line, indexing="ij")).flatten(1)
    return grid + torch.rand(grid.shape, generator=torch.Generator().manual_seed(0)) / n


PROBLEMS = {
    "identity": lambda: Identity((SIDE, SIDE)),
    "inpainting": lambda: Inpainting(random_mask((SIDE, SIDE), 0.5)),
    "mri": lambda: MRI(random_columns((SIDE, SIDE), 3.0, 0.1)),
    "coils": lambda: MRI(random_columns((SIDE, SIDE), 3.0, 0.1), maps()),
    "radon": lambda: Radon(SIDE, torch.arange(24) * (torch.pi / 24)),
    "nufft": lambda: NUFFT(jittered(SIDE), (SIDE, SIDE)),
}


# where data are sums of many pixels, as much as usual: conjugate gradients take a third of the iterations then
NOISE = {"radon": 0.3}


def problem(name: str, batch: int = 2):
    op, x = PROBLEMS[name](), image(batch)
    x = x.to(torch.complex64) if op.in_dtype.is_complex else x
    clean = op.A(x)
    return op, torch.where(clean == 0, clean, gaussian_noise(clean, NOISE.get(name, 0.03))), x


def halve(x, sigma):
    return (x + x.mean((-2, -1), keepdim=True)) / 2


@made_up
@pytest.mark.parametrize("name", PROBLEMS)
def test_one_read_an_iteration(name):
    """From the second iteration on: the first finds out how long inner solves take."""
    op, y, _ = problem(name)
    solver = on(PnPADMM(op, LoFiDenoiser(), noise_std=NOISE.get(name, 0.03), stop=Stop(0.0, 14)))
    marks = []
    with stand_in.watch() as log:
        solver.solve(on(y), callback=lambda *_: marks.append(stand_in.totals(log)))
    each = [{kind: b[kind] - a[kind] for kind in ("sync", "d2h", "h2d")} for a, b in zip(marks[1:], marks[2:])]
    again = [waits for waits in each if waits != {"sync": 0, "d2h": 1, "h2d": 0}]
    assert all(waits == {"sync": 0, "d2h": 2, "h2d": 0} for waits in again), log
    assert len(again) <= (2 if name == "nufft" else 0), log  # made again, where inner solves took longer than before
    kernels = (marks[-1]["launch"] - marks[9]["launch"]) / (len(marks) - 10)
    assert kernels <= {"identity": 195, "inpainting": 200, "mri": 190}.get(name, float("inf"))


@pytest.mark.parametrize("name", PROBLEMS)
def test_answers_are_those_of_the_cpu(name):
    op, y, x = problem(name)
    options: dict[str, Any] = {"noise_std": NOISE.get(name, 0.03), "stop": Stop(0.0, 12)}
    with kept_exact():
        wanted = PnPADMM(op, LoFiDenoiser("natural-gray-fast"), **options).solve(y)
        found = on(PnPADMM(PROBLEMS[name](), LoFiDenoiser("natural-gray-fast"), **options)).solve(on(y))
    assert found.x.is_cuda and found.reasons == wanted.reasons
    assert_close(found.x, wanted.x, 2e-3)  # rounding of the data is amplified: what counts is the error
    errors = [float((v.x.cpu() - x).abs().square().mean()) for v in (found, wanted)]
    assert errors[0] == pytest.approx(errors[1], rel=2e-2 if name in ("radon", "nufft") else 1e-3)  # another engine
    if name not in ("radon", "nufft"):
        inner = [str(v.report.get("conjugate gradients")).split(";")[0] for v in (found, wanted)]
        assert inner[0] == inner[1]
    assert ("non-uniform FFT" in found.report) == (name in ("radon", "nufft"))


METHODS = {
    name: getattr(pnp, name)
    for name in ("PnPADMM", "PnPHQS", "PnPDRS", "PnPPGD", "PnPFISTA", "RED", "PnPPDHG", "PnPDescent", "SNORE",
                 "PnPULA", "DiffPIR", "PnPMACE")
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_those_of_the_cpu(name):
    op, y, _ = problem("inpainting")
    stop = Stop(0.0, 12)
    denoiser = [halve, halve] if name == "PnPMACE" else halve
    wanted = METHODS[name](op, denoiser, noise_std=0.03, stop=stop).solve(y)
    found = on(METHODS[name](PROBLEMS["inpainting"](), denoiser, noise_std=0.03, stop=stop)).solve(on(y))
    assert_close(found.x, wanted.x, 1e-4)


def test_wrappers_and_levels_by_hand():
    op, y, _ = problem("inpainting")
    stop = Stop(0.0, 12)
    for wrap in (pnp.Anderson, pnp.Damped):
        wanted = wrap(PnPADMM(op, halve, noise_std=0.03, stop=stop)).solve(y)
        found = wrap(on(PnPADMM(PROBLEMS["inpainting"](), halve, noise_std=0.03, stop=stop))).solve(on(y))
        assert_close(found.x, wanted.x, 1e-3)
    expert = Expert(rho=lambda k: 1.0 + k, sigma=0.05)
    wanted = PnPADMM(op, halve, noise_std=0.03, expert=expert, stop=stop).solve(y)
    found = on(PnPADMM(PROBLEMS["inpainting"](), halve, noise_std=0.03, expert=expert, stop=stop)).solve(on(y))
    assert_close(found.x, wanted.x, 1e-4)


@pytest.mark.slow
def test_counts():
    stop = Stop(0.0, 12)
    counts = torch.poisson(100 * image())
    wanted = PnPADMM(Poisson(Identity((SIDE, SIDE)), photons=100.0), halve, stop=stop).solve(counts)
    found = on(PnPADMM(Poisson(Identity((SIDE, SIDE)), photons=100.0), halve, stop=stop)).solve(on(counts))
    assert_close(found.x, wanted.x, 1e-3)


def test_samples_end_by_themselves():
    """Those that have ended are not touched any more, also where a device knows that first."""
    op, y, _ = problem("inpainting")
    y[1] = 0
    solver = on(PnPADMM(op, halve, noise_std=0.03))
    both, alone = solver.solve(on(y)), solver.solve(on(y[:1]))
    assert both.reasons == ["converged", "converged"] and not bool(both.x[1].any())
    assert_close(both.x[:1], alone.x.cpu(), 1e-5)

    def breaks(x, sigma):
        return torch.where(x.amax((1, 2, 3), True) > 9, x / 0, x)

    broken = on(PnPADMM(PROBLEMS["inpainting"](), breaks, noise_std=0.03, calibration=None))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        result = broken.solve(on(torch.cat((y[:1], 100 * y[:1]))))
    assert result.reasons[1] == "not_finite" and result.reasons[0] != "not_finite"


def test_inner_solves_that_take_longer_are_made_again():
    op, y, _ = problem("coils")
    solver = on(PnPADMM(op, halve, noise_std=0.03, stop=Stop(0.0, 6)))
    state = solver.begin(on(y))
    problem_ = solver.problem(on(y), state.facts)
    run = pnp.bookkeeping.Run(state, solver.stop)
    run.advance(lambda *a: solver.advance(problem_, *a), problem_.levels(0), problem_.fit, solver.settled)
    assert problem_.fit.planned and bool(torch.isfinite(run.record(-1).residual).all())
    problem_.fit.planned = 1
    run.advance(lambda *a: solver.advance(problem_, *a), problem_.levels(1), problem_.fit, solver.settled)
    assert problem_.fit.inner.residual < 2e-5 and problem_.fit.planned > 1


def test_other_devices_are_named(tmp_path):
    op, y, x = problem("inpainting")
    solver = on(PnPADMM(op, LoFiDenoiser(), noise_std=0.03, stop=Stop(0.0, 3)))
    result = solver.solve(on(y))
    with pytest.raises(ValueError, match="x0 is on cpu"):
        solver.solve(on(y), x0=x)
    with pytest.raises(ValueError, match="operator is on cuda"):
        solver.solve(y)
    with pytest.raises(ValueError, match="denoiser is on cpu"):
        PnPADMM(op, LoFiDenoiser(), noise_std=0.03).solve(on(y))
    kept = tmp_path / "state.pt"
    torch.save(result.state.to_dict(), kept)
    state = pnp.State.from_dict(torch.load(kept, map_location="cpu", weights_only=True))
    with pytest.raises(ValueError, match=r"state: on device cpu.*state\.to"):
        solver.solve(on(y), state=state)
    again = solver.solve(on(y), state=state.to(DEVICE))
    assert again.state.step == 6 and again.x.is_cuda


def test_savers_and_replay(tmp_path):
    op, y, _ = problem("inpainting")
    solver = on(PnPADMM(op, LoFiDenoiser(), noise_std=0.03, stop=Stop(0.0, 4)))
    result = solver.solve(on(y), checkpoint=tmp_path / "run.safetensors", every=2)
    result.save(tmp_path / "whole.safetensors")
    assert "converged" not in result.to_json() and str(result) and result.details()
    again = pnp.replay(tmp_path / "whole.safetensors", solver, on(y))
    assert_close(again.x, result.x.cpu(), 1e-6)


def test_a_script_whose_default_device_it_is():
    """Parameters are made there, constants and seeded numbers on the CPU, and moved."""
    x, op = image(), MRI(random_columns((SIDE, SIDE), 3.0, 0.1))
    y = gaussian_noise(op.A(x.to(torch.complex64)), 0.03)
    wanted = PnPADMM(op, LoFiDenoiser("natural-gray-fast"), stop=Stop(0.0, 26)).solve(y).x
    with torch.device(DEVICE):
        solver = PnPADMM(MRI(random_columns((SIDE, SIDE), 3.0, 0.1)), LoFiDenoiser("natural-gray-fast"))
        assert next(solver.denoiser.parameters()).is_cuda
        solver.stop = Stop(0.0, 26)
        found = solver.to(DEVICE).solve(on(y))
    assert found.x.is_cuda
    assert_close(found.x, wanted, rtol=1e-4)
