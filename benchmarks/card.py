"""Measure a weight file and write the PSNR into its card; then list all shipped cards in CARDS.md.

python -m benchmarks.card FAMILY FILE --data DIR        (FAMILY: drunet, lofi, mixer or xdncnn; without FILE: list only)
python -m benchmarks.card FAMILY FILE --folder DIR      (other images, for a look: nothing is written)
"""

import statistics
from pathlib import Path
from typing import Any

import torch

import denoisers.weights
from denoisers.weights import available, load_weights, save_weights
from pnp.metrics import psnr
from pnp.train import ImageFolder

from .common import FAMILIES, data_folder, noisy, parser

SIGMAS = (5, 15, 25, 35, 50)


def measure(
    family: str, file: str, data: str | None, images: int | None = None, other: str | None = None
) -> dict[str, float]:
    """Mean PSNR on BSD68, or CBSD68 for colour, or the images of another folder, at the noise levels that the network
    was trained for."""
    denoiser = FAMILIES[family](file)
    channels = denoiser.channels or 1
    name = Path(other).name if other else "bsd68" if channels == 1 else "cbsd68"
    folder = ImageFolder(other, channels=channels) if other else data_folder(data, name, channels=channels)
    low, high = denoiser.sigma_range or (0.0, 1.0)
    out = {}
    for sigma in [s for s in SIGMAS if low - 1e-6 <= s / 255 <= high + 1e-6] or [round(255 * low)]:
        scores = []
        for i in range(min(len(folder), images or len(folder))):
            x = folder[i][None]
            with torch.no_grad():
                estimate = denoiser(noisy(x, sigma / 255, seed=i), sigma / 255).clamp(0, 1)
            scores.append(float(psnr(estimate, x)))
        out[f"{name.upper()}, sigma {sigma}"] = round(statistics.mean(scores), 3)
        print(sigma, out, flush=True)
    return out


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(
            f"{k}: {_text(v) if not isinstance(v, dict) else '(' + _text(v) + ')'}" for k, v in value.items()
        )
    return str(value)


def cards() -> str:
    """All shipped cards, as a page."""
    lines = ["# Shipped weights", "", "Written by `python -m benchmarks.card`; the same text travels in each file."]
    calls = {family: f'{kind.__name__}("NAME")' for family, kind in FAMILIES.items()}
    calls["mass"] = 'MassDenoiser("NAME")'
    calls["local-field"] = (
        'pnp.train.evaluation.load_trained(denoisers.weights.weights_path("NAME", family="local-field"))'
    )
    for family, call in calls.items():
        for name in available(family):
            lines += ["", f"## {call.replace('NAME', name)}", ""]
            lines += [f"- **{key}**: {_text(value)}" for key, value in load_weights(name, family=family)[1].items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, write, list."""
    p = parser(__doc__)
    p.add_argument("family", choices=sorted(FAMILIES))
    p.add_argument("file", nargs="?", help="safetensors file with a card")
    p.add_argument("--folder", help="other images than BSD68 and CBSD68; nothing is written then")
    options = p.parse_args()
    if options.file is not None:
        state, card = load_weights(options.file, family=options.family)
        figures = measure(options.family, options.file, options.data, options.images, options.folder)
        if options.images is None and options.folder is None:  # a part of the images is for a look
            save_weights(options.file, state, {**card, "psnr": figures})
    if options.folder is None:
        (Path(denoisers.weights.__file__).parent / "CARDS.md").write_text(cards())


if __name__ == "__main__":
    main()
