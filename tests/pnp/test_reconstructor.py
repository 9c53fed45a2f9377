"""Networks behind the operator: shapes, units, lists of operators, disk, gradients."""

import numpy as np
import pytest
import torch
from torch import nn

from denoisers import LoFiDenoiser, UNet
from operators import (
    MRI,
    Blur,
    Identity,
    Inpainting,
    KaiserSquires,
    LinearOperator,
    RadioInterferometry,
    Radon,
    gaussian_kernel,
    random_columns,
    random_mask,
)
from pnp import Reconstructor
from pnp.train import Measured, Pairs, Trainer, read_measurements
from pnp.train.recipes.simulate import accelerated_mri, smooth_phase


def network(*channels: int) -> UNet:
    torch.manual_seed(0)
    return UNet(*channels, width=4, poolings=2)


CASES = {
    "adjoint": (lambda: Inpainting(random_mask((16, 16), 0.5, seed=0)), (1, 1)),
    "fbp": (lambda: Radon(16, torch.linspace(0, 3, 12)), (1, 1)),
    "pinv": (lambda: Blur(gaussian_kernel(0.4), (16, 16)), (1, 1)),
    "ks": (lambda: KaiserSquires((16, 16)), (2, 1)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("residual", [True, False])
def test_every_preprocessing_follows_units(name, residual):
    make, channels = CASES[name]
    op = make()
    model = Reconstructor(op, network(*channels), name, residual=residual).eval()
    x = torch.rand(2, *op.in_shape, generator=torch.Generator().manual_seed(1))
    y = op(x)
    answer = model(y)
    assert answer.shape == x.shape and answer.dtype == torch.float32
    for c in (2.0**-27, 2.0**27):  # exact, since deconvolution magnifies every rounding
        assert torch.allclose(model(c * y) / c, answer, atol=1e-6)
    assert torch.allclose(model(y[:1]), answer[:1], atol=1e-5)
    assert torch.allclose(model([y[:1], y[1:]], [op, op]), answer, atol=1e-5)
    double = y.to(torch.complex128 if y.is_complex() else torch.float64)
    assert model.double()(double).dtype == torch.float64


def test_complex_images_come_out_complex_or_real():
    op = MRI(random_columns((16, 16), 2.0, 0.2, seed=0))
    y = op(torch.randn(1, 1, 16, 16, dtype=torch.complex64))
    assert Reconstructor(op, network(2, 2))(y).is_complex()
    assert not Reconstructor(op, network(2, 1))(y).is_complex()
    with pytest.raises(ValueError, match="channels"):
        Reconstructor(op, network(2, 3))(y)


def test_a_network_of_zeros_gives_the_preprocessed_image():
    op = Radon(16, torch.linspace(0, 3, 12))
    y = op(torch.rand(2, 1, 16, 16))

    class Zero(nn.Module):
        def forward(self, x):
            return torch.zeros_like(x)

    assert torch.allclose(Reconstructor(op, Zero(), "fbp")(y), op.fbp(y), atol=1e-6)
    mean = op.fbp(y).mean((1, 2, 3), keepdim=True).expand(2, 1, 16, 16)
    assert torch.allclose(Reconstructor(op, Zero(), "fbp", residual=False)(y), mean, atol=1e-5)
    assert not Reconstructor(op, Zero(), "fbp", residual=False, normalise=False)(y).any()
    assert torch.isfinite(Reconstructor(op, network(1), "fbp")(0 * y)).all()


def test_derivatives_reach_data_and_network():
    op = Blur(gaussian_kernel(1.0), (8, 8))
    model = Reconstructor(op, nn.Conv2d(1, 1, 3, padding=1).double())
    y = op(torch.rand(1, 1, 8, 8, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(model, (y,), atol=1e-6)
    model(y).square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_disk(tmp_path):
    op = Radon(16, torch.linspace(0, 3, 12))
    model = Reconstructor(op, network(1), "fbp", residual=False).eval()
    y = op(torch.rand(1, 1, 16, 16))
    model.save(tmp_path / "a.safetensors")
    again = Reconstructor.load(tmp_path / "a.safetensors", Radon(16, torch.linspace(0, 3, 12)), network(1))
    assert torch.equal(again(y), model(y)) and not again.residual
    with pytest.raises(ValueError, match="other values"):
        Reconstructor.load(tmp_path / "a.safetensors", Radon(16, torch.linspace(0, 3.1, 12)), network(1))
    with pytest.raises(ValueError, match="out_shape"):
        Reconstructor.load(tmp_path / "a.safetensors", Radon(16, torch.linspace(0, 3, 13)), network(1))
    with pytest.raises(ValueError, match="network"):
        Reconstructor.load(tmp_path / "a.safetensors", op, UNet(1, width=6, poolings=2))


def test_bad_arguments():
    op = Inpainting(random_mask((8, 8), 0.5, seed=0))
    with pytest.raises(ValueError, match="preprocess"):
        Reconstructor(op, network(1), "fdk")
    with pytest.raises(TypeError, match="no fbp"):
        Reconstructor(op, network(1), "fbp")
    with pytest.raises(TypeError, match="preprocess"):
        Reconstructor(op, network(1), 3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="list"):
        Reconstructor(op, network(1))([torch.zeros(1, 1, 8, 8)], None)


def test_random_masks_are_drawn_for_each_sample_and_learned_from():
    t = torch.linspace(0, 3, 16)
    images = [(torch.sin((i + 1) * t[:, None]) * torch.cos(t)).square()[None] for i in range(3)]
    make = accelerated_mri(16)
    task = Measured(images, make, lambda y, seed: y, batch=3, prepare=smooth_phase, criterion=distance)
    drawn, again = task.draw(4, [0, 1, 2]), task.draw(4, [1])
    masks = [op.mask for op in drawn.given[1]]
    assert not torch.equal(masks[0], masks[1]) and torch.equal(masks[1], again.given[1][0].mask)
    assert torch.equal(drawn.target[1], again.target[0])
    model = Reconstructor(make(torch.Generator().manual_seed(0)), network(2, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(40):  # the same three samples again and again
        optimizer.zero_grad()
        loss = task.loss(model, drawn)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert len(list(Trainer(model, task).run(2))) == 2


def distance(x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (x - target).abs().square().mean()


def test_precision_of_data_and_network_may_differ_and_arguments_be_swapped():
    op = Radon(16, torch.linspace(0, 3, 12))
    model = Reconstructor(op, network(1), "fbp").eval()
    y = op(torch.rand(1, 1, 16, 16))
    assert model(y.double()).dtype == torch.float64
    assert torch.allclose(model(y.double()).float(), model(y), atol=1e-4)
    with pytest.raises(TypeError, match="order is"):
        Reconstructor(network(1), op)
    with pytest.raises(TypeError, match="network"):
        Reconstructor(op, None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"torch\.Tensor"):
        model(y.numpy())


def test_measurements_from_files_are_learned_from(tmp_path):
    op = MRI(random_columns((16, 16), 2.0, 0.2, seed=0))
    for i in range(3):
        x = torch.randn(1, 16, 16, dtype=torch.complex64, generator=torch.Generator().manual_seed(i))
        np.savez(tmp_path / f"{i}.npz", y=op.A(x[None])[0].numpy(), x=x.numpy())
    pairs = read_measurements(tmp_path)
    task = Pairs(pairs, batch=2, turn=False, criterion=distance)
    drawn = task.draw(0, [0, 1])
    assert drawn.given[0].is_complex() and torch.allclose(op.A(drawn.target), drawn.given[0], atol=1e-5)
    assert len(list(Trainer(Reconstructor(op, network(2, 2)), task).run(2))) == 2
    (tmp_path / "3.npz").write_bytes(b"none")
    with pytest.raises(ValueError, match=r"3\.npz"):
        read_measurements(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_measurements(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="crop"):
        Pairs(pairs, batch=1, crop=4, turn=False)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_constant_images_and_zeros_have_units_too(scale):
    op = Identity((16, 16))
    model = Reconstructor(op, network(1, 1)).eval()
    y = torch.stack([scale * torch.ones(1, 16, 16), torch.zeros(1, 16, 16)]).requires_grad_()
    answer = model(y)
    assert torch.allclose(answer[0] / scale, model(torch.ones(1, 1, 16, 16))[0], atol=1e-5)
    assert not answer[1].any()
    (gradient,) = torch.autograd.grad(answer.sum(), y)
    assert torch.isfinite(gradient).all()


def test_bad_data_and_networks_are_named():
    op = Identity((16, 16))
    model = Reconstructor(op, network(1, 1)).eval()
    for y, message in (
        (torch.full((1, 1, 16, 16), float("nan")), "y: holds NaN"),
        (torch.ones(1, 1, 16, 15), "y: exp"),
    ):
        with pytest.raises(ValueError, match=message):
            model(y)
    with pytest.raises(ValueError, match="op: a list"):
        model([], [])
    with pytest.raises(ValueError, match="network: gives"):
        Reconstructor(op, nn.AdaptiveAvgPool2d(1))(torch.rand(1, 1, 16, 16))
    with pytest.raises(TypeError, match="is a denoiser"):
        Reconstructor(op, LoFiDenoiser())


class Widened(nn.Module):
    """A preprocessing with a weight."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(value))

    def forward(self, op, y):
        return self.gain * op.A_adjoint(y)


class Gain(LinearOperator):
    """An operator with a weight."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.in_shape, self.gain = (1, 16, 16), nn.Parameter(torch.tensor(value))

    def A(self, x):
        return self.gain.to(x.dtype) * x


def test_own_preprocessing_and_trained_operators_come_back(tmp_path):
    y = torch.rand(1, 1, 16, 16)
    model = Reconstructor(Gain(2.0), network(1, 1), Widened(3.0), normalise=False).eval()
    model.save(tmp_path / "a.safetensors")
    again = Reconstructor.load(tmp_path / "a.safetensors", Gain(7.0), network(1, 1), Widened(0.0))
    assert torch.equal(again(y), model(y))
    with pytest.raises(ValueError, match="saved with a function Widened; pass it"):
        Reconstructor.load(tmp_path / "a.safetensors", Gain(2.0), network(1, 1))

    def adjoint(op, y):
        return 5 * op.A_adjoint(y)

    model = Reconstructor(Identity((16, 16)), network(1, 1), adjoint)
    model.save(tmp_path / "b.safetensors")
    for wrong in (None, "adjoint"):  # the function is not the method of its name
        with pytest.raises(ValueError, match="preprocess: the model was saved with"):
            Reconstructor.load(tmp_path / "b.safetensors", Identity((16, 16)), network(1, 1), wrong)
    assert Reconstructor.load(tmp_path / "b.safetensors", Identity((16, 16)), network(1, 1), adjoint).residual


@pytest.mark.parametrize(
    "op",
    [
        Radon(12, torch.linspace(0, 3, 7)),
        Blur(gaussian_kernel(0.5), (8, 8)),
        MRI(random_columns((8, 8), 2.0, 0.3, seed=0), torch.randn(2, 8, 8, dtype=torch.complex64)),
        RadioInterferometry(torch.linspace(-3, 3, 60).reshape(2, 30).sin() * 3, (6, 6), unit="rad/pixel"),
    ],
    ids=lambda op: type(op).__name__,
)
def test_pseudo_inverse_has_its_derivatives(op):
    kind = torch.complex128 if op.in_dtype.is_complex else torch.float64
    draws = (torch.randn(1, *op.in_shape, dtype=kind, generator=torch.Generator().manual_seed(s)) for s in range(3))
    first, second, g = (op.A_adjoint_A(v) for v in draws)  # else singular values beyond all digits decide
    y, v = op.A(first).requires_grad_(), op.A(second)
    x = op.A_dagger(y)
    (gradient,) = torch.autograd.grad(x, y, g)
    change = op.A_dagger(v)  # linear, so no finite step is needed
    assert (gradient * v.conj()).real.sum().item() == pytest.approx((g * change.conj()).real.sum().item(), rel=1e-5)
    zero = torch.zeros_like(y, requires_grad=True)
    assert torch.isfinite(torch.autograd.grad(op.A_dagger(zero).abs().sum(), zero)[0]).all()


def test_pseudo_inverse_has_no_derivative_by_constants():
    op = Gain(2.0)
    x = op.A_dagger(torch.rand(1, 1, 16, 16))
    assert torch.isfinite(x).all()
    with pytest.raises(RuntimeError, match="no derivative by the operator's constants"):
        x.sum().backward()
