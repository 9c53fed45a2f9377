# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
"""cufinufft's Python interface on the stand-in's tensors, by finufft: checks arguments as the real one does."""

import sys
import types

import finufft
import numpy as np
import torch

from .stand_in import DeviceTensor

STREAM = [0]  # the stream that torch.cuda.current_stream would give
_OPTIONS = {
    "upsampfac",
    "gpu_method",
    "gpu_sort",
    "gpu_binsizex",
    "gpu_binsizey",
    "gpu_binsizez",
    "gpu_obinsizex",
    "gpu_obinsizey",
    "gpu_obinsizez",
    "gpu_maxsubprobsize",
    "gpu_kerevalmeth",
    "gpu_spreadinterponly",
    "gpu_maxbatchsize",
    "gpu_device_id",
    "gpu_stream",
    "modeord",
    "gpu_np",
    "debug",
}


class Plan:
    made = 0

    def __init__(self, nufft_type, n_modes, n_trans=1, eps=1e-6, isign=None, dtype="complex64", **kwargs):
        if not set(kwargs) <= _OPTIONS:
            raise TypeError(f"Invalid option {set(kwargs) - _OPTIONS}")
        if eps < np.finfo(np.dtype(dtype)).eps:
            raise RuntimeError("Error creating plan.")
        Plan.made += 1
        self.options, self.dtype, self.kind, self.n_trans, self.n_modes = (
            kwargs,
            np.dtype(dtype),
            nufft_type,
            n_trans,
            tuple(n_modes),
        )
        self.inner = finufft.Plan(nufft_type, self.n_modes, n_trans, eps, isign, dtype=dtype, nthreads=1)

    def setpts(self, x, y=None):
        real = np.float64 if self.dtype == np.complex128 else np.float32
        arrays = [self._array(v, real) for v in (x, y)]
        self.nj, self.references = len(x), (x, y)
        self.inner.setpts(*arrays)

    def _array(self, v, dtype):
        if not isinstance(v, DeviceTensor):
            raise TypeError(
                "Invalid GPU array implementation. Implementation must implement the standard cuda array interface."
            )
        if v.device.index != self.options.get("gpu_device_id", 0):
            raise RuntimeError("illegal memory access: other device")
        if str(v.dtype)[6:] != np.dtype(dtype).name or not v.is_contiguous() or v.is_conj():
            raise TypeError(f"Argument does not have the correct dtype or order: {v.dtype}")
        return v._host.detach().numpy()

    def execute(self, data, out=None):
        if self.options.get("gpu_stream") != STREAM[0]:
            raise RuntimeError(f"race: plan of stream {self.options.get('gpu_stream')} in stream {STREAM[0]}")
        d = self._array(data, self.dtype).reshape(self.n_trans, *((self.nj,) if self.kind == 1 else self.n_modes))
        want = tuple(data.shape[:-1] + self.n_modes) if self.kind == 1 else (*data.shape[:-2], self.nj)
        if tuple(out.shape) != want:
            raise TypeError(f"Argument `out` must be of shape {want}")
        res = self.inner.execute(d if self.n_trans > 1 else d[0])
        self._array(out, self.dtype)[...] = res.reshape(out.shape)
        return out


class _Guard:
    def __init__(self, device):
        self.device = device

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def install():
    module = types.ModuleType("cufinufft")
    module.Plan = Plan
    sys.modules["cufinufft"] = module
    torch.cuda.device = _Guard
    torch.cuda.current_stream = lambda device=None: types.SimpleNamespace(cuda_stream=STREAM[0])
