"""BM3D, by the authors' package."""

import torch
from torch import Tensor

from .base import Denoiser, check_images, sigma_column

__all__ = ["BM3DDenoiser"]


class BM3DDenoiser(Denoiser):
    """BM3D of the package ``bm3d`` (extra ``bench``; its licence is for non-commercial use), gray or colour.

    Runs in numpy on the CPU and has no derivative. Commutes with changes of units.
    Dabov, Foi, Katkovnik, Egiazarian 2007, doi:10.1109/TIP.2007.901238; Makinen, Azzari, Foi 2020,
    doi:10.1109/TIP.2020.3014721.

    Raises:
        ImportError: the package is not installed.
    """

    intensity_range = None

    def __init__(self) -> None:
        super().__init__()
        try:
            import bm3d
        except ImportError as error:
            raise ImportError("BM3DDenoiser needs the package bm3d: pip install 'pnp-imaging[bench]'") from error
        self.package = bm3d

    @torch.no_grad()
    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, C, H, W), C = 3 jointly, other channels one by one; ``sigma`` a number or (B,)."""
        check_images(x)
        out = [self._one(image, float(s)) if s > 0 else image for image, s in zip(x, sigma_column(sigma, x).flatten())]
        return torch.stack(out)

    def _one(self, image: Tensor, sigma: float) -> Tensor:
        if len(image) != 3:
            return torch.cat([self._plane(c, sigma) for c in image])
        array = (image / sigma).permute(1, 2, 0).double().cpu().numpy()  # in units of the noise: any scale will do
        out = torch.from_numpy(self.package.bm3d_rgb(array, 1.0)).permute(2, 0, 1)
        return sigma * out.to(image)

    def _plane(self, plane: Tensor, sigma: float) -> Tensor:
        out = self.package.bm3d((plane / sigma).double().cpu().numpy(), 1.0)
        return sigma * torch.from_numpy(out).to(plane).reshape(1, *plane.shape)
