"""One line for each fault that trials found: before, now, right value; ends with status 1 where one is still there.

python -m benchmarks.faults_found [--only A2 B4 ...]
"""

import argparse
import importlib
import pkgutil
import re
import sys
import warnings

from . import __path__ as here
from .fault import FAULTS


def main() -> int:
    """Print the table; the number of faults that are still there."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--only", nargs="+", metavar="NAME", help="only these, by name")
    options = p.parse_args()
    for module in pkgutil.iter_modules(here):
        if not module.name.startswith("_"):
            importlib.import_module(f"{__package__}.{module.name}")
    warnings.simplefilter("ignore")
    chosen = [f for f in FAULTS if not options.only or f.name in options.only]
    chosen.sort(key=lambda f: (f.name[0], int(re.sub(r"\D", "", f.name) or 0)))
    still = 0
    print("| fault | before | now | right | |\n|---|---|---|---|---|")
    for f in chosen:
        try:
            seen, fine = f.now()
        except Exception as error:  # a crash is a finding, too
            seen, fine = f"{type(error).__name__}: {error}".splitlines()[0], False
        still += not fine
        print(f"| {f.name} {f.what} | {f.before} | {seen} | {f.right} | {'ok' if fine else 'FAULT'} |", flush=True)
    print(f"\n{len(chosen) - still} of {len(chosen)} mended")
    return int(still > 0)


if __name__ == "__main__":
    sys.exit(main())
