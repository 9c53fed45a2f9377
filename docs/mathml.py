"""Formulas as MathML, written when the site is built: pages need no network and no script."""

import re
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
ElementTree.register_namespace("", NAMESPACE)
LEFT = [  # what the converter leaves as TeX
    (r"<mi>\\arg</mi>((?:<\w+>)*)<mo>min</mo>", "\\1<mo>arg\xa0min</mo>"),
    (r">\\\|<", ">‖<"),
    (r">\\langle<", ">⟨<"),
    (r">\\rangle<", ">⟩<"),
]
LIMITS = {"∑", "min", "max", "arg\xa0min"}


def mathml(tex: str, display: str = "inline") -> str:
    """The ``<math>`` element of a formula, ``display`` "inline" or "block".

    Raises:
        ValueError: the formula holds a command that the converter does not know.
    """
    several = r"\\" in tex
    made = convert(r"\begin{split}" + tex + r"\end{split}" if several else tex, display=display)
    for pattern, by in LEFT:
        made = re.sub(pattern, by, made)
    if unknown := re.findall(r"\\\S[^<]*", made):
        raise ValueError(f"no MathML of {', '.join(unknown)} in {tex}")
    tree = ElementTree.fromstring(made)
    if display == "block":  # indices of sums and minima stand below them
        for part in tree.iter(f"{{{NAMESPACE}}}msub"):
            if part[0].text in LIMITS:
                part.tag = f"{{{NAMESPACE}}}munder"
    return ElementTree.tostring(tree, encoding="unicode")


def _render(writer, node, display: str) -> None:
    try:
        writer.body.append(mathml(node.astext(), display))
    except Exception as error:
        logging.getLogger(__name__).warning("formula: %s", error, location=node)
    raise nodes.SkipNode


def _inline(writer, node) -> None:
    _render(writer, node, "inline")


def _block(writer, node) -> None:
    _render(writer, node, "block")


def setup(app) -> dict:
    """Sphinx's entrance."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
