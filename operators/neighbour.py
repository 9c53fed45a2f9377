"""The import name ``pnp``, whose package builds on this one, may belong to somebody else's package or script."""

import warnings
from importlib.util import find_spec
from pathlib import Path

__all__ = ["look_for"]


def look_for(name: str) -> None:
    """Warn if ``import name`` would give something else than the package that was installed beside this one.

    Looks it up and imports nothing; silent where this package was installed alone.
    """
    here = Path(__file__).resolve().parent.parent
    try:
        spec = find_spec(name)
    except ValueError:  # a module that was made by hand
        return
    found = Path(spec.origin).resolve() if spec and spec.origin else None
    if (here / name).is_dir() and found is not None and found.parent.parent != here:
        warnings.warn(
            f"import {name} gives {found}, which is not pnp-imaging's ({here / name}): rename that file or folder, "
            f"uninstall that package, or put {here} before it on sys.path",
            RuntimeWarning,
            stacklevel=3,
        )
