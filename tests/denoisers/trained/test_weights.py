"""Weight files: names, cards, and files that are broken in every way."""

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import denoisers.weights
from denoisers import LoFiDenoiser, XDnCNNDenoiser
from denoisers.weights import WeightFileError, available, load_weights, save_weights, tensors_hash


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "own.safetensors"
    network = LoFiDenoiser(None, preset="fast")
    save_weights(path, network.state_dict(), {"family": "lofi", "preset": "fast", "channels": 1})
    return path


def test_names_versions_and_paths(file):
    assert {"natural-gray@1", "natural-rgb@1"} <= set(available("lofi"))
    newest, named = load_weights("natural-gray", family="lofi"), load_weights("natural-gray@1", family="lofi")
    assert newest[1]["sha256"] == named[1]["sha256"]
    assert LoFiDenoiser(str(file)).card["preset"] == "fast"


def test_cards_tell_what_the_numbers_are():
    for name in available("lofi"):
        card = load_weights(name, family="lofi")[1]
        assert {"family", "preset", "channels", "sigma_range", "recipe", "data", "psnr"} <= set(card)


def test_unknown_name_lists_what_there_is():
    with pytest.raises(ValueError, match=r"weights: .*natural-gray@1"):
        LoFiDenoiser("natural-grey")
    with pytest.raises(FileNotFoundError, match="weights"):
        LoFiDenoiser("nowhere.safetensors")


def test_truncated_and_altered_files(file):
    data = file.read_bytes()
    for length in (0, 4, 100, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:length])
        with pytest.raises(WeightFileError, match="weights"):
            LoFiDenoiser(str(file))
    flipped = bytearray(data)
    flipped[-5] ^= 1
    file.write_bytes(bytes(flipped))
    with pytest.raises(WeightFileError, match="altered"):
        LoFiDenoiser(str(file))


def test_altered_cards(file):
    state, card = load_weights(str(file), family="lofi")
    save_weights(file, state, {**card, "sigma_range": [0.0, 0.25], "recipe": {1: (2, 3), 10: "ü"}})
    assert load_weights(str(file), family="lofi")[1]["recipe"] == {"1": [2, 3], "10": "ü"}
    data = file.read_bytes()
    for old, new in (
        (b"0.25", b"0.35"),
        (b"0.25", b"0.2 "),
        (b"fast", b"past"),
        (b'channels\\": 1', b'channels\\": 3'),
    ):
        assert data.count(old) == 1
        file.write_bytes(data.replace(old, new))
        with pytest.raises(WeightFileError, match=r"(altered: its card|damaged)"):
            LoFiDenoiser(str(file))


def test_cards_without_a_hash_of_their_own_are_read(tmp_path):
    from safetensors.torch import save_file

    state = {k: v.contiguous() for k, v in LoFiDenoiser(None, preset="fast").state_dict().items()}
    old = {"family": "lofi", "preset": "fast", "channels": 1, "sha256": tensors_hash(state)}
    path = tmp_path / "old.safetensors"
    for told, word in (
        ({}, ""), ({"sigma_range": [0.2, 0.1]}, "sigma_range"), ({"sigma_range": [-0.1, 0.1]}, "sigma_range"),
        ({"sigma_range": [0.1, math.nan]}, "sigma_range"), ({"sigma_range": "ab"}, "sigma_range"),
        ({"sigma_range": None}, "sigma_range"), ({"channels": "1"}, "channels"), ({"channels": 0}, "channels"),
    ):  # fmt: skip
        save_file(state, path, metadata={"card": json.dumps(old | told)})
        if word:
            with pytest.raises(WeightFileError, match=f"impossible card, {word}: "):
                LoFiDenoiser(str(path))
            with pytest.raises(ValueError, match=f"card: {word}: "):
                save_weights(path, state, old | told)
        else:
            assert LoFiDenoiser(str(path)).card == old
    save_file(state, path, metadata={"card": "[]"})
    with pytest.raises(WeightFileError, match="card"):
        LoFiDenoiser(str(path))


def test_shipped_files_have_both_hashes():
    for path in Path(denoisers.weights.__file__).parent.glob("*.safetensors"):
        with safe_open(path, framework="pt") as opened:
            assert {"sha256", "card_sha256"} <= set(json.loads(opened.metadata()["card"])), path.name


def test_file_of_another_kind(tmp_path):
    from safetensors.torch import save_file

    other = tmp_path / "other.safetensors"
    save_file({"w": torch.zeros(1)}, other)
    with pytest.raises(WeightFileError, match="no card"):
        load_weights(str(other), family="lofi")
    with pytest.raises(FileExistsError, match=r"other\.safetensors is there already"):
        save_weights(other, {"w": torch.zeros(1)}, {"family": "xunit"})
    save_weights(other, {"w": torch.zeros(1)}, {"family": "xunit"}, overwrite=True)
    with pytest.raises(WeightFileError, match="xunit"):
        load_weights(str(other), family="lofi")
    with pytest.raises(ValueError, match="family"):
        save_weights(other, {}, {})


@pytest.mark.parametrize(
    ("name", "sigma", "gain"),
    [
        ("natural-gray-25", 25 / 255, 8.5),
        ("natural-gray-50", 50 / 255, 11.0),
        ("natural-rgb-25", 25 / 255, 8.5),
        ("natural-rgb-50", 50 / 255, 11.0),
    ],
)
def test_shipped_xdncnn_denoises(name, sigma, gain):
    from pnp import data
    from pnp.metrics import psnr

    x = data.sample("camera")[..., 100:228, 180:308]
    denoiser = XDnCNNDenoiser(name)
    x = x.expand(-1, denoiser.channels or 1, -1, -1)
    y = x + sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    assert not denoiser.training and denoiser.sigma_range == (pytest.approx(sigma), pytest.approx(sigma))
    assert float(psnr(denoiser(y, sigma), x) - psnr(y, x)) > gain
