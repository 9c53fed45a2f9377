"""Data on two processes: operator and answers of one."""

import math
import multiprocessing
from datetime import timedelta
from typing import Any

import pytest
import torch
import torch.distributed as dist

from operators import MRI, RadioInterferometry, Radon, Sharded
from pnp import PnPADMM, PnPPDHG, PnPPGD, Stop

SIDE = 12


def smooth(x, sigma):
    near = sum(x.roll(1, axis) + x.roll(-1, axis) for axis in (-2, -1)) / 4
    return x + torch.as_tensor(sigma).reshape(-1, 1, 1, 1) * (near - x)


def visibilities(part: slice) -> RadioInterferometry:
    points = 2.8 * (torch.rand(2, 150, generator=torch.Generator().manual_seed(0)).double() - 0.5) * 2
    return RadioInterferometry(points[:, part], (SIDE, SIDE), unit="rad/pixel")


def projections(part: slice) -> Radon:
    return Radon(SIDE, (torch.arange(21) * (math.pi / 21))[part])


def coils(part: slice) -> MRI:
    angle = torch.linspace(0.2, 1.3, SIDE).expand(SIDE, SIDE)
    maps = torch.stack((angle.cos() + 0j, angle.sin() * torch.exp(1j * angle), 0.3 * angle + 0j))
    maps[..., :3, :] = 0
    mask = (torch.arange(SIDE) % 3 > 0).float().expand(SIDE, SIDE)
    return MRI(mask, maps[part])


CASES: dict[str, tuple[Any, int, int, int]] = {  # operator of a part, axis, number of parts, how many the first has
    "visibilities": (visibilities, -1, 150, 40),
    "projections": (projections, -2, 21, 13),
    "coils": (coils, -3, 3, 2),
}


def found(op: Any, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
    """What an operator and solvers make of an image and data."""
    weights = torch.linspace(0.5, 2, math.prod(op.out_shape)).reshape(op.out_shape).double()
    out = {"A": op.A(x), "adjoint": op.A_adjoint(y), "normal": op.A_adjoint_A(x)}
    out["weighted"] = op.weighted_normal(x, weights)
    out["PnPADMM"] = PnPADMM(op, smooth, noise_std=0.05, stop=Stop(1e-7, 5)).solve(y).x
    if op.field == "radio":
        out["PnPPDHG"] = PnPPDHG(op, smooth, noise_std=0.05, stop=Stop(1e-7, 5)).solve(y).x
        out["unknown noise"] = PnPPGD(op, smooth, stop=Stop(1e-7, 5)).solve(y).x
        out["uneven noise"] = PnPADMM(op, smooth, noise_std=0.1 / weights, stop=Stop(1e-7, 5)).solve(y).x
    moved = x.clone().requires_grad_()
    op.A(moved).abs().square().sum().backward()
    out["gradient"] = moved.grad  # pyright: ignore[reportArgumentType]
    out["norm"] = torch.tensor(op.norm())
    masks = {"measured": op.measured, "support": op.support}
    return out | {k: torch.zeros(0) if v is None else v.double() for k, v in masks.items()}


def work(rank: int, folder: str, queue: Any) -> None:
    torch.set_num_threads(1)
    store = dist.FileStore(f"{folder}/store", 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=60))
    out: dict[str, Any] = {}
    for name, (make, axis, count, first) in CASES.items():
        op = Sharded(make(slice(0, first) if rank == 0 else slice(first, count)), axis=axis)
        x, y = torch.load(f"{folder}/{name}.pt")
        own = op.gathered(y.split([first, count - first], axis)[rank])
        assert torch.equal(own, y)
        out[name] = {k: v.numpy(force=True) for k, v in found(op, x, y).items()}
    try:
        Sharded(Radon(SIDE + rank, [0.0]))
    except ValueError as error:
        out["error"] = str(error)
    queue.put((rank, out))
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of solves that are cut short
def test_two_processes_have_the_answers_of_one(tmp_path):
    wanted = {}
    for name, (make, *_) in CASES.items():
        op = make(slice(None))
        torch.manual_seed(0)
        x = torch.rand(1, *op.in_shape, dtype=torch.complex128 if op.in_dtype.is_complex else torch.float64)
        clean = op.A(x)
        y = torch.where(clean == 0, clean, clean + 0.05 * torch.randn_like(clean))
        torch.save((x, y), tmp_path / f"{name}.pt")
        wanted[name] = found(op, x, y)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=work, args=(rank, str(tmp_path), queue)) for rank in range(2)]
    for process in processes:
        process.start()
    both = dict(queue.get(timeout=100) for _ in processes)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    for name, values in wanted.items():
        for key, value in values.items():
            first, second = (torch.from_numpy(both[rank][name][key]) for rank in range(2))
            assert torch.equal(first, second), (name, key)  # or else they would not make the same number of iterations
            assert first.shape == value.shape and first.dtype == value.dtype
            far = float((first - value).abs().max()) if value.numel() else 0.0
            assert far <= 1e-6 * float(value.abs().max() if value.numel() else 1), (name, key, far)
    assert "images of process 1 (1, 13, 13), of process 0 (1, 12, 12)" in both[1]["error"]


def test_without_processes():
    with pytest.raises(RuntimeError, match=r"torch\.distributed is not started"):
        Sharded(Radon(SIDE, [0.0]))
    with pytest.raises(TypeError, match="op: expected a linear operator"):
        Sharded(torch.nn.Identity())  # pyright: ignore[reportArgumentType]
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        with pytest.raises(ValueError, match="axis: expected one of data"):
            Sharded(Radon(SIDE, [0.0]), axis=1)
        alone = Sharded(visibilities(slice(None)))
        with pytest.raises(ValueError, match="part"):
            alone.gathered(torch.zeros(1, 1, 3, dtype=torch.complex64))
    finally:
        dist.destroy_process_group()
