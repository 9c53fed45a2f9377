"""The shipped denoiser: exact symmetries, coordinates, tiles, trained weights that denoise."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from denoisers import LoFiDenoiser, pixel_coordinates, weights
from denoisers.trained.lofi import Field
from denoisers.weights import save_weights


@pytest.fixture(scope="module")
def double() -> LoFiDenoiser:
    return LoFiDenoiser().double()


def image(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=10, deadline=None)
@given(st.floats(-8, 8), st.floats(-5, 5), st.floats(0.001, 0.3))
def test_commutes_with_affine_changes_of_units(exponent, offset, sigma):
    double = LoFiDenoiser().double()
    x, a = image(1, 1, 12, 14), 10.0**exponent
    expected = a * (double(x, sigma) + offset)
    assert torch.allclose(double(a * (x + offset), a * sigma), expected, rtol=0, atol=1e-9 * a)


def test_identity_without_noise_and_bounded_with(double):
    x = image(2, 1, 16, 16)
    assert torch.equal(double(x, 0.0), x)
    assert (double(x, 0.05) - x).abs().max() <= 6 * 0.05


def test_one_level_a_sample(double):
    x = image(3, 1, 16, 12)
    together = double(x, torch.tensor([0.0, 0.05, 0.2]))
    for b, sigma in enumerate((0.0, 0.05, 0.2)):
        assert torch.allclose(together[b : b + 1], double(x[b : b + 1], sigma), atol=1e-12)


@pytest.mark.parametrize("shape", [(40, 37), (100, 30), (30, 101)])
def test_tiles_give_the_whole(double, shape):
    x = image(1, 1, *shape)
    whole = double(x, 0.1)
    double.max_memory = 2.5e6
    tiled = double(x, 0.1)
    double.max_memory = 2e9
    assert torch.allclose(tiled, whole, atol=1e-11)


def test_values_between_the_pixels(double):
    x = image(2, 1, 20, 23)
    grid = pixel_coordinates((20, 23), dtype=torch.float64)
    assert torch.allclose(double.at(x, 0.1, grid).reshape(2, 1, 20, 23), double(x, 0.1), atol=1e-10)
    between = double.at(x, 0.1, torch.tensor([[0.013, 0.2]], dtype=torch.float64))
    assert between.shape == (2, 1, 1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 2), (3, 50), (5, 4)])
def test_tiny_images(double, shape):
    out = double(image(1, 1, *shape), 0.1)
    assert out.shape == (1, 1, *shape) and bool(torch.isfinite(out).all())


def test_gradients(double):
    x = image(1, 1, 5, 6).requires_grad_()
    sigma = torch.tensor([0.1], dtype=torch.float64, requires_grad=True)
    assert gradcheck(double, (x, sigma), atol=1e-4)


def test_patch_without_its_mean_sees_no_constant():
    field = Field(1, 4, 2, diameter=5, level_free=True)
    x = torch.rand(1, 1, 9, 9)
    assert torch.allclose(field(x), field(x + 3), atol=1e-5)


@pytest.mark.parametrize(("weights", "channels"), [("natural-gray", 1), ("natural-rgb", 3)])
@pytest.mark.parametrize("sigma", [15 / 255, 25 / 255, 50 / 255])
def test_shipped_weights_denoise(weights, channels, sigma):
    """Edges and flat parts: the error falls to less than a tenth of the noise's energy."""
    denoiser = LoFiDenoiser(weights)
    assert not denoiser.training and not any(p.requires_grad for p in denoiser.parameters())
    x = torch.zeros(1, channels, 48, 48)
    x[..., 12:36, 12:36] = 0.8
    noise = sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    assert (denoiser(x + noise, sigma) - x).square().mean() < 0.1 * sigma**2


def test_presets_and_errors():
    fast, accurate = (LoFiDenoiser(None, preset=p) for p in ("fast", "accurate"))
    assert sum(p.numel() for p in fast.parameters()) < sum(p.numel() for p in accurate.parameters())
    assert torch.equal(accurate(torch.ones(1, 1, 8, 8), 0.1), torch.ones(1, 1, 8, 8))  # untrained: the identity
    with pytest.raises(ValueError, match="preset"):
        LoFiDenoiser(None, preset="huge")
    with pytest.raises(ValueError, match="max_memory"):
        LoFiDenoiser(None, max_memory=-1)
    with pytest.raises(ValueError, match="channels"):
        LoFiDenoiser(None, channels=0)
    for bad in (-0.1, float("nan"), torch.tensor([0.1, 0.2])):
        with pytest.raises(ValueError, match="sigma"):
            accurate(torch.zeros(1, 1, 8, 8), bad)
    with pytest.raises(ValueError, match="channel"):
        accurate(torch.zeros(1, 3, 8, 8), 0.1)


def test_the_card_decides_and_is_not_contradicted(tmp_path):
    path = tmp_path / "fast.safetensors"
    save_weights(path, LoFiDenoiser(None, preset="fast").state_dict(), {"family": "lofi", "preset": "fast"})
    assert len(LoFiDenoiser(str(path)).fields) == len(LoFiDenoiser(str(path), preset="fast", channels=1).fields) == 3
    assert len(LoFiDenoiser(None).fields) == len(LoFiDenoiser("natural-gray", preset="accurate").fields) == 5
    for wrong in ({"preset": "fast"}, {"channels": 3}):
        with pytest.raises(ValueError, match=f"^{next(iter(wrong))}: "):
            LoFiDenoiser("natural-gray", **wrong)  # pyright: ignore


def test_shipped_names_may_hold_any_preset(tmp_path, monkeypatch):
    name = "natural-gray-fast"
    monkeypatch.setattr(weights, "_FOLDER", tmp_path)
    state = LoFiDenoiser(None, preset="fast").state_dict()
    save_weights(tmp_path / f"lofi-{name}-v1.safetensors", state, {"family": "lofi", "preset": "fast", "channels": 1})
    assert LoFiDenoiser(name).card["preset"] == LoFiDenoiser(f"{name}@1").card["preset"] == "fast"
