"""End-to-end reconstruction: a network behind what the operator makes of the data."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from denoisers.base import Denoiser
from operators.adapters.incoming import as_operator
from operators.base import LinearOperator
from operators.linalg import column, dot
from operators.shapes import check_batch

from .arguments import check_values

__all__ = ["Reconstructor"]

Preprocess = str | Callable[[LinearOperator, Tensor], Tensor]
_METHODS = {"adjoint": "A_adjoint", "pinv": "A_dagger", "fbp": "fbp", "ks": "modes"}


class Reconstructor(nn.Module):
    r"""A network on an image that the operator makes of the data, :math:`\hat x = f_\theta(B y)`.

    B is the adjoint, the pseudo-inverse, filtered back projection, Kaiser-Squires or any function. Complex images go
    in as real and imaginary channels; 2 C output channels are read as real and imaginary parts, C as a
    real image. With ``normalise`` each sample is shifted and scaled to mean zero and deviation one before the
    network and back after it, so that the answer follows the data's units; constant images are scaled by their value,
    and zeros give zeros.

    Args:
        op: a :class:`operators.LinearOperator` or what :func:`operators.as_operator` takes.
        network: images (B, C', H, W) -> (B, C'', H, W).
        preprocess: ``"adjoint"`` (times the length of the steepest descent's first step, which gives it the image's
            units), ``"pinv"``, ``"fbp"``, ``"ks"`` (E and B modes), or a function ``(op, y) -> image``.
        residual: add the network's answer to its input (the real part where the answer is real).
        normalise: as above.

    Raises:
        ValueError: unknown ``preprocess``. TypeError: the operator has no such method.

    Jin, McCann, Froustey, Unser 2017, doi:10.1109/TIP.2017.2713099.

    >>> from operators import Radon
    >>> op = Radon(32, torch.linspace(0, 3.0, 20))
    >>> model = Reconstructor(op, nn.Conv2d(1, 1, 3, padding=1), "fbp")
    >>> model(op(torch.rand(2, 1, 32, 32))).shape
    torch.Size([2, 1, 32, 32])
    """

    def __init__(
        self,
        op: Any,
        network: nn.Module,
        preprocess: Preprocess = "adjoint",
        *,
        residual: bool = True,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        if isinstance(preprocess, str):
            if preprocess not in _METHODS:
                raise ValueError(f"preprocess: expected a function or one of {sorted(_METHODS)}, got {preprocess!r}")
        elif not callable(preprocess):
            raise TypeError(f"preprocess: expected a function (op, y) or a name, got {type(preprocess).__name__}")
        if not isinstance(network, nn.Module):
            swapped = "; the order is Reconstructor(op, network)" if hasattr(network, "A") else ""
            raise TypeError(f"network: expected a torch.nn.Module, got {type(network).__name__}{swapped}")
        if hasattr(network, "A_adjoint"):
            raise TypeError("network: got an operator; the order is Reconstructor(op, network)")
        if isinstance(network, Denoiser):
            raise TypeError(f"network: {type(network).__name__} is a denoiser (x, sigma); take a network of x only")
        self.op = as_operator(op)
        self.network, self.preprocess, self.residual, self.normalise = network, preprocess, residual, normalise
        if isinstance(preprocess, str):
            self._check_method(self.op)

    def _check_method(self, op: LinearOperator) -> str:
        method = _METHODS[str(self.preprocess)]
        if not callable(getattr(op, method, None)):
            raise TypeError(f"preprocess: {type(op).__name__} has no {method}(y), which {self.preprocess!r} needs")
        return method

    def image(self, y: Tensor, op: Any = None) -> Tensor:
        """The network's input before it is normalised: B y."""
        op = self.op if op is None else as_operator(op)
        check_batch("y", y, op.out_shape, op.out_dtype.is_complex)
        check_values("y", y)
        if callable(self.preprocess):
            return self.preprocess(op, y)
        image = getattr(op, self._check_method(op))(y)
        return column(_first_step(op, image), image) * image if self.preprocess == "adjoint" else image

    def forward(self, y: Tensor | Sequence[Tensor], op: Any = None) -> Tensor:
        """Reconstruct; ``op`` in place of the own operator, or lists of data and operators, one sample each."""
        if isinstance(y, Tensor):
            return self.refine(self.image(y, op))
        if not isinstance(y, list | tuple):
            raise TypeError(f"y: expected a torch.Tensor or a list of them, got {type(y).__name__}")
        if not isinstance(op, list | tuple) or len(op) != len(y) or not y:
            raise ValueError("op: a list of data needs a list of as many operators, at least one")
        return self.refine(torch.cat([self.image(one, its) for one, its in zip(y, op)]))

    def refine(self, image: Tensor) -> Tensor:
        """The network with what surrounds it: channels, units, residual."""
        seen = torch.cat((image.real, image.imag), 1) if image.is_complex() else image
        shift, scale = _units(image)
        unit = seen
        if self.normalise:
            unit = (seen - _channels(shift, seen)) / torch.where(scale > 0, scale, torch.ones_like(scale))
        own = next((p.dtype for p in self.network.parameters()), unit.dtype)
        out = self.network(unit.to(own)).to(unit.dtype)
        channels = image.shape[1]
        if out.ndim != 4 or out.shape[0] != len(image) or out.shape[2:] != image.shape[2:]:
            raise ValueError(f"network: gives {tuple(out.shape)} for images of {tuple(image.shape)}")
        if image.is_complex() and out.shape[1] == 2 * channels:
            base, out = image, torch.complex(*out.contiguous().chunk(2, 1))
        elif out.shape[1] == channels:
            base, shift = image.real if image.is_complex() else image, shift.real
        else:
            raise ValueError(f"network: gives {out.shape[1]} channels for images of {channels}")
        if self.normalise:
            out = out * scale if self.residual else out * scale + shift
        return base + out if self.residual else out

    # ---- on disk

    def save(self, path: str | Path, card: dict[str, Any] | None = None, *, overwrite: bool = False) -> None:
        """Write the weights, with a description of the operator and these settings in the card.

        The network's weights are kept under their own names; those of a preprocessing module and of an operator that
        has any stand beside them.

        Raises:
            FileExistsError: there is a file of this name; ``overwrite`` replaces it.
        """
        from denoisers.weights import refuse_existing, save_weights

        name = self.preprocess if isinstance(self.preprocess, str) else _FUNCTION + _name(self.preprocess)
        own = {
            "family": "reconstructor",
            "network": type(self.network).__name__,
            "preprocess": name,
            "residual": self.residual,
            "normalise": self.normalise,
            "operator": describe(self.op),
        }
        refuse_existing(path, overwrite=overwrite)
        state = dict(self.network.state_dict())
        for part, module in self._other_parts().items():
            state |= {f"{part}:{key}": value for key, value in module.state_dict().items()}
        save_weights(path, state, {**(card or {}), **own}, overwrite=overwrite)

    @classmethod
    def load(
        cls, path: str | Path, op: Any, network: nn.Module, preprocess: Preprocess | None = None
    ) -> "Reconstructor":
        """The model that :meth:`save` wrote, in evaluation mode.

        Args:
            path: the file.
            op: the operator of the training, or one that does the same.
            network: one of the same kind.
            preprocess: the function, where the model had one of its own.

        Raises:
            ValueError: the operator does not do what that of the training did, or the network or the preprocessing is
                another one; ``denoisers.weights.WeightFileError``: the file is damaged.
        """
        from denoisers.weights import load_weights, mismatch

        state, card = load_weights(str(Path(path).resolve()), family="reconstructor")
        _check_card(card, Path(path).name)
        saved = card["preprocess"]
        own = (
            None if preprocess is None else preprocess if isinstance(preprocess, str) else _FUNCTION + _name(preprocess)
        )
        if own is None and saved.startswith(_FUNCTION):
            raise ValueError(f"preprocess: the model was saved with a {saved}; pass it to load")
        if own is not None and own != saved:
            raise ValueError(f"preprocess: the model was saved with {saved!r}, not {own!r}")
        model = cls(op, network, preprocess or saved, residual=card["residual"], normalise=card["normalise"])
        parts = {"": network, **model._other_parts()}
        for part, module in parts.items():
            values = {k.removeprefix(f"{part}:"): v for k, v in state.items() if k.startswith(f"{part}:")}
            if not part:
                values = {k: v for k, v in state.items() if k.partition(":")[0] not in ("preprocess", "op")}
            if wrong := mismatch(values, module.state_dict()):
                name = part or "network"
                raise ValueError(f"{name}: not the one of the training, {card['network']}; {wrong}")
            module.load_state_dict(values)
        difference = compare(card["operator"], describe(model.op))
        if difference:
            raise ValueError(f"op: not the operator of the training: {difference}; give another one to model(y, op)")
        return model.eval()

    def _other_parts(self) -> dict[str, nn.Module]:
        """Modules beside the network whose weights belong to the model."""
        parts = {"preprocess": self.preprocess, "op": self.op}
        return {name: part for name, part in parts.items() if isinstance(part, nn.Module) and part.state_dict()}


def _check_card(card: dict[str, Any], source: str) -> None:
    """Raise where a card lacks what :meth:`Reconstructor.save` writes, or has it of another kind."""
    from denoisers.weights import WeightFileError

    kinds = {"network": str, "preprocess": str, "residual": bool, "normalise": bool, "operator": dict}
    operator = {"kind": str, "in_shape": list, "out_shape": list, "probes": list}
    given = card.get("operator")
    for told, expected in ((card, kinds), (given if isinstance(given, dict) else {}, operator)):
        for name, kind in expected.items():
            if not isinstance(told.get(name), kind):
                raise WeightFileError(f"weights: {source} has an impossible card, {name}: got {told.get(name)!r}")
    if not card["operator"]["probes"] or not all(type(v) in (int, float) for v in card["operator"]["probes"]):
        raise WeightFileError(f"weights: {source} has an impossible card, probes: expected numbers")


_FUNCTION = "function "  # stands before the names of functions, which may be called as a method is


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _units(image: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each sample, (B, 1, 1, 1); of a constant image its size stands for the deviation."""
    flat = image.flatten(1)
    largest = flat.detach().abs().amax(1, keepdim=True)
    largest = torch.where(largest > 0, largest, torch.zeros_like(largest))
    unit = flat / torch.where(largest > 0, largest, torch.ones_like(largest))
    mean = unit.mean(1, keepdim=True)
    rest = unit - mean
    variance = dot(rest, rest) / flat.shape[1]
    constant = variance <= (16 * torch.finfo(variance.dtype).eps) ** 2
    deviation = torch.where(constant, mean.detach()[:, 0].abs(), torch.where(constant, 1.0, variance).sqrt())
    return (largest * mean).reshape(-1, 1, 1, 1), column(largest[:, 0] * deviation, image.real)


def _first_step(op: LinearOperator, image: Tensor) -> Tensor:
    """Length of the steepest descent's first step along A* y, (B,): it gives A* y the image's units."""
    again = op.A(image)
    up, down = dot(image, image), dot(again, again)
    return torch.where(down > 0, up / torch.where(down > 0, down, torch.ones_like(down)), torch.ones_like(up))


def _channels(shift: Tensor, seen: Tensor) -> Tensor:
    """The mean as channels, as :meth:`Reconstructor.refine` splits complex images."""
    if not shift.is_complex():
        return shift
    half = seen.shape[1] // 2
    return torch.cat((shift.real.expand(-1, half, -1, -1), shift.imag.expand(-1, half, -1, -1)), 1)


def describe(op: LinearOperator) -> dict[str, Any]:
    """What an operator is, in plain values: kind, shapes, and how large it makes a few fixed images (probes)."""
    kind = torch.complex128 if op.in_dtype.is_complex else torch.float64
    x = torch.randn(4, *op.in_shape, generator=torch.Generator().manual_seed(0), dtype=kind, device="cpu")
    device = next((t.device for t in (*op.buffers(), *op.parameters())), x.device)
    with torch.no_grad():
        y = torch.cat([op.A(one[None].to(device)) for one in x])
    weights = torch.linspace(1, 2, y[0].numel(), dtype=torch.float64, device=y.device)
    sums = (
        torch.view_as_real(y.flatten(1).resolve_conj() @ weights.to(y.dtype))
        if y.is_complex()
        else y.flatten(1) @ weights
    )
    return {
        "kind": type(op).__name__,
        "in_shape": list(op.in_shape),
        "out_shape": list(op.out_shape),
        "probes": [*dot(y, y).sqrt().tolist(), *sums.flatten().tolist()],
    }


def compare(saved: dict[str, Any], own: dict[str, Any]) -> str:
    """In which way two descriptions differ, or nothing."""
    for name in ("in_shape", "out_shape"):
        if saved[name] != own[name]:
            return f"{name} {own[name]}, expected {saved[name]}"
    size = max(abs(v) for v in saved["probes"])
    if any(abs(a - b) > 1e-6 * size for a, b in zip(saved["probes"], own["probes"])):
        return f"same shapes, other values ({own['kind']})"
    return ""
