"""Flags, averages and noise of visibilities, against sums by hand and the noise that was added."""

import numpy as np
import pytest
import torch

from pnp.corrections.radio import average_cells, average_time, flag, flag_outliers, noise_from_data
from pnp.io.visibilities import Visibilities, measured_visibilities

SKY = torch.zeros(1, 1, 32, 32)
SKY[..., 13:19, 14:20] = 0.2


def measured(count: int = 4000, level: float = 0.05, told: float = 1.0, seed: int = 0) -> Visibilities:
    """Visibilities with noise of ``level`` over the root of weights, which are told as ``told`` times too deviating."""
    g = np.random.default_rng(seed)
    uv, w = g.normal(size=(2, count)) * 2000, g.uniform(0.5, 2, count)
    columns = {"time": np.repeat(np.arange(count // 4), 4) * 10.0, "baseline": np.tile(np.arange(4), count // 4)}
    blank = measured_visibilities(
        uv, np.ones(count), w / (told * level) ** 2, image_shape=(32, 32), cell=10.0, **columns
    )
    noise = torch.from_numpy(level * (g.normal(size=count) + 1j * g.normal(size=count)) / np.sqrt(w))
    return blank.changed("noise", y=(blank.operator()(SKY) + noise).to(torch.complex64))


def test_averages_over_time_by_hand():
    m = measured(40)
    found = average_time(m, 25.0)
    assert found.y.shape == (1, 1, 16)  # ten times in four intervals, of four baselines
    part = [i for i in range(40) if i % 4 == 2 and i // 4 in (3, 4)]  # 25 to 50 s, the third baseline
    w = m.noise_std[0, 0, part].double() ** -2  # type: ignore[index]
    mean = (w * m.y[0, 0, part]).sum() / w.sum()
    at = (found.columns["baseline"] == 2) & (found.columns["time"] > 25) & (found.columns["time"] < 50)
    assert abs(found.y[0, 0, at].item() - mean.item()) < 1e-6 * abs(mean.item())
    assert found.noise_std[0, 0, at].item() == pytest.approx(w.sum().item() ** -0.5)  # type: ignore[index]
    uv = (w * m.arguments["uv"][:, part]).sum(1) / w.sum()
    assert torch.allclose(found.arguments["uv"][:, at][:, 0], uv)
    assert "averaged over 25 s" in found.provenance["corrections"][-1]


def test_cells_keep_the_sky_and_the_noise():
    m = measured()
    found = average_cells(m, field=100.0, share=0.06)
    assert found.y.shape[-1] < 0.8 * m.y.shape[-1] and bool((found.arguments["uv"][1] >= 0).all())
    rest = (found.y - found.operator()(SKY))[0, 0] / found.noise_std[0, 0]  # type: ignore[index]
    assert torch.view_as_real(rest).square().mean().sqrt().item() == pytest.approx(1, abs=0.04)
    assert found.noise_std.double().pow(-2).sum().item() == pytest.approx(  # type: ignore[union-attr]
        m.noise_std.double().pow(-2).sum().item(), rel=1e-5)  # type: ignore[union-attr]  # fmt: skip


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_noise_of_relative_weights(scale):
    m = measured(told=7.0)
    m = m.changed("scaled", y=scale * m.y)
    found = noise_from_data(m)  # type: ignore[arg-type]
    truth = scale * m.noise_std / 7  # type: ignore[operator]
    assert (found.noise_std / truth).mean().item() == pytest.approx(1, abs=0.1)  # type: ignore[operator]


def test_flags():
    m = measured(400)
    bad = torch.arange(400) % 37 == 0
    spoilt = m.changed("interference", y=torch.where(bad, m.y + 40, m.y))
    kept = flag_outliers(spoilt)  # type: ignore[arg-type]
    assert kept.y.shape[-1] >= 375 and kept.y.real.max() < 20 and kept.columns["time"].shape == kept.y.shape[-1:]
    assert torch.equal(flag(m, bad).arguments["uv"], m.arguments["uv"][:, ~bad])
    assert flag(m, bad.numpy(), why="as Jupiter rose").provenance["corrections"][-1].endswith("as Jupiter rose")


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda m: average_time(m, 0.0), "seconds"),
        (lambda m: average_time(m.changed("", columns={}), 1.0), "no time and no baseline"),
        (lambda m: average_cells(m, field=-1.0), "field"),
        (lambda m: average_cells(m.changed("", noise_std=None), field=1.0), "noise is not known"),
        (lambda m: flag(m, torch.zeros(3, dtype=torch.bool)), "flags"),
        (lambda m: flag(m, torch.ones(40, dtype=torch.bool)), "leaves no visibility"),
        (lambda m: flag_outliers(m, sigmas=0), "sigmas"),
    ],
)
def test_bad_arguments_are_named(call, word):
    with pytest.raises(ValueError, match=word):
        call(measured(40))
