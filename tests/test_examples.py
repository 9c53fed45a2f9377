"""The notebooks' sources run at tiny settings, without the data sets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("0*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_notebook_runs_at_tiny_settings(path, tmp_path):
    if "deepinv" in path.stem:
        pytest.importorskip("deepinv", reason="needs deepinv: pip install 'pnp-imaging[deepinv]'")
    pytest.importorskip("PIL", reason="needs Pillow: pip install 'pnp-imaging[train]'")
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'pnp-imaging[examples]'")
    setting = {"PNP_TINY": "1", "PNP_DATA": str(tmp_path), "MPLBACKEND": "Agg"}
    run = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, env=os.environ | setting)
    assert run.returncode == 0, run.stderr[-2000:]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_notebook_is_that_of_its_source(path):
    import json

    notebook = path.with_suffix(".ipynb")
    cells = json.loads(notebook.read_text())["cells"]
    code = ["".join(cell["source"]).strip() for cell in cells if cell["cell_type"] == "code"]
    text = path.read_text()
    assert code and all(piece in text for piece in code), f"{notebook.name} is old: make notebooks"
    assert not any(o.get("output_type") == "error" for c in cells for o in c.get("outputs", []))
