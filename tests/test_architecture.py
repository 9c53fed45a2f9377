"""The structure: imports point one way, nothing heavy is loaded early, files and functions stay small."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(p for package in ("operators", "denoisers", "pnp") for p in (ROOT / package).rglob("*.py"))
HEAVY = {"finufft", "scipy", "deepinv", "matplotlib", "lightning", "skimage", "PIL", "astropy", "h5py", "bm3d"}
HEAVY |= {
    "cufinufft",
    "torchkbnufft",
    "torchvision",
    "pydicom",
    "tifffile",
    "nibabel",
    "hypothesis",
    "pytest",
    "yaml",
    "ray",
}


SOLVING = [("pnp", "solvers"), ("pnp", "likelihood"), ("pnp", "report")]


def nodes(tree: ast.Module, *, at_import: bool) -> Iterator[ast.AST]:
    """All nodes, or those that run when the file is imported: outside functions, not for type checkers alone."""
    todo: list[ast.AST] = [*tree.body]
    while todo:
        node = todo.pop()
        yield node
        if at_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if at_import and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        todo += ast.iter_child_nodes(node)


def imports(text: str, package: tuple[str, ...], *, at_import: bool = False) -> set[str]:
    """Absolute names of the modules that a file of ``package`` imports."""
    found = set()
    for node in nodes(ast.parse(text), at_import=at_import):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            found.add(".".join(part for part in (base, node.module or "") if part))
    return found


def roots(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    parts, text = path.relative_to(ROOT).parts[:-1], path.read_text()
    package, modules = parts[0], imports(text, parts)
    others = {"operators": {"denoisers", "pnp"}, "denoisers": {"operators", "pnp"}, "pnp": set()}[package]
    assert not roots(modules) & (others | {"examples", "benchmarks", "tests"})
    assert not roots(imports(text, parts, at_import=True)) & HEAVY
    if (parts == ("pnp",) or parts[:2] in SOLVING) and path.stem != "__init__":
        allowed = {
            "operators.adapters.incoming",
            "operators.base",
            "operators.compose",
            "operators.doubts",
            "operators.implicit",
            "operators.linalg",
            "operators.modes",
            "operators.nonlinear",
            "operators.shapes",
            "operators.slabs",
            "denoisers.base",
            "denoisers.evaluation.precision",
            "denoisers.modes",
            "denoisers.trained.default",
            "denoisers.weights",
            "denoisers.weights.writing",
            "denoisers.wrappers.bounded",
            "denoisers.wrappers.gradient_step",
            "denoisers.wrappers.slicewise",
        }
        ours = {m for m in modules if roots({m}) <= {"operators", "denoisers"}}
        assert ours <= allowed, "solvers know no concrete operator or network"


def private(text: str, package: tuple[str, ...]) -> set[str]:
    """Underscored names of this project's other modules that a file of ``package`` takes: from x import _y, x._y."""

    def hidden(name: str) -> bool:
        return name.startswith("_") and not name.startswith("__")

    tree, found, modules = ast.parse(text), set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            place = [*base, *(node.module or "").split(".")] if node.module else base
            if place[0] in ("operators", "denoisers", "pnp"):
                found |= {".".join([*place, alias.name]) for alias in node.names if hidden(alias.name)}
                folder = ROOT.joinpath(*place)
                modules |= {
                    alias.asname or alias.name
                    for alias in node.names
                    if (folder / f"{alias.name}.py").is_file() or (folder / alias.name).is_dir()
                }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and hidden(node.attr) and ast.unparse(node.value) in modules:
            found.add(ast.unparse(node))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_underscored_names_stay_in_their_files(path):
    assert private(path.read_text(), path.relative_to(ROOT).parts[:-1]) == set()


def test_the_rules_see_what_they_forbid():
    text = """
from typing import TYPE_CHECKING
from . import solver
from .train import loop
if TYPE_CHECKING:
    import deepinv
else:
    import skimage.io
try:
    import matplotlib
except ImportError:
    matplotlib = None
class A:
    from scipy import fft
def late():
    import finufft
    from operators.mri import MRI
"""
    first = {"typing", "pnp", "pnp.train", "skimage.io", "matplotlib", "scipy"}
    assert imports(text, ("pnp",), at_import=True) == first
    assert imports(text, ("pnp",)) == first | {"deepinv", "finufft", "operators.mri"}
    assert imports("from ..solver import Solver", ("pnp", "train")) == {"pnp.solver"}
    text = """
from __future__ import annotations
from torch.nn import _reduction
from ..plot import _mine, show
from .. import metrics, __version__
from operators.modes import _theirs as theirs
metrics._hidden(show._asdict())
"""
    assert private(text, ("pnp", "io")) == {"pnp.plot._mine", "operators.modes._theirs", "metrics._hidden"}


def test_every_file_is_packaged():
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    assert found == {"include": ["pnp*", "operators*", "denoisers*"]}
    assert all((path.parent / "__init__.py").exists() for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_small_files_and_functions(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            docstring = ast.get_docstring(node, clean=False) or ""
            length = (node.end_lineno or 0) - node.lineno + 1 - len(docstring.splitlines())
            assert length <= 60, node.name
            if node.name == "__init__":
                arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
                assert len(arguments) - 1 <= 8, node.lineno


MADE = {"arange", "empty", "eye", "fftfreq", "full", "linspace", "logspace", "ones", "rand", "randint", "randn",
        "randperm", "rfftfreq", "tensor", "tril_indices", "triu_indices", "zeros"}  # fmt: skip


def without_device(text: str) -> set[str]:
    """Calls that make a tensor on whichever device is the default."""
    calls = (n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute))
    unnamed = (c for c in calls if not any(k.arg in ("device", None) for k in c.keywords))
    names = {ast.unparse(c.func) for c in unnamed}
    return {n for n in names if n in {f"torch.{m}" for m in MADE} | {f"torch.fft.{m}" for m in MADE}}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_tensors_name_their_device(path):
    """``torch.set_default_device("cuda")`` moves what a user makes, not constants that are beside data on the CPU."""
    if path.parent != ROOT / "denoisers" / "networks" and path != ROOT / "denoisers" / "trained" / "lofi.py":
        assert not without_device(path.read_text()), "parameters of networks alone follow the default device"


def test_a_tensor_without_device_is_seen():
    text = "torch.fft.fftfreq(3), torch.zeros(2), torch.ones(1, device=x.device), x.zeros(1), torch.rand(1, **like)"
    assert without_device(text) == {"torch.fft.fftfreq", "torch.zeros"}


def test_import_loads_nothing_heavy():
    # the command for the time it costs: python -m benchmarks.import_time
    code = "import sys, torch; before = set(sys.modules); import pnp; print(*(set(sys.modules) - before))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(out.stdout.split())
    assert {"pnp.solver", "operators.base", "denoisers.base"} <= loaded
    assert not roots(loaded) & HEAVY
