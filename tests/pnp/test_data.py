"""What ships is what SOURCES.md says, and pictures show and score what they are given."""

from pathlib import Path

import numpy as np
import pytest
import torch

import pnp
from pnp.data import sample
from pnp.metrics import psnr, ssim

SAMPLES = Path(pnp.__file__).parent / "samples"


@pytest.fixture
def show():
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot as plt

    from pnp.plot import show

    yield show
    plt.close("all")


def drawn(axis) -> np.ndarray:
    """Values in a panel, none where it is empty."""
    return np.asarray(axis.images[0].get_array()) if axis.images else np.empty(0)


@pytest.mark.parametrize("name", ["camera", "astronaut", "coffee"])
def test_photographs_are_those_of_scikit_image(name):
    data = pytest.importorskip("skimage.data")
    original = getattr(data, name)()
    expected = torch.from_numpy(np.atleast_3d(original)).permute(2, 0, 1)[None].float() / 255
    assert sample(name).dtype == torch.float32
    assert torch.equal(sample(name), expected)


def test_brain_is_centred_and_of_scale_one():
    from operators import ifft2c

    kspace = sample("brain")
    energy = kspace.abs().square().sum((0, 1))
    row, column = divmod(int(energy.argmax()), energy.shape[1])
    assert abs(row - 115) <= 1 and abs(column - 90) <= 1
    image = ifft2c(kspace).abs().square().sum(1).sqrt()
    assert 0.9 < float(image.max()) < 1.1
    # the head lies in the middle, not wrapped around: all four borders hold background
    borders = [image[:, :8], image[:, -8:], image[..., :8], image[..., -8:]]
    assert max(float(border.mean()) for border in borders) < 0.2 * float(image[:, 75:155, 60:120].mean())


def test_samples_are_small_and_their_terms_are_given():
    files = [p for p in SAMPLES.iterdir() if p.suffix in (".npz", ".npy")]
    terms = (SAMPLES / "SOURCES.md").read_text()
    assert len(files) == 4 and sum(p.stat().st_size for p in files) < 5e6
    assert all(f"`{p.name}`" in terms for p in files)
    assert "Copyright (c) 2019, mikgroup" in terms and "DISCLAIMED" in terms


@pytest.mark.parametrize("factor", [1.0, 1e-6])
def test_titles_hold_the_scores_of_colours_in_any_unit(show, factor):
    ref = sample("astronaut")[..., 100:164, 100:164].double()
    ref = (ref - ref.min()) / (ref.max() - ref.min())
    x = ref + 0.1 * torch.randn(ref.shape, dtype=torch.float64)
    figure = show({"noisy": factor * x}, ref=factor * ref)
    expected = f"noisy\n{float(psnr(x, ref)):.2f} dB, SSIM {float(ssim(x, ref)):.3f}"
    assert [axis.get_title() for axis in figure.axes[:2]] == ["reference", expected]


def test_panels_share_one_range_and_errors_one_scale(show):
    ref = torch.linspace(-2, 2, 64).reshape(1, 1, 8, 8)
    figure = show({"shifted": ref + 0.1, "phase": ref.abs() * 1j}, ref=ref, label="Jy")
    first, shifted, phase, _, error = (drawn(axis) for axis in figure.axes[:5])
    np.testing.assert_allclose(first, ref[0, 0])
    np.testing.assert_allclose(shifted, ref[0, 0] + 0.1)
    np.testing.assert_allclose(phase, ref[0, 0].abs())
    np.testing.assert_allclose(error, np.full((8, 8), 0.1), atol=1e-6)
    assert {axis.images[0].get_clim() for axis in figure.axes[:3]} == {(-2, 2)}
    assert figure.axes[4].images[0].get_clim() == (0, pytest.approx(0.4)) == figure.axes[5].images[0].get_clim()
    bars = figure.axes[6:]
    assert [bar.get_ylabel() for bar in bars] == ["Jy", "absolute error"]
    assert bars[0].get_ylim() == (-2, 2) and bars[1].get_ylim() == (0, pytest.approx(0.4))


def test_ranges_without_a_reference_and_by_hand(show):
    dark, bright = torch.rand(1, 1, 8, 8), 3 * torch.rand(1, 1, 8, 8)
    both = (float(min(dark.min(), bright.min())), float(max(dark.max(), bright.max())))
    for limits, extend in ((None, "neither"), ((0.0, 5.0), "neither"), ((0.5, 5.0), "min"), ((0.5, 0.6), "both")):
        figure = show({"dark": dark, "bright": bright}, limits=limits, cmap="inferno")
        panels = [axis.images[0] for axis in figure.axes[:2]]
        assert all(panel.get_clim() == pytest.approx(limits or both) for panel in panels)
        assert all(panel.get_cmap().name == "inferno" for panel in panels)
        assert panels[1].colorbar.extend == extend
    assert len(show({"colour": torch.rand(1, 3, 8, 8)}).axes) == 1  # colours have no bar
    large = show({"noise": dark + torch.randn(1, 1, 8, 8)}, ref=dark).axes[3].images[0].get_clim()[1]
    assert large > 0.5  # errors of which a tenth of the range shows nothing
    with pytest.raises(ValueError, match="limits"):
        show({"a": dark}, limits=(1.0, 0.0))


def test_odd_pictures(show):
    assert len(show({"constant": torch.ones(1, 1, 8, 8)}, ref=torch.ones(1, 1, 8, 8)).axes) >= 4
    assert "SSIM" not in show({"tiny": torch.rand(1, 1, 4, 4)}, ref=torch.rand(1, 1, 4, 4)).axes[1].get_title()
    coils = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1) * torch.eye(8)
    np.testing.assert_allclose(drawn(show({"coils": coils}).axes[0]), 5 * np.eye(8))
    show({"not finite": torch.full((1, 1, 8, 8), torch.nan)})
    for images, ref, error, word in (
        ({}, None, ValueError, "images"),
        ({"a": torch.zeros(8, 8)}, None, ValueError, r"images\['a'\]: .*B, C, H, W"),
        ({"a": torch.zeros(1, 1, 8, 8)}, torch.zeros(1, 1, 8, 9), ValueError, "ref"),
        ({"a": np.zeros((1, 1, 8, 8))}, None, TypeError, "ndarray"),
    ):
        with pytest.raises(error, match=word):
            show(images, ref=ref)
