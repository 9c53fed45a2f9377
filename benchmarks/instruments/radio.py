"""Radio interferometry from files: the w-term beside direct sums, Briggs' weights beside WSClean's formula, discs.

    python -m benchmarks.instruments radio --data DIR [--figures FOLDER]

w-term: planes, the relative error of visibilities of 64 x 64 random pixels in double and single precision, without the
w-term, and the adjoint's. Weights: the largest relative difference from weights counted as WSClean does. Tables: the
disc of galario's quickstart (1 mm) and the ringed disc of frank's tutorial, each from its file by PnP-ADMM with
the default prior; the noise that the data show over that of their weights (in Jy where these are all 1), the misfit in
units of the noise, the flux of the image, the residual's RMS over the peak of the restored image.
"""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from operators import RadioInterferometry, uv_coverage, visibility_weights
from pnp import PnPADMM
from pnp.corrections.radio import noise_from_data
from pnp.io import open as open_measurement
from pnp.io import write_sky
from pnp.radio import restored

from ..common import parser, save, table

SIZE, COUNT = 64, 500
FIELDS = ((1.0, 1e3), (1.0, 1e5), (5.0, 1e3), (5.0, 1e4), (20.0, 300.0), (60.0, 100.0))  # degrees, largest w
ROBUST = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
TABLES: dict[str, dict[str, Any]] = {
    "galario_uvtable.npy": {"unit": "m", "wavelength": 1e-3, "cell": 0.09},
    "frank_multi_ring_C43_6.npy": {"unit": "lambda", "cell": 0.036},
}


def direct(x: Tensor, uv: Tensor, w: Tensor, cell: float) -> Tensor:
    """Visibilities by their definition, double precision."""
    side = math.radians(cell / 3600)
    m, l = ((torch.arange(n, dtype=torch.float64) - n // 2) * side for n in x.shape)
    m, l = m[:, None], -l
    square = l**2 + m**2
    n = -square / (1 + (1 - square).sqrt())
    found = [
        (x * torch.polar(torch.ones_like(n), -2 * torch.pi * (a * l + b * m + c * n))).sum() for a, b, c in zip(*uv, w)
    ]
    return torch.stack(found)


def w_term(degrees: float, longest: float) -> list[Any]:
    """A row of the table of accuracy."""
    g = torch.Generator().manual_seed(0)
    cell = degrees * 3600 / SIZE
    uv = 0.98 / math.radians(cell / 3600) * (torch.rand(2, COUNT, dtype=torch.float64, generator=g) - 0.5)
    w = longest * (2 * torch.rand(COUNT, dtype=torch.float64, generator=g) - 1)
    x = torch.rand(SIZE, SIZE, dtype=torch.float64, generator=g)
    op, flat = (RadioInterferometry(uv, (SIZE, SIZE), cell=cell, w=v) for v in (w, None))
    truth = direct(x, uv, w, cell)
    y = op(x[None, None])
    errors = [
        float((v[0, 0] - truth).norm() / truth.norm()) for v in (y, op(x[None, None].float()), flat(x[None, None]))
    ]
    v = torch.randn(1, 1, COUNT, dtype=torch.complex128, generator=g)
    gap = abs(float((y * v.conj()).real.sum() - (x * op.A_adjoint(v)).sum())) / float(y.norm() * v.norm())
    return [f"{degrees:g}", f"{longest:g}", op.planes, *(f"{e:.1e}" for e in (*errors, gap))]


def wsclean(uv: Tensor, weights: Tensor, side: float, size: int, robust: float) -> Tensor:
    """Briggs' weights by counting as WSClean does: on a grid of half a plane whose cells are one over the image."""
    cells, places = {}, []
    for u, v, w in zip(*(uv * size * side).tolist(), weights.tolist()):
        place = max((round(v), round(u)), (-round(v), -round(u)))
        places.append(place)
        cells[place] = cells.get(place, 0.0) + w
    f2 = (5 * 10**-robust) ** 2 / (sum(c * c for c in cells.values()) / float(weights.sum()))
    return torch.tensor([w / (1 + cells[p] * f2) for w, p in zip(weights.tolist(), places)], dtype=torch.float64)


def weights() -> list[list[Any]]:
    """Rows of the table of weights: MeerKAT for an hour, random natural weights."""
    uv = uv_coverage("meerkat")
    natural = 0.2 + torch.rand(uv.shape[1], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    op = RadioInterferometry(uv, (256, 256), cell=2.5)
    rows = []
    for robust in ROBUST:
        ours = visibility_weights(op.points, (256, 256), "briggs", robust=robust, natural=natural)
        theirs = wsclean(uv, natural, math.radians(2.5 / 3600), 256, robust)
        rows.append([f"{robust:g}", f"{float(((ours - theirs) / theirs).abs().max()):.1e}"])
    return rows


def disc(path: Path, options: dict[str, Any], figures: str | None) -> list[Any]:
    """From a table of visibilities to an image: a row."""
    measured = open_measurement(path, image_shape=(128, 128), **options)
    told = measured.noise_std if measured.noise_std is not None else 1.0
    measured = noise_from_data(measured)  # type: ignore[arg-type]
    factor = float((measured.noise_std / told).mean())  # type: ignore[operator]
    op = measured.operator()
    result = PnPADMM(op, noise_std=measured.noise_std).solve(measured.y)
    found = restored(op, measured.y, result.x, natural=1 / measured.noise_std.flatten() ** 2)  # type: ignore[union-attr]
    rest = (op(result.x) - measured.y) / measured.noise_std  # type: ignore[operator]
    misfit = float(torch.view_as_real(rest).square().mean().sqrt())
    if figures:
        from pnp.plot import show

        Path(figures).mkdir(parents=True, exist_ok=True)
        write_sky(Path(figures) / path.stem, found, measured, result=result, overwrite=True)
        dirty = op.dirty_image(measured.y, found.weights)
        pictures = {"dirty, Jy/beam": dirty, "restored, Jy/beam": found.restored}
        show({k: v.flip(-2) for k, v in pictures.items()}, path=f"{figures}/{path.stem}.png")
        show({"model, Jy/pixel": result.x.flip(-2)}, path=f"{figures}/{path.stem}-model.png")
        show({"residual, Jy/beam": found.residual.flip(-2)}, path=f"{figures}/{path.stem}-residual.png")
    beam = " x ".join(f"{v:.3f}" for v in found.beam[:2])
    dynamic = found.rms / float(found.restored.max())
    return [
        path.stem,
        f"{factor:.3g}",
        result.reason,
        f"{misfit:.3f}",
        f"{float(result.x.sum()):.4f}",
        beam,
        f"{dynamic:.4f}",
    ]


def main() -> None:
    """Three tables."""
    p = parser(__doc__)
    p.add_argument("--figures", help="folder for pictures and FITS files")
    options = p.parse_args()
    rows = [w_term(*field) for field in FIELDS]
    head = ["degrees", "largest w", "planes", "double", "single", "without w", "adjoint"]
    print(table(rows, head), "\n")
    briggs = weights()
    print(table(briggs, ["robust", "difference from WSClean's"]), "\n")
    discs = []
    if options.data is not None:
        files = [(Path(options.data) / "measured" / name, given) for name, given in TABLES.items()]
        discs = [disc(path, given, options.figures) for path, given in files if path.exists()]
        print(table(discs, ["table", "noise", "end", "misfit", "flux, Jy", "beam, arcsec", "RMS / peak"]))
    save(options.save, {"radio files": {"w": rows, "briggs": briggs, "discs": discs}})
