"""DRUNet: the paper's network and the authors' weights, and the denoiser in units of the noise."""

import copy
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from denoisers import DRUNet, DRUNetDenoiser
from denoisers.evaluation.precision import full_precision, has_bfloat16, rounded
from denoisers.trained.drunet import rounding
from denoisers.weights import WeightFileError, available, save_weights
from pnp import data


def stirred(model: Any, seed: int = 0) -> Any:
    """The same network with weights that do something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for w in model.parameters():
            w.copy_(torch.randn(w.shape, generator=generator, dtype=torch.float64) * (0.7 / w[0].numel()) ** 0.5)
    return model


def small(**others) -> DRUNetDenoiser:
    """A denoiser with weights of its own in double precision."""
    denoiser = DRUNetDenoiser(None, preset="fast", **others)
    stirred(denoiser.net)
    return denoiser.double().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def double() -> DRUNetDenoiser:
    return small()


def image(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# ---- the network


@pytest.mark.parametrize(("channels", "count"), [(1, 32_638_656), (3, 32_640_960)])
def test_the_paper_s_size(channels, count):
    """KAIR's UNetRes with nb = 4 and nc = 64, 128, 256, 512, counted layer by layer."""
    widths, total = (64, 128, 256, 512), 9 * 64 * (2 * channels + 1)
    for i, width in enumerate(widths):
        blocks = 4 if i == 3 else 8
        total += blocks * 2 * 9 * width**2 + (0 if i == 3 else 2 * 4 * width * widths[i + 1])
    assert total == count == sum(p.numel() for p in DRUNet(channels + 1, channels).parameters())


@pytest.mark.parametrize("channels", [1, 3])
def test_equals_deepinv_s_network_and_reads_its_names(channels, tmp_path):
    deepinv = pytest.importorskip("deepinv")
    theirs = deepinv.models.DRUNet(channels, channels, nc=[4, 8, 12, 16], nb=2, pretrained=None).eval()
    stirred(theirs)
    path = tmp_path / "drunet.pth"
    torch.save(theirs.state_dict(), path)
    ours = DRUNetDenoiser(str(path), precision="float32")
    x = torch.rand(2, channels, 32, 48)
    with torch.no_grad():
        for sigma in (0.05, 0.2):
            expected = theirs(x, sigma)
            assert torch.allclose(ours(x, sigma), expected, atol=1e-5 * float(expected.abs().max()))
        odd = ours(x[..., :31, :45], 0.1)  # any size
    with pytest.raises(ValueError, match="^preset: "):  # of another size, whatever the user says
        DRUNetDenoiser(str(path), preset="fast")
    assert odd.shape == (2, channels, 31, 45) and ours.intensity_range == (0.0, 1.0)
    assert not ours.training and not any(p.requires_grad for p in ours.parameters())


@pytest.mark.parametrize("skips", ["around", "within"])
@pytest.mark.parametrize("unshuffle", [1, 2])
def test_positively_homogeneous(skips, unshuffle):
    net = stirred(DRUNet(2, 1, widths=(4, 6), blocks=1, skips=skips, unshuffle=unshuffle)).double()
    x = image(1, 2, 16, 8) - 0.5
    with torch.no_grad():
        assert torch.allclose(net(1e3 * x), 1e3 * net(x), rtol=1e-10)
        assert not torch.allclose(net(-x), -net(x), rtol=1e-3)


def test_an_untrained_network_gives_zero_and_errors_name_the_argument():
    assert not DRUNet(2, 1, widths=(4, 4), blocks=1)(torch.rand(1, 2, 8, 8)).any()
    wrongs: list[dict[str, Any]] = [{"widths": ()}, {"widths": (4, 0)}, {"blocks": 0}, {"unshuffle": 0}, {"skips": ""}]
    for wrong in wrongs:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            DRUNet(**wrong)
    with pytest.raises(ValueError, match="x: the sides"):
        DRUNet(2, 1, widths=(4, 4), blocks=1)(torch.rand(1, 2, 9, 8))


@pytest.mark.parametrize(("widths", "blocks", "unshuffle"), [((2, 3), 1, 1), ((2, 2, 2), 1, 2), ((2, 2, 2), 2, 1)])
def test_radius_bounds_what_a_pixel_sees(widths, blocks, unshuffle):
    net = stirred(DRUNet(2, 1, widths=widths, blocks=blocks, unshuffle=unshuffle)).double()
    side = 2 * net.radius + 8 * net.step
    side += -side % net.step
    x = image(1, 2, side, side).requires_grad_()
    middle = side // 2
    net(x)[0, 0, middle, middle].backward()
    assert x.grad is not None
    seen = x.grad.abs().sum((0, 1)).nonzero()
    assert int((seen - middle).abs().max()) <= net.radius


# ---- the denoiser


@settings(max_examples=10, deadline=None)
@given(st.floats(-8, 8), st.floats(-5, 5), st.floats(0.001, 0.3), st.sampled_from([1, 3]))
def test_commutes_with_affine_changes_of_units(exponent, offset, sigma, channels):
    denoiser = small(channels=channels)
    x, a = image(1, channels, 12, 14), 10.0**exponent
    expected = a * (denoiser(x, sigma) + offset)
    assert torch.allclose(denoiser(a * (x + offset), a * sigma), expected, rtol=0, atol=1e-9 * a)


def test_it_depends_on_the_level(double):
    """Without the constant channel D(x, sigma) would not depend on sigma at all."""
    x = image(1, 1, 24, 24)
    a, b = double(x, 0.05), double(x, 0.2)
    assert (a - b).abs().max() > 1e-3
    assert torch.equal(double(x, 0.0), x)


def test_one_level_a_sample_and_batches(double):
    x = image(3, 1, 16, 12)
    together = double(x, torch.tensor([0.0, 0.05, 0.2]))
    for b, sigma in enumerate((0.0, 0.05, 0.2)):
        assert torch.allclose(together[b : b + 1], double(x[b : b + 1], sigma), atol=1e-12)


@pytest.mark.parametrize("preset", ["fast", "accurate"])
def test_tiles_give_the_whole(preset):
    denoiser = DRUNetDenoiser(None, preset=preset)
    stirred(denoiser.net)
    denoiser = denoiser.eval().requires_grad_(False).double()
    x = image(1, 1, 301, 40)
    whole = denoiser(x, 0.1)
    width = {"fast": 16, "accurate": 32}[preset]
    denoiser.max_memory = 6.0 * width * 8 * 270 * 40
    calls = []
    denoiser.net.register_forward_hook(lambda net, given, out: calls.append(given[0].shape))
    tiled = denoiser(x, 0.1)
    assert len(calls) > 1 and torch.allclose(tiled, whole, atol=1e-10 * float(whole.abs().max()))
    denoiser.max_memory = 1e3
    with pytest.raises(ValueError, match="max_memory"):
        denoiser(x, 0.1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 2), (3, 50), (5, 4)])
def test_tiny_images(double, shape):
    out = double(image(1, 1, *shape), 0.1)
    assert out.shape == (1, 1, *shape) and bool(torch.isfinite(out).all())


def test_gradients(double):
    x = image(1, 1, 5, 6).requires_grad_()
    sigma = torch.tensor([0.1], dtype=torch.float64, requires_grad=True)
    assert gradcheck(double, (x, sigma), atol=1e-4)


def test_bfloat16_is_near_and_leaves_derivatives_alone():
    denoiser = DRUNetDenoiser(None, preset="fast", precision="bfloat16")
    stirred(denoiser.net)
    denoiser.eval().requires_grad_(False)
    exact = copy.deepcopy(denoiser)
    exact.precision = "float32"
    x = torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    half, full = denoiser(x, 0.1), exact(x, 0.1)
    assert half.dtype == torch.float32 and not torch.equal(half, full)
    assert (half - full).abs().max() < 0.05 * (full - x).abs().max()
    assert torch.equal(denoiser(x.requires_grad_(), 0.1), exact(x, 0.1))  # derivatives are asked for
    assert denoiser(x.detach().double(), 0.1).dtype == torch.float64
    with torch.no_grad():
        for w in denoiser.parameters():
            w.mul_(0.5)
    changed = denoiser(x.detach(), 0.1)  # follows its weights
    assert (changed - half).abs().max() > 1e-3
    again = pickle.loads(pickle.dumps(denoiser))
    assert torch.equal(again(x.detach(), 0.1), changed)
    assert has_bfloat16(torch.device("meta")) is False
    again.precision = "auto"
    with full_precision():
        assert not torch.equal(again(x.detach(), 0.1), changed) or not has_bfloat16(torch.device("cpu"))


# ---- complex images


def complex_denoiser(tmp_path) -> DRUNetDenoiser:
    path = tmp_path / "complex.safetensors"
    net = stirred(DRUNet(3, 2, widths=(16, 32, 64, 128), blocks=2, skips="within"))
    state = {f"net.{name}": w for name, w in net.state_dict().items()}
    save_weights(path, state, {"family": "drunet", "preset": "fast", "channels": 1, "complex": True})
    return DRUNetDenoiser(str(path)).double()


def test_complex_images_commute_with_phases_and_scales(tmp_path):
    denoiser = complex_denoiser(tmp_path)
    x = torch.complex(image(1, 1, 18, 20), image(1, 1, 18, 20, seed=1))
    plain = denoiser(x, 0.1)
    for factor in (1j, -1.0, 2.0 * torch.exp(torch.tensor(0.7j, dtype=torch.complex128))):
        turned = denoiser(factor * x, 0.1 * abs(factor))
        assert torch.allclose(turned, factor * plain, atol=1e-9)
    assert denoiser.takes_complex and plain.is_complex()
    real = denoiser(x.real.contiguous(), 0.1)
    assert not real.is_complex() and real.shape == x.shape


# ---- weights


def test_the_card_decides_and_errors_name_the_argument(tmp_path):
    path = tmp_path / "own.safetensors"
    model = DRUNetDenoiser(None, preset="fast")
    save_weights(
        path,
        {k: v.half() for k, v in model.state_dict().items()},
        {"family": "drunet", "preset": "fast", "channels": 1},
    )
    loaded = DRUNetDenoiser(str(path))
    assert loaded.net.head.weight.dtype == torch.float32 and loaded.card["preset"] == "fast"
    for wrong in ({"preset": "accurate"}, {"channels": 3}, {"complex": True}):
        with pytest.raises(ValueError, match=f"^{next(iter(wrong))}: "):
            DRUNetDenoiser(str(path), **wrong)  # pyright: ignore
    for wrong in ({"preset": "huge"}, {"precision": "half"}, {"max_memory": 0}, {"channels": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            DRUNetDenoiser(None, **wrong)  # pyright: ignore
    with pytest.raises(FileNotFoundError, match="weights"):
        DRUNetDenoiser("nowhere.pth")
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    torch.save({"w": torch.zeros(1)}, tmp_path / "other.pth")
    for name in ("broken.pth", "other.pth"):
        with pytest.raises(WeightFileError, match=name):
            DRUNetDenoiser(str(tmp_path / name))


def test_released_weights_of_another_kind(tmp_path):
    state = DRUNet(2, 1, widths=(4, 6), blocks=1).state_dict()
    with pytest.raises(ValueError, match="names"):
        DRUNet(2, 1, widths=(4, 6), blocks=1).load_released(state)


def shipped() -> list[str]:
    return [name.partition("@")[0] for name in available("drunet")]


@pytest.mark.parametrize("name", shipped())
@pytest.mark.parametrize("sigma", [0.02, 25 / 255, 50 / 255])
def test_shipped_weights_denoise(name, sigma):
    """Edges and flat parts: the error falls to less than a seventh of the noise's energy, in any unit."""
    denoiser = DRUNetDenoiser(name)
    assert not denoiser.training and not any(p.requires_grad for p in denoiser.parameters())
    assert denoiser.sigma_range is not None and denoiser.sigma_range[1] >= 75 / 255
    x = torch.zeros(1, denoiser.channels or 1, 48, 48)
    x[..., 12:36, 12:36] = 0.8
    noise = sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    assert (denoiser(x + noise, sigma) - x).square().mean() < 0.15 * sigma**2
    big = denoiser(1e6 * (x + noise) - 3e5, 1e6 * sigma)
    assert (big / 1e6 - (x - 0.3)).square().mean() < 0.15 * sigma**2


@pytest.mark.parametrize("name", shipped())
def test_cards_tell_what_the_numbers_are(name):
    card = DRUNetDenoiser(name).card
    assert {"family", "preset", "channels", "sigma_range", "recipe", "data", "trained", "sha256"} <= set(card)
    scores = card.get("passport", {}).get("drift", {"60 iterations": 0, "1000 iterations": 0})
    assert scores["1000 iterations"] > scores["60 iterations"] - 0.1
    if name.startswith("natural"):
        assert {"psnr", "passport"} <= set(card)


def test_presets_choose_the_weights():
    if "natural-gray-fast" in shipped():
        fast = DRUNetDenoiser("natural-gray", preset="fast")
        assert fast.card["preset"] == "fast" and fast.card["name"] == "drunet-natural-gray-fast"
    with pytest.raises(ValueError, match=r"weights: .*natural-gray-fast@1"):
        DRUNetDenoiser("natural-grey")


def test_rounding_as_far_as_it_is_tolerated(monkeypatch):
    """Each sample by itself: what is bright beside sigma may be rounded, what is dark may not."""
    monkeypatch.setattr("denoisers.trained.drunet.has_bfloat16", lambda device: True)
    torch.manual_seed(0)
    x = torch.rand(1, 1, 16, 16) * torch.tensor([1.0, 0.05])[:, None, None, None]
    auto, exact, half = (DRUNetDenoiser(precision=p) for p in ("auto", "float32", "bfloat16"))
    with rounded(1.5e-3):
        found = auto(x, 0.1)
    assert torch.equal(found[:1], half(x[:1], 0.1)) and torch.equal(found[1:], exact(x[1:], 0.1))
    assert not torch.equal(found[:1], exact(x[:1], 0.1))
    with rounded(0.0):
        assert torch.equal(auto(x, 0.1), exact(x, 0.1))
    assert torch.equal(auto(x, 0.1), half(x, 0.1))


@pytest.mark.parametrize("weights", ["natural-gray", "ct", "radio", "natural-rgb"])
def test_what_bfloat16_moves_at_most(weights):
    if not has_bfloat16(torch.device("cpu")):
        pytest.skip("the processor has no bfloat16")
    torch.manual_seed(0)
    exact, half = (DRUNetDenoiser(weights, precision=p) for p in ("float32", "bfloat16"))
    for sigma in (0.02, 0.1, 0.3):
        x = data.sample("camera")[..., 64:128, 64:128].expand(1, exact.channels, 64, 64)
        x = x + sigma * torch.randn(x.shape)
        moved = float((exact(x, sigma) - half(x, sigma)).square().mean().sqrt())
        assert 0.3 < moved / float(rounding(x, torch.tensor([sigma]))) < 1
    assert half._excess() == 1


def test_steeper_weights_are_rounded_less_often(monkeypatch):
    """The bound is that of the shipped weights; of others it is measured once, and again when they change."""
    monkeypatch.setattr("denoisers.trained.drunet.has_bfloat16", lambda device: True)
    torch.manual_seed(0)
    x = data.sample("camera")[..., 64:128, 64:128] + 0.1 * torch.randn(1, 1, 64, 64)
    auto, exact, half = (DRUNetDenoiser(precision=p) for p in ("auto", "float32", "bfloat16"))
    with rounded(2e-3):
        assert torch.equal(auto(x, 0.1), half(x, 0.1))
    with torch.no_grad():
        for denoiser in (auto, exact, half):
            denoiser.net.tail.weight *= 6
    moved = float((exact(x, 0.1) - half(x, 0.1)).square().mean().sqrt())
    bound = float(rounding(x, torch.tensor([0.1])))
    assert bound < moved < auto._excess() * bound
    with rounded(2e-3):
        assert torch.equal(auto(x, 0.1), exact(x, 0.1))
