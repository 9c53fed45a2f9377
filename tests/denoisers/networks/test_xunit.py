"""xUnit networks: parameter counts of the papers and of the authors' checkpoints, layout, shapes."""

import pytest
import torch
from torch import nn

from denoisers import (
    XSRCNN,
    ConvNet,
    DnCNN,
    SRResNet,
    XDnCNN,
    XDnCNNDenoiser,
    XNet,
    XSRResNet,
    XUnit,
    folded,
    receptive_field,
)  # fmt: skip
from denoisers.weights import save_weights
from pnp.train.by_recipe import save_trained
from pnp.train.evaluation import load_trained
from pnp.train.recipes import RECIPES


def authors_count(model: nn.Module) -> int:
    """Weights of convolutions and all of the normalisations, no biases of convolutions: the authors' rule."""
    return sum(
        p.numel()
        for module in model.modules()
        for name, p in module.named_parameters(recurse=False)
        if isinstance(module, nn.BatchNorm2d) or (isinstance(module, nn.Conv2d) and name != "bias")
    )


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("layout", ["conv-unit-norm", "conv-norm-unit"])
def test_counts_of_xdncnn(layout):
    gray, colour = XDnCNN(1, layout=layout), XDnCNN(3, layout=layout)
    assert (authors_count(gray), count(gray)) == (303_616, 304_641)
    assert (authors_count(colour), count(colour)) == (305_920, 306_947)


def test_counts_of_the_other_networks():
    assert authors_count(XNet(1, depth=4, kernel_size=11)) == 99_136
    assert [authors_count(XNet(1, depth=d)) for d in (3, 4, 5, 9)] == [49_024, 91_456, 133_888, 303_616]
    assert [authors_count(ConvNet(1, depth=d)) for d in (4, 9, 10)] == [75_264, 260_224, 297_216]
    assert (authors_count(DnCNN(1)), count(DnCNN(1)), count(DnCNN(3))) == (556_032, 556_097, 558_403)
    assert authors_count(DnCNN(3)) == 558_336
    assert [count(folded(DnCNN(c))) for c in (1, 3)] == [555_137, 557_443]  # normalisation folded into convolutions
    assert [count(folded(DnCNN(c, depth=20))) for c in (1, 3)] == [665_921, 668_227]
    assert [authors_count(XSRCNN(v)) for v in ("f", "c")] == [32_576, 44_092]
    assert authors_count(XSRResNet()) == 1_155_968 and authors_count(SRResNet()) == 1_546_752


def test_unit_is_the_papers_formula():
    g = torch.Generator().manual_seed(0)
    unit, z = XUnit(3, 5).double().eval(), torch.randn(2, 3, 9, 8, dtype=torch.float64, generator=g)
    state = {k: torch.rand(v.shape, generator=g).to(v.dtype) + 0.1 for k, v in unit.state_dict().items()}
    unit.load_state_dict(state)

    def normalised(x: torch.Tensor, layer: int) -> torch.Tensor:
        mean, var, weight, bias = (
            state[f"gate.{layer}.{k}"].view(3, 1, 1) for k in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    padded = nn.functional.pad(torch.relu(normalised(z, 0)), (2, 2, 2, 2))
    windows = padded.unfold(2, 5, 1).unfold(3, 5, 1)
    d = torch.einsum("bcijkl,ckl->bcij", windows, state["gate.2.weight"][:, 0]) + state["gate.2.bias"].view(3, 1, 1)
    assert torch.allclose(unit(z), z * torch.exp(-normalised(d, 3).square()), atol=1e-12)


def test_layouts():
    kinds = {
        layout: [type(m).__name__ for m in XNet(1, depth=4, layout=layout)]
        for layout in ("conv-unit-norm", "conv-norm-unit")
    }
    assert kinds["conv-unit-norm"] == [
        "Conv2d", "XUnit", "BatchNorm2d", "Conv2d", "XUnit", "BatchNorm2d", "Conv2d", "XUnit", "Conv2d",
    ]  # fmt: skip
    assert kinds["conv-norm-unit"] == [
        "Conv2d", "XUnit", "Conv2d", "BatchNorm2d", "XUnit", "Conv2d", "BatchNorm2d", "XUnit", "Conv2d",
    ]  # fmt: skip


def test_denoiser_of_one_level_and_of_all():
    x = torch.rand(2, 1, 11, 14)
    one, every = XDnCNNDenoiser(None, level=0.1).eval(), XDnCNNDenoiser(None).eval()
    assert one.sigma_range == (0.1, 0.1) and torch.equal(one(x, 0.1), one(x, 0.2))
    told = every(x, torch.tensor([0.1, 0.2]))
    assert torch.allclose(told[1:], every(x[1:], 0.2), atol=1e-6) and not torch.allclose(told[:1], every(x[:1], 0.2))


def test_presets_are_layouts_and_the_card_decides(tmp_path):
    paper = XDnCNNDenoiser(None, preset="paper", level=0.1).eval()
    kinds = [type(m).__name__ for m in paper.net.net][:5]  # pyright: ignore
    assert kinds == ["Conv2d", "XUnit", "Conv2d", "BatchNorm2d", "XUnit"]
    assert [type(m).__name__ for m in XDnCNNDenoiser(None).net.net][2] == "BatchNorm2d"  # pyright: ignore
    path, x = str(tmp_path / "paper.safetensors"), torch.rand(1, 1, 9, 9)
    card = {"family": "xdncnn", "preset": "paper", "channels": 1, "sigma_range": [0.1, 0.1]}
    save_weights(path, paper.state_dict(), card)
    assert torch.allclose(XDnCNNDenoiser(path)(x, 0.1), paper(x, 0.1), atol=1e-6)
    assert XDnCNNDenoiser(path, preset="paper", channels=1).sigma_range == (0.1, 0.1)
    for wrong in ({"preset": "released"}, {"channels": 3}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            XDnCNNDenoiser(path, **wrong)  # pyright: ignore
    save_weights(path, paper.state_dict(), {**card, "preset": "book"})
    with pytest.raises(ValueError, match="preset"):
        XDnCNNDenoiser(path)


def test_radius_is_the_networks():
    denoiser = XDnCNNDenoiser(None, level=0.1).eval()
    assert denoiser.radius == 41 == receptive_field(denoiser.net, 1)


def test_deraining_is_residual_once(tmp_path):
    recipe = RECIPES["xdncnn-derain"]
    model, x = recipe.build().eval(), torch.rand(1, 3, 12, 13)
    last = [m for m in model.modules() if isinstance(m, nn.Conv2d)][-1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)  # pyright: ignore
    assert torch.equal(model(x), x)  # no rain found: the image stays
    path = tmp_path / "derain.safetensors"
    save_trained(path, model, model.state_dict(), recipe.card())
    loaded, found = load_trained(path)
    assert found.name == recipe.name and torch.equal(loaded(x), x)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: XUnit(4, 8), "kernel_size"),
        (lambda: XNet(1, depth=1), "depth"),
        (lambda: DnCNN(depth=1), "depth"),
        (lambda: XDnCNN(layout="other"), "layout"),  # type: ignore[arg-type]
        (lambda: XDnCNNDenoiser()(torch.rand(1, 3, 8, 8), 0.1), "x"),
        (lambda: XDnCNNDenoiser(level=0.1), "level"),
        (lambda: XDnCNNDenoiser("natural-blue"), "weights"),
        (lambda: XDnCNNDenoiser("natural-gray", channels=3), "channels"),
        (lambda: XDnCNNDenoiser("natural-gray", preset="paper"), "preset"),
        (lambda: XDnCNNDenoiser(None, preset="book"), "preset"),
        (lambda: XDnCNNDenoiser(None, channels=0), "channels"),
        (lambda: XDnCNNDenoiser(None, level=-1), "level"),
        (lambda: XDnCNNDenoiser(None, level=0), "level"),
        (lambda: XDnCNNDenoiser(None, level=float("nan")), "level"),
    ],
)
def test_bad_arguments_are_named(call, word):
    with pytest.raises(ValueError, match=f"^{word}: "):
        call()
