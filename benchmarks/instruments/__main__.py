"""python -m benchmarks.instruments FIELD [options]: runs the module of that name here."""

import importlib
import pkgutil
import sys


def main() -> None:
    """Hand the rest of the command line to the field's ``main``."""
    fields = sorted(m.name for m in pkgutil.iter_modules(__import__("benchmarks.instruments").instruments.__path__))
    fields = [f for f in fields if not f.startswith("_")]
    if len(sys.argv) < 2 or sys.argv[1] not in fields:
        raise SystemExit(f"usage: python -m benchmarks.instruments {{{','.join(fields)}}} [options]")
    name = sys.argv.pop(1)
    importlib.import_module(f"benchmarks.instruments.{name}").main()


main()
