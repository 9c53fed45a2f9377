"""Faults planted in problems of every field, and whether reports name them: the share of right causes, and of healthy
solves of which a report says that something is wrong.

Photographs (BSD68), brains, CT slices, skies and shear at two noise levels each, by `PnPADMM` with the default prior.
Right: the worst finding's cause is that of the fault. False: any cause but "scales" (what an operator does not measure)
and "convergence" in a healthy solve. Faults that leave the data consistent, such as CT that turns the other way (the
answer is mirrored) or u and v exchanged, no report can find: they are listed, with the misfits, and not counted.

    python -m benchmarks.health --data DIR [--fields photographs mri ct radio shear] [--images 4] [--worst]
"""

import warnings
from collections import Counter

from pnp import PnPADMM, Stop

from .common import parser, save, table
from .health_cases import FIELDS

NO_FAULT = {"scales", "convergence"}


def main() -> None:
    """Print the tables."""
    p = parser(__doc__)
    p.add_argument("--fields", nargs="+", choices=list(FIELDS), default=list(FIELDS))
    p.add_argument("--worst", action="store_true", help="print every fault that was not named, and every false finding")
    p.add_argument("--iterations", type=int, default=60)
    options = p.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    right, tried, hidden = Counter(), Counter(), {}
    for field in options.fields:
        for case in FIELDS[field](options.data, options.images or 4):
            solver = PnPADMM(case.op, noise_std=case.noise_std, stop=Stop(5e-3, options.iterations))
            health = solver.solve(case.y).health
            assert health is not None
            causes = [c for c in health.causes if c not in NO_FAULT]
            key = (field, case.cause, case.fault)
            if case.cause.startswith("-"):
                hidden.setdefault(f"{case.problem}, {case.fault}", []).append(max(health.measured.ratio))
                continue
            good = causes[:1] == ([case.cause] if case.cause else [])
            tried[key] += 1
            right[key] += good
            if options.worst and not good:
                print(f"{case.problem}, noise {case.noise_std:.3g}, {case.fault or 'healthy'}: {causes}", flush=True)
    faults = [key for key in tried if key[1]]
    rows = [[f, fault, cause, f"{right[f, cause, fault]} of {tried[f, cause, fault]}"] for f, cause, fault in faults]
    print(table(rows, ["field", "fault", "cause", "named"]))
    named, planted = sum(right[k] for k in faults), sum(tried[k] for k in faults)
    healthy = sum(n for k, n in tried.items() if not k[1])
    false = healthy - sum(right[k] for k in tried if not k[1])
    print(f"\nnamed: {named} of {planted}; false findings: {false} of {healthy} healthy solves")
    for name, ratios in hidden.items():
        print(f"not in the data: {name}: misfit {min(ratios):.2f} to {max(ratios):.2f} of the noise")
    save(options.save, {"health": {"named": [named, planted], "false": [false, healthy]}})


if __name__ == "__main__":
    main()
