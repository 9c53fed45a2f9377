"""What a release has to pass: wheel and sdist, built and tried in fresh environments outside the tree.

    python -m benchmarks.release                                    # build, then the wheel with this Python
    python -m benchmarks.release --python python3.11 python3.12     # the wheel with each
    python -m benchmarks.release --artefact sdist                   # from the source archive
    python -m benchmarks.release --lowest                           # the lowest versions that pyproject.toml allows
    python -m benchmarks.release --lowest --tests tests/operators   # and tests of the tree, on the installed packages

An environment takes 5 GB, most of it PyTorch, and is removed when its trial has ended. docs/releasing.md has the log.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("pnp", "operators", "denoisers")
LARGEST = 40e6
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def run(*command: str | Path, cwd: Path | None = None, clean: bool = False) -> None:
    """A command that has to succeed; ``clean`` leaves nothing of this tree in its environment."""
    environment = {k: v for k, v in os.environ.items() if not (clean and k in ("PYTHONPATH", "VIRTUAL_ENV"))}
    subprocess.run([*map(str, command)], cwd=cwd, env=environment, check=True)


def build(folder: Path) -> dict[str, Path]:
    """Wheel and sdist; the wheel is made from the sdist, so that what the sdist lacks the wheel lacks as well."""
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return {"wheel": wheel, "sdist": sdist}


def missing(there: set[str], packages: tuple[str, ...] = PACKAGES) -> list[str]:
    """Files of the tree's packages, tracked by git, that are not ``there``."""
    listed = subprocess.run(["git", "ls-files", *packages], cwd=ROOT, check=True, capture_output=True, text=True)
    return sorted(set(listed.stdout.split()) - there)


def contents(artefacts: dict[str, Path]) -> None:
    """Nothing of the packages is missing, nothing foreign is inside, nothing is compiled, and the size is in bounds.

    Raises:
        SystemExit: one of these does not hold.
    """
    with zipfile.ZipFile(artefacts["wheel"]) as wheel:
        names = {n for n in wheel.namelist() if ".dist-info/" not in n}
    with tarfile.open(artefacts["sdist"]) as sdist:
        archived = {n.partition("/")[2] for n in sdist.getnames()}
    for kind, there in (("wheel", names), ("sdist", archived)):
        size = artefacts[kind].stat().st_size
        print(f"{artefacts[kind].name}: {len(there)} files, {size / 1e6:.1f} MB")
        if lacking := missing(there):
            raise SystemExit(f"the {kind} lacks {', '.join(lacking)}")
        if size > LARGEST:
            raise SystemExit(f"the {kind} is larger than {LARGEST / 1e6:.0f} MB")
    foreign = sorted(n for n in names if n.partition("/")[0] not in PACKAGES)
    if foreign or not artefacts["wheel"].name.endswith("-py3-none-any.whl"):
        raise SystemExit(f"not a pure wheel of {', '.join(PACKAGES)}: {', '.join(foreign) or 'its tags'}")


def lowest() -> list[str]:
    """The lower bounds of pyproject.toml as exact versions."""
    return [re.sub(r">=\s*([\d.]+).*", r"==\1", requirement) for requirement in PROJECT["project"]["dependencies"]]


def trial(python: str, artefact: Path, *, low: bool, tests: list[str], keep: bool) -> None:
    """A fresh environment with ``python``: install, run ``release_trial``, import time, chosen tests."""
    folder = Path(tempfile.mkdtemp(prefix="release-"))
    here = folder / "elsewhere"
    here.mkdir()
    print(f"\n== {python}, {artefact.name}, {'lowest' if low else 'newest'} versions", flush=True)
    try:
        run(python, "-m", "venv", folder / "env")
        own = folder / "env" / "bin" / "python"
        wanted = [str(artefact), *(lowest() if low else [])]
        run(own, "-m", "pip", "install", "--quiet", *wanted, clean=True)
        for name in ("release_trial.py", "import_time.py"):
            shutil.copy(ROOT / "benchmarks" / name, here)
            run(own, "-P", here / name, cwd=here, clean=True)
        if tests:
            run(own, "-m", "pip", "install", "--quiet", "pytest", "hypothesis", clean=True)
            shutil.copytree(ROOT / "tests", here / "tests")
            shutil.copy(ROOT / "pyproject.toml", here)
            run(own, "-m", "pytest", "-p", "no:cacheprovider", *tests, cwd=here, clean=True)
    finally:
        if keep:
            print(f"kept {folder}")
        else:
            shutil.rmtree(folder)


def main(arguments: list[str] | None = None) -> None:
    """Build, look into what was built, and try it."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--python", nargs="*", default=[sys.executable], help="interpreters; none: only build and look")
    p.add_argument("--artefact", choices=("wheel", "sdist"), default="wheel")
    p.add_argument("--lowest", action="store_true", help="with the lower bounds of pyproject.toml")
    p.add_argument("--tests", nargs="*", default=[], help="tests of the tree, run on the installed packages")
    p.add_argument("--keep", action="store_true", help="do not remove the environments")
    options = p.parse_args(arguments)
    if absent := [python for python in options.python if shutil.which(python) is None]:
        p.error(f"--python: no interpreter {', '.join(absent)}")
    with tempfile.TemporaryDirectory() as folder:
        artefacts = build(Path(folder))
        contents(artefacts)
        for python in options.python:
            trial(python, artefacts[options.artefact], low=options.lowest, tests=options.tests, keep=options.keep)


if __name__ == "__main__":
    main()
