"""Notebooks with outputs from their sources: examples/[01]*.py to examples/[01]*.ipynb.

Of what programs write to stderr our own warnings are kept, without their paths; progress bars are left out. The data
sets lie in the folder that PNP_DATA names.

    python examples/build.py [NAME ...]
"""

import base64
import io
import re
import sys
import time
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from PIL import Image

HERE = Path(__file__).parent
PICTURES = {"02_mri": 2, "03_ct": 3, "04_radio": 2, "05_mass_mapping": 1, "06_photographs": 1}  # for README and site


def build(source: Path) -> float:
    """Execute a source and write the notebook; seconds it took."""
    notebook: Any = nbformat.from_dict(jupytext.read(source))
    notebook.metadata = nbformat.from_dict({"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    begin = time.perf_counter()
    NotebookClient(notebook, timeout=900, kernel_name="python3").execute()
    for i, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{i}", nbformat.from_dict({})
        if cell.cell_type == "code":
            cell.outputs = _kept(cell.outputs)
    nbformat.write(notebook, source.with_suffix(".ipynb"))
    if source.stem in PICTURES:
        _save_picture(notebook, PICTURES[source.stem], HERE.parent / "docs" / "pictures" / f"{source.stem[3:]}.png")
    return time.perf_counter() - begin


def _kept(outputs: list) -> list:
    """Printed text, our warnings, and each picture once: a figure that a cell ends with is shown and its value."""
    texts = [o for o in outputs if o.output_type == "stream" and o.name != "stderr"]
    heard = "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stderr")
    found = re.findall(r"/(?:pnp|operators|denoisers)/[\w/]+\.py:\d+: (\w*Warning: .*)", heard)
    found += re.findall(r"ipykernel_\d+/\d+\.py:\d+: (RuntimeWarning: .*)", heard)  # ours, said of the caller's line
    warned = [nbformat.v4.new_output("stream", name="stderr", text="\n".join(found) + "\n")] if found else []
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    shown = [o for o in pictures if o.output_type == "display_data"]
    return texts + warned + (shown or pictures)


def _save_picture(notebook: nbformat.NotebookNode, number: int, path: Path) -> None:
    """A picture of the notebook as a file."""
    found = [o.data["image/png"] for c in notebook.cells for o in c.get("outputs", []) if "data" in o]
    path.parent.mkdir(exist_ok=True)
    with Image.open(io.BytesIO(base64.b64decode(found[number]))) as picture:
        picture.convert("RGB").save(path, optimize=True)  # opaque: a seventh smaller without transparency


def main() -> None:
    """Build all, or those that are named."""
    for source in sorted(HERE.glob("[01]*.py")):
        if len(sys.argv) == 1 or any(name in source.stem for name in sys.argv[1:]):
            print(f"{source.name}: {build(source):.0f} s", flush=True)


if __name__ == "__main__":
    main()
