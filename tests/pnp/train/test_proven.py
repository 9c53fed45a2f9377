"""What makes denoisers proven: the norm of their derivative, its penalty, recipes of gradient steps."""

from dataclasses import replace

import pytest
import torch

from denoisers import DRUNetDenoiser, GradientStep
from pnp.train import NonExpansive, reflected_norm, train
from pnp.train.recipes import RECIPES
from tests.pnp.train.training import draw_pictures


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    return draw_pictures(tmp_path / "images")


def net(seed: int = 0) -> torch.nn.Sequential:
    torch.manual_seed(seed)
    layers = (torch.nn.Conv2d(1, 6, 3, padding=1), torch.nn.ELU(), torch.nn.Conv2d(6, 1, 3, padding=1))
    return torch.nn.Sequential(*layers).double()


def test_the_norm_is_that_of_the_jacobian_and_has_its_derivative():
    model, x = net(), torch.rand(2, 1, 5, 5, dtype=torch.float64)
    found = reflected_norm(model, x, steps=200)
    for b in range(2):
        jacobian = torch.autograd.functional.jacobian(model, x[b : b + 1]).reshape(25, 25)  # pyright: ignore
        truth = torch.linalg.matrix_norm(2 * jacobian - torch.eye(25, dtype=x.dtype), 2)
        assert found[b].item() == pytest.approx(float(truth), rel=1e-6)
    (slope,) = torch.autograd.grad(found.sum(), next(model.parameters()))
    with torch.no_grad():
        step = 1e-5 * torch.randn_like(slope)
        next(model.parameters()).add_(step)
        more = reflected_norm(model, x, steps=200).sum()
        next(model.parameters()).sub_(2 * step)
        less = reflected_norm(model, x, steps=200).sum()
    assert float(more - less) == pytest.approx(2 * float((slope * step).sum()), rel=1e-3)


def test_a_few_steps_of_the_penalty_make_a_denoiser_firmly_non_expansive():
    model, x = net(3), torch.rand(4, 1, 8, 8, dtype=torch.float64)
    noisy, goal = x + 0.1 * torch.randn_like(x), NonExpansive(0.1, margin=0.2)
    with torch.no_grad():
        for p in model.parameters():
            p *= 1.6
    before = reflected_norm(model, x, steps=30).max()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(80):
        optimizer.zero_grad()
        loss = (model(noisy) - x).square().mean() + goal(model, x, noisy, seed=step)
        loss.backward()
        optimizer.step()
    after = reflected_norm(model, x, steps=30).max()
    assert before > 1.2 and after < 1.0
    assert float(goal(lambda v: v / 2, x, noisy)) == pytest.approx(0.1 * 0.8)


@pytest.mark.parametrize("wrong", [{"weight": 0.0}, {"margin": 1.0}, {"steps": 0}])
def test_bad_arguments_of_the_penalty(wrong):
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))}: "):
        NonExpansive(**wrong)


def test_gradient_steps_are_trained_from_plain_weights_and_kept_as_such(tmp_path, folder):
    recipe = RECIPES["drunet-natural-gray-gradient-step"].tiny()
    first = train(replace(recipe, steps=1), folder, tmp_path / "a", start="natural-gray-fast", quiet=True)
    denoiser = GradientStep(DRUNetDenoiser(str(first)))
    x = torch.rand(1, 1, 16, 16)
    assert denoiser(x, 0.1).shape == x.shape
    second = train(replace(recipe, steps=2), folder, tmp_path / "b", start=first, quiet=True)
    assert not torch.equal(DRUNetDenoiser(str(second))(x, 0.1), denoiser.denoiser(x, 0.1))


def test_penalised_recipes_train_and_say_so(tmp_path, folder):
    recipe = RECIPES["drunet-natural-gray-non-expansive"].tiny()
    path = train(replace(recipe, steps=1), folder, tmp_path, quiet=True)
    assert DRUNetDenoiser(str(path)).card["recipe"]["penalty"] == 0.01
    assert "penalty" not in RECIPES["drunet-natural-gray-fast"].describe()
