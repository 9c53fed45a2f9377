"""Products, sums, multiples, stacks and weights against the algebra of their matrices."""

import pytest
import torch

from operators import Identity, RadioInterferometry, Radon, Slices, TwoChannels
from operators.compose import Compose, Scaled, Sum, Weighted
from operators.image.gradient import Gradient
from operators.stacked import Stack, stack
from tests.contracts import dense, operator_laws, random_data, random_image, relative
from tests.operators.cases import BatchMask, ComplexFFT, ComplexMap, Convolution, MaskedFFT, mask

CONV, SHARP = Convolution(seed=1), Convolution(seed=2)
WEIGHTS = torch.linspace(0, 2, 30, dtype=torch.float64).reshape(1, 5, 6)
CASES = {
    "product": Weighted(WEIGHTS, dtype=torch.complex64) @ MaskedFFT(mask()),
    "real inside complex": ComplexFFT(mask()) @ Weighted(WEIGHTS),
    "normal": CONV.H @ CONV,
    "sum": CONV + SHARP,
    "difference": CONV - SHARP,
    "real plus complex": Weighted(WEIGHTS) + MaskedFFT(mask()),
    "multiple": -2.5 * CONV,
    "complex multiple": (0.5 - 2j) * MaskedFFT(mask()),
    "nothing": 0.0 * CONV,
    "adjoint": CONV.H,
    "complex adjoint": ComplexMap().H,
    "adjoint to real": MaskedFFT(mask()).H,
    "stack": stack(CONV, Gradient((5, 6)), 0.1 * SHARP),
    "mixed stack": stack(MaskedFFT(mask()), CONV),
    "weights": Weighted(WEIGHTS),
    "broadcast weights": Weighted(torch.rand(6), shape=(2, 3, 6)),
}


@pytest.mark.parametrize("name", [name for name in CASES if name != "nothing"])
def test_laws(name):
    operator_laws(CASES[name])


@pytest.mark.parametrize("name", ["product", "complex multiple", "mixed stack"])
def test_laws_in_single_precision(name):
    operator_laws(CASES[name], dtype=torch.float32)


def test_matrices_of_products_and_sums():
    a, b = dense(CONV), dense(SHARP)
    torch.testing.assert_close(dense(CONV.H @ SHARP), a.mT @ b)
    torch.testing.assert_close(dense(CONV - 2 * SHARP), a - 2 * b)
    torch.testing.assert_close(dense(stack(CONV, SHARP)), torch.cat([a, b], 1))
    torch.testing.assert_close(dense(CONV.H), a.mT)
    torch.testing.assert_close(dense(-CONV), -a)


def test_zero_multiple():
    op, x = CASES["nothing"], random_image(CONV)
    assert float(op.A(x).detach().abs().max()) == 0 and op.norm() == 0
    torch.testing.assert_close(op.solve_normal(x, 3.0), x)


def test_the_double_adjoint_is_the_operator_itself():
    assert CONV.H.H is CONV
    assert isinstance(CONV @ CONV.H, Compose) and isinstance(2 * CONV, Scaled) and isinstance(CONV + CONV, Sum)


def test_multiples_keep_closed_forms():
    class Counted(Weighted):
        calls = 0

        def solve_normal(self, b, gamma, **options):
            Counted.calls += 1
            return super().solve_normal(b, gamma, **options)

    op, z = 3.0 * Counted(WEIGHTS), random_image(Weighted(WEIGHTS))
    x = op.prox_l2(z, z, 0.5)
    assert Counted.calls == 1
    assert relative(x + 0.5 * 9 * WEIGHTS**2 * x, z + 0.5 * 3 * WEIGHTS * z) < 1e-12


def test_a_stack_splits_into_the_parts():
    op = Stack(MaskedFFT(mask()), CONV)
    x = random_image(op)
    first, second = op.split(op.A(x))
    assert torch.equal(first, op.operators[0](x)) and torch.equal(second, op.operators[1](x))


def test_whitening_is_weighted_least_squares():
    w = torch.rand(2, 3, 5, dtype=torch.float64) + 0.1
    op, y = Weighted(w.sqrt()) @ CONV, random_data(CONV)
    matrix = dense(CONV)[0]
    target = torch.linalg.solve(
        torch.eye(30) + 2 * matrix.T @ (w.flatten()[:, None] * matrix), 2 * matrix.T @ (w.flatten() * y[0].flatten())
    )
    x = op.prox_l2(torch.zeros(3, 1, 5, 6, dtype=torch.float64), w.sqrt() * y, 2.0)
    assert relative(x[:1].flatten(1), target[None]) < 1e-8


SINOGRAM = Radon(6, torch.arange(5) * 0.6, 9, threads=1)


@pytest.mark.parametrize("shape", [(1, 1, 5, 9), (1, 5, 9), (5, 9), (5, 1), (9,), ()])
def test_weights_have_the_shape_of_the_data_with_or_without_its_leading_axes(shape):
    weights = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.1
    op = Weighted(weights) @ SINOGRAM
    x = random_image(SINOGRAM, batch=2)
    torch.testing.assert_close(op.A(x), weights * SINOGRAM.A(x))
    operator_laws(op)


def test_weights_of_each_sample_and_of_visibilities():
    weights = torch.tensor([1.0, 2.0, 0.0], dtype=torch.float64).reshape(3, 1, 1, 1).expand(3, 1, 5, 9)
    op, x = Weighted(weights) @ SINOGRAM, random_image(SINOGRAM)
    torch.testing.assert_close(op.A(x), weights * SINOGRAM.A(x))
    assert op.measured is not None and torch.equal(op.measured, weights > 0)
    g = torch.Generator().manual_seed(0)
    uv, std = 3 * torch.rand(2, 20, generator=g), torch.rand(20, generator=g, dtype=torch.float64) + 0.1
    radio = RadioInterferometry(uv, (6, 6), unit="rad/pixel", threads=1)
    whitened, sky = Weighted(1 / std, dtype=torch.complex64) @ radio, random_image(radio)
    torch.testing.assert_close(whitened.A(sky), radio.A(sky) / std)
    operator_laws(whitened)


@pytest.mark.parametrize("shape", [(5,), (2, 5, 9), (9, 5), (1, 1, 1, 5, 9), (4,)])
def test_weights_of_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"weights: shape .* does not broadcast to data \('B', 1, 5, 9\)"):
        _ = Weighted(torch.ones(shape)) @ SINOGRAM
    with pytest.raises(ValueError, match="outer operator is not"):
        _ = Weighted(torch.ones(9), shape=(9,)) @ SINOGRAM


@pytest.mark.parametrize(
    ("op", "place"),
    [
        (2.0 * SINOGRAM, r"Scaled has no fbp; \.operator\.fbp is that of the Radon"),
        (Weighted(torch.ones(9)) @ SINOGRAM, r"Compose has no fbp; \.inner\.fbp"),
        (-(Weighted(torch.ones(9)) @ (3.0 * SINOGRAM)), r"Scaled has no fbp; \.operator\.inner\.operator\.fbp"),
        (SINOGRAM + SINOGRAM, r"Sum has no fbp; \.first\.fbp"),
        (SINOGRAM.H, r"Adjoint has no fbp; \.operator\.fbp"),
        (stack(CONV @ Identity((5, 6)), stack(MaskedFFT(mask()))), None),
        (stack(Gradient((6, 6)), 2.0 * SINOGRAM), r"Stack has no fbp; \.operators\[1\]\.operator\.fbp"),
        (Slices(2.0 * SINOGRAM, 3), r"Slices has no fbp; \.op\.operator\.fbp"),
        (TwoChannels(3.0 * ComplexFFT(mask())), None),
    ],
)
def test_names_of_operators_inside_are_found(op, place):
    assert not hasattr(op, "fbp")
    with pytest.raises(AttributeError, match=place or "no attribute 'fbp'"):
        _ = op.fbp
    with pytest.raises(AttributeError, match="no attribute 'fpb'"):
        _ = op.fpb


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="outer operator is not"):
        _ = Gradient((3, 3)) @ CONV
    with pytest.raises(ValueError, match="complex data"):
        _ = Weighted(WEIGHTS, dtype=torch.float32) @ MaskedFFT(mask())
    with pytest.raises(ValueError, match="cannot add"):
        _ = CONV + Gradient((5, 6))
    with pytest.raises(ValueError, match="different images"):
        stack(CONV, Gradient((4, 4)))
    with pytest.raises(ValueError, match="nothing to stack"):
        stack()
    with pytest.raises(ValueError, match="factor"):
        _ = float("nan") * CONV
    with pytest.raises(ValueError, match="complex multiple"):
        _ = 1j * CONV
    with pytest.raises(ValueError, match="weights"):
        Weighted(torch.tensor([1.0, float("inf")]))
    with pytest.raises(TypeError):
        _ = CONV @ 3  # pyright: ignore[reportOperatorIssue]
    with pytest.raises(TypeError):
        _ = CONV * "2"  # pyright: ignore[reportOperatorIssue]


def test_norms_of_constants_with_a_batch_axis():
    weights = torch.tensor([1.0, 3.0, 2.0]).reshape(3, 1, 1, 1).expand(3, 1, 2, 2)
    assert abs((2 * BatchMask(weights)).norm() - 6) < 1e-4


def test_constants_of_a_batch_stand_beside_constants_of_one():
    weights = torch.rand(3, 1, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    op, x = stack(Weighted(weights, shape=(1, 5, 6)), Identity((5, 6))), torch.rand(1, 1, 5, 6, dtype=torch.float64)
    y = op.A(x)
    assert torch.equal(y, torch.cat(((weights * x).flatten(1), x.flatten(1).expand(3, -1)), 1))
    assert relative(op.A_adjoint(y), weights**2 * x + x) < 1e-12
    assert relative(op.A_adjoint_A(x), op.A_adjoint(y)) < 1e-12
    assert op.norm() == pytest.approx(float((weights**2 + 1).max().sqrt()), rel=1e-3)


def test_unknown_arguments_name_the_class_and_what_was_meant():
    with pytest.raises(TypeError, match="Radon: has no argument 'detectors'; did you mean .*detector_count"):
        Radon(8, [0.0], detectors=5)  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="Radon: has no argument 'backnd'; did you mean backend"):  # NUFFT's
        Radon(8, [0.0], backnd="auto")  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="Weighted: has no argument 'sigma'; it takes weights, shape, dtype"):
        Weighted(WEIGHTS, sigma=5)  # pyright: ignore[reportCallIssue]


def test_weights_of_weights_are_one_product(monkeypatch):
    g = torch.Generator().manual_seed(0)
    op = RadioInterferometry(3 * torch.rand(2, 40, generator=g, dtype=torch.float64), (6, 7), unit="rad/pixel")
    first, second = (torch.rand(*op.out_shape[:n], 40, generator=g, dtype=torch.float64) + 0.5 for n in (1, 0))
    twice, x = Weighted(first) @ (Weighted(second) @ op), random_image(op)
    assert relative(twice.A(x), first * second * op.A(x)) < 1e-12
    expected = op.A_adjoint((first * second) ** 2 * op.A(x))
    monkeypatch.setattr(RadioInterferometry, "A", None)  # the normal has a form of its own
    assert relative(twice.A_adjoint_A(x), expected) < 1e-9
