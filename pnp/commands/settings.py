"""Settings from a YAML or TOML file: read safely, checked, and errors told with their line."""

import argparse
import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..io.opening import package
from .values import as_value

__all__ = ["read_settings"]

_LARGEST = 2**20  # bytes
_Lines = dict[tuple[str, ...], int]


def read_settings(path: Path, known: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """The settings of a file by name, each made by its entry of ``known``.

    YAML's plain scalars mean what KEY=VALUE means on the command line; anchors, aliases and tags are refused.

    Raises:
        ValueError: not YAML or TOML, a setting that is unknown, twice there, or of another kind; file and line are
            named. FileNotFoundError: no such file. ImportError: PyYAML is missing.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a.toml"
    >>> _ = file.write_text("prior = 'ct'\\nstrenght = 2\\n")
    >>> read_settings(file, {"prior": str, "strength": float})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: .../a.toml, line 2: no setting 'strenght'; did you mean strength?
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"{path}: of {path.stat().st_size:,} bytes, more than settings need")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is no text in UTF-8") from error
    tree, lines = _toml(path, text) if path.suffix.lower() == ".toml" else _yaml(path, text)
    found = {}
    for name, value in tree.items():
        at = f"{path}, line {lines.get((name,), 1)}"
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            hint = f"did you mean {near[0]}?" if near else f"settings are {', '.join(known)}"
            raise ValueError(f"{at}: no setting {name!r}; {hint}")
        try:
            found[name] = known[name](value)
        except (ValueError, TypeError, argparse.ArgumentTypeError) as error:
            raise ValueError(f"{at}: {name}: {error}") from error
    return found


def _toml(path: Path, text: str) -> tuple[dict[str, Any], _Lines]:
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: {error}") from error
    lines: _Lines = {}
    for number, line in enumerate(text.splitlines(), 1):
        if name := re.match(r"""\s*\[?\s*["']?([\w-]+)""", line):
            lines.setdefault((name[1],), number)
    return tree, lines


def _yaml(path: Path, text: str) -> tuple[dict[str, Any], _Lines]:
    yaml: Any = package("yaml", "io")
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise ValueError(f"{path}, line {event.start_mark.line + 1}: anchors and aliases are not taken")
            if getattr(event, "tag", None):
                raise ValueError(f"{path}, line {event.start_mark.line + 1}: tags are not taken, got {event.tag}")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ValueError(f"{path}, line {mark.line + 1 if mark else 1}: {error.problem or error}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(f"{path}, line 1: expected settings, NAME: VALUE")
    lines: _Lines = {}
    return _mapping(path, yaml, node, lines), lines


def _mapping(path: Path, yaml: Any, node: Any, lines: _Lines) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise ValueError(f"{path}, line {line}: expected a name, NAME: VALUE")
        if key.value in found:
            raise ValueError(f"{path}, line {line}: {key.value} for the second time")
        found[key.value] = _plain(path, yaml, value)
        lines[(key.value,)] = line
    return found


def _plain(path: Path, yaml: Any, node: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(path, yaml, node, {})
    if isinstance(node, yaml.SequenceNode):
        values = [_plain(path, yaml, part) for part in node.value]
        return tuple(values) if values and all(type(v) is int for v in values) else values
    try:
        return node.value if node.style in ("'", '"', "|", ">") else as_value(node.value)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}, line {node.start_mark.line + 1}: {error}") from error
