"""The training loop: a generator of records; the caller's ``for`` body logs, evaluates, saves, stops."""

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from denoisers.evaluation.precision import has_bfloat16
from denoisers.modes import trusted

from .ahead import Ahead
from .checkpoint import check_state
from .tasks.base import Drawn, Task, device_of, moved

__all__ = ["PRECISIONS", "Record", "Trainer"]

PRECISIONS = ("32-true", "64-true", "bf16-mixed", "16-mixed")
"""What a training may be evaluated in, in Fabric's words. Weights in half precision lose Adam's small steps."""


def settled_precision(wanted: str, device: torch.device) -> str:
    """``wanted``, or for ``"auto"`` bfloat16 where the device has instructions for it, else single precision.

    >>> settled_precision("64-true", torch.device("cpu"))
    '64-true'
    """
    if wanted != "auto":
        return wanted
    return "bf16-mixed" if has_bfloat16(device) else "32-true"


class Record(NamedTuple):
    """What happened in one step: its number (from 1), the loss, the learning rate, the gradient's norm."""

    step: int
    loss: float
    rate: float
    gradient: float


class Trainer:
    """Steps of an optimiser with a moving average of the weights, numbered, so that a run continues bit for bit.

    A model on another device than the CPU has its samples drawn there, where the task can
    (:meth:`pnp.train.Task.onto`), a share ahead of the one that it learns from.

    Every process takes its share of a step's samples and, with ``accumulate``, share after share; gradients are
    averaged. As each sample has its own random stream, neither changes the result beyond rounding (normalisation
    over the batch sees the shares, though).

    Args:
        model: trained in place.
        task: samples and loss.
        optimizer: default: Adam, rate 1e-3, betas 0.9, 0.99. Its rate is the base rate.
        schedule: factor of the rate at a step, see :mod:`pnp.train.rates`.
        clip: largest norm of the gradient, positive; ``(norm, p)`` for the p-norm.
        average: decay of the moving average, which :attr:`averaged` holds; it starts fast and slows down to this,
            0 <= average < 1; 0: the weights as they are.
        accumulate: shares that a process takes one after the other, to save memory.
        fabric: ``lightning.Fabric`` for other devices, precisions (those of :data:`PRECISIONS`), several processes;
            it has been launched.

    Raises:
        ValueError: the batch cannot be shared evenly; ``clip``, ``average`` or the precision is none of the above.

    >>> class Three(Task):
    ...     def draw(self, step, samples):
    ...         return Drawn((torch.ones(1, 1),), torch.full((1, 1), 3.0))
    >>> trainer = Trainer(nn.Linear(1, 1), Three(1, nn.functional.mse_loss))
    >>> records = list(trainer.run(3000))
    >>> records[-1].step, records[-1].loss < 1e-3
    (3000, True)
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        *,
        optimizer: torch.optim.Optimizer | None = None,
        schedule: Callable[[int], float] = lambda step: 1.0,
        clip: float | tuple[float, float] = math.inf,
        average: float = 0.999,
        accumulate: int = 1,
        fabric: Any = None,
    ) -> None:
        self.model, self.task, self.schedule, self.decay, self.fabric = model, task, schedule, average, fabric
        self.clip, self.norm_type = clip if isinstance(clip, tuple) else (clip, 2.0)
        if not self.clip > 0:
            raise ValueError(f"clip: expected a positive norm, got {clip}")
        if not 0 <= average < 1:
            raise ValueError(f"average: expected 0 <= average < 1, got {average}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision: expected one of {', '.join(PRECISIONS)}, got {self.precision}")
        self.device = device_of(model, torch.device("cpu")) if fabric is None else fabric.device
        usual: Any = {"lr": 1e-3, "betas": (0.9, 0.99), "fused": self.device.type == "cuda" or None}
        self.optimizer = optimizer or torch.optim.Adam(model.parameters(), **usual)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        ranks, rank = (1, 0) if fabric is None else (fabric.world_size, fabric.global_rank)
        if accumulate < 1 or task.batch % (ranks * accumulate):
            raise ValueError(f"batch: {task.batch} samples cannot be shared by {ranks} processes x {accumulate} shares")
        share = task.batch // (ranks * accumulate)
        first = rank * accumulate * share
        self.shares = [range(first + i * share, first + (i + 1) * share) for i in range(accumulate)]
        self.module: nn.Module = model  # what is called: the model, or Fabric's wrapper around it
        if fabric is not None:
            mixed = self.precision.endswith("-mixed")
            self.wrapped, self.optimizer = fabric.setup(_Opening(model) if mixed else model, self.optimizer)
            self.module = _Sealing(self.wrapped) if mixed else self.wrapped
        self.averaged = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self.step = 0
        self._ahead: Ahead | None = None
        if self.device.type != "cpu":
            task.onto(self.device)
            self._ahead = Ahead(task)

    @property
    def precision(self) -> str:
        """Precision in which the model is evaluated, in Fabric's words."""
        return "32-true" if self.fabric is None else str(self.fabric.strategy.precision.precision)

    def run(self, steps: int) -> Iterator[Record]:
        """Train until ``steps`` steps have been made in all, giving a record of each."""
        while self.step < steps:
            self.module.train()
            factor = self.schedule(self.step)
            for group, rate in zip(self.optimizer.param_groups, self.rates):
                group["lr"] = rate * factor
            self.optimizer.zero_grad(set_to_none=True)
            with trusted():  # noise levels were checked where the task was made
                loss, norm = self._gradient().double(), self._clip().double()
            loss, norm = torch.stack((loss, norm.to(loss.device))).tolist()  # a device is waited for once a step
            self._check(loss, norm)
            self.optimizer.step()
            self.step += 1
            self._average()
            yield Record(self.step, loss, self.rates[0] * factor, norm)

    def _gradient(self) -> Tensor:
        """Gradients of this step's loss, averaged over shares and processes; the loss."""
        total = torch.zeros((), device=self.device)
        for i, samples in enumerate(self.shares):
            drawn = moved(self._draw(i, samples), self.device)
            if self.fabric is None:
                loss = self.task.loss(self.module, drawn) / len(self.shares)
                loss.backward()
            else:
                with self.fabric.no_backward_sync(self.wrapped, enabled=i + 1 < len(self.shares)):
                    loss = self.task.loss(self.module, drawn) / len(self.shares)
                    self.fabric.backward(loss)
            total = total + loss.detach()
        return total if self.fabric is None else self.fabric.all_reduce(total)

    def _draw(self, share: int, samples: range) -> Drawn:
        """The samples of a share; another device than the CPU finds those of the next drawn."""
        if self._ahead is None:
            return self.task.draw(self.step, samples)
        last = share + 1 == len(self.shares)
        return self._ahead.draw(self.step, samples, self.step + last, self.shares[0 if last else share + 1])

    def _clip(self) -> Tensor:
        if self.fabric is None:
            return torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip, norm_type=self.norm_type)
        return self.fabric.clip_gradients(
            self.wrapped, self.optimizer, max_norm=self.clip, norm_type=self.norm_type, error_if_nonfinite=False
        )

    def _check(self, loss: float, norm: float) -> None:
        if not math.isfinite(loss if self._scaler() else norm):  # a scaler leaves out such steps itself
            raise FloatingPointError(f"loss or gradient is not finite in step {self.step + 1}; lower the rate")

    def _scaler(self) -> Any:
        """What keeps half precision's gradients in range, or ``None``."""
        return None if self.fabric is None else getattr(self.fabric.strategy.precision, "scaler", None)

    def agree(self, value: bool) -> bool:
        """Whether ``value`` holds in any process; all have to ask."""
        if self.fabric is None or self.fabric.world_size == 1:
            return value
        return bool(self.fabric.all_reduce(torch.tensor(float(value), device=self.fabric.device), reduce_op="sum"))

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        kept, new = [], []
        for name, value in self.model.state_dict().items():
            if value.is_floating_point() or value.is_complex():
                for values, v in ((kept, self.averaged[name]), (new, value)):
                    values.append(torch.view_as_real(v) if v.is_complex() else v)
            else:
                self.averaged[name].copy_(value)
        torch._foreach_lerp_(kept, new, 1 - decay)

    def state_dict(self) -> dict[str, Any]:
        """Everything that a later run needs to continue, as a copy: weights, their average, the optimiser, the step,
        the scaler of half precision, and the state of the global random numbers, which layers such as dropout use."""
        scaler = self._scaler()
        state = {
            "model": self.model.state_dict(),
            "averaged": self.averaged,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "scaler": None if scaler is None else scaler.state_dict(),
        }
        cuda = {"random cuda": torch.cuda.get_rng_state(self.device)} if self.device.type == "cuda" else {}
        return copy.deepcopy(state) | {"random": torch.get_rng_state()} | cuda

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`.

        Raises:
            ValueError: a part is missing or of another kind, or the weights are of another network, or not finite; it
                is named.
        """
        check_state(state, self.model.state_dict())
        self.model.load_state_dict(state["model"])
        self.averaged = {name: value.to(self.averaged[name], copy=True) for name, value in state["averaged"].items()}
        try:
            self.optimizer.load_state_dict(state["optimizer"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"state: its optimizer is not that of this training, {error}") from error
        self.step = int(state["step"])
        if (scaler := self._scaler()) is not None and state.get("scaler"):
            scaler.load_state_dict(state["scaler"])
        try:
            torch.set_rng_state(state["random"])
            if self.device.type == "cuda" and "random cuda" in state:
                torch.cuda.set_rng_state(state["random cuda"], self.device)
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"state: random is not a state of random numbers, {error}") from error


class _Sealed:
    """Arguments of a model, as they are: Fabric turns data, noise levels and coordinates that it sees into half
    precision, which has 8 bits for them."""

    def __init__(self, given: tuple[Any, ...]) -> None:
        self.given = given


class _Opening(nn.Module):
    """The model, of sealed arguments."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, sealed: _Sealed) -> Tensor:
        return self.model(*sealed.given)


class _Sealing(nn.Module):
    """What tasks call: it seals the arguments for :class:`_Opening` within Fabric's wrapper."""

    def __init__(self, wrapped: nn.Module) -> None:
        super().__init__()
        self.wrapped = wrapped

    def forward(self, *given: Any) -> Tensor:
        return self.wrapped(_Sealed(given))
