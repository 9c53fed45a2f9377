"""Where a solve stands, and how it is kept on disk."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from denoisers.evaluation.precision import uneven
from operators.linalg import column

from .calibration import Calibration
from .problem import Facts

__all__ = ["State", "blend", "choose", "combined", "distance", "latest", "patience", "placed", "rebuilt", "sizes"]

_PATIENCE, _FELL = 20, 0.9
T = TypeVar("T")  # tensors in tuples, named or not, nested or not


_AT_ONCE = 2**18  # values of a sample: volumes go in parts


def sizes(v: Tensor, unit: Tensor, less: Tensor | None = None, order: int = 2) -> Tensor:
    """Norm of each sample of ``v``, ``less`` another, in its unit, so that squares stay within range, (B,)."""
    v, less = _numbers(v), None if less is None else _numbers(less)
    if v.shape[1] > _AT_ONCE:
        both = [v] if less is None else [v, less]
        parts = zip(*(t.split(_AT_ONCE, 1) for t in both))
        each = [sizes(p[0], unit, *p[1:], order=order) for p in parts]
        return torch.linalg.vector_norm(torch.stack(each), order, dim=0)
    u = column(unit, v)
    return torch.linalg.vector_norm(v / u if less is None else v.sub(less).div_(u), order, dim=1)


def _numbers(v: Tensor) -> Tensor:
    """The real numbers of each sample, (B, N)."""
    v = v.detach()
    return (torch.view_as_real(v.resolve_conj()) if v.is_complex() else v).flatten(1)


def distance(old: tuple[Tensor, ...], new: tuple[Tensor, ...], unit: Tensor) -> Tensor:
    r"""Change of the tensors ``new``, of which the first is the image, relative to that image's norm, (B,), or to
    :math:`6 \|x\|_1 / \sqrt N`, as far as a fifth of it, where that is less: beside a source a hundred times as bright
    the rest of a sky would count for nothing."""
    change = sizes(new[0], unit, old[0])
    for a, b in zip(old[1:], new[1:], strict=True):
        change = torch.hypot(change, sizes(b, unit, a))
    even = sizes(new[0], unit, order=1) / (new[0][0].numel() * (2 if new[0].is_complex() else 1)) ** 0.5
    size = uneven(sizes(new[0], unit), even)
    return change / torch.where(size > 0, size, torch.ones_like(size))


def _each(function: Callable[..., Tensor], *trees: Any) -> Any:
    """A function of tensors on named tuples of them, nested or not."""
    first = trees[0]
    if isinstance(first, Tensor):
        return function(*trees)
    parts = [_each(function, *some) for some in zip(*trees, strict=True)]
    return type(first)(*parts) if hasattr(first, "_asdict") else type(first)(parts)


def choose(condition: Tensor, a: T, b: T, known: list[bool] | None = None) -> T:
    """Samples of ``a`` where the condition (B,) holds, else those of ``b``; named tuples of batch-first tensors.
    ``known``: its values, where they have been read."""
    if len(chosen := set(condition.tolist() if known is None else known)) == 1:  # no copies
        return a if chosen.pop() else b
    return _each(lambda u, v: torch.where(condition.reshape(-1, *[1] * (u.ndim - 1)), u, v), a, b)


def blend(share: Tensor, old: T, new: T, known: list[bool] | None = None) -> T:
    """``old`` + share (``new`` - ``old``) for a share below one of each sample (B,), ``new`` at one. ``known``: which
    shares are below one, where they have been read."""

    def between(a: Tensor, b: Tensor) -> Tensor:
        if not (b.is_floating_point() or b.is_complex()):
            return b
        s = column(share, b)
        part = (b - a).mul_(s).add_(a)
        return part if known and all(known) else torch.where(s < 1, part, b)

    return _each(between, old, new)


def latest(tree: T, new: T) -> T:
    """``tree`` with the numbers of each sample, (B,), of ``new``: counters and sizes, which no share is made of."""
    return _each(lambda a, b: b if b.ndim < 2 else a, tree, new)


def combined(weights: Tensor, trees: tuple[T, ...]) -> T:
    """Sums of the tensors of ``trees``, weighted by (B, number of them)."""

    def total(*tensors: Tensor) -> Tensor:
        if not (tensors[0].is_floating_point() or tensors[0].is_complex()):
            return tensors[0]
        zero, shares = torch.zeros_like(tensors[0]), [column(w, tensors[0]) for w in weights.unbind(1)]
        # what has no weight may be infinite, as the residual of an iteration that was not made
        parts = (torch.where(w != 0, w * t, zero) for w, t in zip(shares, tensors, strict=True))
        return sum(parts, start=zero)

    return _each(total, *trees)


def _plain(tree: Any) -> Any:
    """Named tuples as dictionaries, others as lists."""
    if hasattr(tree, "_asdict"):
        return {k: _plain(v) for k, v in tree._asdict().items()}
    return [_plain(v) for v in tree] if isinstance(tree, tuple) else tree


def placed(tree: Any, device: torch.device | str) -> Any:
    """Tensors, in tuples, lists and dictionaries, on a device."""
    if isinstance(tree, Tensor):
        return tree.to(device)
    if isinstance(tree, Mapping):
        return {k: placed(v, device) for k, v in tree.items()}
    if not isinstance(tree, list | tuple):
        return tree
    parts = [placed(v, device) for v in tree]
    kind: Any = type(tree)
    return kind(*parts) if hasattr(tree, "_asdict") else kind(parts)


def rebuilt(like: T, kept: Any) -> T:
    """Named tuples of the kind of ``like`` from themselves, or from the dictionaries that were made of them.

    Raises:
        ValueError: a tensor is missing, has another shape or kind of numbers, or is not finite.
    """
    kind: Any = type(like)
    if isinstance(like, Tensor):
        _check_tensor(like, kept)
        return kept
    if hasattr(like, "_asdict"):
        names = like._asdict().keys()  # pyright: ignore
        parts = kept._asdict() if hasattr(kept, "_asdict") else kept
        if not isinstance(parts, Mapping) or parts.keys() != names:
            raise ValueError(f"state: expected the tensors {', '.join(names)} of this method")
        return kind(**{name: rebuilt(getattr(like, name), parts[name]) for name in names})
    if not isinstance(like, tuple):
        return kept
    if not isinstance(kept, list | tuple) or len(kept) != len(like):
        raise ValueError(f"state: expected {len(like)} tensors of this method")
    return kind(rebuilt(a, b) for a, b in zip(like, kept))


def _check_tensor(like: Tensor, kept: Any) -> None:
    if not isinstance(kept, Tensor) or kept.shape != like.shape or kept.dtype != like.dtype:
        got = f"{tuple(kept.shape)} of {kept.dtype}" if isinstance(kept, Tensor) else type(kept).__name__
        raise ValueError(f"state: expected a tensor {tuple(like.shape)} of {like.dtype}, got {got}")
    parts = torch.view_as_real(kept.resolve_conj()) if kept.is_complex() else kept
    # sizes (B,) are infinite before the first step, and what is made of infinite ones may be none
    known = torch.isfinite(like) if kept.ndim < 2 else True
    if bool((parts.isnan() & known).any()) or (kept.ndim > 1 and not bool(parts.isfinite().all())):
        raise ValueError("state: holds NaN or infinite values")


class State(NamedTuple):
    """Where a solve stands; all tensors batch first, so that samples are independent of each other.

    :meth:`to_dict` gives tensors, numbers and words only, which ``torch.save`` and
    ``torch.load(..., weights_only=True)`` keep; a solve that continues from them ends with the same bits.

    Attributes:
        step: number of iterations done.
        values: the method's own tensors, a named tuple whose first field is x.
        facts: what was worked out once.
        source: how the noise level was found.
        method: name of the solver.
        residual: relative change of the last iteration, of x only while levels fall, (B,); infinite before.
        pace: share of an iteration that is made, (B,): 1, 1/2 from where the residual grew on, less where it stalls.
        lowest, waited: the least residual since levels are constant, and for how many iterations it has stayed, (B,).

    >>> import torch
    >>> from operators import Identity
    >>> from pnp import PnPADMM, Stop
    >>> solver = PnPADMM(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1, stop=Stop(max_iter=3))
    >>> y = torch.ones(1, 1, 4, 4)
    >>> kept = solver.solve(y).state.to_dict()
    >>> solver.solve(y, state=State.from_dict(kept)).state.step
    6
    """

    step: int
    values: Any
    facts: Facts
    source: str
    method: str
    residual: Tensor
    pace: Tensor
    lowest: Tensor
    waited: Tensor

    @property
    def x(self) -> Tensor:
        """The image (B, C, ...)."""
        return self.values["x"] if isinstance(self.values, Mapping) else self.values.x

    @property
    def x_data(self) -> Tensor:
        """The data-consistent image, of methods that have one; else x."""
        return getattr(self.values, "x_data", self.x)

    def to_dict(self) -> dict[str, Any]:
        """A plain dictionary of everything."""
        return _plain(self)

    def to(self, device: torch.device | str) -> "State":
        """The state on a device."""
        return placed(self, device)

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> "State":
        """The state of which :meth:`to_dict` made ``kept``.

        Raises:
            ValueError: a part is missing or of another kind, or parts are of batches of different sizes.
        """
        try:
            facts = kept["facts"] | {"calibration": Calibration(**kept["facts"]["calibration"])}
            parts: dict[str, Any] = {**kept, "facts": Facts(**facts)}
            state = cls(**parts)
            batches = {len(part) for part in (state.x, state.facts.back, *_sizes(state).values())}
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"kept: not the dictionary of a State, {error}") from error
        for name, text in (("source", state.source), ("method", state.method), ("facts.why", state.facts.why)):
            if not isinstance(text, str):
                raise ValueError(f"kept: expected {name} as words, got {text!r}")
        for name, tensor in (("residual", state.residual), ("facts.back", state.facts.back)):
            if not isinstance(tensor, Tensor):
                raise ValueError(f"kept: expected {name} as a tensor, got {type(tensor).__name__}")
        if type(state.step) is not int or state.step < 0:
            raise ValueError(f"kept: step is {state.step!r}, expected a number of iterations")
        if len(batches) > 1:
            raise ValueError(f"kept: its parts are of batches of {', '.join(map(str, sorted(batches)))} samples")
        _check_sizes(state)
        return state


def _sizes(state: State) -> dict[str, Tensor]:
    """What a state holds of each sample, (B,)."""
    own = {name: getattr(state, name) for name in ("residual", "pace", "lowest", "waited")}
    facts = {k: v for k, v in state.facts._asdict().items() if k not in ("back", "calibration", "strength", "why")}
    chosen = {} if state.facts.strength is None else {"strength": state.facts.strength}
    return own | facts | state.facts.calibration._asdict() | chosen


def _check_sizes(state: State) -> None:
    endless = ("residual", "lowest", "gamma_limit")
    for name, value in _sizes(state).items():
        kind = torch.bool if name in ("alive", "no_mean") else state.residual.dtype
        if not isinstance(value, Tensor) or value.ndim != 1 or value.dtype != kind:
            got = f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"kept: expected {name} as a number of each sample, {kind}, got {got}")
        if bool(value.isnan().any()) or (name not in endless and not bool(value.isfinite().all())):
            raise ValueError(f"kept: {name} holds NaN or infinite values")
    if state.facts.back.real.dtype != state.residual.dtype:
        raise ValueError(f"kept: back is of {state.facts.back.dtype}, but residual of {state.residual.dtype}")
    positive = {"gain": state.facts.gain, "norm": state.facts.norm, "scale": state.facts.calibration.scale}
    for name, value in positive.items():
        if not bool((value > 0).all()):
            raise ValueError(f"kept: expected {name} > 0")


def patience(state: State, residual: Tensor, pace: Tensor, slowest: float) -> tuple[State, Tensor]:
    """The state with its count of iterations since the residual last fell by a tenth, and the pace of each sample,
    halved where that were too many, down to the ``slowest``."""
    fell = residual < _FELL * state.lowest
    waited = torch.where(fell, torch.zeros_like(state.waited), state.waited + 1)
    stalled = waited >= _PATIENCE
    pace = torch.where(stalled, torch.minimum(pace, (pace / 2).clamp_min(slowest)), pace)
    lowest = torch.where(fell, residual.detach(), state.lowest)
    return state._replace(lowest=lowest, waited=torch.where(stalled, torch.zeros_like(waited), waited)), pace
