"""Priors trained for solvers: samples from their iterations, scores inside them, Muon, images of fields."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from denoisers import DRUNetDenoiser, TVDenoiser
from operators import Inpainting
from operators.linalg import column
from pnp import PnPADMM, Stop
from pnp.metrics import psnr
from pnp.train import DenoiseCrops, Trainer, train
from pnp.train.checkpoint import load_checkpoint, save_checkpoint
from pnp.train.in_solver import PROBLEMS, in_solver, measured
from pnp.train.muon import Muon, orthogonalised
from pnp.train.recipes import RECIPES, PriorRecipe
from pnp.train.recipes.fields import attenuation, ct_slices, magnitudes, random_phase, skies, stretched
from pnp.train.solver_crops import SolverCrops, handed, random_columns_of, random_operator
from pnp.train.task import sample_generator

from .training import draw_pictures


def generators(count: int) -> list[torch.Generator]:
    return [sample_generator(0, 0, i) for i in range(count)]


def task(channels: int = 1, **others) -> SolverCrops:
    images = [torch.rand(channels, 40, 40, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    settings = {"crop": 24, "batch": 4, "sigmas": (0.01, 0.3), "share": 0.5, "levels": "ratio"}
    return SolverCrops(images, **{**settings, **others})


# ---- operators for training


@pytest.mark.parametrize("kind", range(6))
@pytest.mark.parametrize("channels", [1, 3])
def test_random_operators_are_of_each_sample_and_projections_are(kind, channels):
    op, projects = random_operator(kind, 24, generators(2), channels)
    x = torch.rand(2, 1, 24, 24).repeat_interleave(channels, 0)
    y = op.A(x)
    assert len(y) == 2 * channels and bool(torch.isfinite(y).all())
    if projects:
        assert torch.allclose(op.A(y), y, atol=1e-5)
        assert float(y.square().sum()) < float(x.square().sum())
    if channels > 1:  # those of a sample have the same
        assert torch.allclose(y[:3], y[:1].expand(3, -1, -1, -1), atol=1e-6)


def test_columns_of_complex_images():
    op: Any = random_columns_of(32, generators(3))
    assert op.in_dtype.is_complex and len(op.mask) == 3
    kept = op.mask.float().mean((1, 2, 3))
    assert bool((kept > 0.08).all()) and bool((kept < 0.6).all())


# ---- samples from iterations


def test_what_is_handed_is_what_the_solver_hands():
    """With one level throughout, ADMM's third iterate by the solver of the library, from the same start."""
    denoiser, x = TVDenoiser(), torch.rand(2, 1, 24, 24)
    op = Inpainting((torch.rand(24, 24, generator=torch.Generator().manual_seed(1)) < 0.6).float())
    y, start = op.A(x), torch.full_like(x, 0.5)
    std, sigma, balance = torch.full((2,), 0.02), torch.full((2,), 0.25), torch.ones(2)
    solver = (op, y, std, start, sigma, balance, torch.tensor([3.0, 1.0]))
    made, level = handed(denoiser, solver, 1)
    v, u, gamma = start, torch.zeros_like(start), (0.25 / 0.02) ** 2
    for _ in range(3):
        inner = op.prox_l2(v - u, y, gamma)
        z = inner + u
        v = denoiser(z, 0.25)
        u = z - v
    assert torch.allclose(made, z, atol=1e-5) and torch.equal(level, sigma)


def test_the_dual_is_rescaled_as_sigma_falls():
    seen = []

    def denoiser(z, sigma):
        seen.append((z.clone(), sigma.clone()))
        return z / 2

    x, op = torch.rand(1, 1, 8, 8), Inpainting(torch.ones(8, 8))
    end = torch.tensor([0.05])
    solver = (op, x, torch.tensor([0.1]), x, end, torch.ones(1), torch.tensor([3.0, 1.0]))
    made, _ = handed(denoiser, solver, 1)
    assert float(seen[0][1]) == pytest.approx(49 / 255) and len(seen) == 2
    v, u, last = x, torch.zeros_like(x), None
    for sigma in (seen[0][1], seen[1][1], end):
        u = u if last is None else u * (sigma / last) ** 2
        z = op.prox_l2(v - u, x, sigma**2 / 0.1**2) + u
        v, last = z / 2, sigma
        u = z - v
    assert torch.allclose(made, z, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_samples_do_not_depend_on_who_draws_them(channels):
    whole, share = task(channels=channels), task(channels=channels)
    for step in range(6):
        drawn = whole.draw(step, range(4))
        assert drawn.given[2][3].shape == (2 * channels, 1, 24, 24)
        one = share.draw(step, [1, 3])
        assert torch.equal(one.given[0], drawn.given[0][[1, 3]]) and torch.equal(one.target, drawn.target[[1, 3]])
        assert torch.equal(one.given[2][4], drawn.given[2][4][1:2])  # level
        assert len(share.draw(step, [2, 3]).given) == 2  # none from solvers
        denoiser = DRUNetDenoiser(None, preset="fast", channels=channels)
        assert math.isfinite(whole.loss(denoiser, drawn).item())


def test_warm_up_and_share_are_as_asked():
    plain = DenoiseCrops(task().images, crop=24, batch=4, sigmas=(0.01, 0.3), levels="ratio")
    waiting = task(warmup=2)
    for step in (0, 1):
        assert torch.equal(waiting.draw(step, range(4)).given[0], plain.draw(step, range(4)).given[0])
        assert len(waiting.draw(step, range(4)).given) == 2
    assert len(waiting.draw(2, range(4)).given) == 3
    assert len(task(share=0.0).draw(5, range(4)).given) == 2
    with pytest.raises(ValueError, match="share"):
        task(share=1.5)


def test_a_hopeless_sample_does_not_rule_the_loss():
    class Zero(torch.nn.Module):
        def forward(self, x, sigma):
            return torch.zeros_like(x)

    drawn = task().draw(3, range(4))
    loss = float(task().loss(Zero(), drawn))
    assert drawn.weight is not None
    largest = float(drawn.target.square().mean((1, 2, 3)).sqrt().max())
    assert loss < 2 * max(largest, float(drawn.weight.max()) * largest**2)


def test_levels_by_ratio_and_complex_crops():
    images = [torch.ones(1, 8, 8)]
    crops = DenoiseCrops(images, crop=8, batch=2000, sigmas=(0.01, 1.0), levels="ratio", prepare=random_phase)
    (noisy, level), clean, _ = crops.draw(0, range(2000))
    assert noisy.is_complex() and clean.abs().sub(1).abs().max() < 1e-5
    u = (level.log() - math.log(0.01)) / math.log(100)
    assert abs(float(u.square().mean()) - 0.5) < 0.03 and float(u.min()) >= 0 and float(u.max()) <= 1
    noise = (noisy - clean) / column(level, noisy)
    assert abs(float(noise.real.std()) - 1) < 0.01 and abs(float(noise.imag.std()) - 1) < 0.01


def test_a_killed_training_goes_on_with_the_same_bits(tmp_path):
    def trainer() -> Trainer:
        torch.manual_seed(0)
        model = DRUNetDenoiser(None, preset="fast")
        return Trainer(model, task(), optimizer=RECIPES["drunet-natural-gray-fast"].optimizer(model))

    whole, first, second = trainer(), trainer(), trainer()
    losses = [r.loss for r in whole.run(4)]
    for record in first.run(4):
        if record.step == 2:
            save_checkpoint(tmp_path / "c.pt", first.state_dict())
            break
    second.load_state_dict(load_checkpoint(tmp_path / "c.pt"))
    assert [r.loss for r in second.run(4)] == losses[2:]
    assert all(torch.equal(w, second.averaged[name]) for name, w in whole.averaged.items())


# ---- Muon


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (5, 5)])
def test_orthogonalised_has_the_directions_of_the_polar_factor(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, _, vh = torch.linalg.svd(x, full_matrices=False)
    inner = u.T @ orthogonalised(x) @ vh.T
    assert (inner - torch.diag(torch.diagonal(inner))).abs().max() < 1e-9
    assert bool((torch.diagonal(inner) > 0.5).all()) and bool((torch.diagonal(inner) < 1.3).all())
    assert torch.allclose(orthogonalised(100 * x), orthogonalised(x), atol=1e-6)


def test_adam_of_the_others_is_torch_s():
    mine, theirs = (torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0])) for _ in range(2))
    ours = Muon([torch.nn.Parameter(torch.ones(2, 2))], [mine], others_lr=0.05)
    adam = torch.optim.Adam([theirs], lr=0.05, betas=(0.9, 0.99))
    for k in range(5):
        for w in (mine, theirs):
            w.grad = (w.detach() * (k + 1)).sin()
        ours.step()
        adam.step()
    assert torch.allclose(mine, theirs, atol=1e-6)
    with pytest.raises(ValueError, match="matrices"):
        Muon([mine])


# ---- scores inside solvers


def test_scores_are_those_of_the_solver():
    image = torch.rand(1, 24, 28)
    scores = in_solver(TVDenoiser(), [image], side=20, iterations=5)
    assert [*scores] == [*PROBLEMS][1:]
    x = image[None, :, 2:22, 4:24]
    name = "motion blur 15 px, noise 0.01"
    op, y = measured(name, x)
    answer = PnPADMM(op, TVDenoiser(), noise_std=0.01, stop=Stop(max_iter=5))(y).clamp(0, 1)
    assert scores[name] == pytest.approx(float(psnr(answer, x)), abs=1e-4)


def test_a_recipe_is_judged_by_the_solver_and_keeps_the_best(tmp_path):
    pytest.importorskip("lightning")
    folder = draw_pictures(tmp_path)
    recipe = replace(RECIPES["drunet-natural-gray-fast"].tiny(), warmup=1)
    assert isinstance(recipe, PriorRecipe)
    train(recipe, [folder, folder], tmp_path / "out", valid=folder, save_every=2)
    log = (tmp_path / "out" / f"{recipe.name}.csv").read_text().splitlines()
    assert "solver" in log[0] and len(log) == 3
    state = load_checkpoint(tmp_path / "out" / f"{recipe.name}.pt")
    column_of = log[0].split(",").index("solver")
    assert state["best"] == pytest.approx(max(float(row.split(",")[column_of]) for row in log[1:]), abs=1e-3)
    assert state["card"]["data"].startswith("6 images of ")


# ---- fields


def test_ct_slices_are_attenuation_and_keep_patients_apart(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for name in ("TCGA-17-Z011_ID_0001", "TCGA-92-8063_ID_0001"):
        image.fromarray(np.full((8, 8), 1024 + 500, np.uint16)).save(tmp_path / f"{name}.png")
    full, half = ct_slices(tmp_path)
    assert full.shape == (1, 8, 8) and half.shape == (1, 4, 4)
    assert torch.allclose(full, torch.full_like(full, 1.5), atol=1e-3)
    assert len(ct_slices(tmp_path, held_out=True)) == 2
    assert float(attenuation(torch.zeros(1))) == 0


def test_magnitudes_and_phases(tmp_path):
    image = pytest.importorskip("PIL.Image")
    values = np.arange(10_000, dtype=np.uint16).reshape(100, 100)
    for name in ("patient01", "patient19"):
        image.fromarray(values).save(tmp_path / f"{name}.png")
    (x,) = magnitudes(tmp_path)
    assert float(x.flatten()[9990]) == pytest.approx(1, abs=1e-3)
    turned = random_phase(x, torch.Generator().manual_seed(0))
    assert torch.allclose(turned.abs(), x, atol=1e-5)
    steps = torch.angle(turned[..., 1:, 50:] * turned[..., :-1, 50:].conj())
    assert float(steps.abs().max()) < 0.5  # smooth


def test_skies_have_peak_one_and_high_contrast(tmp_path):
    images = np.zeros((2, 16, 16), np.float32)
    images[0, 4:6, 4:6] = 3
    np.savez(tmp_path / "first_clipped.npz", images=images)
    (x,) = skies(tmp_path)
    assert float(x.max()) == 1
    ramp = torch.linspace(0, 1, 256).expand(1, 16, 256)
    made = [stretched(ramp, torch.Generator().manual_seed(i)) for i in range(40)]
    assert all(float(m.max()) == pytest.approx(1) and float(m.min()) >= 0 for m in made)
    assert min(float(m.median()) for m in made) < 0.02 and max(float(m.median()) for m in made) > 0.3
