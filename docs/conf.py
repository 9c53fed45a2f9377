"""Sphinx: ``python -m sphinx -W docs docs/_build``."""

import re

project = "pnp"
author = "pnp developers"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "myst_parser"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True}
napoleon_use_ivar = True
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"page_width": "1000px", "sidebar_width": "220px"}
suppress_warnings = ["myst.xref_missing"]  # links to files of the repository


def _escape(app, what, name, obj, options, lines) -> None:
    """Stars of shapes, (B, *in_shape), and of adjoints, A* A, are no emphasis."""
    for i, line in enumerate(lines):
        if "^" not in line:  # a formula
            lines[i] = re.sub(r"(``.*?``|`.*?`|\*\*.*?\*\*)|(?<!\\)\*", lambda m: m.group(1) or r"\*", line)


def setup(app) -> None:
    """Sphinx's entrance."""
    app.connect("autodoc-process-docstring", _escape)
