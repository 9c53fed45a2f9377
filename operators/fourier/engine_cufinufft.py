"""Non-uniform Fourier sums on CUDA devices, by cufinufft."""

import threading
from typing import Any

import torch
from torch import Tensor

__all__ = ["CufinufftTransform"]

_PLANS = 8  # at most, of two directions in four streams


class CufinufftTransform:
    r"""What :class:`operators.fourier.engine_finufft.FinufftTransform` does, for tensors on a CUDA device.

    Plans are in double precision, as points have to be: rounded to single precision they would cost a relative error of
    about :math:`10^{-7} \max(H, W)`. They are for one transform, so that no batch size asks for a plan of its own, and
    for the stream in which they were made; the oldest is dropped where there are more than eight. A quarter of the
    error is asked for, which cufinufft meets about.
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
        return self._run(2, x, (self.points.shape[1],))

    def adjoint(self, y: Tensor) -> Tensor:
        """Samples (n, M), complex -> images (n, H, W), complex."""
        return self._run(1, y, self.shape)

    def _run(self, kind: int, data: Tensor, shape: tuple[int, ...]) -> Tensor:
        out = torch.empty(len(data), *shape, dtype=data.real.dtype.to_complex(), device=data.device)
        with self._lock, torch.cuda.device(data.device):
            plan = self._plan(kind, data.device)
            for one, row in zip(data, out):
                done = torch.empty(shape, dtype=torch.complex128, device=data.device)
                plan.execute(one.to(torch.complex128).resolve_conj().contiguous(), out=done)
                row.copy_(done)
        return out

    def _plan(self, kind: int, device: torch.device) -> Any:
        try:
            import cufinufft
        except (ImportError, OSError) as error:  # the latter: of a CUDA library that is missing
            raise ImportError(
                "backend='cufinufft' needs that package, built for this CUDA: pip install 'pnp-imaging[gpu]'; "
                "backend='torch' needs neither"
            ) from error
        stream = torch.cuda.current_stream(device).cuda_stream
        key = kind, device, stream
        if key not in self._plans:
            if len(self._plans) >= _PLANS:
                del self._plans[next(iter(self._plans))]
            plan = cufinufft.Plan(
                kind, self.shape, 1, eps=max(self.eps / 4, 1e-14), isign=-1 if kind == 2 else 1, dtype="complex128",
                gpu_device_id=device.index or 0, gpu_stream=stream,
            )  # fmt: skip
            points = torch.remainder(self.points.to(device) + torch.pi, 2 * torch.pi) - torch.pi
            plan.setpts(points[0].contiguous(), points[1].contiguous())
            self._plans[key] = plan
        return self._plans[key]
