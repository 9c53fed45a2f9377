"""Sphinx: ``python -m sphinx -W docs docs/_build`` (``make docs``)."""

import re
import sys
from importlib import metadata, resources
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "pnp"
author = copyright = "pnp developers"
release = metadata.version("pnp-imaging")
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser", "mathml"]
html_math_renderer = "mathml"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True}
napoleon_use_ivar = True
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
myst_dmath_allow_space = False
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "pnp"
# ziamath brings a font with the tables that MathML needs
html_static_path = ["_static", str(resources.files("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf")]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}


def _adapt(app, docname, source) -> None:
    """The cards of the weights have a page here."""
    source[0] = source[0].replace("](../denoisers/weights/CARDS.md", "](cards.md")


def _escape(app, what, name, obj, options, lines) -> None:
    """Stars of shapes, (B, *in_shape), and of adjoints, A* A, are not emphasis."""
    for i, line in enumerate(lines):
        if "^" not in line and not line.lstrip().startswith(".. math::"):
            lines[i] = re.sub(r"(``.*?``|`.*?`|\*\*.*?\*\*)|(?<!\\)\*", lambda m: m.group(1) or r"\*", line)


def setup(app) -> None:
    """Sphinx's entrance."""
    app.connect("source-read", _adapt)
    app.connect("autodoc-process-docstring", _escape)
