"""Super-resolution on CBSD68: bicubic, and a network of the recipes (xsrcnn-f-3, xsrcnn-c-3, xsrresnet-4).

Protocol (:mod:`pnp.superres`): images cropped to a multiple of the scale, MATLAB's bicubic resizing, both sizes rounded
to 8 bits; mean over the images of the luma's PSNR, clipped to [0, 1], without as many pixels along the border.
Networks for enlarged images get the luma of the bicubic one, those for small images the small colour image.

    python -m benchmarks.superres --data DIR [--images N] [--scales 2 3 4] [--weights FILE --scale 3]
"""

import statistics

import torch
from torch import Tensor, nn

from denoisers import SRResNet
from pnp.superres import luma, superres_inputs, superres_psnr
from pnp.train.evaluation import load_trained

from .common import data_folder, parser, save, table


def enlarged(net: nn.Module, small: Tensor, large: Tensor) -> Tensor:
    """The network's image: of the small one in colour (SRResNet), else of the enlarged one's luma."""
    return net(small) if isinstance(net, SRResNet) else net(luma(large))


def scores(images: list[Tensor], scale: int, net: nn.Module | None = None) -> list[float]:
    """PSNR in dB of each image (1, 3, H, W), by bicubic enlargement or by a network.

    Raises:
        ValueError: the network enlarges by another scale.
    """
    found = []
    for x in images:
        truth, small, large = superres_inputs(x, scale)
        estimate = large if net is None else enlarged(net, small, large)
        if estimate.shape[-2:] != truth.shape[-2:]:
            raise ValueError(f"scale: the network makes {tuple(estimate.shape)} of {tuple(small.shape)}, not {scale} x")
        found.append(float(superres_psnr(estimate, truth if estimate.shape[1] == 3 else luma(truth), scale)))
    return found


@torch.no_grad()
def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    p.add_argument("--scales", type=int, nargs="+", default=[2, 3, 4], help="of the bicubic enlargement")
    p.add_argument("--weights", help="file that one of the recipes made")
    p.add_argument("--scale", type=int, default=3, help="of the network")
    options = p.parse_args()
    folder = data_folder(options.data, "cbsd68", channels=3)
    images = [folder[i][None] for i in range(min(len(folder), options.images or len(folder)))]
    cases: list[tuple[str, int, nn.Module | None]] = [("bicubic", scale, None) for scale in options.scales]
    if options.weights is not None:
        try:
            net, recipe = load_trained(options.weights)
        except (ValueError, FileNotFoundError) as error:
            p.error(f"--weights: {error}")
        if recipe.family != "superres":
            p.error(f"--weights: {recipe.name} is not a network for super-resolution")
        cases.append((recipe.name, options.scale, net))
    rows = []
    for name, scale, net in cases:
        try:
            found = scores(images, scale, net)
        except ValueError as error:
            p.error(str(error))
        rows.append([name, scale, statistics.mean(found), min(found)])
        save(options.save, {f"CBSD68, {len(images)} images, scale {scale}, {name}": found})
        print(rows[-1], flush=True)
    print(table(rows, ["method", "scale", "PSNR / dB", "worst PSNR"]))


if __name__ == "__main__":
    main()
