# pyright: basic, reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false, reportCallIssue=false
# pyright: reportArgumentType=false, reportAssignmentType=false, reportIncompatibleVariableOverride=false
"""A CUDA device that is not there: tensors say ``cuda:0``, compute on the CPU, and fail where CUDA tensors would.

``install(root)`` once, then ``torch.device("cuda")`` works as on a GPU, as far as Python can see: factories, ``.to``,
autograd, ``nn.Module.to``, checkpoints. Device mistakes raise what CUDA raises; ``watch()`` counts synchronisations and
copies between host and device, each with the first line of code below ``root`` that caused it.

A ``DeviceTensor`` is a wrapper subclass; PyTorch's C++ takes it for a meta tensor (a real CUDA type asks the driver for
a stream as soon as autograd records it), Python for a CUDA tensor. Data lie in ``_host``, a CPU tensor with the same
strides; views share memory. Not covered: sparse layouts, ``resize_``/``set_``, storages, kernels that CUDA lacks or
rounds otherwise, streams, memory, ``torch.compile``.
"""

import contextlib
import sys
import threading
import warnings
from collections import Counter
from contextvars import ContextVar

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

_ROOT = ""
_LOGS: list[Counter] = []
_LOUD: list[bool] = []  # whether torch.cuda.set_sync_debug_mode asks for warnings
_HERE: ContextVar[bool] = ContextVar("here", default=False)  # whether the generator at work is the device's
_SYNCS = {  # on CUDA the host waits for their result: sizes, or a code of success
    "_local_scalar_dense", "equal", "nonzero", "masked_select", "bincount", "_unique2", "unique_dim",
    "unique_consecutive", "_linalg_svd", "_linalg_eigh", "_linalg_check_errors", "linalg_lstsq", "_linalg_eigvals",
    "is_nonzero", "allclose", "histc", "_linalg_det", "_linalg_solve_ex", "linalg_eigvals", "linalg_eig",
}  # fmt: skip
_CROSSING = {"_to_copy", "copy_", "copy", "_foreach_copy_"}  # may take tensors of two devices
_ANY_INDEX = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}  # CUDA takes CPU indices
_CPU_ONLY = {"mkldnn", "mkldnn_prepacked", "quantized", "onednn"}


def _site() -> str:
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if _ROOT and name.startswith(_ROOT) and name != __file__:
            return f"{name[len(_ROOT) :].lstrip('/')}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"


def _note(kind: str) -> None:
    if _LOUD and kind != "launch":
        warnings.warn("called a synchronizing CUDA operation", stacklevel=2)
    for log in _LOGS:
        log[kind, _site()] += 1


@contextlib.contextmanager
def watch():
    """Counts {(kind, "file:line"): times}; kinds are sync, d2h (a sync too), h2d, launch."""
    log: Counter = Counter()
    _LOGS.append(log)
    try:
        yield log
    finally:
        _LOGS.remove(log)


def totals(log: Counter) -> Counter:
    out: Counter = Counter()
    for (kind, _), n in log.items():
        out[kind] += n
    return out


def _real(device) -> torch.device:
    """The device that Python sees: meta is C++'s word for ours."""
    device = torch.device(device)
    return torch.device("cuda", device.index or 0) if device.type in ("cuda", "meta") else torch.device(device.type)


class DeviceTensor(torch.Tensor):
    @staticmethod
    def __new__(cls, host, device):
        device = _real(device)
        out = torch.Tensor._make_wrapper_subclass(
            cls, host.size(), strides=host.stride(), storage_offset=host.storage_offset(), dtype=host.dtype,
            layout=host.layout, device=torch.device("meta", device.index),
        )  # fmt: skip
        torch._C._set_conj(out, host.is_conj())
        torch._C._set_neg(out, host.is_neg())
        out._host, out._device = host, device
        return out

    __torch_function__ = torch._C._disabled_torch_function_impl
    device = property(lambda self: self._device)
    is_cuda, is_meta, is_cpu = property(lambda self: True), property(lambda self: False), property(lambda self: False)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _dispatch(func, args, kwargs or {})

    def __repr__(self, **_):
        return f"DeviceTensor({self._host!r}, {self._device})"

    def numpy(self, *_, **__):
        raise TypeError(
            f"can't convert {self._device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
            "memory first."
        )

    __array__ = numpy

    def tolist(self):
        _note("d2h")
        return self._host.detach().tolist()

    def data_ptr(self):
        return self._host.data_ptr()

    def get_device(self):
        return self._device.index

    def to(self, *args, copy=False, **kwargs):
        device, dtype, _, layout = torch._C._nn._parse_to(*args, **kwargs)
        same = device is None or _real(device) == self._device
        if same and not copy and dtype in (None, self.dtype) and layout is None:
            return self
        return super().to(*args, copy=copy, **kwargs)

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            with torch.no_grad():
                out = DeviceTensor(self._host.detach().clone(memory_format=torch.preserve_format), self._device)
            if getattr(self, "_is_param", False):
                out = torch.nn.Parameter(out, self.requires_grad)
            memo[id(self)] = out.requires_grad_(self.requires_grad)
        return memo[id(self)]

    def __reduce_ex__(self, protocol):  # files hold host tensors, as after map_location="cpu"
        _note("d2h")
        return self._host.detach().requires_grad_(self.requires_grad).__reduce_ex__(protocol)


def _dispatch(func, args, kwargs):
    name, space = func._schema.name.partition("::")[2], func.namespace
    flat, spec = tree_flatten((args, kwargs))
    tensors = [t for t in flat if isinstance(t, torch.Tensor)]
    ours = [t for t in tensors if isinstance(t, DeviceTensor)]
    wanted = kwargs.get("device")
    wanted = None if wanted is None else _real(wanted)
    if not ours and (wanted is None or wanted.type != "cuda"):
        if _HERE.get() and any(isinstance(a, torch._C.Generator) for a in flat):
            raise RuntimeError("Expected a 'cpu' device type for generator but found 'cuda'")
        return func(*args, **kwargs)
    if name in ("lift_fresh", "lift"):
        return args[0]
    if name == "_pin_memory" or kwargs.get("pin_memory"):
        raise RuntimeError("cannot pin memory: only dense CPU tensors can be pinned")
    if space in _CPU_ONLY and ours:
        raise NotImplementedError(f"Could not run '{func}' with arguments from the 'CUDA' backend.")
    devices = {t._device for t in ours}
    strangers = [t for t in tensors if not isinstance(t, DeviceTensor) and (t.ndim or name in ("cat", "stack"))]
    if name in _ANY_INDEX and ours and isinstance(args[0], DeviceTensor):
        cpu = [t for t in args[1] if t is not None and not isinstance(t, DeviceTensor)]
        strangers = [t for t in strangers if not any(t is i for i in cpu)]
        for _ in cpu:
            _note("h2d")
        if any(t is not None and t.dtype in (torch.bool, torch.uint8) for t in args[1]):
            _note("sync")  # its size is looked up by nonzero
    if name not in _CROSSING and (len(devices) > 1 or (devices and strangers)):
        found = sorted({*map(str, devices), *(["cpu"] if strangers else [])})
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {' and '.join(found)}! "
            f"(in aten::{name})"
        )
    device = wanted or next(iter(devices))
    if name in ("copy_", "_foreach_copy_"):
        device = next(iter(devices)) if isinstance(args[0], DeviceTensor) else torch.device("cpu")
    generator = kwargs.get("generator") or next((a for a in flat if isinstance(a, torch._C.Generator)), None)
    if generator is not None:
        kind = "cuda" if _HERE.get() else "cpu"  # C++ takes it for the CPU's
        if kind != device.type:
            raise RuntimeError(f"Expected a '{device.type}' device type for generator but found '{kind}'")
    if name in _CROSSING:
        source = args[1] if name == "copy_" else args[0]
        if isinstance(source, torch.Tensor):
            pair = source.device.type, device.type
            kind = {("cuda", "cpu"): "d2h", ("cpu", "cuda"): "h2d"}.get(pair)
            if kind:
                _note(kind)
    if name in _SYNCS:
        _note("sync")
    if wanted is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
        flat, spec = tree_flatten((args, kwargs))
    hosts = {id(t._host): t for t in ours}
    args, kwargs = tree_unflatten([t._host if isinstance(t, DeviceTensor) else t for t in flat], spec)
    sizes = {key: t._host.size() for key, t in hosts.items()}
    out = func(*args, **kwargs)
    if any(t._host.size() != sizes[key] for key, t in hosts.items()):
        raise NotImplementedError(f"fakedevice: aten::{name} resized a tensor")
    if device.type != "cuda":
        return next((t for t in tensors if not isinstance(t, DeviceTensor) and t is out), out)
    views = any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)
    if not (views or name in ("detach", "_unsafe_view", "empty", "empty_like", "new_empty", "empty_strided")):
        _note("launch")

    def wrapped(value):
        if not isinstance(value, torch.Tensor):
            return value
        return hosts[id(value)] if id(value) in hosts else DeviceTensor(value, device)

    return tree_map(wrapped, out)


class _Dispatch(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _dispatch(func, args, kwargs or {})


def _indexed(value):
    is_cuda = isinstance(value, str | torch.device) and str(value).startswith("cuda")
    return _real(value) if is_cuda else value


_WHOLE = {torch.quantile, torch.Tensor.quantile, torch.nanquantile}  # resize what is theirs
_MAKERS = {torch.tensor, torch.as_tensor, torch.asarray, torch.Tensor.new_tensor}


class _Function(TorchFunctionMode):
    """What C++ builds from Python numbers goes by the CPU, as on CUDA; the default device is the caller's."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        given = next((a for a in (*args, *kwargs.values()) if isinstance(a, _Generator)), None)
        if given is not None and given.place.type == "cuda" and not _HERE.get():
            token = _HERE.set(True)
            try:
                return self.__torch_function__(func, types, args, kwargs)
            finally:
                _HERE.reset(token)
        if func is torch.Tensor.cuda:
            func, args = torch.Tensor.to, (args[0], torch.device("cuda", *args[1:]))
        if func is torch.Tensor.to:  # C++ would ask the driver for the current device
            args, kwargs = tree_map(_indexed, (args, kwargs))
        if func in _WHOLE and isinstance(args[0], DeviceTensor):
            _note("launch")
            host = tree_map(lambda t: t._host if isinstance(t, DeviceTensor) else t, (args, kwargs))
            return DeviceTensor(func(*host[0], **host[1]), args[0]._device)
        if func not in _MAKERS:
            return func(*args, **kwargs)
        device = kwargs.pop("device", None)
        if func is torch.Tensor.new_tensor:
            device = args[0].device if device is None else device
            kwargs.setdefault("dtype", args[0].dtype)
            func, args = torch.tensor, args[1:]
        if func is not torch.tensor and args and isinstance(args[0], torch.Tensor):
            dtype = kwargs.get("dtype") or args[0].dtype
            return args[0].to(device=_real(args[0].device if device is None else device), dtype=dtype)
        parts = [t for t in tree_flatten(args)[0] if isinstance(t, DeviceTensor)]
        args = tree_map(lambda t: t.item() if isinstance(t, DeviceTensor) else t, args) if parts else args
        out = func(*args, **kwargs)
        return out if device is None or _real(device).type == "cpu" else out.to(_real(device))


class _Generator(torch.Generator):
    """Random numbers of the device, which are the CPU's."""

    def __new__(cls, device="cpu"):
        made = super().__new__(cls, "cpu")
        made.place = _real(device)
        return made

    def __init__(self, device="cpu"):
        pass

    device = property(lambda self: self.place)


def _in_threads() -> None:
    """Modes of torch are those of one thread: new ones get them, too."""
    run = threading.Thread.run

    def with_modes(self):
        with _Function(), _Dispatch():
            run(self)

    threading.Thread.run = with_modes


def install(root: str = "") -> None:
    """Make the device; ``root``: folder whose lines are blamed for synchronisations."""
    global _ROOT
    _ROOT = root
    cuda = torch.cuda
    cuda._lazy_init = lambda: None
    cuda.is_available = lambda: True
    cuda.current_device = lambda: 0
    cuda.device_count = lambda: 2
    cuda.synchronize = lambda device=None: _note("sync")
    cuda.get_device_capability = lambda device=None: (8, 0)
    cuda.get_device_name = lambda device=None: "stand-in"
    cuda.get_rng_state = lambda device=None: torch.get_rng_state()
    cuda.set_rng_state = lambda state, device=None: torch.set_rng_state(state)
    cuda.set_sync_debug_mode = lambda mode: _LOUD.append(True) if mode in (1, "warn") else _LOUD.clear()
    cuda.is_bf16_supported = lambda including_emulation=True: True
    cuda.empty_cache = lambda: None
    cuda.reset_peak_memory_stats = lambda device=None: None
    cuda.max_memory_allocated = lambda device=None: 0
    torch.Tensor.pin_memory = lambda self, device=None: self
    torch.Generator = _Generator
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # .data of ours cannot be replaced
    torch.optim.Optimizer._accelerator_graph_capture_health_check = lambda self: None
    _in_threads()
    _Function().__enter__()
    _Dispatch().__enter__()
