"""Names that users import stay where they are, whatever the folders do."""

import importlib
from pathlib import Path

import pytest

BLOCKS = ("AttentionGate", "ChannelGate", "ConvBlock", "PixelAttention", "ResidualConvBlock", "PatchFinder")


def promised() -> dict[str, list[str]]:
    """Names of each package in ``names.txt``: a line with the package, indented ones with its names."""
    found: dict[str, list[str]] = {}
    package = ""
    for line in (Path(__file__).parent / "names.txt").read_text().splitlines():
        if line.startswith(" "):
            found[package] += line.split()
        else:
            package = line
            found[package] = []
    return found


@pytest.mark.parametrize(("package", "names"), promised().items())
def test_public_names_stay(package, names):
    assert len(names) > 1
    module = importlib.import_module(package)
    assert [n for n in names if not hasattr(module, n)] == []


def test_building_blocks_live_with_the_networks():
    front, networks = importlib.import_module("denoisers"), importlib.import_module("denoisers.networks")
    assert all(hasattr(networks, n) and not hasattr(front, n) for n in BLOCKS)


@pytest.mark.parametrize("room", ["operators.mri", "operators.radio", "operators.lensing", "operators.fourier"])
def test_rooms_have_the_names_of_their_files(room):
    kinds = {"mri": "MRI", "radio": "RadioInterferometry", "lensing": "ReducedShear", "fourier": "NUFFT"}
    assert hasattr(importlib.import_module(room), kinds[room.partition(".")[2]])
