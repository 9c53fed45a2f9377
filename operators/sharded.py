"""Data in parts, each on a process of its own: the sums over them go through torch.distributed."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from .base import LinearOperator
from .fourier.nufft import NUFFT
from .fourier.toeplitz import Toeplitz
from .implicit import linear_map
from .kept import Kept
from .made import Made
from .modes import constant
from .shapes import check_batch

__all__ = ["Sharded"]


class Sharded(Made):
    r"""One measurement whose data lie on several processes, :math:`A = [A_1; \dots; A_P]`, one after the other.

    Each process makes it of the operator of its own part, and calls it with the same images as all others do, at the
    same time, so that each has the same answer:

    .. math:: A^* y = \sum_p A_p^* y_p, \qquad A^* A x = \sum_p A_p^* A_p x

    What an operator holds (points, plans, maps), and its work, is in shares; values of data and images are on each
    process: ``A`` gives the data of all, :meth:`gathered` those of a measurement. So solvers need not know: each
    process iterates on the same numbers. Kernels of :class:`NUFFT`, and of :class:`RadioInterferometry` without w, are
    summed once; then iterations of proximal solvers with white noise exchange nothing.

    Processes have to have the same kind of processor or device and the same versions, or else their rounding, and with
    it the number of iterations, may differ: then they wait for each other without end.

    Args:
        op: of the part of this process.
        axis: of the data along which the parts lie, from the end: -1 for visibilities, -2 for angles of sinograms.
        group: of processes; ``None``: all.

    Raises:
        RuntimeError: torch.distributed was not started. ValueError: the operators of the processes do not fit.

    >>> import torch.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> op = Sharded(NUFFT(torch.tensor([[0.0, 3.0], [0.0, 1.0]]), (8, 8)))
    >>> op.gathered(op.op(torch.ones(1, 1, 8, 8))).shape
    torch.Size([1, 1, 2])
    >>> dist.destroy_process_group()
    """

    taken: Tensor | None
    seen: Tensor | None

    def __init__(self, op: LinearOperator, *, axis: int = -1, group: Any = None) -> None:
        super().__init__()
        if not isinstance(op, LinearOperator):
            raise TypeError(f"op: expected a linear operator, got {type(op).__name__}")
        if not (dist.is_available() and dist.is_initialized()):
            raise RuntimeError("Sharded: torch.distributed is not started; torchrun and init_process_group do so")
        if isinstance(axis, bool) or not isinstance(axis, int) or not -len(op.out_shape) <= axis <= -1:
            raise ValueError(f"axis: expected one of data {op.out_shape} from the end, -1 for the last, got {axis!r}")
        self.op, self.axis, self.group = op, axis, group
        self.in_shape, self.in_dtype, self.out_dtype, self.field = op.in_shape, op.in_dtype, op.out_dtype, op.field
        shape, flat = list(op.out_shape), isinstance(op, NUFFT) and getattr(op, "w", None) is None
        count, shape[axis] = shape[axis], 0
        mine = {
            "images": tuple(op.in_shape), "complex images": op.in_dtype.is_complex, "axis": axis, "convolves": flat,
            "complex data": op.out_dtype.is_complex, "other axes of data": tuple(shape),
        }  # fmt: skip
        every = self._told((mine, count, op.measured is not None, op.support is not None))
        self.rank = dist.get_rank(group)
        for other, (theirs, *_) in enumerate(every):
            for name in mine:
                if theirs[name] != mine[name]:
                    raise ValueError(
                        f"op: {name} of process {self.rank} {mine[name]}, of process {other} {theirs[name]}"
                    )
        self.counts, self.convolves = [count for _, count, *_ in every], flat
        self.first = sum(self.counts[: self.rank])
        shape[axis] = sum(self.counts)
        self.out_shape = tuple(shape)
        taken = seen = None
        if any(known for *_, known, _ in every):
            own = torch.ones(1, *op.out_shape, dtype=torch.bool, device="cpu") if op.measured is None else op.measured
            taken = self._gathered(own.expand(-1, *op.out_shape).to(torch.uint8)).bool()
        if all(known for *_, known in every) and op.support is not None:
            seen = self._summed(op.support.expand(-1, *op.in_shape).float()) > 0
        self.register_buffer("taken", taken, persistent=False)
        self.register_buffer("seen", seen, persistent=False)
        self._kernels: list[Toeplitz] | None = None
        self._weighted = Kept()

    def _told(self, mine: Any) -> list[Any]:
        """What each process says."""
        every: list[Any] = [None] * dist.get_world_size(self.group)
        dist.all_gather_object(every, mine, group=self.group)
        return every

    @property
    def measured(self) -> Tensor | None:
        return self.taken

    @property
    def support(self) -> Tensor | None:
        return self.seen

    # ---- what is exchanged

    def gathered(self, part: Tensor) -> Tensor:
        """The data (B, ...) of all processes, of which this one has ``part``, on each of them."""
        check_batch("part", part, self.op.out_shape, self.op.out_dtype.is_complex)
        return self._gathered(part)

    def _gathered(self, part: Tensor) -> Tensor:
        most = max(self.counts)
        rows = part.detach().movedim(self.axis, 0)
        padded = rows.new_zeros(most, *rows.shape[1:])
        padded[: len(rows)] = rows
        plain = torch.view_as_real(padded) if padded.is_complex() else padded
        every = [torch.empty_like(plain) for _ in self.counts]
        dist.all_gather(every, plain, group=self.group)
        whole = torch.cat([values[:count] for values, count in zip(every, self.counts)])
        return (torch.view_as_complex(whole) if padded.is_complex() else whole).movedim(0, self.axis).contiguous()

    def _summed(self, part: Tensor) -> Tensor:
        part = part.detach().resolve_conj().contiguous().clone()
        plain = torch.view_as_real(part) if part.is_complex() else part
        dist.all_reduce(plain, group=self.group)
        return part

    def _own(self, data: Tensor) -> Tensor:
        """The share of this process of data, or of what broadcasts to them."""
        if data.ndim < -self.axis or data.shape[self.axis] == 1:
            return data
        return data.narrow(self.axis, self.first, self.counts[self.rank])

    # ---- the operator

    def A(self, x: Tensor) -> Tensor:
        return linear_map(x, self._forward, self._back, *self._constants())

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_batch("y", y, self.out_shape, self.out_dtype.is_complex)
        return linear_map(y, self._back, self._forward, *self._constants())

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        if self.convolves and not self._constants() and (kernel := self.convolution()) is not None:
            return kernel(x)
        return linear_map(x, self._normal, self._normal, *self._constants())

    def weighted_normal(self, x: Tensor, weights: Tensor) -> Tensor:
        own = self._own(weights)

        def normal(v: Tensor) -> Tensor:
            return self._summed(self.op.weighted_normal(v, own))

        return linear_map(x, normal, normal, *self._constants())

    @torch.no_grad()
    def convolution(self) -> Toeplitz | None:
        """The sum of those of the parts, made once; ``None`` where not all of them have one."""
        if self._kernels is None:
            own = self.op.convolution()
            every = all(self._told(own is not None))
            self._kernels = [constant(lambda: Toeplitz(self._summed(own.kernel), real=own.real))] if every else []
        return self._kernels[0] if self._kernels else None

    @torch.no_grad()
    def weighted_convolution(self, weights: Tensor) -> Toeplitz | None:
        """The sum of those of the parts, as :meth:`convolution`; that of the last weights is kept."""

        def made() -> Toeplitz | None:
            own = self.op.weighted_convolution(self._own(weights))
            every = all(self._told(own is not None))
            return Toeplitz(self._summed(own.kernel), real=own.real) if every else None

        return self._weighted(weights, None, made)

    def _forward(self, x: Tensor) -> Tensor:
        return self._gathered(self.op.A(x))

    def _back(self, y: Tensor) -> Tensor:
        return self._summed(self.op.A_adjoint(self._own(y)))

    def _normal(self, x: Tensor) -> Tensor:
        return self._summed(self.op.A_adjoint_A(x))

    def _constants(self) -> list[Tensor]:
        return [t for t in (*self.op.buffers(), *self.op.parameters()) if t.requires_grad]
