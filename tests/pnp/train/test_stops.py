"""SIGTERM, a limit of time, checkpoints with parts missing, weights of earlier trainings."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pnp.cli import main
from pnp.train import DenoiseCrops, load_checkpoint, save_checkpoint, train
from pnp.train.checkpoint import interruptible

from .training import FAST, draw_pictures

COMMAND = ["train", "lofi-natural-gray-fast", "--tiny", "--steps", "6", "--save-every", "4"]


@pytest.fixture
def folder(tmp_path):
    return draw_pictures(tmp_path)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_a_training_with_a_checkpoint(number, status, folder, tmp_path, monkeypatch, capsys):
    draw = DenoiseCrops.draw

    def stopped(self, step, samples):
        if step == 2:
            os.kill(os.getpid(), number)
        return draw(self, step, samples)

    command = [*COMMAND, "--data", str(folder), "--out", str(tmp_path / "out"), "--resume"]
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as caught:
        patch.setattr(DenoiseCrops, "draw", stopped)
        main(command)
    assert caught.value.code == status
    assert (
        capsys.readouterr().err.strip().splitlines()[-1]
        == "pnp train: stopped after step 3; --resume continues from there"
    )
    assert load_checkpoint(tmp_path / "out" / f"{FAST.name}.pt")["step"] == 3
    main(command)


def test_an_ignored_signal_stays_ignored_and_the_other_is_noted():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible() as caught:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            assert caught == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_limit_of_time(folder, tmp_path):
    weights = train(FAST, folder, tmp_path, seconds=1e-6)
    assert load_checkpoint(tmp_path / f"{FAST.name}.pt")["step"] == 1 and weights.exists()
    assert train(FAST, folder, tmp_path, resume=True, seconds=1e6) == weights
    assert load_checkpoint(tmp_path / f"{FAST.name}.pt")["step"] == FAST.steps
    with pytest.raises(ValueError, match="seconds"):
        train(FAST, folder, tmp_path / "other", seconds=-1)


def test_images_are_known_by_their_content(folder, tmp_path):
    train(FAST, folder, tmp_path / "out")
    longer = replace(FAST, steps=5)
    for i in range(3):
        (folder / f"{i}.png").rename(folder / f"new-{i}.png")
    train(longer, folder, tmp_path / "out", resume=True)
    file = folder / "new-1.png"
    size = file.stat().st_size
    from PIL import Image

    other = Image.eval(Image.open(file), lambda v: 255 - v)
    other.save(file)
    file.write_bytes(file.read_bytes().ljust(size, b"\0"))  # name and size as they were, as far as they may be
    with pytest.raises(ValueError, match="other images"):
        train(replace(FAST, steps=7), folder, tmp_path / "out", resume=True)


def test_weights_of_an_earlier_training_are_not_replaced(folder, tmp_path):
    weights = train(FAST, folder, tmp_path)
    (tmp_path / f"{FAST.name}.pt").unlink()
    before = weights.read_bytes()
    for resume in (False, True):
        with pytest.raises(FileExistsError, match="without its checkpoint"):
            train(replace(FAST, seed=1), folder, tmp_path, resume=resume)
    assert weights.read_bytes() == before and not list(tmp_path.glob("*.lock"))


def whole(folder: Path, out: Path) -> dict:
    train(FAST, folder, out, quiet=True)
    return load_checkpoint(out / f"{FAST.name}.pt")


def test_checkpoints_with_wrong_parts(folder, tmp_path, capsys):
    out, longer = tmp_path / "out", replace(FAST, steps=6)
    state = whole(folder, out)
    name = next(k for k, v in state["averaged"].items() if v.is_floating_point())
    changes = [{part: None} for part in ("model", "averaged", "optimizer", "step", "random", "recipe", "card", "best")]
    changes += [{"averaged": {}}, {"averaged": state["averaged"] | {name: torch.full((1,), 1.0)}}, {"card": {}}]
    changes += [{"averaged": state["averaged"] | {name: state["averaged"][name] * float("nan")}}, {"step": -1}]
    changes += [
        {"optimizer": {}},
        {"random": torch.zeros(3)},
        {"since": "x"},
        {"card": state["card"] | {"name": "odd"}},
    ]
    for number, change in enumerate(changes):
        broken = {k: v for k, v in (state | change).items() if v is not None}
        save_checkpoint(out / f"{FAST.name}.pt", broken)
        target = tmp_path / f"{number}.safetensors"
        for run in (lambda: train(longer, folder, out, resume=True, quiet=True),
                    lambda t=target: main(["export", str(out / f"{FAST.name}.pt"), "--to", str(t)])):  # fmt: skip
            try:
                run()
            except SystemExit as end:
                assert end.code == 2 and len(capsys.readouterr().err.strip().splitlines()) == 1
            except ValueError as error:
                assert "\n" not in str(error), change
            else:
                assert not {"averaged", "step"} & change.keys(), change
                save_checkpoint(out / f"{FAST.name}.pt", broken)
    for junk in ([1], 3, {"step": 3}):
        torch.save(junk, out / f"{FAST.name}.pt")
        with pytest.raises(ValueError):
            train(longer, folder, out, resume=True)


def test_code_in_a_checkpoint_is_refused_without_advice(tmp_path):
    torch.save({"a": print}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="more than tensors and plain values") as caught:
        load_checkpoint(tmp_path / "a.pt")
    assert "weights_only" not in str(caught.value)


def test_a_full_disk_keeps_the_checkpoint(tmp_path, monkeypatch):
    save_checkpoint(tmp_path / "c.pt", {"step": 1})

    def full(state, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match=r"cannot write .*c\.pt: no space left"):
        save_checkpoint(tmp_path / "c.pt", {"step": 2})
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"] and load_checkpoint(tmp_path / "c.pt")["step"] == 1
