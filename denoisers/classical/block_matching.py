"""BM3D, by the authors' package."""

import math

import torch
from torch import Tensor

from ..base import Denoiser, check_images, sigma_column
from ..evaluation.tiles import reflect_to
from ..modes import refuse_transforms

__all__ = ["BM3DDenoiser"]

_LEAST = 9  # pixels: the package refuses sides below its blocks of 8, and crashes on 8 x 8


class BM3DDenoiser(Denoiser):
    """BM3D of the package ``bm3d`` (extra ``bench``; its licence is for non-commercial use), gray or colour.

    Runs in numpy on the CPU and has no derivative. Commutes with changes of units. Sides below 9 pixels are continued
    by mirroring, and cut back.
    Dabov, Foi, Katkovnik, Egiazarian 2007, doi:10.1109/TIP.2007.901238; Makinen, Azzari, Foi 2020,
    doi:10.1109/TIP.2020.3014721.

    Raises:
        ImportError: the package is not installed.
    """

    intensity_range = None
    radius = math.inf  # blocks are looked for around each

    def __init__(self) -> None:
        super().__init__()
        try:
            import bm3d  # noqa: F401 (not kept: a module can be neither copied nor saved)
        except ImportError as error:
            raise ImportError("BM3DDenoiser needs the package bm3d: pip install 'pnp-imaging[bench]'") from error

    @torch.no_grad()
    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, C, H, W), C = 3 jointly, other channels one by one; ``sigma`` a number or (B,)."""
        check_images(x)
        refuse_transforms("BM3DDenoiser")
        levels, (height, width) = sigma_column(sigma, x).flatten(), x.shape[-2:]
        out = [_one(image, float(s)) if s > 0 else image for image, s in zip(reflect_to(x, _LEAST), levels)]
        return torch.stack(out)[..., :height, :width]


def _one(image: Tensor, sigma: float) -> Tensor:
    import bm3d

    array = (image / sigma).double().cpu().resolve_neg().numpy()  # in units of the noise: any scale will do
    if len(image) == 3:
        out = torch.from_numpy(bm3d.bm3d_rgb(array.transpose(1, 2, 0), 1.0)).permute(2, 0, 1)
    else:
        out = torch.stack([torch.from_numpy(bm3d.bm3d(plane, 1.0)).reshape(plane.shape) for plane in array])
    return sigma * out.to(image)
