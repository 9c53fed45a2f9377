"""What a page shows: images and maps as stacks of slices, curves, the report, where it comes from."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..io import read_images
from ..io.opening import named
from ..io.provenance import provenance
from ..replay import read_saved, saved_card
from ..report.summary import checked_told

if TYPE_CHECKING:
    from ..result import Result

__all__ = ["Content", "Panel", "of_file", "of_result", "origin_of", "with_maps"]


class Panel(NamedTuple):
    """A stack of slices (N, H, W), of colours (N, H, W, 3), or of complex values (N, H, W).

    ``kind``: ``"gray"``, ``"colour"``, ``"complex"``; ``"size"`` for what is not negative, such as errors; ``"signed"``
    for what lies around zero.
    """

    name: str
    kind: str
    values: np.ndarray


class Content(NamedTuple):
    """A page's panels, data misfit along its order where it is no picture, report, provenance, and a title."""

    title: str
    panels: list[Panel]
    misfit: np.ndarray | None
    told: dict[str, Any]
    provenance: dict[str, Any]


def of_result(result: "Result", title: str = "pnp") -> Content:
    """What a page shows of a result in memory."""
    told = json.loads(result.to_json())
    rest = None if result.health is None else result.health.measured.residual
    return _content(title, result.x, rest, told, provenance(result))


def of_file(path: str | Path) -> Content:
    """What a page shows of a solve that :meth:`pnp.Result.save` or a checkpoint has kept, or of an answer as ``.npz``.

    Raises:
        FileNotFoundError: no such file. ValueError: it is neither.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if path.suffix.lower() == ".npz":
        return _of_answer(path)
    if saved_card(path) is None:
        raise ValueError(f"{path}: expected a saved solve (Result.save, pnp reconstruct --save) or an answer as .npz")
    settings, kept = read_saved(path)
    answer = kept.get("answer") or {}
    told = kept["told"] or _unfinished(settings, kept)
    x = answer["x"] if answer else kept["state"]["values"]["x"]
    return _content(path.name, x, answer.get("residual"), told, settings)


def _unfinished(settings: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """A report of a checkpoint, which has none: its curves."""
    names = ("residual", "sigma", "gamma")
    rows = kept["rows"]
    history = {n: rows[:, i].tolist() for i, n in enumerate(names)} if len(rows) else {}
    return {
        "method": settings.get("solver", ""), "reason": "not finished", "iterations": len(rows), "findings": [],
        "report": {}, "history": {"step": list(range(1, len(rows) + 1)), **history},
    }  # fmt: skip


def origin_of(path: Path) -> dict[str, Any] | None:
    """The provenance of an answer as ``.npz``; ``None``: the file is another.

    Raises:
        ValueError: the file is broken; it is named.
    """
    with named(path), np.load(path, allow_pickle=False) as file:
        if not {"x", "provenance"} <= {*file.files}:
            return None
        return json.loads(file["provenance"].item() or "{}")


def _of_answer(path: Path) -> Content:
    with named(path), np.load(path, allow_pickle=False) as file:
        if not {"x", "provenance"} <= {*file.files}:
            raise ValueError("expected the arrays x and provenance of an answer of pnp")
        x = torch.from_numpy(np.array(file["x"]))
        told = checked_told(json.loads(file["report"].item())) if "report" in file.files else {}
        origin = json.loads(file["provenance"].item() or "{}")
    return _content(path.name, x, None, told, origin)


def _content(title: str, x: Tensor, rest: Tensor | None, told: dict[str, Any], origin: dict[str, Any]) -> Content:
    panels, curve = [panel("image", x)], None
    if rest is not None and rest.numel():
        pictured = rest.ndim >= 3 and min(rest.shape[-2:]) > 3
        if pictured:
            flat = rest.abs() if rest.is_complex() else rest
            kind = "size" if rest.is_complex() else "signed"
            panels.append(Panel("misfit / noise", kind, _stack(flat.reshape(-1, *flat.shape[-2:]))))
        else:
            curve = rest[0].detach().cpu().abs().reshape(-1).numpy()
    return Content(title, panels, curve, told, origin)


def panel(name: str, x: Tensor, kind: str | None = None) -> Panel:
    """A panel of a batch (B, C, H, W), or of volumes (B, C, D, H, W); signals (B, C, N) are rows of one picture."""
    x = x.detach().cpu()
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim == 5:
        x = x.movedim(2, 1).flatten(0, 1)
    if x.ndim != 4:
        raise ValueError(f"{name}: expected images (B, C, H, W) or volumes, got {tuple(x.shape)}")
    if x.shape[1] == 3 and not x.is_complex():
        return Panel(name, kind or "colour", _stack(x.movedim(1, -1)))
    if x.shape[1] == 1:
        return Panel(name, kind or ("complex" if x.is_complex() else "gray"), _stack(x[:, 0]))
    return Panel(name, kind or "size", _stack(x.abs().square().sum(1).sqrt()))


def _stack(x: Tensor) -> np.ndarray:
    return x.detach().cpu().to(torch.complex64 if x.is_complex() else torch.float32).numpy()


def with_maps(
    content: Content, x: Tensor | None, reference: Tensor | None, uncertainty: Tensor | None
) -> Content:  # fmt: skip
    """The same with the reference and the error, and with deviations, beside the image ``x``."""
    panels = content.panels[:1]
    for name, other in (("reference", reference), ("uncertainty", uncertainty)):
        if other is None or x is None:
            continue
        same = other.shape == x.shape or (other.ndim == x.ndim and other.shape[-2:] == x.shape[-2:]
                                          and other.shape[:-2].numel() == x.shape[:-2].numel())  # fmt: skip
        if not same:
            raise ValueError(f"{name}: {tuple(other.shape)}, but the image has {tuple(x.shape)}")
        other = other.reshape(x.shape)
        if name == "uncertainty":
            panels.append(panel("standard deviation", other.abs() if other.is_complex() else other, "size"))
            continue
        whole = x if other.is_complex() or not x.is_complex() else x.abs()
        error = (whole - other).abs()
        panels += [panel("reference", other), panel("error", _gray(error), "size")]
    return content._replace(panels=panels + content.panels[1:])


def _gray(x: Tensor) -> Tensor:
    return x.mean(1, keepdim=True) if x.shape[1] == 3 else x


def read_map(path: str | Path) -> Tensor:
    """Images (B, C, H, W) of a file of images, or of the array ``x`` of an answer."""
    path = Path(path)
    if path.suffix.lower() == ".npz":
        with np.load(path, allow_pickle=False) as file:
            if "x" in file.files:
                return torch.from_numpy(np.array(file["x"]))
    images = [i.float() / 255 if i.dtype == torch.uint8 else i for i in read_images(path, None)]
    return torch.stack(images)
