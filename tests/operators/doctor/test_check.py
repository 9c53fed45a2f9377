"""The doctor passes what is sound and finds each planted fault, by name and in words."""

import numpy as np
import pytest
import torch

from operators import Identity, Inpainting, random_mask
from operators.base import LinearOperator
from operators.compose import Weighted
from operators.doctor.check import check
from operators.image.gradient import Gradient
from operators.stacked import stack
from tests.operators.cases import ComplexFFT, ComplexMap, Convolution, MaskedFFT, mask

SOUND = {
    "real to complex": MaskedFFT(mask()),
    "complex": ComplexFFT(mask()),
    "trainable": Convolution(),
    "trainable complex": ComplexMap(),
    "adjoint": MaskedFFT(mask()).H,
    "stack": stack(Convolution(), 3 * Gradient((5, 6))),
    "tiny": 1e-7 * Convolution(),
}


class Plain:
    """Duck typed, no base class: y = 2 x, with room for faults."""

    in_shape = (1, 4, 4)

    def A(self, x):
        return 2 * x

    def A_adjoint(self, y):
        return 2 * y


class WrongFactor(Plain):
    def A_adjoint(self, y):
        return 4 * y


class WrongAdjoint(Plain):
    def A_adjoint(self, y):
        return 2 * y.flip(-1)


class NotReal(Plain):
    def A(self, x):
        return torch.fft.fft2(x)

    def A_adjoint(self, y):
        return torch.fft.ifft2(y, norm="forward")


class Remembers(Plain):
    gain = 2.0

    def A(self, x):
        y = self.gain * x
        self.gain = self.gain * 1.01
        return y


class AdjointRemembers(Plain):
    def A(self, x):
        self.last = float(x.detach().abs().max())
        return 2 * x

    def A_adjoint(self, y):
        return 2 * y * self.last


class Noisy(Plain):
    def A(self, x):
        return 2 * x + 1e-3 * torch.randn_like(x)


class BatchMean(Plain):
    def A(self, x):
        return 2 * x - x.mean(0, keepdim=True)

    def A_adjoint(self, y):
        return self.A(y)


class Position(Plain):
    def A(self, x):
        return x * torch.arange(1, len(x) + 1, dtype=x.dtype).reshape(-1, 1, 1, 1)

    def A_adjoint(self, y):
        return self.A(y)


class Magnitude(Plain):
    def A(self, x):
        return 2 * x.abs()


class Offset(Plain):
    def A(self, x):
        return 2 * x + 1e-6


class Saturates(Plain):
    def A(self, x):
        return 2 * x.clamp(-50, 50)


class WrongNormal(Plain):
    def A_adjoint_A(self, x):
        return 2 * x


class LosesPrecision(Plain):
    def A(self, x):
        return (2 * x).float()


class HiddenSingle(Plain):
    def A(self, x):
        return (2.1 * x.float()).to(x.dtype)

    def A_adjoint(self, y):
        return (2.1 * y.float()).to(y.dtype)


class OnlyDouble(Plain):
    def A(self, x):
        return x @ torch.eye(4, dtype=torch.float64)


class Detached(Plain):
    def A(self, x):
        return torch.from_numpy(2 * x.detach().numpy())


class AdjointDetached(Plain):
    def A_adjoint(self, y):
        return 2 * y.detach()


class WrongDerivative(Plain):
    def A(self, x):
        return 3 * x - x.detach()


class WrongShape(Plain):
    out_shape = (1, 8, 8)


class NotFinite(Plain):
    def A(self, x):
        return 2 * x + torch.where(x == x.amax(), float("nan"), 0.0)


class WrongProx(Plain):
    def prox_l2(self, z, y, gamma):
        g = gamma.reshape(-1, 1, 1, 1)
        return (z + 2 * g * y) / (1 + 2 * g)


class UnitsInProx(Plain):
    def prox_l2(self, z, y, gamma):
        g = gamma.reshape(-1, 1, 1, 1)
        x = (z + 2 * g * y) / (1 + 4 * g)
        return torch.where(x.abs() < 1e-5, 0.0, x)


class WrongNorm(Plain):
    def norm(self):
        return 4.0


class OtherDevice(Plain):
    def A_adjoint(self, y):
        return (2 * y).to("meta")  # a device that every machine has


class RaisesInAdjoint(Plain):
    def A_adjoint(self, y):
        raise KeyError("maps")


FAULTS = [
    (WrongFactor, "adjoint", "multiply A_adjoint by 0.5"),
    (WrongAdjoint, "adjoint", "gradients would point the wrong way"),
    (NotReal, "dtype", "real part"),
    (Remembers, "hidden state", "keeps something between calls"),
    (AdjointRemembers, "hidden state", "keeps something between calls"),
    (Noisy, "hidden state", "or is random"),
    (BatchMean, "batch", "depends on the others"),
    (Position, "batch", "depends on the others"),
    (Magnitude, "linear", "magnitudes"),
    (Offset, "linear", "offset"),
    (Saturates, "linear", "clips"),
    (WrongNormal, "normal", "A_adjoint_A"),
    (LosesPrecision, "dtype", "cast constants"),
    (HiddenSingle, "linear", "single precision inside"),
    (OnlyDouble, "dtype", "float32 raised"),
    (Detached, "vjp", "cuts the graph"),
    (AdjointDetached, "gradgrad", "A_adjoint cuts the graph"),
    (WrongDerivative, "vjp", "derivative of A is not A_adjoint"),
    (OtherDevice, "device", "keep constants as buffers"),
    (WrongShape, "shape", "correct in_shape / out_shape"),
    (NotFinite, "finite", "NaN or Inf"),
    (WrongProx, "prox_l2", "closed form"),
    (UnitsInProx, "units", "absolute units"),
    (WrongNorm, "norm", "step sizes"),
    (RaisesInAdjoint, "raised", "KeyError"),
]


@pytest.mark.parametrize("dtype", [None, torch.float32])
@pytest.mark.parametrize("name", SOUND)
def test_sound_operators_pass(name, dtype):
    report = check(SOUND[name], dtype=dtype)
    assert report.ok and bool(report), report
    assert all(f.passed for f in report.findings), report  # nothing was skipped
    report.raise_if_failed()


@pytest.mark.parametrize("fault, name, words", FAULTS, ids=[f[0].__name__ for f in FAULTS])
def test_planted_faults_are_found(fault, name, words):
    report = check(fault())
    found = {f.name: f for f in report.failures}
    assert name in found, report
    assert words in found[name].message, report
    assert "FAIL" in str(report) and words in str(report)
    with pytest.raises(AssertionError, match="failed"):
        report.raise_if_failed()


@pytest.mark.parametrize("fault", [WrongAdjoint, Remembers, BatchMean, Magnitude, WrongNormal, WrongProx])
def test_planted_faults_are_found_in_single_precision(fault):
    assert not check(fault(), dtype=torch.float32).ok


@pytest.mark.parametrize("fault", [f[0] for f in FAULTS], ids=lambda f: f.__name__)
def test_a_single_fault_gives_a_single_finding(fault):
    assert len(check(fault()).failures) == 1, check(fault())


def test_a_plain_object_passes_and_what_it_lacks_is_skipped():
    report = check(Plain())
    assert report.ok, report
    assert [f.name for f in report.findings if f.passed is None] == ["normal", "prox_l2", "units"]

    class OnlyForward:
        def A(self, x):
            return 2 * x

    report = check(OnlyForward(), in_shape=(1, 4, 4))
    assert report.ok and "no A_adjoint: not tested" in str(report)


def test_a_wrong_adjoint_of_one_pixel_in_a_thousand_is_found():
    class Tiny(Weighted):
        def A_adjoint(self, y):
            w = self.weights.to(y.dtype).clone()
            w[0, 3, 4] = 0
            return w * y

    report = check(Tiny(torch.ones(1, 32, 32)))
    assert [f.name for f in report.failures] == ["adjoint"] and "multiply" not in str(report), report


def test_an_object_that_only_takes_single_precision_is_tested_in_it():
    class Single(Plain):
        def A(self, x):
            return x @ (2 * torch.eye(4))

        def A_adjoint(self, y):
            return self.A(y)

    report = check(Single())
    assert [f.name for f in report.failures] == ["dtype"] and "float32" in report.subject


def test_what_cannot_be_tested_is_said():
    with pytest.raises(TypeError, match="op: expected an object with a method A"):
        check(np.eye(3))
    with pytest.raises(ValueError, match="in_shape"):
        check(type("Shapeless", (), {"A": lambda self, x: x})())
    with pytest.raises(TypeError, match="dtype"):
        check(Plain(), dtype=torch.float16)
    broken = check(type("Broken", (Plain,), {"A": lambda self, x: [x]})())
    assert "A returned list" in str(broken) and not broken.ok


@pytest.mark.parametrize("factor", [1e-14, 1e14])
def test_sound_operators_pass_at_extreme_scales(factor):
    for name in ("real to complex", "trainable complex", "stack"):
        report = check(factor * SOUND[name], dtype=torch.float32)
        assert report.ok, (name, report)


@pytest.mark.parametrize("factor", [1e-70, 1e70])
def test_sound_operators_pass_at_extreme_scales_in_double_precision(factor):
    op = Convolution()
    op.A = lambda x, a=op.A: factor * a(x)
    report = check(op)
    assert report.ok, report


def test_what_follows_from_a_fault_is_not_judged():
    text = str(check(WrongAdjoint()))
    assert "1 of the tests failed" in text and "not judged: may follow from 'adjoint'" in text


def test_a_derived_adjoint_is_not_blamed():
    class Cut(LinearOperator):
        in_shape = (1, 4, 4)

        def A(self, x):
            return x + x.detach()

    assert "derived from A" in str(check(Cut())) and "without A_adjoint" not in str(check(Cut()))


def test_numpy_and_in_place_changes_are_named():
    class Numpy(LinearOperator):
        in_shape = (1, 4, 4)

        def A(self, x):
            return torch.from_numpy(x.numpy() * 2)

    class InPlace(LinearOperator):
        in_shape = (1, 4, 4)

        def A(self, x):
            x *= 2
            return x

    assert "leaves torch" in str(check(Numpy()))
    assert "in place" in str(check(InPlace())) and len(check(InPlace()).failures) == 1


def test_an_operator_that_measures_nothing_fails():
    report = check(Plain.__new__(type("Nothing", (Plain,), {"A": lambda s, x: 0 * x, "A_adjoint": lambda s, y: 0 * y})))
    assert [f.name for f in report.failures] == ["not zero"], report


def test_reports_repeat():
    assert str(check(Convolution())) == str(check(Convolution()))
    assert str(check(Convolution(), seed=1)) != str(check(Convolution(), seed=2))


def test_operators_that_hold_a_batch_are_tested_on_it():
    masks = torch.stack([random_mask((8, 7), 0.5, seed=i) for i in range(2)])[:, None]
    for op in (Inpainting(masks), Inpainting(masks.repeat(2, 1, 1, 1)), stack(Inpainting(masks), Identity((8, 7)))):
        report = check(op)
        assert report.ok, report


def test_samples_that_leak_into_each_other_are_found_behind_constants_of_a_batch():
    class Leaking(LinearOperator):
        in_shape, out_shape = (1, 4, 4), (1, 4, 4)
        weights = torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1)

        def A(self, x):
            return self.weights.to(x) * (x + x.mean(0))

    failed = [f.name for f in check(Leaking()).findings if f.passed is False]
    assert "batch" in failed
