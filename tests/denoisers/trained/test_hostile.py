"""Weight files with right hashes and wrong content, places that belong to others, disks that are full."""

import errno
import math
import os
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from denoisers import (
    DRUNetDenoiser,
    LevelMap,
    LoFiDenoiser,
    MassDenoiser,
    MixerDenoiser,
    Residual,
    UNet,
    XDnCNNDenoiser,
)
from denoisers.weights import WeightFileError, save_weights
from denoisers.weights import __file__ as shipped
from denoisers.weights.writing import remove_partial, written

STATE = LoFiDenoiser(None, preset="fast").state_dict()
CARD = {"family": "lofi", "preset": "fast", "channels": 1}


def first(state: dict) -> str:
    return next(name for name in state if name.endswith("weight"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s | {first(s): s[first(s)][..., :2]}, "has shape"),
        (lambda s: {k: v for k, v in s.items() if k != first(s)}, "is missing"),
        (lambda s: s | {"odd": torch.zeros(1)}, "'odd' belongs to another network"),
        (lambda s: s | {first(s): s[first(s)].long()}, r"holds torch\.int64, expected torch\.float32"),
    ],
)
@pytest.mark.parametrize(("make", "family"), [(LoFiDenoiser, "lofi"), (DRUNetDenoiser, "drunet"),
                                              (XDnCNNDenoiser, "xdncnn"), (MixerDenoiser, "mixer")])  # fmt: skip
def test_tensors_of_another_network(change, words, make, family, tmp_path):
    preset = {"xdncnn": "released", "mixer": "small"}.get(family, "fast")
    state = change(make(None, preset=preset).state_dict())
    save_weights(tmp_path / "a.safetensors", state, {"family": family, "preset": preset, "channels": 1})
    with pytest.raises(WeightFileError, match=rf"a\.safetensors does not hold the network of its card, .*{words}") as e:
        make(str(tmp_path / "a.safetensors"))
    assert "\n" not in str(e.value)


def hashed(path: Path, state: dict, card: dict) -> None:
    """A file as save_weights writes it, which refuses such cards."""
    import json

    from denoisers.weights import _card_hash, tensors_hash

    card = json.loads(json.dumps({**card, "sha256": tensors_hash(state)}))
    card["card_sha256"] = _card_hash(card)
    safetensors.torch.save_file({k: v.contiguous() for k, v in state.items()}, path, {"card": json.dumps(card)})


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"channels": 10**9}, "channels: expected a whole number, 1 to 1000"),
        ({"channels": 1e9}, "channels"),
        ({"channels": True}, "channels"),
        ({"preset": ["fast"]}, "preset: expected a name"),
        ({"preset": "faster"}, "preset: expected one of"),
        ({"sigma_range": "01"}, "sigma_range"),
        ({"sigma_range": [0, 1, 2]}, "sigma_range"),
        ({"sigma_range": [False, True]}, "sigma_range"),
        ({"complex": "no"}, "complex"),
    ],
)
def test_impossible_cards(told, words, tmp_path):
    hashed(tmp_path / "a.safetensors", STATE, CARD | told)
    with pytest.raises(ValueError, match=words):
        LoFiDenoiser(str(tmp_path / "a.safetensors"))


def test_cards_that_are_nested_without_end(tmp_path):
    safetensors.torch.save_file({"w": torch.zeros(1)}, tmp_path / "a.safetensors", {"card": "[" * 100_000})
    with pytest.raises(WeightFileError, match=r"a\.safetensors is damaged"):
        LoFiDenoiser(str(tmp_path / "a.safetensors"))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_neither_written_nor_read(value, tmp_path):
    state = {k: torch.full_like(v, value) for k, v in STATE.items()}
    with pytest.raises(ValueError, match="state: holds NaN"):
        save_weights(tmp_path / "a.safetensors", state, CARD)
    assert not list(tmp_path.iterdir())
    hashed(tmp_path / "a.safetensors", state, CARD)
    with pytest.raises(WeightFileError, match=r"a\.safetensors holds NaN"):
        LoFiDenoiser(str(tmp_path / "a.safetensors"))


def test_a_mass_prior_without_its_power(tmp_path):
    state = safetensors.torch.load_file(next(Path(shipped).parent.glob("mass-*")))
    hashed(tmp_path / "a.safetensors", {k: v for k, v in state.items() if k != "table.ell"}, {"family": "mass"})
    with pytest.raises(WeightFileError, match=r"holds no power of maps"):
        MassDenoiser(str(tmp_path / "a.safetensors"))


def test_half_precision_is_written(tmp_path):
    save_weights(tmp_path / "a.safetensors", {k: v.bfloat16() for k, v in STATE.items()}, CARD)
    x = torch.rand(1, 1, 8, 8)
    assert LoFiDenoiser(str(tmp_path / "a.safetensors"))(x, 0.1).dtype == torch.float32


# ---- places


def test_what_is_not_ours_is_not_replaced(tmp_path):
    notes, stray = tmp_path / "a.safetensors", tmp_path / "a.partial"
    notes.write_text("mine")
    stray.write_text("mine too")
    with pytest.raises(FileExistsError, match=r"a\.safetensors is there already; overwrite=True \(--force on"):
        save_weights(notes, STATE, CARD)
    assert notes.read_text() == "mine"
    save_weights(notes, STATE, CARD, overwrite=True)
    save_weights(notes, STATE, {**CARD, "name": "again"})  # its own kind
    with pytest.raises(FileExistsError):
        save_weights(notes, STATE, {**CARD, "family": "drunet"})
    assert LoFiDenoiser(str(notes)).card["name"] == "again" and stray.read_text() == "mine too"
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match="folder is a folder"):
        save_weights(tmp_path / "folder", STATE, CARD, overwrite=True)
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere"):
        save_weights(tmp_path / "nowhere" / "b.safetensors", STATE, CARD)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.partial", "a.safetensors", "folder"]


def test_links_are_followed(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with written(tmp_path / "link") as partial:
        partial.write_text("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        safetensors.SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_said_and_leaves_nothing(error, tmp_path, monkeypatch):
    (tmp_path / "a.safetensors").write_text("old")

    def full(state, path, metadata):
        Path(path).write_bytes(b"half")
        raise error

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(
        OSError, match=r"cannot write .*a\.safetensors: no space left on its disk \([\d,]+ bytes are free"
    ):
        save_weights(tmp_path / "a.safetensors", STATE, CARD, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]
    assert (tmp_path / "a.safetensors").read_text() == "old"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_device_that_is_full():
    with pytest.raises(OSError, match="no space left"), written(Path(os.devnull).parent / "shm" / "x") as partial:
        partial.unlink()
        partial.symlink_to("/dev/full")
        with open(partial, "wb") as file:
            file.write(b"1")
    assert not (Path(os.devnull).parent / "shm" / "x").exists()


def test_what_a_killed_process_left_is_removed(tmp_path):
    for name in (".a.pt.0123.partial", ".ab.pt.0123.partial", "a.pt.partial"):
        (tmp_path / name).touch()
    remove_partial(tmp_path / "a.pt")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".ab.pt.0123.partial", "a.pt.partial"]


# ---- own networks


def own() -> LevelMap:
    return LevelMap(Residual(UNet(2, 1, width=4, poolings=2)), sigma_range=(0.0, 0.2))


def test_own_denoisers_are_kept_with_a_card(tmp_path):
    denoiser, file = own().eval(), tmp_path / "mine.safetensors"
    denoiser.save(file, {"data": "mine"})
    again = LevelMap.load(file, Residual(UNet(2, 1, width=4, poolings=2)))
    x = torch.rand(1, 1, 16, 16)
    assert torch.equal(again(x, 0.1), denoiser(x, 0.1)) and again.sigma_range == (0.0, 0.2) and not again.training
    assert again.card["data"] == "mine" and again.card["network"] == "Residual"
    with pytest.raises(FileExistsError):
        denoiser.save(file)
    denoiser.save(file, overwrite=True)
    with pytest.raises(WeightFileError, match="does not hold the network"):
        LevelMap.load(file, Residual(UNet(2, 1, width=6, poolings=2)))
    with pytest.raises(WeightFileError, match="'lofi' network"):
        save_weights(tmp_path / "lofi.safetensors", STATE, CARD)
        LevelMap.load(tmp_path / "lofi.safetensors", nn.Identity())


def test_own_denoisers_are_folded_and_follow_changes():
    net = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))
    net(torch.randn(4, 2, 8, 8))
    denoiser = LevelMap(net).eval()
    x = torch.rand(1, 1, 16, 16)
    for change in (
        lambda: None,
        lambda: net[1].eps,
        lambda: setattr(net[1], "eps", 0.5),
        lambda: net[0].weight.mul_(2),  # pyright: ignore
    ):
        with torch.no_grad():
            change()
            fast = denoiser(x, 0.1)
            level = torch.full((1, 1, 16, 16), 0.1)
            assert torch.allclose(fast, net(torch.cat((x, level), 1)), atol=1e-5)
    assert denoiser(x.requires_grad_(), 0.1).requires_grad


def test_networks_that_cannot_be_copied_are_evaluated_as_they_are():
    class Locked(nn.Conv2d):
        def __deepcopy__(self, memo):
            raise TypeError("cannot pickle '_thread.lock' object")

    net = Locked(2, 1, 3, padding=1)
    x, level = torch.rand(1, 1, 8, 8), torch.full((1, 1, 8, 8), 0.1)
    with torch.no_grad():
        assert torch.allclose(LevelMap(net).eval()(x, 0.1), net(torch.cat((x, level), 1)), atol=1e-6)
