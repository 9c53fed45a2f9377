"""The passport measures what is known of simple denoisers, and reaches the solver's report."""

import json

import pytest
import torch

from denoisers import (
    CallableDenoiser,
    Denoiser,
    DRUNetDenoiser,
    LoFiDenoiser,
    TVDenoiser,
    WaveletDenoiser,
    XDnCNNDenoiser,
)
from denoisers.weights import load_weights, save_weights
from operators import Identity
from pnp import PnPADMM, data
from pnp.passport import jacobian_figures, measure_passport
from pnp.passport.__main__ import main
from pnp.passport.robust import drift, robustness
from pnp.report.remarks import adds_error, drifts, is_steep


def test_jacobian_against_a_dense_one():
    torch.manual_seed(0)
    matrix = torch.randn(36, 36, dtype=torch.float64) / 6

    def mix(x, sigma):
        return torch.tanh(x.flatten(1) @ matrix.T).reshape(x.shape)

    y = torch.randn(1, 1, 6, 6, dtype=torch.float64)
    dense = torch.autograd.functional.jacobian(lambda v: mix(v, 0.1).flatten(), y).reshape(36, 36)
    found = jacobian_figures(CallableDenoiser(mix), y, 0.1, steps=500)
    assert found["lipschitz"] == pytest.approx(float(torch.linalg.matrix_norm(dense, 2)), rel=1e-3)
    rest = dense - torch.eye(36, dtype=torch.float64)
    assert found["lipschitz_of_residual"] == pytest.approx(float(torch.linalg.matrix_norm(rest, 2)), rel=1e-3)
    asymmetry = float(torch.linalg.norm(dense - dense.T) / torch.linalg.norm(dense))
    assert found["asymmetry"] == pytest.approx(asymmetry, rel=0.3)


class Brighten(Denoiser):
    """Adds a constant, whatever the units."""

    def forward(self, x, sigma):
        return x + 0.1


def test_known_figures():
    x = data.sample("camera")[..., :64, :64]
    bright = measure_passport(Brighten(), [x])
    assert bright["bias"]["25/255"] == pytest.approx(0.1 * 255 / 25, rel=0.05)
    assert bright["units"]["scale_0.5"] == pytest.approx(0.1 * 255 / 25, rel=1e-3)
    assert bright["units"]["shift_+0.2"] < 1e-5 and bright["symmetries"]["flip"] == 0
    assert bright["jacobian"]["lipschitz"] == pytest.approx(1, abs=1e-5)
    assert bright["receptive_field"] == 0 and bright["gain_dB"]["2/255"] < -15


def test_shipped_denoiser_has_what_its_docstring_promises():
    passport = measure_passport(LoFiDenoiser(), [data.sample("camera")[..., 100:164, 180:244]])
    assert max(*passport["units"].values()) < 1e-3 and passport["receptive_field"] == LoFiDenoiser().radius
    assert min(passport["gain_dB"].values()) > 0 and abs(passport["bias"]["25/255"]) < 0.05
    assert passport["symmetries"]["shift by a pixel"] < 1e-3 < passport["symmetries"]["flip"]


def test_denoisers_of_one_level_and_without_derivative():
    passport = measure_passport(XDnCNNDenoiser(None, level=0.1).eval(), [torch.rand(1, 1, 24, 24)])
    assert list(passport["gain_dB"]) == ["25.5/255"] and passport["receptive_field"] == 41
    assert "lipschitz" in measure_passport(TVDenoiser(max_iter=30), [torch.rand(1, 1, 24, 24)])["jacobian"]
    still = CallableDenoiser(lambda x, sigma: x.detach())
    assert "none" in measure_passport(still, [torch.rand(1, 1, 24, 24)])["jacobian"]
    with pytest.raises(ValueError, match="images"):
        measure_passport(still, [])


def test_command_writes_the_card_and_solvers_read_it(tmp_path, capsys):
    state, card = load_weights("natural-gray-fast", family="lofi")
    file = tmp_path / "mine.safetensors"
    save_weights(file, state, card)
    folder = tmp_path / "images"
    folder.mkdir()
    image = pytest.importorskip("PIL.Image")
    image.fromarray((data.sample("camera")[0, 0, :64, :64] * 255).byte().numpy()).save(folder / "a.png")
    main(["lofi", str(file), "--data", str(folder), "--write"])
    printed = json.loads(capsys.readouterr().out)
    denoiser = LoFiDenoiser(str(file))
    assert denoiser.card["passport"] == printed
    denoiser.card["passport"]["gain_dB"] = {"5/255": -1.0}
    y = data.sample("camera")[..., 100:132, 200:232] + 0.02 * torch.randn(1, 1, 32, 32)
    assert denoiser.card["passport"]
    with pytest.warns(RuntimeWarning, match="passport"):
        result = PnPADMM(Identity((32, 32)), denoiser, noise_std=0.02).solve(y)
    assert "adds error" in str(result)
    assert adds_error({}, 0.1) == "" == adds_error({"gain_dB": {"5/255": -1.0}}, 0.2)


def test_remark_on_steep_denoisers():
    steep = {"jacobian": {"lipschitz": 14.1}}
    assert "14.1 times" in is_steep(steep) and "\n" not in is_steep(steep)
    assert is_steep({"jacobian": {"lipschitz": 1.9}}) == "" == is_steep({"jacobian": {"none": "…"}})
    denoiser = CallableDenoiser(lambda x, sigma: x)
    denoiser.card = {"passport": steep}  # pyright: ignore
    result = PnPADMM(Identity((16, 16)), denoiser, noise_std=0.02).solve(torch.rand(1, 1, 16, 16))
    assert "14.1 times" in str(result)  # in the report alone: fixed points are reached all the same, mostly


@pytest.mark.parametrize("family", ["tv", "bm3d", "wavelet"])
def test_classical_methods_have_no_card_to_write(family, capsys, monkeypatch):
    monkeypatch.setattr("pnp.passport.__main__.measure_passport", lambda *_: pytest.fail("it is measured"))
    with pytest.raises(SystemExit):
        main([family, "--write"])
    assert "--write" in capsys.readouterr().err


def test_classical_methods_have_a_passport():
    pytest.importorskip("pywt", reason="PyWavelets is not installed (extra bench)")
    passport = measure_passport(WaveletDenoiser(), [data.sample("camera")[..., :48, :48]])
    assert passport["receptive_field"] is None and "none" in passport["jacobian"]


def test_report_says_when_one_level_has_to_serve_for_another():
    y = data.sample("camera")[..., 100:132, 200:232] + 0.02 * torch.randn(1, 1, 32, 32)
    for level, said in ((0.5, True), (0.04, False)):
        denoiser = XDnCNNDenoiser(None, level=level).eval()
        report = str(PnPADMM(Identity((32, 32)), denoiser, noise_std=0.02).solve(y))
        assert ("Rescaled" in report) == said, report


def test_robustness_of_a_shrinkage_is_known():
    """x / 2 of zeros with noise: a quarter of the noise's power is left."""
    halve = CallableDenoiser(lambda x, sigma: x / 2)
    x = 0.5 * torch.ones(1, 1, 64, 64)
    scores = robustness(CallableDenoiser(lambda x, sigma: 0.5 + (x - 0.5) / 2), [x], 0.1)
    assert scores["none"] > 80 and robustness(halve, [0 * x], 0.1)["none"] > 80
    for name, factor in (("half", 0.5), ("true", 1.0), ("1.5 times", 1.5), ("low frequencies", 1.0)):
        expected = -20 * torch.log10(torch.tensor(0.1 * factor / 2))
        assert scores[name] == pytest.approx(float(expected), abs=0.25)


def test_drift_is_what_the_solver_does():
    x = data.sample("camera")[..., 100:228, 180:308]
    scores = drift(TVDenoiser(), x, iterations=80, side=32)
    assert list(scores) == ["60 iterations", "80 iterations"]
    assert abs(scores["60 iterations"] - scores["80 iterations"]) < 0.1
    assert not drifts({"drift": scores}) and not drifts({})
    assert "Stop(max_iter=60)" in drifts({"drift": {"60 iterations": 28.0, "1000 iterations": 27.0}})


def test_precision_is_measured_where_there_is_a_choice():
    passport = measure_passport(DRUNetDenoiser(None, preset="fast").eval(), [torch.rand(1, 1, 32, 32)])
    assert passport["precision"] == {"bfloat16_dB": 0.0}  # untrained: it gives zero


def test_solvers_are_asked_where_they_are_wanted():
    passport = measure_passport(CallableDenoiser(lambda x, sigma: x / 2), [torch.rand(1, 1, 24, 24)], solvers=True)
    assert [*passport["drift"]] == ["60 iterations", "1000 iterations"] and len(passport["in_solver"]) == 6
