"""Non-uniform Fourier sums on CUDA devices, by cufinufft."""

import threading
from typing import Any

import torch
from torch import Tensor

__all__ = ["CufinufftTransform"]


class CufinufftTransform:
    """What :class:`operators.fourier.engine_finufft.FinufftTransform` does, for tensors on a CUDA device.

    Plans, one for each direction, precision and number of transforms, are made when first used.
    """

    def __init__(self, points: Tensor, shape: tuple[int, int], eps: float) -> None:
        self.points, self.shape, self.eps = points.detach().double(), shape, eps
        self._reset()

    def _reset(self) -> None:
        self._plans: dict[tuple[Any, ...], Any] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_plans", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, H, W), real or complex -> samples (n, M), complex, in the same precision."""
        x = x.to(x.real.dtype.to_complex()).resolve_conj().contiguous()
        return self._run(2, x, torch.empty(len(x), self.points.shape[1], dtype=x.dtype, device=x.device))

    def adjoint(self, y: Tensor) -> Tensor:
        """Samples (n, M), complex -> images (n, H, W), complex."""
        y = y.resolve_conj().contiguous()
        return self._run(1, y, torch.empty(len(y), *self.shape, dtype=y.dtype, device=y.device))

    def _run(self, kind: int, data: Tensor, out: Tensor) -> Tensor:
        with self._lock, torch.cuda.device(data.device):
            self._plan(kind, data).execute(data, out=out)
        return out

    def _plan(self, kind: int, data: Tensor) -> Any:
        try:
            import cufinufft
        except (ImportError, OSError) as error:  # the latter: of a CUDA library that is missing
            raise ImportError(
                "backend='cufinufft' needs that package, built for this CUDA: pip install 'pnp-imaging[gpu]'; "
                "backend='torch' needs neither"
            ) from error
        key = (kind, data.dtype, len(data), data.device)
        if key not in self._plans:
            name = "complex128" if data.dtype == torch.complex128 else "complex64"
            eps = max(self.eps, 1e-14 if name == "complex128" else 2e-7)
            stream = torch.cuda.current_stream(data.device).cuda_stream
            plan = cufinufft.Plan(
                kind, self.shape, len(data), eps=eps, isign=-1 if kind == 2 else 1, dtype=name,
                gpu_device_id=data.device.index or 0, gpu_stream=stream,
            )  # fmt: skip
            points = self.points.to(device=data.device, dtype=data.real.dtype)
            points = torch.remainder(points + torch.pi, 2 * torch.pi) - torch.pi
            plan.setpts(points[0].contiguous(), points[1].contiguous())
            self._plans[key] = plan
        return self._plans[key]
