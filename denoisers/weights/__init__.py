"""Trained weights: safetensors files that carry their card, found by name or by path, checked when loaded.

A card says what the numbers are: architecture and preset, channels, noise range, training data and recipe, and
the measured PSNR. It travels inside the file together with a hash of the tensors, and one of itself.
"""

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .filling import WeightFileError as WeightFileError
from .filling import mismatch as mismatch
from .filling import not_finite
from .writing import refuse_existing as refuse_existing
from .writing import written

__all__ = ["WeightFileError", "available", "load_weights", "save_weights", "tensors_hash", "weights_path"]

_FOLDER = Path(__file__).parent
_MOST_CHANNELS = 1000  # of an image; a number from a file decides how much is allocated


def tensors_hash(state: dict[str, Tensor]) -> str:
    """SHA-256 over names, shapes, types and bytes of all tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())  # numpy has no bfloat16
    return digest.hexdigest()


def _card_hash(card: dict[str, Any]) -> str:
    """SHA-256 of a card as read from a file, in one spelling."""
    return hashlib.sha256(json.dumps(card, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _fault(card: dict[str, Any]) -> str:
    """What a card says that no network can be; empty where all is well."""
    channels = card.get("channels", 1)
    if type(channels) is not int or not 1 <= channels <= _MOST_CHANNELS:
        return f"channels: expected a whole number, 1 to {_MOST_CHANNELS}, got {channels!r}"
    if not isinstance(card.get("preset", ""), str):
        return f"preset: expected a name, got {card['preset']!r}"
    if type(card.get("complex", False)) is not bool:
        return f"complex: expected true or false, got {card['complex']!r}"
    levels = card.get("sigma_range", (0.0, 1.0))
    numbers = isinstance(levels, list | tuple) and [type(v) for v in levels if type(v) in (int, float)]
    fine = numbers and len(numbers) == len(levels) == 2 and 0 <= levels[0] <= levels[1] < math.inf
    return "" if fine else f"sigma_range: expected 0 <= lowest <= highest, got {levels!r}"


def available(family: str) -> dict[str, Path]:
    """Shipped weights of a family of networks, by versioned name.

    >>> "natural-gray@1" in available("lofi")
    True
    """
    found = {}
    for path in sorted(_FOLDER.glob(f"{family}-*-v*.safetensors")):
        name, _, version = path.stem.removeprefix(f"{family}-").rpartition("-v")
        found[f"{name}@{version}"] = path
    return found


def weights_path(name: str, *, family: str) -> Path:
    """File of shipped weights by name, or ``name`` itself where it is a file; raises as :func:`load_weights`."""
    if str(name).endswith(".safetensors") or os.sep in str(name):
        path = Path(name)
        if not path.is_file():
            raise FileNotFoundError(f"weights: no file {str(name)!r}")
        return path
    shipped = available(family)
    if name in shipped:
        return shipped[name]
    versions = [key for key in shipped if key.rpartition("@")[0] == name]
    if not versions:
        raise ValueError(f"weights: expected one of {sorted(shipped)}, a .safetensors file, or None; got {name!r}")
    return shipped[max(versions, key=lambda key: int(key.rpartition("@")[2]))]


def load_weights(name: str, *, family: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and card of shipped weights (``"natural-gray"``: newest version, ``"natural-gray@1"``) or of a file.

    Raises:
        ValueError: no such name. FileNotFoundError: no such file.
        WeightFileError: the file is truncated or altered, has no card or an impossible one, or belongs to another
            family.

    >>> load_weights("natural-gray", family="lofi")[1]["channels"]
    1
    """
    from safetensors import SafetensorError, safe_open

    path = weights_path(name, family=family)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        card = json.loads(metadata["card"])
    except KeyError as error:
        raise WeightFileError(f"weights: {path.name} carries no card; save it with save_weights") from error
    except (SafetensorError, ValueError, OSError, RecursionError, OverflowError, TypeError) as error:
        raise WeightFileError(f"weights: {path.name} is damaged or no safetensors file ({error})") from error
    if not isinstance(card, dict):
        raise WeightFileError(f"weights: {path.name} is damaged: its card is {type(card).__name__}, expected a dict")
    own = card.pop("card_sha256", None)  # older files have none
    if own is not None and own != _card_hash(card):
        raise WeightFileError(f"weights: {path.name} is altered: its card does not have the hash that it carries")
    if card.get("sha256") != tensors_hash(state):
        raise WeightFileError(f"weights: {path.name} is altered: its tensors do not have the hash of its card")
    if card.get("family") != family:
        raise WeightFileError(f"weights: {path.name} holds a {card.get('family')!r} network, expected {family!r}")
    if _fault(card):
        raise WeightFileError(f"weights: {path.name} has an impossible card, {_fault(card)}")
    if not_finite(state):
        raise WeightFileError(f"weights: {path.name} holds NaN or infinite values in {not_finite(state)}")
    return state, card


def family_of(path: str | Path) -> str:
    """Kind of network by the card in a file; empty where there is none, of which :func:`load_weights` says why."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return str(json.loads((file.metadata() or {})["card"])["family"])
    except (SafetensorError, ValueError, KeyError, TypeError, OSError, RecursionError):
        return ""


def save_weights(path: str | Path, state: dict[str, Tensor], card: dict[str, Any], *, overwrite: bool = False) -> None:
    """Write tensors and their card (which gets the hashes of both) to a safetensors file, atomically.

    Weights of the same family are replaced; ``overwrite``: whatever is there.

    Raises:
        ValueError: ``card`` does not name its ``family``, or its ``channels``, ``preset`` or ``sigma_range`` are
            impossible; a tensor holds NaN or infinite values.
        FileExistsError: another file is there. OSError: it cannot be written; it is named.
    """
    from safetensors.torch import save_file

    if "family" not in card:
        raise ValueError("card: needs the key 'family', the kind of network, such as 'lofi'")
    if _fault(card):
        raise ValueError(f"card: {_fault(card)}")
    if not_finite(state):
        raise ValueError(f"state: holds NaN or infinite values in {not_finite(state)}")
    if not Path(path).is_dir() and family_of(path) != card["family"]:
        refuse_existing(path, overwrite=overwrite)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    card = json.loads(json.dumps({**card, "sha256": tensors_hash(state)}))  # as it will be read
    card.pop("card_sha256", None)
    card["card_sha256"] = _card_hash(card)
    with written(path) as partial:
        save_file(state, partial, metadata={"card": json.dumps(card)})
