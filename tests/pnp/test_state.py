"""States from disk are checked before they are continued."""

import warnings

import pytest
import torch

from denoisers import Denoiser
from operators import MRI, Identity, LinearOperator
from pnp import PnPADMM, PnPHQS, State, Stop
from pnp.calibration import Calibration
from pnp.report.remarks import out_of_range

Y = torch.linspace(0, 1, 16).reshape(1, 1, 4, 4)


def solver(kind=PnPADMM, op=None):
    return kind(op or Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1, stop=Stop(max_iter=3))


@pytest.fixture(params=[PnPADMM, PnPHQS])
def kept(request):
    return request.param, solver(request.param).solve(Y).state.to_dict()


def test_a_state_of_another_batch_is_refused(kept):
    kind, parts = kept
    twice = {k: v.repeat(2, 1, 1, 1) if isinstance(v, torch.Tensor) else v for k, v in parts["values"].items()}
    with pytest.raises(ValueError, match="batches of 1, 2 samples"):
        State.from_dict({**parts, "values": twice})
    wide = {k: v[..., :3] if isinstance(v, torch.Tensor) else v for k, v in parts["values"].items()}
    with pytest.raises(ValueError, match=r"state: expected a tensor \(1, 1, 4, 4\)"):
        solver(kind).solve(Y, state=State.from_dict({**parts, "values": wide}))


def test_what_is_not_finite_or_missing_is_refused(kept):
    kind, parts = kept
    x = parts["values"]["x"].clone()
    x[0, 0, 1, 1] = float("nan")
    with pytest.raises(ValueError, match="state: holds NaN"):
        solver(kind).solve(Y, state=State.from_dict({**parts, "values": {**parts["values"], "x": x}}))
    with pytest.raises(ValueError, match="kept: not the dictionary"):
        State.from_dict({**parts, "values": {k: v for k, v in parts["values"].items() if k != "x"}})
    with pytest.raises(ValueError, match="kept: step"):
        State.from_dict({**parts, "step": "3"})
    more = {**parts["values"], "other": parts["values"]["x"]}
    with pytest.raises(ValueError, match="expected the tensors x, "):
        solver(kind).solve(Y, state=State.from_dict({**parts, "values": more}))


def test_a_state_that_fits_continues(kept):
    kind, parts = kept
    assert solver(kind).solve(Y, state=State.from_dict(parts)).state.step == 6


@pytest.mark.parametrize("began", [torch.float32, torch.float64])
def test_a_state_of_another_precision_is_refused(kept, began):
    kind, _ = kept
    other = torch.float64 if began == torch.float32 else torch.float32
    for op, y in ((Identity((4, 4)), Y), (MRI(torch.ones(4, 4)), torch.complex(Y, Y))):
        s, begun, changed = solver(kind, op), *(y.to(d.to_complex() if y.is_complex() else d) for d in (began, other))
        state = s.solve(begun).state
        for one in (state, State.from_dict(state.to_dict())):
            with pytest.raises(
                ValueError, match=rf"state: .* of {changed.dtype}; continue it with y.to\({begun.dtype}"
            ):
                s.solve(changed, state=one)
            assert s.solve(begun, state=one).state.step == 6
        parts = state.to_dict()
        for name, value in (("facts", {**parts["facts"], "back": state.facts.back.to(changed.dtype)}),
                            ("residual", state.residual.to(other))):  # fmt: skip
            with pytest.raises(ValueError, match="kept: "):
                State.from_dict({**parts, name: value})
        mixed = State.from_dict({**parts, "values": {**parts["values"], "x": state.x.to(changed.dtype)}})
        with pytest.raises(ValueError, match="state: expected a tensor"):
            s.solve(begun, state=mixed)


def test_operators_that_are_not_finite_are_told_from_those_of_zeros():
    class Bad(LinearOperator):
        in_shape = (1, 4, 4)

        def __init__(self, a, back):
            super().__init__()
            self.a, self.back = a, back

        def A(self, x):
            return self.a * x

        def A_adjoint(self, y):
            return self.back * y

    for a, back, words in (
        (float("nan"), 1.0, "NaN or infinite data"),
        (float("inf"), 1.0, "NaN or infinite data"),
        (1.0, float("nan"), "A_adjoint.* is not finite"),
        (0.0, 0.0, "everything to zero"),
    ):
        with pytest.raises(ValueError, match=f"op: .*{words}"):
            PnPADMM(Bad(a, back), lambda x, sigma: x / 2, noise_std=0.1).solve(Y)


def test_the_remark_on_wide_answers_names_the_denoiser_among_its_causes():
    calibration = Calibration(torch.ones(1), torch.zeros(1))
    assert "or the denoiser enlarges what it is given" in out_of_range(10 * Y, calibration)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("coverage", torch.tensor([float("nan")])),
        ("noise_std", torch.tensor([1])),
        ("noise_std", torch.tensor([[0.1]])),
        ("alive", torch.tensor([1.0])),
        ("no_mean", torch.tensor([float("nan")])),
        ("gain", torch.tensor([0.0])),
        ("image_noise", torch.tensor([0.1, 0.2])),
        ("norm", "1"),
        ("norm", float("inf")),
        ("no_mean", None),
    ],
)
def test_facts_of_another_kind_are_refused(kept, name, value):
    _, parts = kept
    with pytest.raises(ValueError, match="kept: "):
        State.from_dict({**parts, "facts": {**parts["facts"], name: value}})


def test_sizes_of_another_kind_are_refused(kept):
    kind, parts = kept
    for name, value in (
        ("pace", "x"),
        ("pace", torch.tensor([float("inf")])),
        ("residual", torch.tensor([float("nan")])),
    ):
        with pytest.raises(ValueError, match="kept: "):
            State.from_dict({**parts, name: value})
    if "relaxed" in parts["values"]:
        values = {**parts["values"], "relaxed": torch.tensor([float("nan")])}
        with pytest.raises(ValueError, match="NaN"):
            solver(kind).solve(Y, state=State.from_dict({**parts, "values": values}))


@pytest.mark.parametrize("value", ["a", [1.0], None])
@pytest.mark.parametrize("name", ["residual", "source", "back", "why"])
def test_parts_of_another_kind_are_refused(kept, name, value):
    _, parts = kept
    if name in ("source", "why") and value == "a":
        value = 3
    inside = {"facts": {**parts["facts"], name: value}} if name in parts["facts"] else {name: value}
    with pytest.raises(ValueError, match="kept: "):
        State.from_dict({**parts, **inside})


@pytest.mark.parametrize("units", [1.0, 255.0])
def test_answers_in_units_of_the_users_own_are_no_sign_of_a_wrong_operator(units):
    class AnyUnit(Denoiser):
        intensity_range = None

        def forward(self, x, sigma):
            return 0.99 * x

    y = 255 * torch.linspace(0, 1, 144).reshape(1, 1, 12, 12)
    stop, calibration = Stop(max_iter=30), None if units == 1 else (units, 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PnPADMM(Identity((12, 12)), AnyUnit(), noise_std=10.0, calibration=calibration, stop=stop).solve(y)
        if units > 1:
            PnPADMM(Identity((12, 12)), lambda x, s: 0.99 * x, noise_std=10.0, calibration=(units, 0), stop=stop).solve(
                y
            )
            return
    with pytest.warns(RuntimeWarning, match="as the calibration that was given.*calibration='auto'"):
        PnPADMM(Identity((12, 12)), lambda x, s: 0.99 * x, noise_std=10.0, calibration=None, stop=stop).solve(y)
