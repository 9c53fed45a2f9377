"""Conjugate gradients, inner products and norms: against dense algebra, without units, sample by sample."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from operators import NUFFT, Blur, Inpainting, Radon, gaussian_kernel, random_mask
from operators.implicit import implicit_solve
from operators.linalg import accurate, cg, cg_reports, column, default_rtol, dot, planned, power_norm, rough_norms


def systems(batch=3, n=8, *, complex_values=False, seed=0):
    """Positive definite matrices (batch, n, n) and right-hand sides (batch, n)."""
    g = torch.Generator().manual_seed(seed)
    kind = torch.complex128 if complex_values else torch.float64
    m, b = torch.randn(batch, n, n, dtype=kind, generator=g), torch.randn(batch, n, dtype=kind, generator=g)
    return m.mH @ m + torch.eye(n, dtype=kind), b


def applied(m):
    return lambda v: (m @ v[..., None])[..., 0]


@pytest.mark.parametrize("complex_values", [False, True])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), warm=st.booleans(), jacobi=st.booleans())
def test_cg_solves_the_dense_system(complex_values, seed, warm, jacobi):
    m, b = systems(complex_values=complex_values, seed=seed)
    x0 = b.flip(0) if warm else None
    precond = (lambda r: r / m.diagonal(dim1=1, dim2=2).real) if jacobi else None
    x, info = cg(applied(m), b, x0=x0, precond=precond)
    torch.testing.assert_close(x, torch.linalg.solve(m, b), rtol=1e-7, atol=1e-8)
    assert bool((info.residual <= 1e-10).all()) and bool((info.iterations > 0).all())


@settings(max_examples=15, deadline=None)
@given(exponent=st.integers(-30, 30), kind=st.sampled_from([torch.float32, torch.float64, torch.complex64]))
def test_cg_has_no_units(exponent, kind):
    m, b = (v.to(kind) for v in systems(complex_values=kind.is_complex))
    c = 10.0**exponent
    x, info = cg(applied(m), b)
    y, scaled = cg(applied(m), b * c)
    torch.testing.assert_close(y / c, x, rtol=1e-3, atol=1e-5)
    # the rounding of b * c may move the end by a step, never by more
    assert int((info.iterations - scaled.iterations).abs().max()) <= 1


def test_a_batch_is_its_samples():
    m, b = systems()
    m[0] = 2 * torch.eye(8)  # solved in one step, then to be left alone
    b = b * torch.tensor([[1e-6], [1.0], [1e9]], dtype=torch.float64)
    x, info = cg(applied(m), b)
    for i in range(3):
        alone, own = cg(applied(m[i : i + 1]), b[i : i + 1])
        torch.testing.assert_close(x[i : i + 1], alone, rtol=1e-10, atol=0)
        assert own.iterations[0] == info.iterations[i]
    assert info.iterations[0] == 1 and info.iterations[1] > 1


def test_zero_and_singular_samples():
    m, b = systems()
    b[1] = 0
    x, info = cg(applied(m), b, x0=torch.ones_like(b))
    assert float(x[1].abs().max()) == 0 and info.iterations[1] == 0 and info.residual[1] == 0
    torch.testing.assert_close(x[0], torch.linalg.solve(m, b)[0], rtol=1e-7, atol=1e-8)
    x, info = cg(lambda v: torch.zeros_like(v), b)  # nothing to solve with: no step, an honest residual
    assert torch.equal(x, torch.zeros_like(x)) and info.residual.tolist() == [1.0, 0.0, 1.0]


def test_tolerance_and_bound_are_kept():
    m, b = systems(n=30)
    x, info = cg(applied(m), b, rtol=1e-2)
    true = dot(b - applied(m)(x), b - applied(m)(x)).sqrt() / dot(b, b).sqrt()
    assert bool((true <= 1.01e-2).all()) and bool((true > 1e-8).all())
    torch.testing.assert_close(true, info.residual, rtol=1e-6, atol=0)
    assert cg(applied(m), b, max_iter=3)[1].iterations.tolist() == [3, 3, 3]
    assert default_rtol(torch.float32) == default_rtol(torch.complex64) == 1e-6
    assert default_rtol(torch.float64) == default_rtol(torch.complex128) == 1e-10


def test_unrolled_cg_has_second_derivatives():
    m, b = systems(batch=1, n=3)
    b.requires_grad_()
    assert torch.autograd.gradgradcheck(
        lambda s, v: cg(lambda u: s * applied(m)(u), v)[0], (torch.ones(1).double().requires_grad_(), b)
    )


def test_implicit_solve_differentiates_the_matrix():
    m, b = systems(batch=2, n=4)
    m, b = m.requires_grad_(), b.requires_grad_()

    def run(m, b):
        symmetric = 0.5 * (m + m.mT)
        return implicit_solve(applied(symmetric), b, lambda v, x0: cg(applied(symmetric), v, x0=x0, rtol=1e-13)[0])

    assert torch.autograd.gradcheck(run, (m, b))
    with torch.no_grad():
        assert not run(m, b).requires_grad


def test_dot_is_real_and_per_sample():
    a, b = torch.randn(2, 4, 3, 5, dtype=torch.complex128)
    expected = torch.stack([torch.vdot(q.flatten(), p.flatten()).real for p, q in zip(a, b, strict=True)])
    torch.testing.assert_close(dot(a, b), expected)
    torch.testing.assert_close(dot(a.real, b), dot(a.real, b.real))


def test_column_takes_one_or_a_batch():
    like = torch.zeros(3, 1, 2, 2)
    assert column(torch.arange(3), like).flatten().tolist() == [0, 1, 2]
    assert column(2, like).shape == (3, 1, 1, 1)
    with pytest.raises(ValueError, match="one value or 3"):
        column(torch.ones(2), like)


@pytest.mark.parametrize("n", [1, 2, 40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_power_norm_is_the_largest_singular_value(n, dtype):
    g = torch.Generator().manual_seed(n)
    a, x = torch.randn(n + 3, n, generator=g, dtype=dtype), torch.randn(1, n, generator=g, dtype=dtype)
    value = power_norm(lambda v: v @ a.T @ a, x)
    assert abs(value / float(torch.linalg.matrix_norm(a, 2)) - 1) < 1e-4
    assert power_norm(lambda v: 0 * v, x) == 0
    both = torch.stack([a, 3 * a])  # constants with a batch axis: the largest counts
    assert abs(power_norm(lambda v: (both.mT @ both @ v[..., None])[..., 0], x) / (3 * value) - 1) < 1e-4


def test_power_norm_of_a_slow_spectrum():
    response = torch.exp(-((torch.fft.fftfreq(64) * 6.2832) ** 2))
    response = response[:, None] * response
    start = torch.randn(1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert abs(power_norm(lambda v: torch.fft.ifft2(torch.fft.fft2(v) * response).real, start) - 1) < 1e-4


@pytest.mark.parametrize(
    "op",
    [
        Blur(gaussian_kernel(3.0), (64, 64), boundary="zero"),
        Blur(gaussian_kernel(1.6), (64, 64), boundary="valid"),
        Inpainting(random_mask((64, 64), 0.5, seed=0)) @ Blur(gaussian_kernel(1.6), (64, 64)),
        Radon(32, torch.arange(20) * (torch.pi / 20)),
        NUFFT(torch.randn(2, 500, generator=torch.Generator().manual_seed(0)), (32, 32)),
    ],
    ids=["zeros", "valid", "masked", "projections", "samples"],
)
def test_a_rough_norm_is_a_thousandth_short_at_most(op):
    with rough_norms():
        rough = op.norm()
    kind = torch.promote_types(op.in_dtype, torch.float64)
    start = torch.randn(1, *op.in_shape, generator=torch.Generator().manual_seed(1), dtype=kind)
    exact = power_norm(op.A_adjoint_A, start, max_iter=400, rtol=1e-13)
    assert 0.999 * exact < rough <= exact * (1 + 1e-9)
    assert abs(op.norm() / exact - 1) < 3e-5


def test_what_rounding_does_not_allow_ends_at_the_least_residual():
    # a singular system in single precision, to a residual that it cannot have: later iterates are worse again
    op = Radon(6, torch.arange(4) * 0.7)
    b = op.A_adjoint(torch.randn(2, *op.out_shape, generator=torch.Generator().manual_seed(0)))
    found = [cg(op.A_adjoint_A, b, rtol=1e-9, max_iter=n) for n in (60, 200, 600)]
    residuals = torch.stack([info.residual for _, info in found])
    assert bool((residuals[1:] <= residuals[:-1]).all())
    for x, _ in found[1:]:  # it was 0.8 after 500 iterations
        rest = b - op.A_adjoint_A(x)
        assert bool((rest.flatten(1).norm(dim=1) < 5e-4 * b.flatten(1).norm(dim=1)).all())


def test_planned_runs_give_what_runs_that_look_give():
    """To the bit, also beside samples that are done, or zero; what is not done says so."""
    g = torch.Generator().manual_seed(0)
    root = torch.randn(3, 8, 8, dtype=torch.float64, generator=g)
    matrices = torch.eye(8, dtype=torch.float64) * torch.tensor([1e-3, 1.0, 9.0])[:, None, None] + root @ root.mT
    b = torch.randn(3, 8, dtype=torch.float64, generator=g)
    b[1] = 0

    def apply(v):
        return (matrices @ v[..., None])[..., 0]

    x, info = cg(apply, b)
    with planned(40), cg_reports() as reports:
        again, told = cg(apply, b)
    assert torch.equal(again, x) and torch.equal(told.iterations, info.iterations) and len(reports) == 1
    assert not told.unfinished.any() and not info.unfinished.any()
    with planned(int(info.iterations.max()) - 1):
        unfinished = cg(apply, b)[1].unfinished
    assert unfinished.tolist() == (info.iterations == info.iterations.max()).tolist()


@pytest.mark.parametrize("error", [1e-1, 1e-3, 1e-6])
def test_an_error_that_is_asked_for_is_kept_however_large_the_matrix(error):
    g = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(2, 20, 20, generator=g, dtype=torch.float64))[0]
    matrix = (
        torch.eye(20, dtype=torch.float64) + 1e6 * basis @ torch.diag(torch.logspace(-8, 0, 20).double()) @ basis.mT
    )
    x = torch.randn(2, 20, generator=g, dtype=torch.float64)
    near = x + 0.3 * torch.randn(2, 20, generator=g, dtype=torch.float64)
    b = (matrix @ x[..., None])[..., 0]

    def off(found):
        return ((found - x).norm(dim=1) / near.norm(dim=1)).max()

    def solved(v, start):
        return cg(lambda w: (matrix[: len(w)] * w[:, None]).sum(2), v, x0=start, rtol=1e-4)[0]

    with accurate(error):
        assert off(both := solved(b, near)) <= error
        one = solved(2.0**30 * b[:1], 2.0**30 * near[:1]) / 2.0**30
    assert torch.allclose(one, both[:1], rtol=0, atol=1e-9)
    assert off(solved(b, near)) > 0.1  # the residual is small beside b, which is large


@pytest.mark.parametrize("share", [0.3, 0.01])
def test_a_share_of_what_the_start_leaves_is_enough(share):
    """In the norm that the matrix defines, which is that of a residual behind the matrix' own inverse."""
    g = torch.Generator().manual_seed(0)
    eigenvalues = torch.logspace(0, 4, 20, dtype=torch.float64)
    x, off = torch.randn(2, 20, generator=g, dtype=torch.float64), torch.randn(2, 20, generator=g, dtype=torch.float64)
    off = off * torch.tensor([[1.0], [1e-6]], dtype=torch.float64)

    def solved(v, start):
        return cg(
            lambda w: eigenvalues * w, v, x0=start, rtol=1e-9, precond=lambda r: r / eigenvalues * (1 + 0.5 * mixed)
        )

    mixed = torch.linspace(-1, 1, 20, dtype=torch.float64)
    with accurate(1e-12, share):
        found, info = solved(eigenvalues * x, x + off)
        one = solved(2.0**30 * eigenvalues * x[:1], 2.0**30 * (x + off)[:1])[0] / 2.0**30
    left, start = ((eigenvalues * (v - x).square()).sum(1).sqrt() for v in (found, x + off))
    assert bool((left <= 2 * share * start).all()) and bool((left[1] < 1e-5 * left[0]).all())
    with accurate(1e-12):
        assert bool((solved(eigenvalues * x, x + off)[1].iterations > info.iterations).all())
    assert torch.allclose(one, found[:1], rtol=0, atol=1e-9)
    assert bool((solved(eigenvalues * x, x + off)[1].residual < 1e-9).all())
