"""Strengths chosen from data against the best for the truth (oracle): every field, three noise levels.

For each problem of :data:`benchmarks.strength_problems.PROBLEMS`: PSNR of PnP-ADMM at strength 1, at the best of eleven
strengths from 1/4 to 8 (not with --no-oracle, which is ten times as quick), and at that of a rule, with the noise level
given and unknown; denoiser calls over those at strength 1. For tomography of 180 angles on coarse pixels, also total
variation (x >= 0) tuned on the truth; see :mod:`benchmarks.pixels`. Constants were chosen on the images of
``--training``: photographs, patients, brains, maps and skies that others are not; but what lets Stein's estimate
decide was found on the nearly empty sky of ``radio`` itself.

    python -m benchmarks.strength --data DIR [--images 2] [--size 128] [--problems "CT 60" radio] [--rules auto holdout]
"""

import copy
import statistics
import time
import warnings
from typing import Any

import torch
from torch import Tensor

from pnp import PnPADMM, tv_reconstruction
from pnp.analysis import choose_strength
from pnp.analysis.strength import RULES

from .common import parser, save, table
from .strength_problems import PROBLEMS, Case, images

STRENGTHS = [2 ** (k / 2) for k in range(-4, 7)]
TV = (0.1, 0.2, 0.5, 1.0, 1.4, 2.0, 3.0)


def score(image: Tensor, x: Tensor) -> Tensor:
    """PSNR / dB with the truth's largest magnitude as peak, (B,)."""
    error = (image - x).abs().square().flatten(1).mean(1)
    return 10 * torch.log10(x.abs().max() ** 2 / error)


def at_strengths(solver: PnPADMM, y: Tensor) -> Tensor:
    """Images at all of :data:`STRENGTHS`."""
    many = y.expand(len(STRENGTHS), *y.shape[1:])
    each = copy.copy(solver)
    each.strength = 1.0
    state = each.begin(many)
    strengths = torch.tensor(STRENGTHS, dtype=state.facts.gain.dtype)
    each.strength = "auto"
    return each.solve(many, state=state._replace(facts=state.facts._replace(strength=strengths))).x


def measure(case: Case, noise_std: float | None, rules: list[str], *, oracle: bool = True) -> dict[str, Any]:
    """PSNR at strength one, at the best strength and at those of the rules, with the strengths."""
    solver = PnPADMM(case.op, noise_std=noise_std)
    plain = solver.solve(case.y)
    out, calls = {"one": float(score(plain.x, case.x))}, len(plain.history)
    if oracle:
        scores = score(at_strengths(solver, case.y), case.x)
        out |= {"oracle": float(scores.max()), "oracle at": STRENGTHS[int(scores.argmax())]}
    for rule in rules:
        try:
            choice = choose_strength(solver, case.y, rule)
        except ValueError:
            continue
        out |= {rule: float(score(choice.x, case.x)), f"{rule} at": float(choice.strength)}
        out |= {f"{rule} cost": (choice.calls + len(choice.result.history)) / calls}
    return out


def tuned_tv(case: Case) -> float:
    """Total variation with the strength best for the truth."""
    tried = [
        tv_reconstruction(case.op, case.y, case.noise_std, strength=s, iterations=300, nonnegative=True) for s in TV
    ]  # fmt: skip
    return max(float(score(v, case.x)) for v in tried)


def summary(name: str, found: list[dict[str, Any]], rules: list[str]) -> list[list[Any]]:
    """A row for each rule: median and worst loss against oracle and strength 1, and cost."""
    rows = []
    for rule in rules:
        have = [f for f in found if rule in f]
        if not have:
            continue
        told = []
        for image in ("one", rule):
            loss = [f["oracle"] - f[image] for f in have if "oracle" in f]
            told += [f"{statistics.median(loss):.2f}", f"{max(loss):.2f}"] if loss else ["", ""]
        gain, cost = [f[rule] - f["one"] for f in have], [f[f"{rule} cost"] for f in have]
        told += [
            f"{statistics.median(gain):.2f}",
            f"{min(gain):.2f}",
            f"{statistics.median(cost):.1f}",
            f"{max(cost):.1f}",
        ]
        rows.append([name, rule, len(have), *told])
    return rows


def main() -> None:
    """Print the tables."""
    p = parser(__doc__)
    p.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    p.add_argument("--rules", nargs="+", choices=RULES, default=["auto"])
    p.add_argument("--size", type=int, default=128, help="pixels of an image's side")
    p.add_argument("--levels", nargs="+", type=int, choices=(0, 1, 2), default=[0, 1, 2], help="of the noise")
    p.add_argument("--noise", nargs="+", choices=("given", "unknown"), default=["given", "unknown"])
    p.add_argument("--training", action="store_true", help="the images on which constants were chosen")
    p.add_argument("--no-oracle", action="store_true", help="neither the best strength")
    p.add_argument("--no-tv", action="store_true", help="no total variation")
    options = p.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    rows: list[list[Any]] = []
    every: dict[str, list[dict[str, Any]]] = {noise: [] for noise in options.noise}
    for name in options.problems:
        field, levels, make = PROBLEMS[name]
        pictures = images(options.data, field, options.size, options.images or 2, training=options.training)
        for noise in options.noise:
            found = []
            for level in options.levels:
                for i, x in enumerate(pictures):
                    start = time.perf_counter()
                    case = make(x, levels[level], i)
                    figures = measure(
                        case, case.noise_std if noise == "given" else None, options.rules, oracle=not options.no_oracle
                    )
                    if noise == "given" and name in ("CT 180, coarse", "CT 180, low dose") and not options.no_tv:
                        figures["TV"] = tuned_tv(case)
                    found.append(figures)
                    seconds = time.perf_counter() - start
                    told = {k: round(v, 2) for k, v in figures.items()}
                    print(f"{name}, noise {levels[level]:.3g} {noise}, image {i}: {told}, {seconds:.0f} s", flush=True)
            rows += [[noise, *row] for row in summary(name, found, options.rules)]
            every[noise] += found
            save(options.save, {f"{name}, noise {noise}": found})
    rows += [[noise, *row] for noise, found in every.items() for row in summary("all", found, options.rules)]
    head = ["noise", "problem", "rule", "cases", "strength 1 under oracle: median", "worst"]
    head += ["rule under oracle: median", "worst", "rule over strength 1: median", "worst", "cost: median",
            "worst"]  # fmt: skip
    print(table(rows, head))


if __name__ == "__main__":
    main()
