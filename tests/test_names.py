"""Names that users import stay where they are, whatever the folders do."""

import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType

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


def packages() -> list[str]:
    """Every package, by its dotted name."""
    found = []
    for root in ("operators", "denoisers", "pnp"):
        path = importlib.import_module(root).__path__
        found += [root, *(m.name for m in pkgutil.walk_packages(path, f"{root}.") if m.ispkg)]
    return found


@pytest.mark.parametrize("package", packages())
def test_star_imports_bring_public_names_and_no_modules(package):
    mine = {"fits": "astropy's", "plot": "mine", "data": "mine", "image": "mine", "noise": "mine"}
    names: dict[str, object] = dict(mine)
    exec(f"from {package} import *", names)
    del names["__builtins__"]
    assert not [n for n, v in names.items() if isinstance(v, ModuleType) or n.startswith("_")]
    assert {n: names[n] for n in mine} == mine
    assert set(promised().get(package, [])) <= names.keys()


def test_every_public_name_is_on_a_page():
    listed = set(re.findall(r"automodule:: (\S+)", (Path(__file__).parent.parent / "docs" / "api.md").read_text()))
    for package, names in promised().items():
        values = {name: getattr(importlib.import_module(package), name) for name in names}
        homes = {name: getattr(v, "__module__", None) or "" for name, v in values.items()}
        ours = {name: home for name, home in homes.items() if home.startswith(("pnp.", "operators.", "denoisers."))}
        assert not {name: home for name, home in ours.items() if home not in listed}, package
