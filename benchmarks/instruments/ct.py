"""Measured CT from the scanner's file: a tooth (synchrotron, data exchange), plastic discs (HTC 2022, limited angle).

Tooth: the centre of rotation by both methods (its source says column 296), counts per quantum, and views that are kept
out, every fourth one: root mean square of what images made from the others predict of them, as they were measured.
Of the filters of FBP the one counts that predicts them best. Discs: views kept out in the same way;
their angles are too few for FBP, so plain least squares that end at the noise stand beside PnP.

    python -m benchmarks.instruments ct --data DIR [--scans tooth ta_60deg] [--size 320] [--figures FOLDER]
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from operators import least_squares
from pnp import PnPADMM, estimate_noise, io
from pnp.corrections import ct

from ..common import parser, save, table

SCANS = {
    "tooth": "ct_extra/tooth.h5",
    **{name: f"measured/htc2022_{name}.mat" for name in ("ta_60deg", "tb_90deg", "tc_30deg", "td_30deg")},
}
FILTERS = ("ram-lak", "shepp-logan", "cosine", "hamming", "hann")


def rms(values: Tensor) -> float:
    """Root mean square."""
    return float(values.square().mean().sqrt())


def split(m: io.Measurement, **options: Any) -> tuple[Any, Any, Tensor]:
    """Operators of the views that are used and of every fourth, and which are used."""
    angles = torch.as_tensor(m.arguments["angles"])
    used = torch.arange(len(angles)) % 4 != 0
    return m.operator(angles=angles[used], **options), m.operator(angles=angles[~used], **options), used


def tooth(path: Path, size: int) -> tuple[list[list[Any]], dict[str, Tensor]]:
    """Rows of the table, and the images."""
    m = io.open(path)
    op, count = m.operator(), m.y.shape[-1]
    for row in (0, 1):
        y = io.open(path, rows=row).y
        places = {name: (count - 1) / 2 - ct.find_offset(op, y, method=name) for name in ("fit", "vo")}
        print(f"tooth, row {row}: centre at column {places['fit']:.2f} by the fit, {places['vo']:.2f} by algotom")
    print("tooth:", m.provenance["corrections"][0])
    m = ct.centred(m)
    clean = ct.remove_stripes(m.y)
    op, out, used = split(m, image_shape=size, pixel_size=count / size)
    assert isinstance(m.noise_std, Tensor)
    std = m.noise_std[:, :, used]
    even = float(std.square().mean().sqrt())
    print(f"tooth: noise of the kept-out views by their counts {rms(m.noise_std[:, :, ~used]):.4f}")
    images: dict[str, Tensor] = {}
    for name, y in (("", m.y), (", stripes removed", clean)):
        back = {f: op.fbp(y[:, :, used], f) for f in FILTERS}
        best = min(back, key=lambda f: rms(out(back[f]) - m.y[:, :, ~used]))
        images[f"FBP ({best}){name}"] = back[best]
        images[f"PnP-ADMM{name}"] = PnPADMM(op, noise_std=even)(y[:, :, used])
    rows = []
    for name, x in images.items():
        left = m.y[:, :, ~used] - out(x)
        rows.append(["tooth", name, f"{rms(left):.4f}", f"{rms(ripple(x)):.2e}"])
    return rows, images


def ripple(x: Tensor) -> Tensor:
    """Rings: what means along circles around the centre differ from those of their neighbours."""
    n = x.shape[-1]
    places = torch.arange(n, dtype=torch.float64) - (n - 1) / 2
    radius = torch.hypot(places[:, None], places).round().long().flatten()
    means = x.new_zeros(int(radius.max()) + 1).index_add(0, radius, x[0, 0].flatten()) / radius.bincount()
    return means[3 : n // 2].diff(n=2)


def disc(path: Path, size: int) -> tuple[list[list[Any]], dict[str, Tensor]]:
    """Rows of the table, and the images, of a file of the challenge."""
    m = io.open(path, image_shape=size)
    pixel = 512 / size * m.arguments["pixel_size"]
    op, out, used = split(m, pixel_size=pixel)
    y = m.y[:, :, used]
    noise = float(estimate_noise(op, y)[0])
    name = path.stem.removeprefix("htc2022_")
    print(f"disc {name}: noise {noise:.4f}, estimated")
    images = {"least squares": least_squares(op, y, noise_std=noise).x, "PnP-ADMM": PnPADMM(op, noise_std=noise)(y)}
    rows = [[f"disc {name}", k, f"{rms(out(x) - m.y[:, :, ~used]):.4f}", ""] for k, x in images.items()]
    return rows, {f"{name}, {k}": x for k, x in images.items()}


def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    p.add_argument("--scans", nargs="+", choices=SCANS, default=[*SCANS])
    p.add_argument("--size", type=int, default=320, help="pixels along a side, discs half as many (default: 320)")
    p.add_argument("--figures", help="folder for pictures")
    options = p.parse_args()
    rows, pictures = [], {}
    for scan in options.scans:
        file = Path(options.data or "") / SCANS[scan]
        if not file.exists():
            raise SystemExit(f"no {SCANS[scan]} in the data folder ({options.data}); pass --data or set PNP_DATA")
        more, images = tooth(file, options.size) if scan == "tooth" else disc(file, options.size // 2)
        rows, pictures[f"ct-{scan}.png"] = rows + more, images
    print(table(rows, ["scan", "method", "rms of kept-out views", "rings"]))
    if options.figures:
        from pnp.plot import show

        Path(options.figures).mkdir(parents=True, exist_ok=True)
        for name, images in pictures.items():
            show(images, path=Path(options.figures) / name)
    save(options.save, {"instruments ct": {f"{row[0]}, {row[1]}": row[2:] for row in rows}})


if __name__ == "__main__":
    main()
