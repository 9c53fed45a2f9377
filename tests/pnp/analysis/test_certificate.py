"""Certificates of linear problems against matrices that are put together by hand."""

import json
from typing import Any

import pytest
import torch
from torch import Tensor

from denoisers import RandomEquivariant
from operators import MRI, Blur, Inpainting, LinearOperator, gaussian_kernel, random_columns, random_mask
from pnp import (
    RED,
    SNORE,
    Anderson,
    Damped,
    DiffPIR,
    PnPADMM,
    PnPDescent,
    PnPDRS,
    PnPFISTA,
    PnPHQS,
    PnPMACE,
    PnPPDHG,
    PnPPGD,
    PnPULA,
    Poisson,
    Stop,
)
from pnp.analysis import Certificate, certify
from tests.contracts import dense

N = 6
NOISE = 0.3
STOP = Stop(max_iter=60, tolerance=1e-6)


class Linear(torch.nn.Module):
    """x -> D x, whatever the level."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.matrix = matrix

    def forward(self, x: Tensor, sigma: Any) -> Tensor:
        return (x.flatten(1) @ self.matrix.T).reshape(x.shape)


def random_matrix(seed: int = 0) -> Tensor:
    return torch.randn(N * N, N * N, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def symmetric(low: float, high: float) -> Tensor:
    """Eigenvalues from ``low`` to ``high``, vectors at random."""
    q = torch.linalg.qr(random_matrix()).Q
    return q @ torch.diag(torch.linspace(low, high, N * N, dtype=torch.float64)) @ q.T


def operators() -> dict[str, LinearOperator]:
    shape = (N, N)
    return {
        "blur": Blur(gaussian_kernel(0.8, 5), shape).double(),
        "inpainting": Inpainting(random_mask(shape, 0.6)).double(),
        "product": (Inpainting(random_mask(shape, 0.7)) @ Blur(gaussian_kernel(0.8, 5), shape)).double(),
    }


OPERATORS = operators()
DENOISERS = {
    "averaged": symmetric(0.1, 0.95),
    "lopsided": symmetric(0.2, 0.9) + 0.02 * random_matrix(1),  # no gradient of anything
}
METHODS: dict[str, Any] = {
    "admm": PnPADMM, "drs": PnPDRS, "hqs": PnPHQS, "pgd": PnPPGD, "red": RED, "pdhg": PnPPDHG,
    "red gradient": lambda *a, **o: RED(*a, method="gradient", **o),
    "mace": lambda op, d, **o: PnPMACE(op, [d], **o), "damped": lambda *a, **o: Damped(PnPDRS(*a, **o), 0.7),
    "descent": PnPDescent, "fista": PnPFISTA, "anderson": lambda *a, **o: Anderson(PnPDRS(*a, **o)),
}  # fmt: skip


def problem(op: LinearOperator, method: Any, matrix: Tensor, batch: int = 1, **others: Any) -> tuple[Any, Tensor]:
    kind = torch.complex128 if op.in_dtype.is_complex else torch.float64
    x = torch.rand(batch, *op.in_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).to(kind)
    settings = {"noise_std": NOISE, "calibration": (2.0, 0.0), "stop": STOP}
    return method(op, Linear(matrix), **settings | others), op.A(x)


def step_by_hand(name: str, op: LinearOperator, d: Tensor, tau: float, relaxed: float, share: float) -> Tensor:
    """Matrix of a step; dual variables in units of the image."""
    a, one, zero = dense(op)[0], torch.eye(N * N, dtype=d.dtype), torch.zeros_like(d)
    normal = a.T @ a * (tau / NOISE**2)
    p = torch.linalg.inv(one + normal)
    step = {
        "hqs": lambda: d @ p, "pgd": lambda: d @ (one - normal), "fista": lambda: d @ (one - normal),
        "descent": lambda: torch.linalg.inv(one + share * normal) @ (one - share * (one - d).T @ (one - d)),
        "red": lambda: torch.linalg.inv(one + normal / 2) @ (one + d) / 2,
        "red gradient": lambda: one - (normal + one - d) / (1 + tau * op.norm() ** 2 / NOISE**2),
    }  # fmt: skip
    if name in step:
        return step[name]()
    if name == "admm":  # u = relaxed x + (1 - relaxed) v + w, x = P (v - w), from (v, w)
        u = torch.cat((relaxed * p + (1 - relaxed) * one, one - relaxed * p), 1)
        return torch.cat((d @ u, (one - d) @ u))
    if name in ("drs", "anderson", "damped"):  # z = v + w, x = P z
        z = torch.cat((one, one), 1)
        whole = torch.cat((d @ (2 * p - one) @ z, (one - p) @ z))
        share = 0.7 if name == "damped" else 1.0
        return share * whole + (1 - share) * torch.eye(2 * N * N, dtype=d.dtype)
    if name == "mace":  # w0, w1 through F = (P, D), then the mean of reflections
        f = torch.block_diag(p, d)
        eye, mean = torch.eye(2 * N * N, dtype=d.dtype), torch.cat((torch.cat((one, one), 1),) * 2) / 2
        w = eye / 2 + (2 * mean - eye) @ (2 * f - eye) / 2
        return torch.cat((torch.cat((zero, zero, d), 1), torch.cat((torch.zeros_like(w[:, : N * N]), w), 1)))
    # pdhg: x+ = D (x - tau A* q), q+ = (q + r A (2 x+ - x)) / (1 + r noise²), r = 1 / (tau |A|²), q in tau |A| q
    size, m = op.norm(), len(a)
    r = 1 / (tau * size**2)
    ahead = torch.cat((d, -d @ a.T / size), 1)
    q = torch.cat((torch.zeros(m, N * N, dtype=d.dtype), torch.eye(m, dtype=d.dtype)), 1)
    now = torch.cat((one, torch.zeros(N * N, m, dtype=d.dtype)), 1)
    return torch.cat((ahead, (q + r * tau * size * a @ (2 * ahead - now)) / (1 + r * NOISE**2)))


def truth(matrix: Tensor) -> tuple[float, float]:
    return float(torch.linalg.matrix_norm(matrix, 2)), float(torch.linalg.eigvals(matrix).abs().max())


CASES = [(m, "blur", "lopsided") for m in METHODS] + [("drs", "product", "averaged")]
CASES += [(m, "inpainting", d) for m in ("admm", "pgd") for d in DENOISERS]


@pytest.mark.parametrize(("method", "op", "denoiser"), CASES)
def test_norm_and_radius_are_those_of_the_matrix(method, op, denoiser):
    d = DENOISERS[denoiser]
    solver, y = problem(OPERATORS[op], METHODS[method], d)
    result = solver.solve(y)
    found = certify(solver, y, result, steps=72, powers=False)
    at = solver.problem(y, result.state.facts).levels(result.state.step)
    unit = 2.0  # of the calibration: tau is in its squares
    relaxed = float(result.state.values.relaxed) if method == "admm" else 1.0
    share = float(result.state.values.share) if method == "descent" else 1.0
    matrix = step_by_hand(method, OPERATORS[op], d, float(at.tau) * unit**2, relaxed, share)
    pace = float(result.state.pace) if method not in ("fista", "anderson", "descent") else 1.0
    matrix = pace * matrix + (1 - pace) * torch.eye(len(matrix), dtype=d.dtype)
    norm, radius = truth(matrix)
    assert found.norm.item() == pytest.approx(norm, rel=0.01)
    assert found.radius.item() == pytest.approx(radius, rel=0.01)
    one = torch.eye(N * N, dtype=d.dtype)
    assert found.residual.item() == pytest.approx(truth(one - d)[0], rel=0.01)
    assert found.reflected.item() == pytest.approx(truth(2 * d - one)[0], rel=0.01)


@pytest.mark.parametrize("method", ["admm", "hqs", "pgd", "pdhg", "mace", "fista"])
def test_the_fixed_point_is_within_the_bound(method):
    solver, y = problem(OPERATORS["blur"], METHODS[method], DENOISERS["averaged"], stop=Stop(max_iter=40, tolerance=0))
    result = solver.solve(y)
    found = certify(solver, y, result, steps=72)
    assert found.certified and found.bound.item() < float("inf")
    solver.stop = Stop(max_iter=1000, tolerance=1e-12)
    far = solver.solve(y)
    distance = float((far.state.x - result.state.x).norm() / result.state.x.norm())
    assert distance <= found.bound.item() * (1 + 1e-6) + 1e-12
    assert str(found).startswith(found.verdicts[0])


def test_a_step_that_diverges_is_not_certified_and_says_along_what():
    q = torch.linalg.qr(random_matrix()).Q
    values = torch.linspace(0.1, 0.9, N * N, dtype=torch.float64)
    values[7] = 1.4
    solver, y = problem(OPERATORS["inpainting"], PnPHQS, q @ torch.diag(values) @ q.T, stop=Stop(max_iter=30))
    found = certify(solver, y, steps=72)
    assert found.verdicts == ["not certified"] and not found.certified and found.radius.item() > 1
    assert found.bound.item() == float("inf") and json.loads(json.dumps(found.to_dict()))["bound"] == [None]
    at = solver.problem(y, solver.begin(y).facts).levels(100)
    matrix = step_by_hand("hqs", OPERATORS["inpainting"], solver.denoiser.function.matrix, 4 * float(at.tau), 1.0, 1.0)
    direction = found.direction.flatten()
    assert float((matrix @ direction - found.radius * direction).norm()) < 0.02
    assert "nothing is proven" in str(found)


def test_a_non_normal_step_settles_where_no_single_one_contracts():
    above = (torch.arange(N * N - 1) % 3 == 0).double()
    d = 0.5 * torch.eye(N * N, dtype=torch.float64) + 0.9 * torch.diag(above, 1)
    solver, y = problem(OPERATORS["inpainting"], PnPHQS, d, stop=Stop(max_iter=25, tolerance=0))
    result = solver.solve(y)
    found = certify(solver, y, result, steps=72)
    assert found.verdicts == ["settles"] and found.norm.item() > 1 > found.radius.item()
    assert found.power.item() > 1 and found.certified
    solver.stop = Stop(max_iter=3000, tolerance=1e-14)
    distance = float((solver.solve(y).x - result.x).norm() / result.x.norm())
    assert distance <= found.bound.item() + 1e-12


def test_samples_units_and_precision_do_not_matter():
    op, matrix = OPERATORS["blur"], DENOISERS["lopsided"]
    end = {"calibration": "auto", "stop": Stop(max_iter=100, tolerance=1e-3)}
    solver, y = problem(op, PnPADMM, matrix, batch=2, **end)
    both = certify(solver, y, powers=False)
    for k in range(2):
        alone = certify(solver, y[k : k + 1], powers=False)
        for name in ("norm", "radius", "change", "residual", "reflected"):
            assert getattr(alone, name).item() == pytest.approx(getattr(both, name)[k].item(), rel=1e-8, abs=1e-9)
    for unit in (1e-8, 1e8):
        other, _ = problem(op, PnPADMM, matrix, **end, noise_std=NOISE * unit)
        scaled = certify(other, unit * y, powers=False)
        assert torch.allclose(scaled.norm, both.norm, rtol=1e-6) and torch.allclose(
            scaled.radius, both.radius, rtol=1e-6
        )
    single = PnPADMM(Blur(gaussian_kernel(0.8, 5), (N, N)), Linear(matrix.float()), noise_std=NOISE, stop=end["stop"])
    rough = certify(single, y.float(), powers=False)
    assert torch.allclose(rough.norm, both.norm, rtol=1e-2) and torch.allclose(rough.radius, both.radius, rtol=1e-2)


def test_complex_images_and_counts():
    op = MRI(random_columns((N, N), 2.0, 0.3))
    solver, y = problem(op, PnPDRS, DENOISERS["averaged"])
    found = certify(solver, y, steps=40, powers=False)
    assert found.direction.is_complex() and found.certified
    assert found.residual.item() == pytest.approx(0.9, rel=0.01)
    counts = PnPPDHG(Poisson(OPERATORS["blur"], photons=20.0), Linear(symmetric(0.1, 0.9)), stop=STOP)
    assert certify(counts, torch.full((1, 1, N, N), 2.0, dtype=torch.float64), powers=False).radius.item() < 1


@pytest.mark.parametrize("method", [SNORE, DiffPIR, PnPULA])
def test_samplers_are_refused(method):
    solver, y = problem(OPERATORS["blur"], method, DENOISERS["averaged"])
    with pytest.raises(TypeError, match="solver: .* no fixed point"):
        certify(solver, y)


def test_bad_arguments():
    solver, y = problem(OPERATORS["blur"], PnPHQS, DENOISERS["averaged"])
    wrongs: list[dict[str, Any]] = [{"steps": 0}, {"rtol": 2.0}]
    for wrong in wrongs:
        with pytest.raises(ValueError, match=f"^{next(iter(wrong))}: "):
            certify(solver, y, **wrong)
    with pytest.raises(TypeError, match="^solver: expected"):
        certify(solver.denoiser, y)  # pyright: ignore
    with pytest.raises(ValueError, match="other data"):
        certify(solver, y + 1, solver.solve(y))
    with pytest.raises(TypeError, match="RandomEquivariant"):
        certify(PnPHQS(OPERATORS["blur"], RandomEquivariant(solver.denoiser), noise_std=NOISE), y)
    with pytest.raises(RuntimeError, match="no derivative"):
        certify(PnPHQS(OPERATORS["blur"], lambda x, sigma: x.detach().mul(0.5) * 1, noise_std=NOISE), y)
    assert isinstance(certify(solver, y, solver.solve(y).state), Certificate)
