"""Print which operator passes which check: python -m tests.peers"""

import warnings

import _pytest.outcomes

from ..operators.cases import OPERATORS
from .checks import CHECKS


def verdict(name: str, check: str) -> str:
    """``passed``, ``-`` where a check says nothing of such an operator, or what went wrong."""
    try:
        CHECKS[check](OPERATORS[name](), OPERATORS[name])
    except _pytest.outcomes.Skipped:
        return "-"
    except Exception as error:  # whatever it is, it belongs into the table
        return f"FAILED ({type(error).__name__}: {str(error).splitlines()[0][:60]})"
    return "passed"


def main() -> int:
    """The number of failures."""
    warnings.simplefilter("ignore")
    print("| operator | " + " | ".join(CHECKS) + " |\n|---" * 1 + "|---" * len(CHECKS) + "|")
    failed = count = 0
    for name in OPERATORS:
        row = [verdict(name, check) for check in CHECKS]
        failed, count = failed + sum(r.startswith("FAILED") for r in row), count + sum(r != "-" for r in row)
        print(f"| {name} | " + " | ".join(row) + " |", flush=True)
    print(f"\n{count - failed} of {count} passed")
    return failed


if __name__ == "__main__":
    raise SystemExit(min(main(), 1))
