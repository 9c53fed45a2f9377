"""What a resumed training keeps and refuses; locks, Ctrl-C, half precision."""

import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from denoisers.networks.lofi_filter import NoiseFilter
from denoisers.weights import load_weights
from pnp.cli import main
from pnp.train import DenoiseCrops, Trainer, load_checkpoint, train
from pnp.train.checkpoint import interruptible
from pnp.train.recipes import RECIPES

from .train.training import FAST, Ones, card_of, draw_pictures


@pytest.fixture
def folder(tmp_path):
    return draw_pictures(tmp_path)


@pytest.mark.parametrize("name", ["lofi-mass", "mass-field", "lofi-faces"])
def test_filters_in_half_precision(name, folder, tmp_path):
    fabric = pytest.importorskip("lightning", reason="needs lightning: pip install 'pnp-imaging[train]'").Fabric(
        accelerator="cpu", precision="bf16-mixed"
    )
    state, _ = load_weights(
        str(train(RECIPES[name].tiny(), folder, tmp_path / "out", fabric=fabric)), family="local-field"
    )
    assert all(torch.isfinite(v).all() for v in state.values())


def test_mixed_precision_leaves_the_arguments_as_they_are():
    fabric = pytest.importorskip("lightning", reason="needs lightning: pip install 'pnp-imaging[train]'").Fabric(
        accelerator="cpu", precision="bf16-mixed"
    )
    seen = []

    class Look(torch.nn.Linear):
        def forward(self, x):
            seen.append(x.dtype)
            return super().forward(x)

    list(Trainer(Look(2, 2), Ones(1, torch.nn.functional.mse_loss), fabric=fabric).run(1))
    assert seen == [torch.float32]
    x = torch.rand(1, 2, 9, 9).bfloat16()
    for layout in ("real", "pair"):
        assert torch.allclose(NoiseFilter(9, 2, layout=layout)(x)[:, :1], x[:, :1], atol=1e-2)


def test_precisions_that_lose_steps_are_refused_and_the_scaler_is_kept(tmp_path):
    fabric = pytest.importorskip("lightning.fabric", reason="needs lightning: pip install 'pnp-imaging[train]'")
    from lightning.fabric.plugins import MixedPrecision

    model, task = torch.nn.Linear(2, 2), Ones(1, torch.nn.functional.mse_loss)
    with pytest.raises(ValueError, match="bf16-true"):
        Trainer(model, task, fabric=fabric.Fabric(accelerator="cpu", precision="bf16-true"))
    states = []
    for begin in (2.0**9, 2.0**5):
        scaler = torch.amp.GradScaler("cpu", init_scale=begin, growth_interval=2)
        half = MixedPrecision("16-mixed", device="cpu", scaler=scaler)
        trainer = Trainer(torch.nn.Linear(2, 2), task, fabric=fabric.Fabric(accelerator="cpu", plugins=half))
        if states:
            trainer.load_state_dict(states[0])
        else:
            list(trainer.run(3))
        states.append(trainer.state_dict())
    assert states[0]["scaler"] == states[1]["scaler"] and states[0]["scaler"]["scale"] == 2.0**10


def test_a_resumed_training_keeps_its_beginning(folder, tmp_path):
    a, b = (train(replace(FAST, seed=s), folder, tmp_path / f"seed{s}") for s in (1, 2))
    out = tmp_path / "out"
    began = card_of(train(FAST, folder, out, start=a))["start"]
    card = card_of(train(replace(FAST, steps=6), folder, out, resume=True))
    assert card["start"] == began and card["recipe"]["steps"] == 6
    assert card_of(train(replace(FAST, steps=7), folder, out, start=a, resume=True))["start"] == began
    with pytest.raises(ValueError, match="start: the checkpoint began from"):
        train(replace(FAST, steps=8), folder, out, start=b, resume=True)
    with pytest.raises(ValueError, match="random weights"):
        train(replace(FAST, seed=1, steps=8), folder, tmp_path / "seed1", start=b, resume=True)
    before = card_of(out / f"{FAST.name}-v1.safetensors")
    with pytest.raises(ValueError, match="steps: the checkpoint has made 7"):
        train(replace(FAST, steps=2), folder, out, resume=True)
    assert card_of(out / f"{FAST.name}-v1.safetensors") == before


def test_a_training_does_not_go_on_with_other_images_or_shares(folder, tmp_path):
    out, other = tmp_path / "out", tmp_path / "other"
    train(FAST, folder, out)
    other.mkdir()
    for file in folder.glob("*.png"):
        (other / file.name).write_bytes(file.read_bytes())
    longer = replace(FAST, steps=5)
    assert card_of(train(longer, other, out, resume=True))["data"] == f"3 images of {folder.name}"  # moved, the same
    with pytest.raises(ValueError, match="settings: accumulate"):
        train(longer, folder, out, resume=True, accumulate=2)
    fabric = pytest.importorskip("lightning", reason="needs lightning: pip install 'pnp-imaging[train]'").Fabric(
        accelerator="cpu", precision="64-true"
    )
    with pytest.raises(ValueError, match="settings: precision"):
        train(longer, folder, out, resume=True, fabric=fabric)
    (other / "2.png").write_bytes((other / "1.png").read_bytes())
    with pytest.raises(ValueError, match="other images: 3 images of .*, now 3 images of other"):
        train(longer, other, out, resume=True)


def test_one_training_at_a_time_and_a_dead_one_does_not_count(folder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    lock = out / f"{FAST.name}.lock"
    code = f"""import time; from pnp.train.checkpoint import alone
with alone({str(lock)!r}): print(1, flush=True); time.sleep(60)"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"1\n"
        with pytest.raises(FileExistsError, match=f"process {other.pid} on .* is already running there"):
            train(FAST, folder, out)
        other.kill()
    assert lock.exists()
    train(FAST, folder, out)
    assert not lock.exists()


def test_interrupted_training_keeps_its_step_and_ends_with_the_same_bits(folder, tmp_path, monkeypatch, capsys):
    command = ["train", "lofi-natural-gray-fast", "--tiny", "--steps", "6", "--save-every", "4", "--data", str(folder)]
    main([*command, "--out", str(tmp_path / "calm")])
    draw = DenoiseCrops.draw

    def interrupted(self, step, samples):
        if step == 2:
            signal.raise_signal(signal.SIGINT)
        return draw(self, step, samples)

    capsys.readouterr()
    rough = [*command, "--out", str(tmp_path / "rough"), "--resume"]
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as caught:
        patch.setattr(DenoiseCrops, "draw", interrupted)
        main(rough)
    words = capsys.readouterr().err.strip().splitlines()
    assert caught.value.code == 130 and words[-1] == "pnp train: stopped after step 3; --resume continues from there"
    assert "Traceback" not in "".join(words) and load_checkpoint(tmp_path / "rough" / f"{FAST.name}.pt")["step"] == 3
    main(rough)
    for name in (f"{FAST.name}.csv", f"{FAST.name}-v1.safetensors"):
        assert (tmp_path / "rough" / name).read_bytes() == (tmp_path / "calm" / name).read_bytes()


def test_the_second_interrupt_stops_at_once():
    with interruptible() as caught:
        signal.raise_signal(signal.SIGINT)
        assert caught
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
