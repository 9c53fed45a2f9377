"""What a file is: measured data, images, weights with their card, a checkpoint, a saved solve, an answer. Without one:
the shipped weights."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from denoisers.weights import __file__ as weights_file
from denoisers.weights import family_of, load_weights

from ..io import Measurement, read_images
from ..io import open as open_measurement
from ..io.opening import named
from ..replay import saved_card
from ..report.summary import checked_told
from ..train.checkpoint import check_kept, load_checkpoint
from ..view.content import origin_of
from .common import put, weight_file
from .values import from_pairs

__all__ = ["options", "run"]


def options(p: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    p.add_argument("file", nargs="?", help="a file, or the name of shipped weights (default: list these)")
    p.add_argument("--reader", nargs="+", metavar="KEY=VALUE", help="options of the format's reader")


def run(given: argparse.Namespace) -> None:
    """Print it."""
    if given.file is None:
        for path in sorted(Path(weights_file).parent.glob("*.safetensors")):
            name, _, version = path.stem.rpartition("-v")
            size = path.stat().st_size
            put(given, f"{name}@{version}  {size / 1e6:.1f} MB", weights=[{"name": f"{name}@{version}", "bytes": size}])
        return
    path, suffix = Path(given.file), Path(given.file).suffix.lower()
    if path.is_file() and (card := saved_card(path)) is not None:
        _solve(given, path, card)
    elif (suffix in (".safetensors", "") and not path.is_dir()) or not path.exists():
        _weights(given, weight_file(given.file))
    elif suffix == ".npz" and (told := origin_of(path)) is not None:
        _answer(given, path, told)
    elif suffix == ".pt":
        state = load_checkpoint(given.file)
        check_kept(state)
        put(given, f"{path.name}: checkpoint of {state['card'].get('name')} at step {state['step']}, "
            f"{state['card'].get('data', 'unknown images')}")  # fmt: skip
        put(given, json.dumps(state["recipe"], indent=1), step=state["step"], recipe=state["recipe"])
    else:
        _data(given, path)


def _weights(given: argparse.Namespace, path: Path) -> None:
    state, card = load_weights(str(path.resolve()), family=family_of(path))
    count = sum(v.numel() for v in state.values())
    put(given, f"{path.name}: {count:,} numbers in {len(state)} tensors", numbers=count, tensors=len(state))
    put(given, json.dumps(card, indent=1, ensure_ascii=False), card=card)


def _solve(given: argparse.Namespace, path: Path, card: dict[str, Any]) -> None:
    with named(path):
        told = checked_told(card.get("told")) or {}
    if told:
        put(given, f"{path.name}: {told['method']}, {told['reason']} after {told['iterations']} iterations")
        for finding in told["findings"]:
            put(given, f"  {finding['level']:5}  {finding['topic']:12} {finding['seen']}")
    else:
        put(given, f"{path.name}: a solve that was not finished")
    put(given, solve=told, settings=card.get("settings"))


def _answer(given: argparse.Namespace, path: Path, told: dict[str, Any]) -> None:
    with np.load(path, allow_pickle=False) as file:
        x = file["x"]
    size = f"magnitudes {np.abs(x).min():.4g} to {np.abs(x).max():.4g}" if x.size else "nothing"
    put(given, f"{path.name}: an answer, x {_described(x)}, {size}")
    put(given, json.dumps(told, indent=1, ensure_ascii=False), x=_described(x), provenance=told)


def _data(given: argparse.Namespace, path: Path) -> None:
    """Measured data where the file holds any, else images."""
    options = from_pairs("--reader", given.reader)
    try:
        found = open_measurement(path, **options)
    except ValueError as unfit:
        if options:
            raise
        try:
            _images(given, path)
        except ValueError as error:
            raise (unfit if "expected one of" in str(error) else error) from error
        return
    _measurement(given, path, found)


def _measurement(given: argparse.Namespace, path: Path, found: Measurement) -> None:
    kind = found.kind
    size = f"{float(found.y.abs().min()):.4g} to {float(found.y.abs().max()):.4g}" if found.y.numel() else "nothing"
    arguments = {name: _described(value) for name, value in found.arguments.items()}
    noise = _described(found.noise_std)
    put(given, f"{path.name}: {found.provenance.get('format')}, y {_described(found.y)}, magnitudes {size}")
    put(given, f"  operator {kind}({', '.join(f'{k}={v}' for k, v in arguments.items())})")
    put(given, f"  noise {'not in the file; it is estimated' if found.noise_std is None else noise}")
    for name, value in found.provenance.items():
        if name not in ("file", "format"):
            put(given, f"  {name}: {value}")
    put(given, y=_described(found.y), operator={"kind": kind, "arguments": arguments}, noise_std=noise,
        provenance=dict(found.provenance))  # fmt: skip


def _described(value: Any) -> Any:
    """Tensors and arrays by shape and kind."""
    if isinstance(value, torch.Tensor | np.ndarray) and value.ndim:
        kind = str(value.dtype).removeprefix("torch.")
        return f"{' x '.join(map(str, value.shape))} {kind}"
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        return value.item()
    return value if isinstance(value, int | float | str | bool | None) else str(value)


def _images(given: argparse.Namespace, path: Path) -> None:
    for number, image in enumerate(read_images(path, None)):
        kind = "bytes" if image.element_size() == 1 else "float32"
        low, high = float(image.min()), float(image.max())
        shape = " x ".join(map(str, image.shape))
        put(given, f"{path.name}[{number}]: {shape} {kind}, {low:.6g} to {high:.6g}",
            images=[{"shape": list(image.shape), "kind": kind, "lowest": low, "highest": high}])  # fmt: skip
