"""MRI: what corrections of a measured brain gain, and a file of each format to its image.

The brain (``mri_espirit/full.cfl``, eight coils, fully sampled) is its own reference: all data combined by its maps.
Noise is added, sixteen times as much to one coil; its covariance is taken from the corners of k-space alone.

    python -m benchmarks.instruments mri [--data DIR] [--figures FOLDER] [--parts whitening coils partial formats]
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import pnp
from benchmarks.common import parser, save, table
from operators import MRI, KnownPhase, random_columns
from pnp import PnPADMM, plot
from pnp.corrections.mri import (
    border_samples,
    compress_coils,
    homodyne,
    low_resolution_phase,
    noise_covariance,
    pocs,
    whiten,
)
from pnp.io import Measurement
from pnp.metrics import psnr

NOISE, TIMES, COIL = 0.006, 16, 3  # of the largest magnitude, of the noisy coil, which it is

Parts = dict[str, Callable[[Measurement, Tensor, Path | None], list[list[Any]]]]


def score(x: Tensor, truth: Tensor) -> float:
    """PSNR of magnitudes in dB, the peak being the largest of the reference."""
    peak = truth.abs().max()
    return float(psnr(x.abs() / peak, truth.abs() / peak))


def noisy(brain: Measurement, truth: Tensor, mask: Tensor) -> Tensor:
    """k-space of one noisy coil among quiet ones."""
    draw = torch.randn(2, *brain.y.shape, generator=torch.Generator().manual_seed(0))
    levels = torch.ones(brain.y.shape[1])
    levels[COIL] = TIMES
    return mask * (brain.y + NOISE * truth.abs().max() * levels[:, None, None] * torch.complex(*draw))


def whitening(brain: Measurement, truth: Tensor, figures: Path | None) -> list[list[Any]]:
    """One coil with sixteen times the noise of the others: least squares and the default solver, before and after."""
    rows, shown = [], {"reference": truth.abs()}
    for name, mask in {"all": torch.ones(truth.shape[-2:]), "2 x": _half(truth)}.items():
        y, op = noisy(brain, truth, mask.float()), MRI(mask, brain.arguments["coil_maps"])
        white = whiten(y, noise_covariance(border_samples(y)))
        after = white.matrix @ op
        answers = {"as measured": PnPADMM(op)(y), "whitened": PnPADMM(after, noise_std=1.0)(white.y)}
        plain = {"as measured": op.A_dagger(y, max_iter=20), "whitened": after.A_dagger(white.y, max_iter=20)}
        rows += [[f"whitening, {name}", key, score(plain[key], truth), score(x, truth)] for key, x in answers.items()]
        shown |= {f"{name}: {key}": x.abs() for key, x in answers.items()}
    _show(figures, "whitening", shown)
    return rows


def coils(brain: Measurement, truth: Tensor, figures: Path | None) -> list[list[Any]]:
    """Fewer virtual coils: least squares of all data and of half the columns, maps compressed along."""
    rows, mask = [], _half(truth).float()
    for count in (8, 6, 4, 3):
        for readout in (None, "rows"):
            few = compress_coils(mask * brain.y, count, readout=readout)
            op = few.matrix @ MRI(mask, brain.arguments["coil_maps"])
            kept = float(_energy(few.y) / _energy(mask * brain.y))
            how = f"{count} coils{' for each row' if readout else ''}, {kept:.2%} of the energy"
            rows.append(["compression, 2 x", how, score(op.A_dagger(few.y, max_iter=8), truth), "-"])
    return rows


def partial(brain: Measurement, truth: Tensor, figures: Path | None) -> list[list[Any]]:
    """Five eighths of the columns."""
    mask = torch.ones(truth.shape[-2:])
    mask[:, mask.shape[1] * 5 // 8 :] = 0
    op, y = MRI(mask, brain.arguments["coil_maps"]), mask * brain.y
    phase = low_resolution_phase(y, op)
    real = op @ KnownPhase(phase)
    shown = {"reference": truth, "zero-filled": op.A_dagger(y, max_iter=20), "homodyne": homodyne(y, op, phase),
             "POCS": pocs(y, op, phase), "known phase, least squares": real.A_dagger(y, max_iter=20)}  # fmt: skip
    _show(figures, "partial-fourier", {k: v.abs() for k, v in shown.items()})
    rows = [["partial Fourier, 5/8", name, score(x, truth), "-"] for name, x in shown.items() if name != "reference"]
    rows[0][3] = score(PnPADMM(op)(y), truth)
    rows[-1][3] = score(PnPADMM(real)(y), truth)
    return rows


def formats(brain: Measurement, truth: Tensor, figures: Path | None) -> list[list[Any]]:
    """The brain, half of its columns, in files of each format: the reader's measurement, the default solver."""
    from ._mri_files import FILES

    rows, shown = [], {"reference": truth.abs()}
    mask = _half(truth)
    with tempfile.TemporaryDirectory() as folder:
        for name, (ending, write) in FILES.items():
            path = Path(folder) / f"scan{ending}"
            write(path, (mask * brain.y[0]).numpy(), truth[0, 0].abs().numpy())
            m = pnp.io.open(path)
            x = PnPADMM(m.operator(), noise_std=m.noise_std)(m.y)
            rows.append([f"file: {name}", f"{tuple(m.y.shape)}", "-", score(x, truth)])
            shown[name] = x.abs()
    _show(figures, "mri-formats", shown)
    return rows


PARTS: Parts = {"whitening": whitening, "coils": coils, "partial": partial, "formats": formats}


def _half(truth: Tensor) -> Tensor:
    """Half of the columns."""
    return random_columns((truth.shape[-2], truth.shape[-1]), 2.0, 0.16)


def _energy(y: Tensor) -> Tensor:
    return y.to(torch.complex128).abs().square().sum()


def _show(figures: Path | None, name: str, shown: dict[str, Tensor]) -> None:
    if figures is not None:
        plot.show(shown, path=figures / f"{name}.png")


def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    p.add_argument("--figures", help="folder for pictures")
    p.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS])
    options = p.parse_args()
    path = Path(options.data or ".") / "mri_espirit" / "full.cfl"
    if not path.exists():
        raise SystemExit("no file mri_espirit/full.cfl in the data folder; pass --data or set PNP_DATA")
    brain = pnp.io.open(path)
    truth = brain.operator().A_dagger(brain.y)
    figures = None if options.figures is None else Path(options.figures)
    rows = [row for part in options.parts for row in PARTS[part](brain, truth, figures)]
    print(table(rows, ["data", "", "least squares / dB", "default solver / dB"]))
    save(options.save, {"instruments": {"mri": [[str(v) for v in row] for row in rows]}})


if __name__ == "__main__":
    main()
