"""Denoisers that solvers are proven to converge with: gradient steps, relaxed ones."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

from denoisers import Averaged, DRUNetDenoiser, GradientStep


class Smooth(torch.nn.Module):
    """A small network with smooth activations, for any number of channels."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        layers = (torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ELU(), torch.nn.Conv2d(4, 1, 3, padding=1))
        self.net = torch.nn.Sequential(*layers).double().requires_grad_(False)

    def forward(self, x: Tensor, sigma: Any) -> Tensor:
        level = torch.as_tensor(sigma, dtype=x.dtype).reshape(-1, 1, 1, 1)
        return x - level * self.net(x / level)


def image(batch: int = 1) -> Tensor:
    return torch.rand(batch, 1, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def test_a_gradient_step_is_one_of_its_objective():
    denoiser, x, sigma = GradientStep(Smooth()), image(2), torch.tensor([0.3, 0.7], dtype=torch.float64)
    step = 1e-6 * torch.rand_like(x)
    change = denoiser.objective(x + step, sigma) - denoiser.objective(x - step, sigma)
    slope = x - denoiser(x, sigma)
    assert torch.allclose(change / 2, (slope * step).flatten(1).sum(1), rtol=1e-6)
    assert torch.equal(denoiser(x[1:], sigma[1:]), denoiser(x, sigma)[1:])


def test_its_derivative_is_symmetric_in_every_mode():
    denoiser, x = GradientStep(Smooth()), image()
    jacobian = torch.autograd.functional.jacobian(lambda v: denoiser(v, 0.5), x).reshape(30, 30)  # pyright: ignore
    assert torch.allclose(jacobian, jacobian.T, atol=1e-13)
    v = torch.rand_like(x)
    with torch.no_grad():
        assert not denoiser(x, 0.5).requires_grad
        with forward_ad.dual_level():
            pushed = forward_ad.unpack_dual(denoiser(forward_ad.make_dual(x, v), 0.5)).tangent
    assert pushed is not None and torch.allclose(pushed.flatten(), jacobian @ v.flatten(), atol=1e-13)


def test_shipped_weights_make_a_gradient_step_and_widen_within_their_range():
    inner = DRUNetDenoiser(preset="fast")
    x = torch.rand(1, 1, 16, 16)
    heard = []
    inner.forward = lambda x, sigma: heard.append(sigma) or 0.9 * x  # pyright: ignore
    GradientStep(inner, widen=1.5)(x, 0.1)
    GradientStep(inner, widen=1.5)(x, torch.tensor([0.3]))
    top = inner.sigma_range[1]  # pyright: ignore
    assert [float(s) for s in heard] == pytest.approx([0.15, max(0.3, top)], rel=1e-5)


def test_averages_lie_between():
    x = image()
    assert torch.allclose(Averaged(Smooth(), share=0.25)(x, 0.5), 0.75 * x + 0.25 * Smooth()(x, 0.5))
    assert torch.equal(Averaged(Smooth(), share=1.0)(x, 0.5), Smooth()(x, 0.5))


@pytest.mark.parametrize("make", [lambda: Averaged(Smooth(), share=0.0), lambda: GradientStep(Smooth(), widen=0.0)])
def test_bad_arguments(make):
    with pytest.raises(ValueError, match="^(share|widen): expected"):
        make()


def test_what_leaves_the_graph_has_no_gradient_step():
    with pytest.raises(RuntimeError, match="no derivative"):
        GradientStep(lambda x, sigma: x.detach() / 2 + x.detach())(image(), 0.1)
