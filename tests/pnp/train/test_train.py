"""Training: resumes to the same bits, survives a torn write, reports broken files."""

import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from denoisers import DRUNetDenoiser, LoFi, LoFiDenoiser, MixerDenoiser, XDnCNNDenoiser
from denoisers.weights import load_weights
from operators import Inpainting, random_mask
from pnp.cli import main
from pnp.train import (
    DenoiseCrops,
    DenoisePixels,
    Drawn,
    ImageFolder,
    Measured,
    Task,
    Trainer,
    evaluate,
    load_checkpoint,
    save_checkpoint,
    train,
    warmup_stable_decay,
)
from pnp.train.checkpoint import fit_weights
from pnp.train.evaluation import load_trained
from pnp.train.images import as_float
from pnp.train.recipes import RECIPES, PairRecipe
from pnp.train.recipes.simulate import with_noise

from .training import FAST, Ones, card_of, draw_pictures

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path):
    return draw_pictures(tmp_path)


def trainer(folder, steps: int = 6) -> Trainer:
    torch.manual_seed(0)
    task = DenoiseCrops(ImageFolder(folder).images, crop=16, batch=2, sigmas=(0.01, 0.2))
    return Trainer(LoFiDenoiser(None, preset="fast"), task, schedule=warmup_stable_decay(steps, warmup=2), clip=0.1)


def test_resumed_training_ends_with_the_same_bits(folder, tmp_path):
    whole = trainer(folder)
    losses = [record.loss for record in whole.run(6)]
    first = trainer(folder)
    for record in first.run(6):
        if record.step == 3:
            save_checkpoint(tmp_path / "c.pt", first.state_dict())
            break
    second = trainer(folder)
    second.load_state_dict(load_checkpoint(tmp_path / "c.pt"))
    assert [record.loss for record in second.run(6)] == losses[3:]
    for name, value in whole.averaged.items():
        assert torch.equal(value, second.averaged[name])


DENOISERS = {"drunet": DRUNetDenoiser, "lofi": LoFiDenoiser, "mixer": MixerDenoiser, "xdncnn": XDnCNNDenoiser}


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_recipes_run_and_their_weights_load(name, folder, tmp_path, capsys):
    recipe = RECIPES[name].tiny()
    if isinstance(recipe, PairRecipe) and recipe.make is None:
        recipe = replace(recipe, make=lambda x: (as_float(x) + 0.1, as_float(x)))
    clean = name == "natural-sure"  # it wants noisy images, and says so of these
    told = partial(pytest.warns, RuntimeWarning) if clean else nullcontext
    with told():
        path = train(recipe, folder, tmp_path / "out")
    if recipe.family in DENOISERS:
        denoiser = DENOISERS[recipe.family](str(path))
        assert denoiser.channels == recipe.channels and denoiser.card["recipe"]["steps"] == recipe.steps
    else:
        assert load_trained(path)[1].name == recipe.name
    with told():
        again = train(recipe, folder, tmp_path / "out", resume=True)  # nothing left to do
    assert again == path and "continuing" in capsys.readouterr().err


def test_training_denoises(folder):
    run = trainer(folder, steps=150)
    losses = [record.loss for record in run.run(150)]
    assert sum(losses[-20:]) < 0.6 * sum(losses[:20])


def test_pixel_batches_train_the_papers_network(folder):
    images = ImageFolder(folder).images
    task = DenoisePixels(images, crop=24, batch=2, pixels=32, corrupt=with_noise(0.1))
    model = LoFi.paper()
    records = list(Trainer(model, task).run(25))
    assert sum(r.loss for r in records[-5:]) < 0.7 * sum(r.loss for r in records[:5])


def test_torn_write_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    save_checkpoint(tmp_path / "c.pt", {"step": 1})

    def torn(state, file):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", torn)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path / "c.pt", {"step": 2})
    assert load_checkpoint(tmp_path / "c.pt")["step"] == 1


def test_not_finite_is_an_error_with_its_step():
    class Infinite(Task):
        def draw(self, step, samples):
            return Drawn((torch.full((1, 1), float("inf")),), torch.zeros(1, 1))

    with pytest.raises(FloatingPointError, match="step 1"):
        list(Trainer(torch.nn.Linear(1, 1), Infinite(1, torch.nn.functional.mse_loss)).run(2))


def test_broken_and_missing_images_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no images"):
        ImageFolder(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"not an image")
    with pytest.raises(ValueError, match=r"broken\.png"):
        ImageFolder(tmp_path)


def test_command_line_says_what_is_wrong_in_one_line(tmp_path, folder, capsys):
    (tmp_path / "empty").mkdir()
    cases = {
        "no folder": ["train", "lofi-natural-gray-fast", "--data", str(tmp_path / "none"), "--tiny"],
        "no images": ["train", "lofi-natural-gray-fast", "--data", str(tmp_path / "empty"), "--tiny"],
        "--steps": ["train", "lofi-natural-gray-fast", "--data", str(folder), "--steps", "0"],
        "no file": ["evaluate", str(tmp_path / "none"), "--data", str(folder)],
        "no file ": ["export", str(tmp_path / "none")],
        "safetensors": ["evaluate", str(folder / "0.png"), "--data", str(folder)],
        "--threads": ["train", "lofi-natural-gray-fast", "--data", str(folder), "--threads", "-1"],
        "--devices": ["train", "lofi-natural-gray-fast", "--data", str(folder), "--devices", "0"],
    }
    for word, arguments in cases.items():
        with pytest.raises(SystemExit) as caught:
            main([*arguments, *(["--out", str(tmp_path / "out")] if arguments[0] == "train" else [])])
        lines = capsys.readouterr().err.strip().splitlines()
        assert caught.value.code == 2 and len(lines) == 1 and word in lines[0]


def test_command_line_trains_evaluates_exports(folder, tmp_path, capsys):
    out = str(tmp_path / "out")
    command = ["train", "lofi-natural-gray-fast", "--tiny", "--data", str(folder), "--out", out]
    main([*command, "--valid", str(folder), "--save-every", "2"])
    weights = capsys.readouterr().out.split()[-1]
    assert sorted(p.name for p in (tmp_path / "out").glob("*.png"))[0].endswith("-2.png")
    with pytest.raises(SystemExit):
        main(command)
    assert "--resume" in capsys.readouterr().err
    main([*command, "--resume", "--steps", "6"])
    table = (tmp_path / "out" / "lofi-natural-gray-fast-tiny.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in table] == ["step", "2", "4", "6"]
    main(["evaluate", weights, "--data", str(folder)])
    assert "3 images: input" in capsys.readouterr().out
    main(["export", str(tmp_path / "out" / "lofi-natural-gray-fast-tiny.pt")])
    exported = capsys.readouterr().out.strip()
    assert exported.endswith("step6.safetensors")
    assert LoFiDenoiser(exported).card["sha256"] == LoFiDenoiser(weights).card["sha256"]


def test_other_settings_do_not_continue_a_training(folder, tmp_path):
    recipe = RECIPES["lofi-natural-gray-fast"].tiny()
    train(recipe, folder, tmp_path)
    with pytest.raises(ValueError, match="other settings: rate"):
        train(replace(recipe, rate=1e-5), folder, tmp_path, resume=True)


def test_shares_of_a_batch_make_the_same_step(folder):
    weights = []
    for accumulate in (1, 2):
        torch.manual_seed(0)
        model = LoFiDenoiser(None, preset="fast").double()
        task = DenoiseCrops(ImageFolder(folder).images, crop=16, batch=4, sigmas=(0.01, 0.2))
        draw = task.draw
        task.draw = lambda step, samples, draw=draw: double(draw(step, samples))
        list(Trainer(model, task, accumulate=accumulate).run(5))
        weights.append(torch.cat([v.flatten() for v in model.parameters()]))
    assert torch.allclose(*weights, rtol=0, atol=1e-10)
    with pytest.raises(ValueError, match="shared"):
        Trainer(model, task, accumulate=3)


def double(drawn: Drawn) -> Drawn:
    assert drawn.weight is not None
    return Drawn(tuple(v.double() for v in drawn.given), drawn.target.double(), drawn.weight.double())


def test_tiny_weights_have_their_own_name_and_usual_rights(folder, tmp_path):
    path = train(RECIPES["lofi-natural-gray-fast"].tiny(), folder, tmp_path / "out")
    plain = tmp_path / "plain"
    plain.touch()
    assert path.name == "lofi-natural-gray-fast-tiny-v1.safetensors"
    assert path.stat().st_mode == plain.stat().st_mode


def test_training_starts_from_other_weights(folder, tmp_path):
    first = train(RECIPES["xdncnn-natural-gray-25"].tiny(), folder, tmp_path)
    told = train(RECIPES["xdncnn-natural-gray"].tiny(), folder, tmp_path, start=first)
    state, card = load_weights(str(told), family="xdncnn")
    assert card["start"].startswith("xdncnn-natural-gray-25-tiny, ")
    before = load_weights(str(first), family="xdncnn")[0]
    name = "net.net.0.weight"
    assert state[name].shape[1] == 2 and torch.allclose(state[name][:, :1], before[name], atol=0.02)
    again = train(RECIPES["xdncnn-natural-gray-50"].tiny(), folder, tmp_path, start=told)
    assert load_weights(str(again), family="xdncnn")[0][name].shape[1] == 1
    with pytest.raises(ValueError, match="expected"):
        train(RECIPES["mixer-natural-gray-small"].tiny(), folder, tmp_path, start=told)


def test_colour_starts_from_gray():
    gray, colour = XDnCNNDenoiser(None).eval(), XDnCNNDenoiser(None, channels=3).eval()
    colour.load_state_dict(fit_weights(gray.state_dict(), colour.state_dict(), colours=True))
    x = torch.rand(1, 1, 12, 12)
    assert torch.allclose(colour(x.expand(-1, 3, -1, -1), 0.1), gray(x, 0.1).expand(-1, 3, -1, -1), atol=1e-5)


def test_one_level_starts_from_all_levels():
    told, alone = XDnCNNDenoiser(None).eval(), XDnCNNDenoiser(None, level=0.1).eval()
    alone.load_state_dict(fit_weights(told.state_dict(), alone.state_dict(), level=0.1))
    x, far = torch.rand(1, 1, 100, 100), alone.radius
    with torch.no_grad():
        inside = (..., slice(far, -far), slice(far, -far))
        assert torch.allclose(told(x, 0.1)[inside], alone(x, 0.1)[inside], atol=1e-6)


def test_two_processes_make_the_steps_of_one(folder, tmp_path):
    pytest.importorskip("lightning", reason="needs lightning: pip install 'pnp-imaging[train]'")
    states = []
    for devices in ("1", "2"):
        out = tmp_path / devices
        command = ["train", "lofi-natural-gray-fast", "--tiny", "--batch", "4", "--data", str(folder)]
        command += ["--out", str(out), "--precision", "64-true", "--accelerator", "cpu"]
        command += ["--devices", devices, "--threads", "1"]
        if devices == "1":
            main(command)
        else:
            subprocess.run([sys.executable, "-m", "pnp", *command], check=True, capture_output=True)
        states.append(load_weights(str(out / "lofi-natural-gray-fast-tiny-v1.safetensors"), family="lofi")[0])
    assert all(v.dtype == torch.float64 and torch.allclose(v, states[1][k], atol=1e-12) for k, v in states[0].items())


def test_what_is_no_checkpoint_is_said(folder, tmp_path):
    recipe = RECIPES["lofi-natural-gray-fast"].tiny()
    (tmp_path / f"{recipe.name}.pt").write_bytes(b"junk")
    with pytest.raises(ValueError, match="no checkpoint"):
        train(recipe, folder, tmp_path, resume=True)
    with pytest.raises(ValueError, match="save_every"):
        train(recipe, folder, tmp_path / "out", save_every=0)
    with pytest.raises(ValueError, match="at least one"):
        DenoiseCrops([], crop=8, batch=1, sigmas=(0.1, 0.2)).draw(0, [0])


def test_images_of_different_sizes_in_one_batch():
    images = [torch.rand(1, 20, 31), torch.rand(1, 27, 18)]
    for model in (LoFi.paper(), LoFi.paper(warped=True)):
        task = DenoisePixels(images, batch=6, pixels=8, corrupt=with_noise(0.1))
        drawn = task.draw(0, range(6))
        assert isinstance(drawn.target, list) and {v.shape for v in drawn.target} == {(1, 8)}
        assert all(torch.isfinite(torch.tensor(r.loss)) for r in Trainer(model, task).run(2))


def test_half_precision(folder, tmp_path):
    fabric = pytest.importorskip("lightning", reason="needs lightning: pip install 'pnp-imaging[train]'").Fabric(
        accelerator="cpu", precision="bf16-mixed"
    )
    recipe = RECIPES["lofi-natural-gray-fast"].tiny()
    path = train(recipe, folder, tmp_path, fabric=fabric)
    assert all(torch.isfinite(v).all() for v in load_weights(str(path), family="lofi")[0].values())


def test_small_images_are_named_before_the_training(folder, tmp_path):
    Image.new("L", (60, 12)).save(folder / "small.png")
    with pytest.raises(ValueError, match=r"small\.png: an image of 12 x 60 pixels, smaller than 16 x 16"):
        train(FAST, folder, tmp_path / "out")
    with pytest.warns(RuntimeWarning, match=r"left out: .*small\.png"):
        path = train(FAST, folder, tmp_path / "out", skip_broken=True)
    assert card_of(path)["data"].startswith("3 images")
    assert len(evaluate(path, folder)) == 4  # scores are of whole images
    with pytest.raises(ValueError, match=r"small\.png"):
        replace(RECIPES["xsrcnn-f-3"], crop=16).read(folder)


def test_cards_tell_the_score_and_other_ranges_are_kept(folder, tmp_path, capsys):
    data = tmp_path / "data"
    data.mkdir()
    for i in range(2):
        np.save(data / f"{i}.npy", 1000 + 500 * torch.rand(40, 40).numpy())
    out = tmp_path / "out"
    main(["train", "lofi-natural-gray-fast", "--tiny", "--data", str(data), "--valid", str(data), "--normalise",
          "--out", str(out)])  # fmt: skip
    weights = capsys.readouterr().out.split()[-1]
    card = card_of(weights)
    assert card["recipe"]["normalise"] is True and card["valid"]["images"] == 2 and card["valid"]["step"] == 4
    scores = evaluate(weights, data)
    assert card["valid"]["psnr"] == pytest.approx(sum(s.psnr for s in scores) / 2, abs=1e-3)
    assert scores[0].input_psnr > 15  # on [0, 1]
    assert card_of(train(replace(FAST, normalise=True), data, out, resume=True))["valid"] == card["valid"]


def test_the_average_of_complex_weights_and_copies():
    class Phase(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))

        def forward(self, x):
            return (self.w * x).abs()

    trainer = Trainer(Phase(), Ones(1, torch.nn.functional.mse_loss), average=0.9)
    list(trainer.run(1))
    state = trainer.state_dict()
    kept = {name: value.clone() for name, value in state["averaged"].items()}
    decay = 2 / 11
    assert torch.allclose(kept["w"], decay + (1 - decay) * trainer.model.state_dict()["w"])
    list(trainer.run(3))
    assert torch.equal(kept["w"], state["averaged"]["w"]) and not torch.equal(trainer.averaged["w"], kept["w"])


def test_bad_settings_and_answers_of_another_shape(folder):
    task = Ones(1, torch.nn.functional.mse_loss)
    bad: list[dict[str, Any]] = [{"clip": -1.0}, {"clip": (0.0, 1.0)}, {"average": 1.0}, {"average": -0.1}]
    for wrong in bad:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Trainer(torch.nn.Linear(2, 2), task, **wrong)
    with pytest.raises(ValueError, match=r"shape \(1, 1\) where the target has \(1, 2\)"):
        list(Trainer(torch.nn.Linear(2, 1), task).run(1))
    crops = DenoiseCrops(ImageFolder(folder).images, crop=8, batch=1, sigmas=(0.1, 0.2))
    clean = crops.draw(0, [0])[1:]
    with pytest.raises(ValueError, match="target has"):
        crops.loss(torch.nn.Bilinear(8, 1, 8), Drawn((torch.ones(1, 1, 1, 8), torch.ones(1, 1, 1, 1)), *clean))
    large = DenoiseCrops(ImageFolder(folder).images, crop=8, batch=1, sigmas=(0.1, 0.2), seed=10**12)
    assert not torch.equal(large.draw(0, [0]).given[0], crops.draw(0, [0]).given[0])


def test_measured_without_noise(folder):
    op = Inpainting(random_mask((16, 16), 0.5, seed=0))
    drawn = Measured(ImageFolder(folder).images, op, batch=2, size=16).draw(0, range(2))
    assert torch.equal(drawn.given[0], op.A(drawn.target))
