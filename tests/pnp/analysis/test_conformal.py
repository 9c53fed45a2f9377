"""Calibrated intervals: the quantile, coverage on new images, what is refused, files."""

import json
import math

import pytest
import torch
from torch import Tensor

from operators import Identity, Inpainting, random_mask
from pnp import PnPADMM, Stop, calibrate_intervals, uncertainty
from pnp.analysis import IntervalCalibrator, Uncertainty

SIDE = 8


def measured(count: int, seed: int = 0, noise: float = 0.1) -> tuple[Tensor, Tensor]:
    """Images whose left halves are noisier than the solver believes, and their data."""
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(count, 1, SIDE, SIDE, generator=g)
    wrong = torch.where(torch.arange(SIDE) < SIDE // 2, 3 * noise, noise)
    return x, x + wrong * torch.randn(x.shape, generator=g)


def halved(x: Tensor, sigma: float) -> Tensor:
    return 0.5 * x + 0.25


def believed(
    y: Tensor, op: object = None, denoiser: object = halved, noise: float = 0.1, draws: int = 8
) -> Uncertainty:
    op = Identity((SIDE, SIDE)) if op is None else op
    solver = PnPADMM(op, denoiser, noise_std=noise, calibration=None, stop=Stop(max_iter=12))
    return uncertainty(solver, y, draws=draws, transforms=())


class Other(torch.nn.Module):
    def forward(self, x: Tensor, sigma: float) -> Tensor:
        return x / 2


TRUTH, DATA = measured(60)
FOUND = believed(DATA)


@pytest.mark.parametrize("coverage", ["pixels", "simultaneous"])
@pytest.mark.parametrize("kind", ["additive", "multiplicative"])
def test_the_size_is_the_quantile_and_covers_new_images(kind, coverage):
    found = calibrate_intervals([(FOUND, TRUTH)], 0.8, kind, coverage=coverage)
    away, half = (FOUND.x - TRUTH).abs().double(), (FOUND.upper - FOUND.x).double()
    scores = (away - half if kind == "additive" else away / half).flatten(1)
    scores = scores if coverage == "pixels" else scores.amax(1, keepdim=True)
    rank = math.ceil(0.8 * 61 / 60 * scores.numel() - 1e-9)
    assert found.size == pytest.approx(float(scores.flatten().sort().values[rank - 1]), rel=1e-6)
    shares = []
    for seed in range(1, 4):
        truth, y = measured(60, seed)
        inside = found(believed(y)).covers(truth).flatten(1)
        shares.append(inside.double().mean() if coverage == "pixels" else inside.all(1).double().mean())
    raw = float(FOUND.covers(TRUTH).double().mean())
    assert raw < 0.6
    # 180 images: the share of pixels is known to 1 %, that of whole images to 4 %, and the calibration's as well
    assert abs(sum(shares) / 3 - 0.81) < (0.03 if coverage == "pixels" else 0.13)


def test_one_by_one_as_together():
    alone = [(believed(DATA[i : i + 1]), TRUTH[i : i + 1]) for i in range(9)]
    together = [(believed(DATA[:9]), TRUTH[:9])]
    a, b = calibrate_intervals(alone, 0.9), calibrate_intervals(together, 0.9)
    assert a.images == b.images == 9 and a.size == pytest.approx(b.size, rel=1e-4)


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="pairs: 8 images; .* at least 9"):
        calibrate_intervals([(believed(DATA[:8]), TRUTH[:8])], 0.9)
    with pytest.raises(ValueError, match="at least 19"):
        calibrate_intervals([], 0.95)


def test_an_interval_that_would_be_empty_has_no_width():
    """Narrower than what was uncertain before, but never upside down."""
    sure = FOUND._replace(upper=FOUND.x + 1, lower=FOUND.x - 1)
    found = calibrate_intervals([(sure, FOUND.x)], 0.9)
    assert found.size == pytest.approx(-1, abs=1e-6)
    assert float(found(sure).width.max()) < 1e-6 and float(found(FOUND).width.min()) >= 0


def test_other_operators_noise_and_denoisers():
    found = calibrate_intervals([(FOUND, TRUTH)], 0.9)
    y = DATA[:1]
    with pytest.raises(ValueError, match="Inpainting"):
        found(believed(y, Inpainting(random_mask((SIDE, SIDE), 0.9))))
    with pytest.raises(ValueError, match="denoiser"):
        found(believed(y, denoiser=Other()))
    with pytest.warns(RuntimeWarning, match="noise 0.2"):
        found(believed(y, noise=0.2))
    with pytest.warns(RuntimeWarning, match="draws is 9"):
        found(believed(y, draws=9))
    with pytest.warns(RuntimeWarning, match="operator: in_shape"):
        found(believed(torch.rand(1, 1, 4, 4), Identity((4, 4))))
    mask = [Inpainting(random_mask((SIDE, SIDE), 0.9, seed=s)) for s in (0, 1)]
    one = calibrate_intervals([(believed(DATA[:9], mask[0]), TRUTH[:9])], 0.9)
    with pytest.warns(RuntimeWarning, match="other values"):
        one(believed(y, mask[1]))
    with pytest.raises(ValueError, match="method"):
        found(FOUND._replace(card={**FOUND.card, "method": "laplace"}))


def test_files(tmp_path):
    found = calibrate_intervals([(FOUND, TRUTH)], 0.9, "multiplicative")
    path = tmp_path / "intervals.json"
    found.save(path)
    again = IntervalCalibrator.load(path)
    assert again == found and torch.equal(again(FOUND).upper, found(FOUND).upper)
    assert "Identity" in str(again) and "60 images" in str(again) and again(FOUND).told["intervals"] == str(again)
    with pytest.raises(FileExistsError):
        found.save(path)
    found.save(path, overwrite=True)
    kept = json.loads(path.read_text())
    for wrong in ({**kept, "kind": "guess"}, {**kept, "size": "x"}, {**kept, "size": float("nan")},
                  {**kept, "format": ""}, {k: v for k, v in kept.items() if k != "card"},
                  {**kept, "card": {}}, [1], 3):  # fmt: skip
        path.write_text(json.dumps(wrong))
        with pytest.raises(ValueError, match=r"intervals\.json"):
            IntervalCalibrator.load(path)
    path.write_text("no JSON")
    with pytest.raises(ValueError, match=r"intervals\.json"):
        IntervalCalibrator.load(path)


def test_complex_maps_are_calibrated_by_their_parts():
    op = Identity((4, 4), in_dtype=torch.complex64)
    g = torch.Generator().manual_seed(0)
    x = torch.randn(9, 1, 4, 4, generator=g, dtype=torch.complex64)
    y = x + 0.1 * torch.randn(x.shape, generator=g, dtype=torch.complex64)
    solver = PnPADMM(op, lambda v, s: v / 2, noise_std=0.1, calibration=None, stop=Stop(max_iter=12))
    for part in ("parts", "magnitude"):
        found = uncertainty(solver, y, draws=4, part=part)
        exact = calibrate_intervals([(found, x)], 0.9)(found)
        assert float(exact.covers(x).double().mean()) >= 0.9
        assert exact.upper.is_complex() == (part == "parts")


def test_what_does_not_fit_is_named():
    for name, call in (
        ("kind", lambda: calibrate_intervals([(FOUND, TRUTH)], kind="sum")),
        ("coverage", lambda: calibrate_intervals([(FOUND, TRUTH)], coverage="all")),
        ("level", lambda: calibrate_intervals([(FOUND, TRUTH)], 1.0)),
        (r"pairs\[0\]", lambda: calibrate_intervals([(FOUND, TRUTH[:1])])),
    ):
        with pytest.raises(ValueError, match=name):
            call()
    with pytest.raises(TypeError, match=r"pairs\[0\]"):
        calibrate_intervals([FOUND])  # pyright: ignore
    still = FOUND._replace(upper=FOUND.x, lower=FOUND.x)
    with pytest.raises(ValueError, match="additive"):
        calibrate_intervals([(still, TRUTH)], kind="multiplicative")
    with pytest.raises(TypeError, match="uncertainty"):
        calibrate_intervals([(FOUND, TRUTH)])(TRUTH)  # pyright: ignore
