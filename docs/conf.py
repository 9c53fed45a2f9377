"""Sphinx: ``python -m sphinx -W docs docs/_build`` (``make docs``)."""

import re
from importlib import metadata
from pathlib import Path

project = "pnp"
author = copyright = "pnp developers"
release = metadata.version("pnp-imaging")
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "myst_parser"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True}
napoleon_use_ivar = True
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "pnp"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}


def _adapt(app, docname, source) -> None:
    """The cards of the weights have a page here; patterns of a toctree that no page fits are left out."""
    here = Path(app.srcdir)
    text = source[0].replace("](../denoisers/weights/CARDS.md", "](cards.md")
    patterns = re.findall(r"^/?[\w/]*\*[\w*]*$", text, flags=re.M)
    for pattern in patterns:
        if not [*here.glob(pattern.lstrip("/") + ".md")]:
            text = text.replace(f"\n{pattern}\n", "\n")
    source[0] = text


def _escape(app, what, name, obj, options, lines) -> None:
    """Stars of shapes, (B, *in_shape), and of adjoints, A* A, are not emphasis."""
    for i, line in enumerate(lines):
        if "^" not in line:  # a formula
            lines[i] = re.sub(r"(``.*?``|`.*?`|\*\*.*?\*\*)|(?<!\\)\*", lambda m: m.group(1) or r"\*", line)


def setup(app) -> None:
    """Sphinx's entrance."""
    app.connect("source-read", _adapt)
    app.connect("autodoc-process-docstring", _escape)
