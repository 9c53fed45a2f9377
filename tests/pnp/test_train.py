"""Training: resumes to the same bits, survives a torn write, reports broken files."""

import pytest
import torch

from denoisers import LoFi, LoFiDenoiser, MixerDenoiser, XDnCNNDenoiser
from pnp.train import (
    ImageFolder,
    Trainer,
    denoise_crops,
    denoise_pixels,
    load_checkpoint,
    save_checkpoint,
    warmup_stable_decay,
)
from pnp.train.recipes import RECIPES

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path):
    for i in range(3):
        rows = torch.arange(40)[:, None] * (i + 2) + torch.arange(50)
        Image.fromarray((rows % 256).to(torch.uint8).numpy()).save(tmp_path / f"{i}.png")
    return tmp_path


def trainer(folder, steps: int = 6) -> Trainer:
    torch.manual_seed(0)
    loss = denoise_crops(ImageFolder(folder).images, crop=16, batch=2, sigmas=(0.01, 0.2))
    return Trainer(LoFiDenoiser(None, preset="fast"), loss, schedule=warmup_stable_decay(steps, warmup=2), clip=0.1)


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


LARGE = ("mixer-natural-gray", "mixer-natural-rgb-30")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in LARGE else n for n in sorted(RECIPES)]
)
def test_recipes_run_and_their_weights_load(name, folder, tmp_path, capsys):
    from pnp.train.__main__ import train_denoiser

    recipe = RECIPES[name].tiny()
    path = train_denoiser(recipe, folder, tmp_path / "out")
    denoiser = {"lofi": LoFiDenoiser, "mixer": MixerDenoiser, "xdncnn": XDnCNNDenoiser}[recipe.family](str(path))
    assert denoiser.channels == recipe.channels and denoiser.card["recipe"]["steps"] == recipe.steps
    again = train_denoiser(recipe, folder, tmp_path / "out")  # nothing left to do
    assert again == path and "continuing" in capsys.readouterr().out


def test_training_denoises(folder):
    run = trainer(folder, steps=150)
    losses = [record.loss for record in run.run(150)]
    assert sum(losses[-20:]) < 0.6 * sum(losses[:20])


def test_pixel_batches_train_the_papers_network(folder):
    images = ImageFolder(folder).images
    loss = denoise_pixels(images, crop=24, batch=2, pixels=32, sigma=0.1)
    model = LoFi.paper()
    records = list(Trainer(model, loss, rate=1e-3).run(25))
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
    layer = torch.nn.Linear(1, 1)
    with pytest.raises(FloatingPointError, match="step 1"):
        list(Trainer(layer, lambda model, step: model(torch.full((1, 1), float("inf"))).sum()).run(2))


def test_broken_and_missing_images_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no images"):
        ImageFolder(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"not an image")
    with pytest.raises(ValueError, match=r"broken\.png"):
        ImageFolder(tmp_path)


def test_command_line_says_what_is_wrong_in_one_line(tmp_path, capsys):
    from pnp.train.__main__ import main

    (tmp_path / "empty").mkdir()
    for folder, word in ((tmp_path / "none", "no folder"), (tmp_path / "empty", "no images")):
        with pytest.raises(SystemExit) as caught:
            main(["lofi-natural-gray", "--data", str(folder), "--out", str(tmp_path / "out"), "--tiny"])
        lines = capsys.readouterr().err.strip().splitlines()
        assert caught.value.code == 2 and len(lines) == 1 and word in lines[0]


def test_tiny_weights_have_their_own_name_and_usual_rights(folder, tmp_path):
    from pnp.train.__main__ import train_denoiser

    path = train_denoiser(RECIPES["lofi-natural-gray"].tiny(), folder, tmp_path / "out")
    plain = tmp_path / "plain"
    plain.touch()
    assert path.name == "lofi-natural-gray-tiny-v1.safetensors"
    assert path.stat().st_mode == plain.stat().st_mode


def test_training_starts_from_other_weights(folder, tmp_path):
    from denoisers.weights import load_weights
    from pnp.train.__main__ import train_denoiser

    first = train_denoiser(RECIPES["xdncnn-natural-gray-25"].tiny(), folder, tmp_path)
    told = train_denoiser(RECIPES["xdncnn-natural-gray"].tiny(), folder, tmp_path, start=first)
    state, card = load_weights(str(told), family="xdncnn")
    assert card["start"].startswith("xdncnn-natural-gray-25-tiny, ")
    before = load_weights(str(first), family="xdncnn")[0]
    name = "net.net.0.weight"
    assert state[name].shape[1] == 2 and torch.allclose(state[name][:, :1], before[name], atol=0.02)
    with pytest.raises(ValueError, match="expected"):
        train_denoiser(RECIPES["xdncnn-natural-rgb-25"].tiny(), folder, tmp_path, start=told)
