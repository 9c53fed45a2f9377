"""What a release says of itself agrees, and nothing that the packages need is left out of them."""

import fnmatch
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from benchmarks import release

ROOT = Path(__file__).parent.parent


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", *release.PACKAGES], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode or not listed.stdout:
        pytest.skip("needs a git checkout")
    return listed.stdout.split()


def test_versions_agree():
    version = release.PROJECT["project"]["version"]
    assert re.search(rf"^version: {re.escape(version)}$", (ROOT / "CITATION.cff").read_text(), flags=re.M)
    assert re.search(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)[1] == version  # pyright: ignore


def test_every_dependency_has_a_lower_bound():
    bounds = release.lowest()
    assert len(bounds) == 7 and all(re.fullmatch(r"\w+==[\d.]+", b) for b in bounds)


def test_every_file_of_the_packages_is_packed():
    """Python files in folders that setuptools finds, all others by a pattern of package-data."""
    data = release.PROJECT["tool"]["setuptools"]["package-data"]
    for name in tracked():
        package, _, file = name.rpartition("/")
        patterns = data["*"] + data.get(package.replace("/", "."), [])
        assert (ROOT / package / "__init__.py").is_file(), f"{package} is not a package"
        assert file.endswith(".py") or any(fnmatch.fnmatch(file, p) for p in patterns), f"{name} is not packed"


def test_what_a_wheel_lacks_is_named(tmp_path):
    names = tracked()
    with zipfile.ZipFile(tmp_path / "pnp_imaging-0-py3-none-any.whl", "w") as wheel:
        for name in names[1:]:
            wheel.writestr(name, "")
    with zipfile.ZipFile(tmp_path / "pnp_imaging-0-py3-none-any.whl") as wheel:
        assert release.missing(set(wheel.namelist())) == names[:1]


def test_interpreters_that_are_not_there_are_named_before_the_build(capsys, monkeypatch):
    monkeypatch.setattr(release, "build", lambda folder: pytest.fail("it was built"))
    with pytest.raises(SystemExit):
        release.main(["--python", "python9.9"])
    assert "no interpreter python9.9" in capsys.readouterr().err
