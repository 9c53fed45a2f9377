"""Measure a LoFi weight file and write the PSNR into its card; then list all shipped cards in CARDS.md.

python -m benchmarks.card FILE --data DIR
"""

import statistics
from pathlib import Path

import torch

from denoisers import LoFiDenoiser
from denoisers.weights import available, load_weights, save_weights
from pnp.metrics import psnr

from .common import data_folder, noisy, parser

SIGMAS = (5, 15, 25, 35, 50)


def measure(file: str, data: str | None) -> dict[str, float]:
    """Mean PSNR on BSD68, or CBSD68 for colour, at several noise levels."""
    denoiser = LoFiDenoiser(file)
    folder = data_folder(data, "bsd68" if denoiser.channels == 1 else "cbsd68", channels=denoiser.channels or 1)
    out = {}
    for sigma in SIGMAS:
        scores = []
        for i in range(len(folder)):
            x = folder[i][None]
            with torch.no_grad():
                estimate = denoiser(noisy(x, sigma / 255, seed=i), sigma / 255).clamp(0, 1)
            scores.append(float(psnr(estimate, x)))
        out[f"{'BSD68' if denoiser.channels == 1 else 'CBSD68'}, sigma {sigma}"] = round(statistics.mean(scores), 3)
        print(sigma, out, flush=True)
    return out


def cards() -> str:
    """All shipped cards, as a page."""
    lines = ["# Shipped weights", "", "Written by `python -m benchmarks.card`; the same text travels in each file."]
    for name in available("lofi"):
        card = load_weights(name, family="lofi")[1]
        lines += ["", f'## LoFiDenoiser("{name}")', ""]
        for key, value in card.items():
            if isinstance(value, dict):
                value = "; ".join(f"{k}: {v}" for k, v in value.items())
            lines.append(f"- **{key}**: {value}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, write, list."""
    p = parser(__doc__)
    p.add_argument("file", help="safetensors file with a card")
    options = p.parse_args()
    state, card = load_weights(options.file, family="lofi")
    save_weights(options.file, state, {**card, "psnr": measure(options.file, options.data)})
    import denoisers.weights

    (Path(denoisers.weights.__file__).parent / "CARDS.md").write_text(cards())


if __name__ == "__main__":
    main()
