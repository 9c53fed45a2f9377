"""The structure: imports point one way, nothing heavy is loaded early, files and functions stay small."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(p for package in ("operators", "denoisers", "pnp") for p in (ROOT / package).rglob("*.py"))
HEAVY = {"finufft", "scipy", "deepinv", "matplotlib", "lightning", "skimage", "PIL", "astropy", "h5py", "bm3d"}


def imports(path: Path, *, top_level: bool = False) -> set[str]:
    """Absolute names of the modules that a file imports."""
    tree = ast.parse(path.read_text())
    package = path.relative_to(ROOT).parts[:-1]
    found = set()
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            found.add(".".join(part for part in (base, node.module or "") if part))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    package, name = path.relative_to(ROOT).parts[0], path.stem
    roots = {module.partition(".")[0] for module in imports(path)}
    others = {"operators": {"denoisers", "pnp"}, "denoisers": {"operators", "pnp"}, "pnp": set()}[package]
    assert not roots & (others | {"examples", "benchmarks", "tests"})
    assert not {m.partition(".")[0] for m in imports(path, top_level=True)} & HEAVY
    if package == "pnp" and path.parent.name == "pnp" and name != "__init__":
        allowed = {"operators.base", "operators.linalg", "operators.adapt", "denoisers.base"}
        ours = {m for m in imports(path) if m.partition(".")[0] in ("operators", "denoisers")}
        assert ours <= allowed, "solvers know no concrete operator or network"


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


def test_import_loads_nothing_heavy():
    code = "import sys, torch; before = set(sys.modules); import pnp; print(*(set(sys.modules) - before))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {name.partition(".")[0] for name in out.stdout.split()} & HEAVY
