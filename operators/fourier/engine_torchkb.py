"""Non-uniform Fourier sums by torchkbnufft: pure torch, on any device."""

from typing import Any

from torch import Tensor

__all__ = ["TorchkbTransform"]


class TorchkbTransform:
    """What :class:`operators.fourier.engine_finufft.FinufftTransform` does, by Kaiser-Bessel gridding with 6 x 6
    neighbours on a doubled grid; relative error about 5e-4, whatever ``eps`` says."""

    def __init__(self, points: Tensor, shape: tuple[int, int]) -> None:
        self.points, self.shape = points.detach(), shape
        self._parts: dict[tuple[Any, ...], tuple[Any, Any, Tensor]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"points": self.points, "shape": self.shape, "_parts": {}}

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, H, W), real or complex -> samples (n, M), complex, in the same precision."""
        x = x.to(x.real.dtype.to_complex())
        transform, _, points = self._for(x)
        return transform(x[:, None], points)[:, 0]

    def adjoint(self, y: Tensor) -> Tensor:
        """Samples (n, M), complex -> images (n, H, W), complex."""
        _, transform, points = self._for(y)
        return transform(y[:, None], points)[:, 0]

    def _for(self, data: Tensor) -> tuple[Any, Any, Tensor]:
        try:
            import torchkbnufft
        except ImportError as error:
            raise ImportError("backend='torchkbnufft' needs that package: pip install 'pnp-imaging[gpu]'") from error
        key = (data.dtype, data.device)
        if key not in self._parts:
            options = {"im_size": self.shape, "grid_size": tuple(2 * n for n in self.shape), "numpoints": 6}
            real = data.real.dtype
            self._parts[key] = (
                torchkbnufft.KbNufft(**options).to(data.device, data.dtype),
                torchkbnufft.KbNufftAdjoint(**options).to(data.device, data.dtype),
                self.points.to(data.device, real),
            )
        return self._parts[key]
