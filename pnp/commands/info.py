"""What a file is: weights with their card, a checkpoint, images, measurements. Without one: the shipped weights."""

import argparse
import json
from pathlib import Path

from denoisers.weights import __file__ as weights_file
from denoisers.weights import family_of, load_weights

from ..io import read_images
from ..train.checkpoint import check_kept, load_checkpoint
from .common import weight_file

__all__ = ["options", "run"]


def options(p: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    p.add_argument("file", nargs="?", help="a file, or the name of shipped weights (default: list these)")


def run(given: argparse.Namespace) -> None:
    """Print it."""
    if given.file is None:
        for path in sorted(Path(weights_file).parent.glob("*.safetensors")):
            name, _, version = path.stem.rpartition("-v")
            print(f"{name}@{version}  {path.stat().st_size / 1e6:.1f} MB")
        return
    name = str(given.file)
    suffix = Path(name).suffix.lower()
    if suffix in (".safetensors", "") or not Path(name).is_file():
        path = weight_file(name)
        state, card = load_weights(str(path.resolve()), family=family_of(path))
        print(f"{path.name}: {sum(v.numel() for v in state.values()):,} numbers in {len(state)} tensors")
        print(json.dumps(card, indent=1, ensure_ascii=False))
    elif suffix == ".pt":
        state = load_checkpoint(name)
        check_kept(state)
        print(f"{Path(name).name}: checkpoint of {state['card'].get('name')} at step {state['step']}, "
              f"{state['card'].get('data', 'unknown images')}")  # fmt: skip
        print(json.dumps(state["recipe"], indent=1))
    else:
        for number, image in enumerate(read_images(name, None)):
            kind = "bytes" if image.element_size() == 1 else "float32"
            print(f"{Path(name).name}[{number}]: {' x '.join(map(str, image.shape))} {kind}, "
                  f"{float(image.min()):.6g} to {float(image.max()):.6g}")  # fmt: skip
