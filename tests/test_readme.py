"""The README's example runs as it stands; the README stays short, and names what exists."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_example(capsys):
    (code,) = re.findall(r"<!-- executed by tests/test_readme.py -->\n```python\n(.*?)```", README, flags=re.S)
    assert len([line for line in code.splitlines() if line]) <= 10
    exec(compile(code, "README.md", "exec"), {})
    (shown,) = re.findall(r"```text\n(.*?)```", README, flags=re.S)
    said = capsys.readouterr().out
    assert "converged after" in said
    labels = [[line.split()[:2] for line in text.splitlines()[1:-1]] for text in (shown, said)]
    assert labels[0] == labels[1]  # the report that the README shows is the one that comes
    noise = [re.search(r"noise +([\d.]+), (.*)", text) for text in (shown, said)]
    assert noise[0] and noise[1] and noise[0][2] == noise[1][2]  # by the same estimate
    assert float(noise[0][1]) == pytest.approx(float(noise[1][1]), rel=0.02)
    dB = [[float(n) for n in re.findall(r"tensor\(\[([\d.]+)", text)] for text in (shown, said)]
    assert dB[0] == pytest.approx(dB[1], abs=0.02)


def test_it_is_short_and_has_a_picture_for_each_field():
    assert len(README.splitlines()) <= 150
    assert re.findall(r"!\[(\w+)", README) == ["MRI", "CT", "Radio", "Mass", "Photograph"]
    assert len(re.findall(r"^\|---", README, flags=re.M)) == 3


def test_every_public_name_of_the_readme_exists():
    import pnp

    names = set(re.findall(r"`([A-Z]\w+)[(`]", README))
    assert len(names) > 50
    for name in names:
        assert hasattr(pnp, name), name


def test_star_import_gives_the_public_names_alone():
    names = {}
    exec("from pnp import *", names)
    assert {"PnPADMM", "Radon", "DRUNetDenoiser", "LoFiDenoiser", "check"} <= names.keys()
    assert not {"Any", "base", "importlib", "solver"} & names.keys()
