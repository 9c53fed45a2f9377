"""What goes wrong is told by the argument's name, before any work."""

import io
import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from denoisers import Denoiser, LoFiDenoiser, TVDenoiser, XDnCNNDenoiser
from operators import Identity, Inpainting, LinearOperator, MatrixOperator, random_mask
from pnp import Expert, PnPADMM, PnPHQS, State, Stop

OP = Identity((6, 7))
Y = torch.linspace(0, 1, 42).reshape(1, 1, 6, 7)


def half(x, sigma):
    return x / 2


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"stop": 5}, TypeError, r"stop: expected pnp.Stop.*Stop\(max_iter=5\)"),
        ({"expert": Expert("a", "b")}, TypeError, "expert: rho"),  # pyright: ignore
        ({"expert": Expert(1.0, None)}, TypeError, "expert: sigma"),  # pyright: ignore
        ({"expert": (1.0, 0.1)}, TypeError, "expert: expected pnp.Expert"),
        ({"noise_std": True}, TypeError, "noise_std"),
        ({"noise_std": "auto"}, TypeError, "noise_std"),
        ({"strength": True}, ValueError, "strength"),
        ({"strength": math.nan}, ValueError, "strength"),
        ({"strength": 2.0, "expert": Expert(1.0, 0.1)}, ValueError, "strength"),
    ],
)
def test_constructor(options, error, word):
    with pytest.raises(error, match=word):
        PnPADMM(OP, half, **options)


@pytest.mark.parametrize(
    ("rho", "sigma", "word"),
    [
        (-1.0, 0.1, "rho"),
        (1.0, -0.1, "sigma"),
        (math.inf, 0.1, "rho"),
        (torch.ones(3), 0.1, "rho"),
        (lambda k: 1.0 - k, 0.1, "rho"),
    ],
)
def test_expert_values(rho, sigma, word):
    with pytest.raises((ValueError, TypeError), match=f"expert: {word}"):
        PnPADMM(OP, half, noise_std=0.1, expert=Expert(rho, sigma), stop=Stop(max_iter=3)).solve(Y)


def test_a_name_or_an_operator_is_no_denoiser():
    with pytest.raises(TypeError, match=r"LoFiDenoiser\('natural-gray'\)"):
        PnPADMM(OP, "natural-gray")  # pyright: ignore
    with pytest.raises(TypeError, match="the order is"):
        PnPADMM(OP, OP)  # pyright: ignore


@pytest.mark.parametrize("function, error", [(lambda x, s: None, TypeError), (lambda x, s: x[..., :-1], ValueError),
                                             (lambda x, s: x + 0j, ValueError), (lambda x, s: x.long(), ValueError),
                                             (lambda x, s: np.asarray(x), TypeError)])  # fmt: skip
def test_what_a_denoiser_returns(function, error):
    with pytest.raises(error, match="denoiser: returned"):
        PnPADMM(OP, function, noise_std=0.1).solve(Y)


def test_precision_and_callback():
    for dtype in (torch.float16, torch.bfloat16):
        with pytest.raises(TypeError, match=r"y: expected single or double precision.*y.float\(\)"):
            PnPADMM(OP, half, noise_std=0.1).solve(Y.to(dtype))
    with pytest.raises(TypeError, match="callback"):
        PnPADMM(OP, half, noise_std=0.1).solve(Y, callback=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1e-20, 1e-13, 1e13, 1e18])
def test_a_scale_that_does_not_fit_the_precision_is_refused(size):
    op = MatrixOperator(size * torch.eye(4, dtype=torch.float64), in_shape=(1, 2, 2))
    y = size * torch.ones(1, 4)
    if size in (1e-13, 1e13):
        x = PnPADMM(op, half, noise_std=0.0, stop=Stop(max_iter=3))(y)
        assert bool(torch.isfinite(x).all())
    else:
        with pytest.raises(ValueError, match="op: "):
            PnPADMM(op, half, noise_std=0.0)(y)
        assert bool(torch.isfinite(PnPADMM(op, half, noise_std=0.0, stop=Stop(max_iter=3))(y.double())).all())


def test_a_state_goes_through_a_file_and_ends_with_the_same_bits():
    op = Inpainting(random_mask((8, 8), 0.5))
    y = op(torch.linspace(0, 1, 64).reshape(1, 1, 8, 8))
    for method in (PnPADMM, PnPHQS):

        def solver(n, method=method):
            return method(op, TVDenoiser(), noise_std=0.01, stop=Stop(max_iter=n, tolerance=0))

        whole = solver(9).solve(y)
        file = io.BytesIO()
        torch.save(solver(4).solve(y).state.to_dict(), file)
        file.seek(0)
        state = State.from_dict(torch.load(file, weights_only=True))
        assert torch.equal(solver(5).solve(y, state=state).x, whole.x)
        other = PnPHQS if method is PnPADMM else PnPADMM
        with pytest.raises(ValueError, match=f"state: was made by {method.__name__}"):
            other(op, TVDenoiser(), noise_std=0.01).solve(y, state=state)
    with pytest.raises(ValueError, match="kept"):
        State.from_dict({"step": 3})


def test_the_range_of_a_denoiser_is_spoken_of_only_when_it_matters():
    denoiser = LoFiDenoiser()
    top = denoiser.sigma_range[1]  # type: ignore[index]
    y = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    stop = Stop(max_iter=2)
    quiet = PnPADMM(Identity((16, 16)), denoiser, noise_std=top, calibration=(1.0, 0.0), stop=stop).solve(y)
    assert "note" not in quiet.report
    with pytest.warns(RuntimeWarning, match="2 times the most"):
        loud = PnPADMM(Identity((16, 16)), denoiser, noise_std=2 * top, calibration=(1.0, 0.0), stop=stop).solve(y)
    assert "2 times the most" in loud.report["note"]
    flat = PnPADMM(Identity((16, 16)), denoiser, stop=stop).solve(torch.full((1, 1, 16, 16), 3.0))
    assert "note" not in flat.report


def test_a_network_in_training_mode_is_refused():
    op, denoiser = Identity((16, 16)), XDnCNNDenoiser(None)
    with pytest.raises(ValueError, match=r"denoiser: its BatchNorm2d is in training mode; call denoiser.eval\(\)"):
        PnPADMM(op, denoiser, noise_std=0.1)(torch.rand(1, 1, 16, 16))
    PnPADMM(op, denoiser.eval(), noise_std=0.1, stop=Stop(max_iter=1))(torch.rand(1, 1, 16, 16))


class Own(LinearOperator):
    """Any function, with any adjoint."""

    def __init__(self, function, adjoint=None, side: int = 24):
        super().__init__()
        self.in_shape = self.out_shape = (1, side, side)
        self.function, self.adjoint = function, adjoint

    def A(self, x):
        return self.function(x)

    def A_adjoint(self, y):
        return super().A_adjoint(y) if self.adjoint is None else self.adjoint(y)


@pytest.mark.parametrize("unit", [1.0, 1e-12, 1e12])
@pytest.mark.parametrize(
    ("adjoint", "off"),
    [
        (lambda y: 0.5 * y.roll(-3, -2), True),  # of half the size
        (lambda y: y.roll(3, -2), True),  # the wrong way
        (lambda y: y.roll(-3, -2) + 0.1 * y, True),  # a little of something else
        (lambda y: y.roll(-3, -2), False),
        (None, False),
    ],
)
def test_wrong_adjoints_are_told(adjoint, off, unit):
    back = None if adjoint is None else lambda y: unit * adjoint(y)
    op = Own(lambda x: unit * x.roll(3, -2), back)
    y = op(torch.rand(2, 1, 24, 24, generator=torch.Generator().manual_seed(0)))
    solver = PnPADMM(op, half, noise_std=0.1 * unit, stop=Stop(max_iter=1))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        result = solver.solve(y)
    assert any("A_adjoint is not the adjoint" in str(w.message) for w in seen) == off
    assert result.health is not None and ("adjoint" in result.health.causes) == off


def test_an_adjoint_of_the_other_sign_is_told_at_once():
    with pytest.raises(ValueError, match="not the adjoint of A"):
        PnPADMM(Own(lambda x: 2 * x, lambda y: -2 * y), half, noise_std=0.1).solve(torch.rand(1, 1, 24, 24))


@pytest.mark.parametrize("scale", [1e25, 1e-25])
def test_operators_out_of_the_precisions_range_are_told_by_their_norm(scale):
    with pytest.raises(ValueError, match=r"op: its norm.*op \* c"):
        PnPADMM(Own(lambda x: scale * x), half, noise_std=0.1 * scale).solve(scale * torch.rand(1, 1, 24, 24))


@pytest.mark.parametrize("layer", [nn.Dropout2d(), nn.AlphaDropout(), nn.FeatureAlphaDropout(), nn.RReLU()])
def test_layers_that_work_at_random_are_refused_in_training_mode(layer):
    class Random(Denoiser):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x, sigma):
            return self.layer(x)

    denoiser = Random().train()
    with pytest.raises(ValueError, match=f"{type(layer).__name__} is in training mode"):
        PnPADMM(OP, denoiser, noise_std=0.1).solve(Y)
    assert PnPADMM(OP, denoiser.eval(), noise_std=0.1, stop=Stop(max_iter=1)).solve(Y).x.shape == Y.shape
