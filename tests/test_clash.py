"""Other people's packages named ``operators``, ``denoisers`` or ``pnp`` are noticed, and what to do is said."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import pnp
from operators.neighbour import look_for
from pnp.clash import neighbours

ROOT = Path(__file__).parent.parent


def plant(folder: Path, name: str, text: str = "raise SystemExit('ran')\n") -> Path:
    """A package of that name, which must not run."""
    package = folder / name
    package.mkdir()
    (package / "__init__.py").write_text(text)
    return package


@pytest.mark.parametrize("name", ["operators", "denoisers"])
def test_a_foreign_package_is_named_before_it_runs(name, tmp_path):
    foreign = plant(tmp_path, name)
    path = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import pnp"
    said = subprocess.run([sys.executable, "-c", path], capture_output=True, text=True).stderr
    assert f"ImportError: import {name} gives {foreign / '__init__.py'}" in said
    assert f"not pnp-imaging's ({ROOT / name}): rename that file or folder" in said


def test_a_script_beside_the_user_s_own_is_named(tmp_path):
    (tmp_path / "operators.py").write_text("print('ran')\n")
    path = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import pnp"
    done = subprocess.run([sys.executable, "-c", path], capture_output=True, text=True)
    assert f"import operators gives {tmp_path / 'operators.py'}" in done.stderr and not done.stdout


def test_a_package_that_has_replaced_ours_is_told_to_go(monkeypatch):
    """pip writes two distributions with the same import name into one folder; the later one wins."""
    monkeypatch.delattr("operators.LinearOperator")
    with pytest.raises(ImportError, match="uninstall the other package that has a module 'operators', then reinstall"):
        neighbours(operators="LinearOperator", denoisers="Denoiser")


def test_a_package_that_is_missing_is_told():
    with pytest.raises(ImportError, match="needs the package 'no_such_name' of pnp-imaging at .* reinstall"):
        neighbours(no_such_name="LinearOperator")


def test_foreign_pnp_is_warned_of(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "pnp")
    foreign = plant(tmp_path, "pnp")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        look_for("pnp")  # ours is found
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.warns(RuntimeWarning, match=f"import pnp gives {foreign}"):
        look_for("pnp")


def test_ours_are_themselves():
    assert neighbours(operators="LinearOperator", denoisers="Denoiser") == [pnp.clash.operators, pnp.clash.denoisers]
