"""The notebooks' sources run at tiny settings, without the data sets."""

import json
import re
import runpy
import warnings
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("[01]*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_notebook_runs_at_tiny_settings(path, tmp_path, monkeypatch):
    if "deepinv" in path.stem:
        pytest.importorskip("deepinv", reason="needs deepinv: pip install 'pnp-imaging[deepinv]'")
    pytest.importorskip("PIL", reason="needs Pillow: pip install 'pnp-imaging[train]'")
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'pnp-imaging[examples]'")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    for name, value in {"PNP_TINY": "1", "PNP_DATA": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tiny settings are beyond what is sound
        runpy.run_path(str(path))  # here: another process would import everything again
    pyplot.close("all")


def cells_of(text: str) -> list[tuple[str, str]]:
    """Kind and text of each cell of a source in the percent format."""
    cells = []
    for piece in re.split(r"^# %%", text, flags=re.M)[1:]:
        head, _, body = piece.partition("\n")
        kind = "markdown" if head.strip() == "[markdown]" else "code"
        body = body.strip() if kind == "code" else re.sub(r"^# ?", "", body.strip(), flags=re.M)
        cells.append((kind, body))
    return cells


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_notebook_is_that_of_its_source(path):
    cells = json.loads(path.with_suffix(".ipynb").read_text())["cells"]
    found = [(cell["cell_type"], "".join(cell["source"]).strip()) for cell in cells]
    assert found == cells_of(path.read_text()), f"{path.stem}.ipynb is old: make notebooks"
    assert not any(o.get("output_type") == "error" for c in cells for o in c.get("outputs", []))


def test_cells_are_seen_as_they_are():
    text = "# %% [markdown]\n# # Title\n# text\n#\n# more\n\n# %%\nx = 1\n\n\n# %%\ny = 2  # %% no cell\n"
    assert cells_of(text) == [("markdown", "# Title\ntext\n\nmore"), ("code", "x = 1"), ("code", "y = 2  # %% no cell")]
