"""The import names ``operators`` and ``denoisers`` are plain words, which other people's packages use as well."""

import importlib
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

__all__ = ["denoisers", "neighbours", "operators"]


def neighbours(**names: str) -> list[ModuleType]:
    """The packages of these names that were installed beside this one; ``names`` says what each has to define.

    All are looked up before any is imported, so that nothing of a foreign package runs.

    Raises:
        ImportError: another package or file of that name comes first on ``sys.path``, or has replaced ours.
    """
    here = Path(__file__).resolve().parent.parent
    for name in names:
        spec = find_spec(name)
        found = Path(spec.origin) if spec and spec.origin else None
        if found is None or found.resolve().parent.parent != here:
            raise ImportError(_message(name, here, found), name=name)
    modules = [importlib.import_module(name) for name in names]
    for module, (name, defines) in zip(modules, names.items()):
        if not hasattr(module, defines):
            raise ImportError(_message(name, here, Path(module.__file__ or here)), name=name)
    return modules


def _message(name: str, here: Path, found: Path | None) -> str:
    ours = here / name
    if found is None:
        return f"pnp needs the package {name!r} of pnp-imaging at {ours}, which is missing: reinstall pnp-imaging"
    if found.resolve().parent == ours:
        remedy = f"uninstall the other package that has a module {name!r}, then reinstall pnp-imaging"
    else:
        remedy = f"rename that file or folder, uninstall that package, or put {here} before it on sys.path"
    return f"import {name} gives {found}, which is not pnp-imaging's ({ours}): {remedy}"


operators, denoisers = neighbours(operators="LinearOperator", denoisers="Denoiser")
