"""A gradient step with weights: those that ship, and those of a training."""

import pickle

import pytest
import torch

from denoisers import DRUNetDenoiser, GradientStep, GradientStepDenoiser
from denoisers.weights import WeightFileError, save_weights, weights_path
from operators import Blur, gaussian_kernel
from pnp import PnPDescent, Stop, data
from pnp.metrics import psnr


def test_it_denoises_as_its_network_alone_does_not():
    x = data.sample("camera")[..., 100:164, 100:164]
    noisy = x + 25 / 255 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    denoiser = GradientStepDenoiser()
    estimate = denoiser(noisy, 25 / 255)
    assert (
        psnr(estimate, x) > psnr(noisy, x) + 8 and psnr(estimate, x) > psnr(denoiser.denoiser(noisy, 25 / 255), x) + 2
    )
    assert not estimate.requires_grad and denoiser.sigma_range == (0.0, 80 / 255) and denoiser.channels == 1
    assert denoiser(noisy.clone().requires_grad_(), 25 / 255).requires_grad
    assert torch.equal(pickle.loads(pickle.dumps(denoiser))(noisy, 0.1), denoiser(noisy, 0.1))


def test_it_takes_an_objective_down():
    x = data.sample("camera")[..., 100:132, 100:132]
    op, values = Blur(gaussian_kernel(1.6, size=9), (32, 32)), []
    solver = PnPDescent(op, GradientStepDenoiser(), noise_std=0.02)
    solver.stop = Stop(1e-7, solver.settled + 8)

    def note(state, record) -> None:
        if state.step > solver.settled:
            values.append(float(state.values.objective))

    solver.solve(op.A(x) + 0.02 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1)), callback=note)
    assert len(values) > 3 and all(b <= a * (1 + 1e-6) for a, b in zip(values, values[1:]))


def test_weights_of_a_training_are_read(tmp_path):
    inner = DRUNetDenoiser(None, preset="fast", precision="float32")
    with torch.no_grad():
        for w in inner.parameters():
            w += 0.02 * torch.randn(w.shape, generator=torch.Generator().manual_seed(w.numel()))
    path, card = tmp_path / "mine.safetensors", {"preset": "fast", "channels": 1, "sigma_range": [0.0, 0.3]}
    save_weights(path, inner.state_dict(), {**card, "family": "drunet"})
    x = torch.rand(1, 1, 16, 24)
    assert torch.allclose(GradientStepDenoiser(str(path))(x, 0.1), GradientStep(inner)(x, 0.1), atol=1e-6)
    save_weights(path, inner.state_dict(), {**card, "family": "drunet", "preset": "accurate"})
    with pytest.raises(WeightFileError, match="does not hold the network of its card"):
        GradientStepDenoiser(str(path))


@pytest.mark.parametrize(("name", "error"), [("natural-rgb", ValueError), ("none.safetensors", FileNotFoundError)])
def test_what_is_not_there_is_named(name, error):
    with pytest.raises(error, match="^weights: "):
        GradientStepDenoiser(name)


def test_its_weights_are_no_plain_denoiser():
    with pytest.raises(WeightFileError, match="holds a 'gradient-step' network"):
        DRUNetDenoiser(str(weights_path("natural-gray", family="gradient-step")))
