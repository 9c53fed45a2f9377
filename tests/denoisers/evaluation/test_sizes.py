"""Every denoiser and network on odd, tiny, huge and wrong images: the right result, or a clear error."""

import pytest
import torch

import denoisers as d
from pnp.passport.memory import peak_memory

DENOISERS = {
    "lofi": lambda c: d.LoFiDenoiser(None, channels=c),
    "lofi-fast": lambda c: d.LoFiDenoiser(None, preset="fast", channels=c),
    "xdncnn": lambda c: d.XDnCNNDenoiser(None, channels=c).eval(),
    "xdncnn-25": lambda c: d.XDnCNNDenoiser(None, channels=c, level=25 / 255).eval(),
    "mixer": lambda c: d.MixerDenoiser(None, channels=c, preset="small").eval(),
    "tv": lambda c: d.TVDenoiser(max_iter=20),
}
NETWORKS = {
    "dncnn": lambda: d.DnCNN(1, depth=3),
    "convnet": lambda: d.ConvNet(1, depth=3),
    "xnet": lambda: d.XNet(1, depth=3),
    "srcnn": d.SRCNN,
    "resunet": lambda: d.ResUNet(1, widths=(4, 8)),
    "simple": d.SimpleCNN,
}


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 1), (2, 3), (33, 47)])
@pytest.mark.parametrize("name", [*DENOISERS, *NETWORKS])
def test_any_size(name, shape):
    torch.manual_seed(0)
    x = torch.rand(3, 1, *shape)
    if name in DENOISERS:
        denoiser = DENOISERS[name](1)

        def run(v):
            return denoiser(v, 25 / 255)
    else:
        run = NETWORKS[name]().eval()
    with torch.no_grad():
        out = run(x)
        assert out.shape == x.shape and bool(out.isfinite().all())
        assert torch.allclose(run(x[1:2]), out[1:2], atol=1e-5)  # samples do not see each other
        assert torch.allclose(run(x.mT.contiguous().mT), out, atol=1e-5)  # whatever the memory's order


@pytest.mark.parametrize("name", DENOISERS)
def test_wrong_images_are_named(name):
    denoiser = DENOISERS[name](3)
    if name != "tv":
        with pytest.raises(ValueError, match="3 channel"):
            denoiser(torch.rand(1, 1, 8, 8), 0.1)
    for bad, kind in (
        (torch.rand(3, 8, 8), ValueError),
        (torch.rand(0, 3, 8, 8), ValueError),
        (torch.rand(1, 3, 8, 0), ValueError),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), TypeError),
        (torch.zeros(1, 3, 8, 8, dtype=torch.complex64), TypeError),
        ([[1.0]], TypeError),
    ):
        with pytest.raises(kind, match="x:"):
            denoiser(bad, 0.1)
    for sigma in (-0.1, float("nan"), [0.1, 0.2]):
        with pytest.raises(ValueError, match="sigma"):
            denoiser(torch.rand(1, 3, 8, 8), sigma)


@pytest.mark.parametrize("name", DENOISERS)
def test_precisions_go_there_and_back(name):
    denoiser, x = DENOISERS[name](1), torch.rand(1, 1, 12, 12)
    with torch.no_grad():
        expected = denoiser(x, 25 / 255)
        assert torch.allclose(denoiser(x.double(), 25 / 255).float(), expected, atol=1e-5)
        assert denoiser(x.double(), 25 / 255).dtype == torch.float64
        half = denoiser(x.bfloat16(), 25 / 255)
    assert half.dtype == torch.bfloat16 and torch.allclose(half.float(), expected, atol=0.05)


@pytest.mark.parametrize("kind", [d.LoFiDenoiser, d.XDnCNNDenoiser])
def test_memory_budget_changes_nothing(kind):
    torch.manual_seed(0)
    whole = kind(None).eval()
    for p in whole.parameters():
        p.data.add_(0.01 * torch.randn_like(p))
    tiled = kind(None, max_memory=2e7).eval()
    tiled.load_state_dict(whole.state_dict())
    calls = []
    inner = "_denoise" if kind is d.LoFiDenoiser else "fast"
    original = getattr(tiled, inner)
    setattr(tiled, inner, lambda *a: (calls.append(a[0].shape[-2:].numel()), original(*a))[1])
    x = torch.rand(1, 1, 211, 190)
    with torch.no_grad():
        assert torch.allclose(tiled(x, 0.1), whole(x, 0.1), atol=1e-4)
    assert len(calls) > 1 and max(calls) < x.numel()
    with pytest.raises(ValueError, match="max_memory"):
        kind(None, max_memory=0)


@pytest.mark.parametrize("shape", [(1, 1), (15, 15), (16, 17), (15, 32), (17, 31), (31, 16)])
def test_images_too_small_for_the_unet(shape):
    for net in (d.UNet(1, width=2), d.UNet(1, width=2).eval()):
        with pytest.raises(ValueError, match="^x: .*16 x 32"):
            net(torch.rand(1, 1, *shape))


@pytest.mark.parametrize(("poolings", "shape"), [(4, (16, 32)), (4, (35, 17)), (2, (4, 9)), (1, (2, 5)), (0, (1, 2))])
def test_smallest_images_of_the_unet(poolings, shape):
    x = torch.rand(2, 1, *shape)
    out = d.UNet(1, width=2, poolings=poolings)(x)
    assert out.shape == x.shape and bool(out.isfinite().all())


@pytest.mark.slow
@pytest.mark.parametrize("kind", [d.LoFiDenoiser, d.XDnCNNDenoiser])
def test_twelve_megapixels_in_half_a_gigabyte(kind):
    denoiser = kind(None, max_memory=4e8).eval()
    x = torch.rand(1, 1, 3000, 4000)
    with torch.no_grad():
        peak = peak_memory(lambda: denoiser(x, 0.1))
    assert peak is None or peak < 4e8 + 3 * x.numel() * 4
