"""All that a LinearOperator derives from ``A``: laws, implicit derivatives, errors."""

import warnings

import pytest
import torch
from torch.autograd import gradcheck

from operators.base import LinearOperator
from operators.shapes import check_batch
from tests.contracts import operator_laws, random_data, random_image
from tests.operators.cases import BatchMask, ComplexFFT, ComplexMap, Convolution, MaskedFFT, mask

CASES = {
    "real to complex": lambda: MaskedFFT(mask()),
    "complex": lambda: ComplexFFT(mask()),
    "trainable": Convolution,
    "trainable complex": ComplexMap,
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", CASES)
def test_laws_follow_from_A(name, dtype):
    operator_laws(CASES[name](), dtype=dtype)


def test_laws_hold_for_constants_with_a_batch_axis():
    weights = torch.rand(3, 1, 4, 5, dtype=torch.float64) + 0.1
    operator_laws(BatchMask(weights), singles=[BatchMask(w[None]) for w in weights])


@pytest.mark.parametrize("make", [Convolution, ComplexMap])
def test_prox_gradients_reach_data_start_gamma_and_parameters(make):
    op = make()
    z, y = random_image(op, batch=2).requires_grad_(), random_data(op, batch=2).requires_grad_()
    gamma = torch.tensor([0.4, 1.5], dtype=torch.float64, requires_grad=True)
    (parameter,) = op.parameters()
    inputs = (z, y, gamma, parameter)
    assert gradcheck(lambda z, y, g, _: op.prox_l2(z, y, g, rtol=1e-13), inputs, eps=1e-5, atol=1e-4)


def test_prox_gradient_of_a_buffer_that_requires_grad():
    weights = torch.rand(1, 1, 3, 4, dtype=torch.float64, requires_grad=True)
    z, y = torch.randn(2, 2, 1, 3, 4, dtype=torch.float64)
    assert gradcheck(lambda w: BatchMask(w).prox_l2(z, y, 2.0, rtol=1e-13), (weights,))


@pytest.mark.parametrize("wrt", ["z", "y", "gamma", "parameter"])
def test_second_derivative_through_prox_raises(wrt):
    op = Convolution()
    z, y = random_image(op, batch=1).requires_grad_(), random_data(op, batch=1).requires_grad_()
    gamma = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    source = {"z": z, "y": y, "gamma": gamma, "parameter": op.kernel}[wrt]
    (first,) = torch.autograd.grad(op.prox_l2(z, y, gamma).square().sum(), source, create_graph=True)
    with pytest.raises(RuntimeError, match="second derivative.*unroll"):
        torch.autograd.grad(first.square().sum(), source)


def test_the_adjoint_is_derived_in_every_grad_mode():
    op = MaskedFFT(mask())
    y = random_data(op, batch=1)
    expected = op.A_adjoint(y)
    with torch.no_grad():
        assert torch.equal(op.A_adjoint(y), expected)
    with torch.inference_mode():
        assert torch.equal(op.A_adjoint(y), expected)
        assert torch.equal(op.A_adjoint(op.A(random_image(op))), op.A_adjoint_A(random_image(op)))
    assert not op.A_adjoint(y).requires_grad


def test_warm_start_and_tolerance_reach_the_solver():
    op = Convolution()
    z, y = random_image(op), random_data(op)
    with torch.no_grad():
        exact = op.prox_l2(z, y, 5.0, rtol=1e-13)
        loose = op.prox_l2(z, y, 5.0, rtol=0.3)
        warm = op.prox_l2(z, y, 5.0, x0=exact, rtol=0.3)
    assert (loose - exact).norm() > 1e-3 * exact.norm()
    assert (warm - exact).norm() < 1e-12 * exact.norm()


def test_eval_moves_and_dtypes_change_nothing():
    op = Convolution().to(torch.float32)
    assert op.A(random_image(op)).dtype == torch.float64
    assert op.train().A(random_image(op)).equal(op.eval().A(random_image(op)))
    assert MaskedFFT(mask()).out_dtype == torch.complex64 and op.out_shape == (2, 3, 5)


BAD_INPUT = {
    "rank": (torch.zeros(1, 5, 6), ValueError, r"x: expected shape .*batch axis"),
    "shape": (torch.zeros(1, 1, 5, 7), ValueError, r"x: expected shape"),
    "channels": (torch.zeros(1, 3, 5, 6), ValueError, r"x: expected shape"),
    "empty": (torch.zeros(0, 1, 5, 6), ValueError, r"x: empty batch"),
    "integer": (torch.zeros(1, 1, 5, 6, dtype=torch.long), TypeError, r"x: expected floating point"),
    "complex": (torch.zeros(1, 1, 5, 6, dtype=torch.complex64), TypeError, r"x: this operator expects real"),
    "array": ([[0.0]], TypeError, r"x: expected a torch.Tensor, got list"),
}


@pytest.mark.parametrize("fault", BAD_INPUT)
def test_bad_images_are_named(fault):
    value, error, message = BAD_INPUT[fault]
    with pytest.raises(error, match=message):
        Convolution()(value)


@pytest.mark.parametrize("gamma", [-1.0, float("nan"), float("inf"), torch.tensor([1.0, -1.0]), torch.ones(3)])
def test_bad_gamma_is_named(gamma):
    op = Convolution()
    with pytest.raises(ValueError, match="gamma"):
        op.prox_l2(random_image(op, batch=2), random_data(op, batch=2), gamma)


def test_bad_data_are_named():
    op = Convolution()
    x, y = random_image(op), random_data(op)
    with pytest.raises(ValueError, match="y: expected shape"):
        op.prox_l2(x, y[..., 1:], 1.0)
    with pytest.raises(ValueError, match="z: expected shape"):
        op.prox_l2(x[:, :, 1:], y, 1.0)
    with pytest.raises(TypeError, match="y: this operator"):
        op.A_dagger(torch.complex(y, y))
    with pytest.raises(ValueError, match="y: expected shape"):
        op.A_adjoint(y[..., 1:])
    check_batch("y", y, op.out_shape, False)


def test_an_operator_without_shape_or_A_says_so():
    with pytest.raises(NotImplementedError, match="has to write A"):
        LinearOperator().A(torch.zeros(1))

    class Shapeless(LinearOperator):
        def A(self, x):
            return x

    with pytest.raises(TypeError, match="set self.in_shape"):
        _ = Shapeless().out_shape

    class Misspelt(Shapeless):
        in_shape = (1, 2, 2)

        def A(self, x):
            return self.maks * x

    with pytest.raises(TypeError, match="maks"):
        _ = Misspelt().out_shape


@pytest.mark.parametrize("name", ["itself", "scaled", "composed"])
def test_proximal_maps_that_do_not_get_there_say_so(name):
    class Spread(LinearOperator):
        """A diagonal of singular values from 1 down to 1e-5, each of its own."""

        in_shape = out_shape = (1, 40, 50)

        def A(self, x):
            return torch.logspace(0, -5, 2000, dtype=torch.float64).reshape(1, 40, 50).to(x) * x

    op: LinearOperator = Spread()
    op = {"itself": op, "scaled": 3.0 * op, "composed": op @ Spread()}[name]
    z = random_image(op, batch=1)
    y = op.A(z)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        op.prox_l2(z, y, 1e10)
    assert any("prox_l2: a relative residual" in str(w.message) and "not 1.0e-10" in str(w.message) for w in seen)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.allclose(op.prox_l2(z, y, 10.0), z, atol=1e-8)  # which fits the data
