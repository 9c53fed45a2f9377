"""Priors trained for solvers: answers that do not depend on the noise, scores inside solvers, Muon, fields."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from denoisers import DRUNetDenoiser, TVDenoiser
from denoisers.networks.drunet import DRUNet
from denoisers.weights import load_weights
from operators import Downsampling, Inpainting
from operators.linalg import column
from pnp import PnPADMM, Stop
from pnp.metrics import psnr
from pnp.train import DenoiseCrops, Trainer, train
from pnp.train.checkpoint import fit_weights, load_checkpoint, save_checkpoint
from pnp.train.drawing import Drawing
from pnp.train.in_solver import PROBLEMS, in_solver, measured
from pnp.train.muon import Muon, orthogonalised
from pnp.train.recipes import RECIPES, PriorRecipe
from pnp.train.recipes.fields import attenuation, ct_slices, magnitudes, random_phase, skies, stretched
from pnp.train.tasks.equilibrium import KINDS, EquilibriumCrops, handed, random_operator
from pnp.train.tasks.steady import SteadyCrops, solver_noise
from pnp.train.wider import is_twin, is_wider, twinned, widened

from .training import draw_pictures

RATIO = Drawing(levels="ratio")


def task(channels: int = 1, **others) -> SteadyCrops:
    images = [torch.rand(channels, 40, 40, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    settings = {"crop": 24, "batch": 4, "sigmas": (0.01, 0.3), "share": 0.5, "drawing": RATIO}
    return SteadyCrops(images, **{**settings, **others})


# ---- noise of solvers


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_of_solvers_is_weaker_than_its_level_and_of_many_kinds(channels):
    x = torch.zeros(channels, 32, 32)
    sizes, white = [], 0
    for seed in range(60):
        noise = solver_noise(x, torch.Generator().manual_seed(seed))
        power = torch.fft.rfft2(noise).abs().square().mean(0)
        assert noise.shape == x.shape and float(power.max()) < 1.3**2 * 32**2 * 14  # of chi-squared with few degrees
        sizes.append(float(noise.std()))
        white += float(power[:8, :8].mean() / power[8:24, 8:].mean().clamp_min(1e-9)) < 1.5
    assert min(sizes) < 0.2 and 0.9 < max(sizes) < 1.35 and 10 < white < 50


def test_noise_of_complex_images_is_alike_in_both_parts():
    x = torch.zeros(1, 32, 32, dtype=torch.complex64)
    parts = torch.stack([solver_noise(x, torch.Generator().manual_seed(i)) for i in range(100)])
    assert parts.is_complex() and float(parts.real.std() / parts.imag.std()) == pytest.approx(1, abs=0.05)
    assert abs(float((parts.real * parts.imag).mean() / parts.real.std() ** 2)) < 0.02


# ---- asked twice


@pytest.mark.parametrize("channels", [1, 3])
def test_samples_do_not_depend_on_who_draws_them(channels):
    whole, share = task(channels), task(channels)
    for step in range(3):
        drawn, one = whole.draw(step, range(4)), share.draw(step, [1, 3])
        assert drawn.given[2].shape == (2, channels, 24, 24) and len(one.given[2]) == 1
        for mine, theirs in ((one.given[0], drawn.given[0][[1, 3]]), (one.target, drawn.target[[1, 3]])):
            assert torch.equal(mine, theirs)
        assert torch.equal(one.given[2], drawn.given[2][1:2])
        assert len(share.draw(step, [2, 3]).given) == 2  # nobody is asked twice
    plain = DenoiseCrops(whole.images, crop=24, batch=4, sigmas=(0.01, 0.3), drawing=RATIO)
    assert torch.equal(plain.draw(2, range(4)).given[0], whole.draw(2, range(4)).given[0])
    with pytest.raises(ValueError, match="share"):
        task(share=1.5)


def test_the_loss_is_that_of_both_answers_and_teaches_the_second():
    class Scale(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = torch.nn.Parameter(torch.tensor(0.5, dtype=torch.float64))

        def forward(self, x, sigma):
            return self.a * x

    model, crops = Scale(), task()
    drawn = crops.draw(1, range(4))
    (noisy, level, other), target = drawn.given, drawn.target
    loss = crops.loss(model, drawn)
    per = [((0.5 * noisy[b].double() - target[b]) ** 2).mean() / level[b] for b in range(4)]
    per += [((0.5 * other[b].double() - 0.5 * noisy[b]) ** 2).mean() / level[b] for b in range(2)]
    assert loss.item() == pytest.approx(float(sum(per)) / 4, rel=1e-5)
    loss.backward()
    slope = [(2 * (0.5 * noisy[b].double() - target[b]) * noisy[b]).mean() / level[b] for b in range(4)]
    slope += [(2 * (0.5 * other[b].double() - 0.5 * noisy[b]) * other[b]).mean() / level[b] for b in range(2)]
    assert model.a.grad is not None and model.a.grad.item() == pytest.approx(float(sum(slope)) / 4, rel=1e-4)


# ---- at the end of a solver


def solved(channels: int = 1, **others) -> EquilibriumCrops:
    steady = task(channels)
    settings = {"crop": 24, "batch": 4, "sigmas": (0.01, 0.3), "drawing": RATIO, "iterations": 3}
    return EquilibriumCrops(steady.images, **{**settings, **others})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_random_operators_are_adjoint_and_of_each_sample(kind, channels):
    if kind == "fourier" and channels == 3:
        pytest.skip("complex images have one channel")
    own = [torch.Generator().manual_seed(i) for i in range(2)]
    op = random_operator(kind, 24, own, channels)
    x = torch.rand(2, channels, 24, 24, dtype=torch.float64).to(
        torch.complex128 if kind == "fourier" else torch.float64
    )
    y = torch.randn(2, *op.out_shape, dtype=torch.float64).to(torch.complex128 if kind == "fourier" else torch.float64)
    left, right = (op.A(x) * y.conj()).sum().real, (x * op.A_adjoint(y).conj()).sum().real
    assert float(left) == pytest.approx(float(right), rel=1e-5)
    if kind not in ("smaller",):  # one factor for a batch
        twice = op.A(x[:1].expand(2, -1, -1, -1))
        assert not torch.allclose(twice[0], twice[1])
    if channels == 3:
        gray = op.A(x[:, :1].expand(-1, 3, -1, -1))
        assert torch.allclose(gray[:, 0], gray[:, 2])


def test_tomography_weighs_frequencies_by_the_density_of_lines():
    """The spectrum of the kernel is 1 / sqrt |f| where there are spokes, none elsewhere."""
    op: Any = random_operator("tomography", 32, [torch.Generator().manual_seed(3)])
    spectrum = op.spectrum(torch.zeros(1)).real[0, 0]
    f = (torch.fft.fftfreq(32)[:, None].square() + torch.fft.rfftfreq(32).square()).sqrt().clamp(min=1 / 32)
    share = (spectrum * f.sqrt() * 2)[:, 1:-1]  # the first and last column are their own mirror images
    on = share > 0.5
    assert float(on.float().mean()) > 0.2 and torch.allclose(share[on], torch.ones(()), atol=1e-4)
    assert share[~on].abs().max() < 1e-4


def test_what_is_handed_is_what_the_solver_hands():
    """By a solver of the library that tells its denoiser's arguments."""
    seen = []

    class Spy(TVDenoiser):
        def forward(self, x, sigma):
            seen.append((x, sigma))
            return super().forward(x, sigma)

    x = torch.rand(2, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    op = Inpainting((torch.rand(24, 24, generator=torch.Generator().manual_seed(1)) < 0.6).float())
    y, std = op.A(x), torch.tensor([0.02, 0.05])
    z, sigma = handed(TVDenoiser(), op, y, std, strength=1.2, iterations=6, like=x)
    solver = PnPADMM(op, Spy(), noise_std=std, strength=1.2, calibration=None)
    solver.annealing = 4
    for state in solver.iterate(y):
        if state.step == 6:
            break
    assert torch.allclose(z, seen[-1][0], atol=1e-6) and torch.allclose(sigma, seen[-1][1])


def test_the_loss_adds_the_last_answers_of_the_solver():
    crops, plain = solved(solved=2, share=0.0), task(share=0.0)
    drawn = crops.draw(4, range(4))
    model = DRUNetDenoiser(None, preset="fast")
    op, y, std, strength = drawn.given[-1]
    x = drawn.target[:2]
    with torch.no_grad():
        z, sigma = handed(model, op, y, std, strength=float(strength), iterations=3, like=x)
        wrong = (model(z, sigma) - x).square().mean((1, 2, 3))
        expected = (wrong / torch.maximum(sigma, (z - x).square().mean((1, 2, 3)).sqrt())).sum() / 4
        expected = expected + plain.loss(model, plain.draw(4, range(4)))
        assert crops.loss(model, drawn).item() == pytest.approx(float(expected), rel=1e-4)
    wrongs: list[dict[str, Any]] = [{"solved": 5}, {"kinds": ("radar",)}, {"iterations": 0}]
    for wrong in wrongs:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            solved(**wrong)


def test_measured_samples_do_not_depend_on_who_draws_them():
    whole, half = solved(), solved()
    for step in range(4):
        all_of_them, second = whole.draw(step, range(4)).given[-1], half.draw(step, [1, 2]).given[-1]
        assert len(second[1]) == 1 and torch.equal(second[3], all_of_them[3])
        if not isinstance(second[0], Downsampling):  # whose factor the first sample draws
            assert torch.equal(second[1], all_of_them[1][1:2])
        assert half.draw(step, [2, 3]).given[-1] == ()


def test_complex_crops_at_the_end_of_a_solver():
    crops = solved(kinds=("fourier",), prepare=random_phase)
    drawn = crops.draw(0, range(4))
    op, y = drawn.given[-1][:2]
    assert y.is_complex() and bool((y[op.mask.expand_as(y) == 0] == 0).all())
    model = DRUNetDenoiser(None, preset="fast", complex=True)
    assert math.isfinite(crops.loss(model, drawn).item())


def test_levels_by_ratio_and_complex_crops():
    images = [torch.ones(1, 8, 8)]
    crops = DenoiseCrops(images, crop=8, batch=2000, sigmas=(0.01, 1.0), drawing=RATIO, prepare=random_phase)
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
        return Trainer(model, solved(), optimizer=RECIPES["drunet-natural-gray-fast"].optimizer(model))

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
    recipe = RECIPES["drunet-natural-gray-fast"].tiny()
    assert isinstance(recipe, PriorRecipe)
    train(recipe, [folder, folder], tmp_path / "out", valid=folder, save_every=2)
    log = (tmp_path / "out" / f"{recipe.name}.csv").read_text().splitlines()
    assert "solver" in log[0] and len(log) == 3
    state = load_checkpoint(tmp_path / "out" / f"{recipe.name}.pt")
    column_of = log[0].split(",").index("solver")
    assert state["best"] == pytest.approx(max(float(row.split(",")[column_of]) for row in log[1:]), abs=1e-3)
    assert state["card"]["data"].startswith("6 images of ")


@pytest.mark.parametrize("preset", ["fast", "accurate"])
def test_colour_starts_from_gray_and_treats_gray_pictures_alike(preset):
    gray, colour = (DRUNetDenoiser(None, preset=preset, channels=c).double() for c in (1, 3))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for w in gray.parameters():
            w.copy_(torch.randn(w.shape, generator=generator, dtype=torch.float64) * (0.7 / w[0].numel()) ** 0.5)
    state = fit_weights(gray.state_dict(), colour.state_dict(), colours=True, unshuffle=gray.net.unshuffle)
    colour.load_state_dict(state)
    x = torch.rand(1, 1, 24, 24, dtype=torch.float64)
    with torch.no_grad():
        assert torch.allclose(colour(x.expand(-1, 3, -1, -1), 0.1), gray(x, 0.1).expand(-1, 3, -1, -1), atol=1e-10)


def test_a_wider_network_starts_as_the_narrower_one_and_its_copies_part():
    narrow, wide = (DRUNet(2, 1, widths=w, blocks=1, skips="within").double() for w in ((4, 6), (8, 18)))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for w in narrow.parameters():
            w.copy_(torch.randn(w.shape, generator=generator, dtype=torch.float64) * (0.7 / w[0].numel()) ** 0.5)
    assert is_wider(wide, narrow.state_dict()) and not is_wider(narrow, narrow.state_dict())
    assert not is_wider(narrow, wide.state_dict())
    wide.load_state_dict(widened(wide, narrow.state_dict()))
    x = torch.randn(2, 2, 16, 16, dtype=torch.float64, generator=generator)
    assert torch.allclose(wide(x), narrow(x), atol=1e-12)
    wide(x).square().sum().backward()
    gradient = dict(wide.named_parameters())["body.encode.0.res.0.weight"].grad
    assert gradient is not None and float((gradient[:4] - gradient[4:]).norm() / gradient.norm()) > 0.05
    with pytest.raises(ValueError, match="narrower"):
        widened(wide, {"w": torch.ones(1)})
    with pytest.raises(ValueError, match="no part"):
        widened(narrow, wide.state_dict())


def test_start_grows_the_fast_network_into_the_accurate_one(tmp_path):
    folder = draw_pictures(tmp_path)
    fast = train(RECIPES["drunet-natural-gray-fast"].tiny(), folder, tmp_path / "fast")
    grown = train(RECIPES["drunet-natural-gray-accurate"].tiny(), folder, tmp_path / "grown", start=fast)
    assert load_weights(str(grown), family="drunet")[1]["start"].startswith("drunet-natural-gray-fast")


def test_a_complex_prior_starts_as_the_real_one_on_each_part():
    sizes: dict[str, Any] = {"blocks": 1, "skips": "within"}
    real, both = DRUNet(2, 1, widths=(4, 6), **sizes).double(), DRUNet(3, 2, widths=(8, 12), **sizes).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for w in real.parameters():
            w.copy_(torch.randn(w.shape, generator=generator, dtype=torch.float64) * (0.7 / w[0].numel()) ** 0.5)
    state = real.state_dict()
    assert is_twin(both, state) and not is_twin(real, state) and not is_wider(both, state)
    both.load_state_dict(twinned(both, state))
    x = torch.randn(2, 2, 16, 16, dtype=torch.float64, generator=generator)
    told = torch.ones(2, 1, 16, 16, dtype=torch.float64)
    alone = torch.cat([real(torch.cat((part, told), 1)) for part in x.split(1, 1)], 1)
    assert torch.allclose(both(torch.cat((x, told), 1)), alone, atol=1e-12)
    with pytest.raises(ValueError, match="two parts"):
        twinned(real, state)


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
