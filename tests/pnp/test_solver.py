"""Both solvers over every operator: units, batches, ends, independent optima, gradients, bad input."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from denoisers import LoFiDenoiser, TVDenoiser
from operators import MRI, Blur, Identity, Inpainting, gaussian_kernel, random_mask
from pnp import Expert, PnPADMM, PnPHQS, PnPPGD, Stop, tv_reconstruction
from tests.contracts import dense

from .problems import NOISE, SIZE, data, image, operators

SOLVERS = [PnPADMM, PnPHQS]
OPERATORS = operators()


@pytest.fixture(scope="module")
def lofi() -> LoFiDenoiser:
    return LoFiDenoiser()


@pytest.fixture(scope="module")
def small() -> LoFiDenoiser:
    """The smallest of the kind, for laws of the solver that hold with any."""
    return LoFiDenoiser("natural-gray-fast")


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("method", SOLVERS)
def test_better_than_the_rough_start_and_converged(method, name, lofi):
    op = OPERATORS[name]
    x = image(op)
    y = data(op, x)
    solver = method(op, lofi, noise_std=NOISE)
    result = solver.solve(y)
    assert result.reason == "converged", result
    assert relative(result.x, x) < max(0.8 * relative(solver.begin(y).x, x), 0.08)
    assert result.x.dtype == x.dtype and result.x.shape == x.shape


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("method", SOLVERS)
def test_answer_scales_with_the_data(method, name, small):
    op = OPERATORS[name]
    y = data(op, image(op))
    stop = Stop(max_iter=30, tolerance=0)
    reference = method(op, small, noise_std=NOISE, stop=stop)(y)
    for c in (1e-8, 1e-4, 1e4, 1e8):
        scaled = method(op, small, noise_std=c * NOISE, stop=stop)(c * y)
        assert relative(scaled / c, reference) < 1e-4


@settings(max_examples=8, deadline=None)
@given(st.floats(-8, 8))
def test_answer_scales_with_the_data_without_a_given_noise_level(exponent):
    op, c = OPERATORS["inpainting"], 10.0**exponent
    y, denoiser = data(op, image(op)).double(), LoFiDenoiser("natural-gray-fast").double()
    stop = Stop(max_iter=15, tolerance=0)
    a, b = (PnPADMM(op, denoiser, stop=stop)(v) for v in (y, c * y))
    assert relative(b / c, a) < 1e-9


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("method", SOLVERS)
def test_batch_of_three_is_three_singles(method, name):
    op = OPERATORS[name]
    y = data(op, image(op, 3, torch.float64)) * torch.tensor([1.0, 100.0, 0.01]).reshape(-1, *[1] * len(op.out_shape))
    levels = NOISE * torch.tensor([1.0, 100.0, 0.01], dtype=torch.float64)
    denoiser = LoFiDenoiser("natural-gray-fast").double()
    stop = Stop(tolerance=5e-3, max_iter=60)
    together = method(op, denoiser, noise_std=levels, stop=stop).solve(y)
    for b in range(3):
        alone = method(op, denoiser, noise_std=levels[b : b + 1], stop=stop).solve(y[b : b + 1])
        assert relative(together.x[b : b + 1], alone.x) < 1e-10
        assert together.reasons[b] == alone.reason
    backwards = method(op, denoiser, noise_std=levels.flip(0), stop=stop).solve(y.flip(0))
    assert relative(backwards.x.flip(0), together.x) < 1e-10


def test_operators_with_a_batch_axis(lofi):
    masks = torch.stack([random_mask((SIZE, SIZE), 0.5, seed=s) for s in range(2)])[:, None]
    op = Inpainting(masks)
    x = image(op, 2)
    y = op(x)
    both = PnPADMM(op, lofi, noise_std=NOISE)(y)
    for b in range(2):
        alone = PnPADMM(Inpainting(masks[b, 0]), lofi, noise_std=NOISE)(y[b : b + 1])
        assert relative(both[b : b + 1], alone) < 1e-4


@pytest.mark.parametrize("method", SOLVERS)
def test_zero_data_give_zero_also_within_a_batch(method, lofi):
    op = OPERATORS["blur"]
    y = data(op, image(op, 2))
    y[0] = 0
    result = method(op, lofi, noise_std=NOISE).solve(y)
    assert result.x[0].abs().max() == 0 and result.reasons[0] == "converged"
    alone = method(op, lofi, noise_std=NOISE)(y[1:])
    assert relative(result.x[1:], alone) < 1e-4
    assert method(op, lofi)(torch.zeros_like(y)).abs().max() == 0


def test_noise_level_is_estimated_and_reported(lofi):
    for name in ("identity", "blur", "inpainting", "mri"):
        op = OPERATORS[name]
        result = PnPADMM(op, lofi).solve(data(op, image(op)))
        assert 0.4 * NOISE < result.report["noise_std"].item() < 2.5 * NOISE, name
        source = result.report["noise_std from"].partition("; it may be off")[0]
        assert source.endswith((" of the data", " of the adjoint image", "explains"))


def test_exact_data_are_kept(lofi):
    op = OPERATORS["inpainting"]
    x = image(op)
    result = PnPADMM(op, lofi, noise_std=0.0).solve(op(x))
    assert relative(op(result.x_data), op(x)) < 1e-3 and "capped" in result.report["gamma"]


# ---- against independent optima


class Quadratic(torch.nn.Module):
    """Proximal map of sigma² |x|² / 2: with it ADMM solves a ridge regression."""

    def forward(self, x, sigma):
        return x / (1 + torch.as_tensor(sigma, dtype=x.dtype).reshape(-1, 1, 1, 1) ** 2)


@pytest.mark.parametrize("name", ["inpainting", "blur", "downsampling", "derived", "stack", "mri with coils"])
def test_admm_reaches_the_ridge_solution(name):
    op = OPERATORS[name]
    y = data(op, image(op, 1, torch.float64))
    expert = Expert(rho=1.0, sigma=1.0)
    stop = Stop(tolerance=1e-10, max_iter=2000)
    result = PnPADMM(op, Quadratic(), noise_std=0.5, calibration=None, expert=expert, stop=stop).solve(y)
    assert result.reason == "converged"
    x = result.x
    gradient = (op.A_adjoint(op.A(x)) - op.A_adjoint(y)) / 0.25 + x  # of the objective: must vanish
    assert relative(gradient + x, x) < 1e-6
    if not op.in_dtype.is_complex:
        matrix = dense(op, 1)[0]
        target = torch.view_as_real(y) if y.is_complex() else y
        normal = matrix.T @ matrix + 0.25 * torch.eye(matrix.shape[1], dtype=torch.float64)
        expected = torch.linalg.solve(normal, matrix.T @ target.reshape(-1))
        assert relative(x.reshape(-1), expected) < 1e-6


def test_admm_with_tv_solves_the_tv_problem():
    op = OPERATORS["inpainting"]
    y = data(op, image(op, 1, torch.float64))
    gain = 0.5  # half the pixels are kept
    weight = 0.8 * NOISE * math.sqrt(gain)
    sigma = 0.1
    rho = weight / NOISE**2 / (0.8 * sigma)  # TVDenoiser at sigma is the prox of 0.8 sigma TV
    solver = PnPADMM(
        op,
        TVDenoiser(rtol=1e-6, max_iter=400),
        noise_std=NOISE,
        expert=Expert(rho=rho, sigma=sigma),
        stop=Stop(tolerance=1e-5, max_iter=150),
        calibration=None,
    )
    expected = tv_reconstruction(op, y, NOISE, strength=1.0, iterations=4000)
    assert relative(solver(y), expected) < 2e-3


def test_identity_operator_at_strength_one_is_one_denoising(lofi):
    op = Identity((SIZE, SIZE))
    y = data(op, image(op))
    result = PnPADMM(op, lofi, noise_std=NOISE, stop=Stop(tolerance=1e-5, max_iter=400)).solve(y)
    assert relative(result.x, lofi(y, NOISE)) < 2e-3


def test_same_iterates_as_deepinv():
    optim = pytest.importorskip("deepinv.optim")
    op = Blur(gaussian_kernel(1.0), (SIZE, SIZE))
    y = data(op, image(op))

    def denoiser(x, sigma):
        return 0.7 * x + 0.3 * torch.nn.functional.avg_pool2d(x, 3, 1, 1) * (1 - sigma)

    rho, sigma, noise = 2.0, 0.1, 0.5
    start = op.A_adjoint(y)
    for ours, theirs in ((PnPADMM, optim.ADMM), (PnPHQS, optim.HQS)):
        for steps in (1, 2, 7, 20):
            model = theirs(
                data_fidelity=optim.L2(sigma=noise),
                prior=optim.PnP(denoiser),
                stepsize=1 / rho,
                g_param=sigma,
                lambda_reg=1.0,
                max_iter=steps,
                early_stop=False,
            )
            with torch.no_grad():
                expected = model(y, op, init=(start, torch.zeros_like(start)))
            solver = ours(op, denoiser, noise_std=noise, calibration=None, expert=Expert(rho, sigma),
                          stop=Stop(tolerance=0, max_iter=steps))  # fmt: skip
            assert relative(solver.solve(y, x0=start).x, expected) < 1e-5, (ours, steps)


# ---- ends, resuming, callbacks


def test_stop_resume_and_replay(lofi):
    op = OPERATORS["blur"]
    y = data(op, image(op))
    full = PnPADMM(op, lofi, noise_std=NOISE, stop=Stop(max_iter=20, tolerance=0)).solve(y)
    part = PnPADMM(op, lofi, noise_std=NOISE, stop=Stop(max_iter=8, tolerance=0)).solve(y)
    assert part.reason == "max_iter"
    rest = PnPADMM(op, lofi, noise_std=NOISE, stop=Stop(max_iter=12, tolerance=0)).solve(y, state=part.state)
    assert torch.equal(rest.x, full.x)


def test_callback_sees_every_step_and_may_stop(lofi):
    seen = []
    op = OPERATORS["blur"]
    solver = PnPADMM(op, lofi, noise_std=NOISE)

    def five(state, record):
        seen.append((state.step, record.step))
        return record.step == 5

    result = solver.solve(data(op, image(op)), callback=five)
    assert result.reason == "stopped" and seen == [(k, k) for k in range(1, 6)]
    assert result.residuals().shape == (5, 1) and "stopped" in str(result)


def test_failures_end_honestly():
    op = OPERATORS["blur"]
    y = data(op, image(op, 2))
    calls = []

    def poisoned(x, sigma):
        calls.append(1)
        x = 0.9 * x
        if len(calls) > 10:
            x[0] = float("nan")
        return x

    result = PnPADMM(op, poisoned, noise_std=NOISE).solve(y)
    assert result.reasons[0] == "not_finite" and result.reasons[1] != "not_finite"
    assert bool(torch.isfinite(result.x).all()) and result.reason == "not_finite"
    op = Inpainting(random_mask((SIZE, SIZE), 0.5))
    growing = PnPHQS(op, lambda x, sigma: 3 * x, noise_std=NOISE)
    y = op(image(op))
    result = growing.solve(y)
    assert result.reason == "diverged" and bool(torch.isfinite(result.x).all()) and "strength" in result.message
    with pytest.warns(RuntimeWarning, match="diverged"):
        growing(y)


def test_outside_the_training_range_a_warning_names_it(lofi):
    op = Identity((SIZE, SIZE))
    y = data(op, image(op))
    with pytest.warns(RuntimeWarning, match=r"0.2196"):
        PnPADMM(op, lofi, noise_std=0.6)(y)


def test_fixed_level_network_is_used_at_its_own_level():
    class Fixed(TVDenoiser):
        sigma_range = (0.1, 0.1)

    op = OPERATORS["blur"]
    result = PnPADMM(op, Fixed(), noise_std=NOISE, calibration=(2.0, 0.0)).solve(data(op, image(op)))
    used = torch.stack([record.sigma for record in result.history])
    assert torch.allclose(used, torch.full_like(used, 0.2))


# ---- complex images, channels, modes, gradients


def test_complex_images_and_channels_are_named_in_the_report(lofi):
    assert "two samples" in PnPADMM(OPERATORS["mri"], lofi, noise_std=NOISE).solve(
        data(OPERATORS["mri"], image(OPERATORS["mri"]))
    ).report["denoiser sees"]  # fmt: skip
    op = OPERATORS["colour inpainting"]
    y = data(op, image(op))
    gray, colour = (PnPADMM(op, d, noise_std=NOISE).solve(y) for d in (lofi, LoFiDenoiser("natural-rgb")))
    assert gray.report["denoiser sees"] == "channel by channel" and colour.report["denoiser sees"] == "as it is"
    with pytest.raises(ValueError, match="3 channels"):
        PnPADMM(OPERATORS["blur"], LoFiDenoiser("natural-rgb"), noise_std=NOISE)(
            data(OPERATORS["blur"], image(op)[:, :1])
        )


def test_real_data_of_a_complex_operator(lofi):
    op = MRI(torch.ones(SIZE, SIZE))
    assert PnPADMM(op, lofi, noise_std=NOISE)(torch.rand(1, 1, SIZE, SIZE)).is_complex()


def test_modes_are_kept(lofi):
    solver = PnPADMM(OPERATORS["blur"], Quadratic(), noise_std=NOISE)
    assert not solver.training and not LoFiDenoiser().training
    solver = PnPADMM(OPERATORS["blur"], lofi, noise_std=NOISE)
    solver.train()
    assert solver.training and not lofi.training


@pytest.mark.parametrize("name", ["blur", "mri with coils", "derived"])
def test_gradient_through_a_solve(name):
    op = OPERATORS[name]
    y = data(op, image(op, 1, torch.float64)).requires_grad_()
    denoiser = LoFiDenoiser().double()
    solver = PnPADMM(op, denoiser, noise_std=NOISE, calibration=(1.0, 0.0), stop=Stop(max_iter=3, tolerance=0))
    x0 = image(op, 1, torch.float64)

    def value(v):
        return solver.solve(v, x0=x0).x.abs().square().sum()

    (gradient,) = torch.autograd.grad(value(y), y)
    direction = torch.randn_like(y.detach())
    h = 2e-8  # between the kinks of the ReLUs
    plus, minus = (value((y + s * h * direction).detach()) for s in (1, -1))
    numeric = float((plus - minus) / (2 * h))
    assert float((gradient.conj() * direction).real.sum()) == pytest.approx(numeric, rel=1e-5)


def test_no_graph_unless_asked(lofi):
    op = OPERATORS["blur"]
    assert not PnPADMM(op, LoFiDenoiser(None), noise_std=NOISE, stop=Stop(max_iter=2))(
        data(op, image(op))
    ).requires_grad
    solver = PnPADMM(op, LoFiDenoiser(None), noise_std=NOISE, stop=Stop(max_iter=2)).train()
    assert solver(data(op, image(op))).requires_grad


def test_another_operator_for_the_same_solver(lofi):
    solver = PnPADMM(OPERATORS["blur"], lofi, noise_std=NOISE)
    other = OPERATORS["inpainting"]
    y = data(other, image(other))
    assert torch.equal(solver(y, other), PnPADMM(other, lofi, noise_std=NOISE)(y))
    assert solver.op is OPERATORS["blur"]


# ---- bad input: every error names its argument

GOOD = torch.rand(1, 1, SIZE, SIZE)


@pytest.mark.parametrize(
    ("y", "error", "word"),
    [
        (GOOD[0], ValueError, "y: .*batch axis"),
        (GOOD.expand(1, 2, SIZE, SIZE), ValueError, "y: "),
        (GOOD[..., 1:], ValueError, "y: "),
        (GOOD.long(), TypeError, "y: "),
        (GOOD + 0j, TypeError, "y: .*real"),
        (GOOD[:0], ValueError, "y: empty"),
        (GOOD / 0 * 0, ValueError, "y: .*NaN"),
        (GOOD / 0, ValueError, "y: .*infinite"),
        (GOOD.numpy(), TypeError, "y: .*ndarray"),
        (GOOD.to("meta"), ValueError, "y: .*device"),
    ],
)
@pytest.mark.parametrize("method", SOLVERS)
def test_bad_data_are_named(method, y, error, word, lofi):
    with pytest.raises(error, match=word):
        method(OPERATORS["blur"], lofi, noise_std=NOISE)(y)


def test_bad_arguments_are_named(lofi):
    op = OPERATORS["blur"]
    for bad in (-0.1, float("nan"), torch.tensor([0.1, 0.2])):
        with pytest.raises(ValueError, match="noise_std"):
            PnPADMM(op, lofi, noise_std=bad)(GOOD)
    for bad in (0, -1.0, float("inf"), "strong"):
        with pytest.raises(ValueError, match="strength"):
            PnPADMM(op, lofi, strength=bad)  # pyright: ignore
    with pytest.raises(ValueError, match="strength.*expert"):
        PnPADMM(op, lofi, strength=2.0, expert=Expert(1.0, 0.1))
    with pytest.raises(TypeError, match="denoiser"):
        PnPADMM(op, 3)
    with pytest.raises(TypeError):
        PnPADMM(3, lofi)
    with pytest.raises(ValueError, match="x0"):
        PnPADMM(op, lofi, noise_std=NOISE).solve(GOOD, x0=GOOD[..., 1:])
    with pytest.raises(ValueError, match="mask"):
        Inpainting(torch.zeros(4, 4))
    for bad in ({"tolerance": -1}, {"max_iter": 0}, {"growth": 0.5}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            Stop(**bad)  # pyright: ignore


@pytest.mark.parametrize("c", [1e-30, 1e30])
def test_extreme_units(c, lofi):
    op = OPERATORS["inpainting"]
    y = data(op, image(op))
    result = PnPADMM(op, lofi, noise_std=c * NOISE).solve(c * y)
    assert result.reason == "converged" and relative(result.x / c, PnPADMM(op, lofi, noise_std=NOISE)(y)) < 1e-3


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_precision_of_the_data_is_kept(dtype, lofi):
    assert lofi(torch.rand(1, 1, 8, 9, dtype=dtype), 0.1).dtype == dtype
    if dtype != torch.float16:
        op = OPERATORS["mri"]
        y = data(op, image(op)).to(dtype.to_complex())
        assert PnPADMM(op, lofi, noise_std=NOISE)(y).real.dtype == dtype


def test_classes_instead_of_instances_and_words_for_numbers(lofi):
    op = OPERATORS["blur"]
    with pytest.raises(TypeError, match="instance"):
        PnPADMM(op, LoFiDenoiser)
    with pytest.raises(TypeError, match="instance"):
        PnPADMM(Blur, lofi)
    with pytest.raises(TypeError, match="noise_std"):
        PnPADMM(op, lofi, noise_std="loud")(GOOD)  # pyright: ignore


def test_state_of_other_data_is_refused(lofi):
    op = OPERATORS["blur"]
    y = data(op, image(op))
    solver = PnPADMM(op, lofi, noise_std=NOISE, stop=Stop(max_iter=3, tolerance=0))
    state = solver.solve(y).state
    for other in (2 * y, y.expand(3, -1, -1, -1)):
        with pytest.raises(ValueError, match="state: .*data"):
            solver.solve(other, state=state)
    with pytest.raises(ValueError, match="state: .*noise_std"):
        PnPADMM(op, lofi, noise_std=0.5).solve(y, state=state)
    with pytest.raises(ValueError, match="x0"):
        solver.solve(y, state=state, x0=y)
    with pytest.raises(TypeError, match="state"):
        solver.solve(y, state={})  # pyright: ignore
    with pytest.raises(ValueError, match="x0: .*NaN"):
        solver.solve(y, x0=y * float("nan"))


@pytest.mark.parametrize("method", [PnPADMM, PnPHQS, PnPPGD])
@pytest.mark.parametrize("start", [0.0, 1e-12, 1.0, -3.0])
def test_a_constant_start_is_as_good_as_none(method, start, lofi):
    mask = random_mask((32, 32), 0.5, seed=1)
    op, x = Inpainting(mask), torch.linspace(0, 1, 32).expand(1, 1, 32, 32)
    y = torch.cat((op(x), op(x.mT)))
    solver = method(op, lofi, noise_std=0.02)
    usual = solver.solve(y)
    found = solver.solve(y, x0=torch.full_like(y, start))
    assert found.reasons == usual.reasons
    assert relative(found.x, usual.x) < 0.01
    mixed = solver.solve(y, x0=torch.stack((torch.zeros_like(y[0]), y[1])))
    assert relative(mixed.x[:1], usual.x[:1]) < 0.01
