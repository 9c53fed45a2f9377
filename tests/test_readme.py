"""The README's examples run as they stand, and the own operator is as short as it says."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()


EXAMPLES = re.findall(r"<!-- executed by tests/test_readme.py -->\n```python\n(.*?)```", README, flags=re.S)


@pytest.mark.parametrize(
    ("example", "expected"),
    [(0, "converged after"), (1, "converged after"), (2, "HalfFourier, images (1, 16, 16), float64: all well"),
     (3, "converged after"), (4, "max_iter 5 10"), (5, "converged after")],
)  # fmt: skip
def test_example(example, expected, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(EXAMPLES[example], "README.md", "exec"), {})
    assert expected in capsys.readouterr().out


def test_own_operator_has_ten_lines():
    code = EXAMPLES[1]
    assert len(code[code.index("class ") : code.index("\n\nop = ")].splitlines()) <= 10


def test_own_method_has_ten_lines_of_its_own():
    code = EXAMPLES[3]
    lines = code[code.index("    def init") : code.index("\n\nx = ")].splitlines()
    assert len([line for line in lines if line.strip()]) <= 10


def test_every_public_name_of_the_readme_exists():
    import pnp

    for name in set(re.findall(r"`([A-Z]\w+)[(`]", README)):
        assert hasattr(pnp, name), name


def test_star_import_gives_the_public_names_alone():
    names = {}
    exec("from pnp import *", names)
    assert {"PnPADMM", "Radon", "DRUNetDenoiser", "LoFiDenoiser", "check"} <= names.keys()
    assert not {"Any", "base", "importlib", "solver"} & names.keys()
