"""Readers and weights against mutated files: an answer or one clear error, never a crash, a hang or much memory.

    python -m benchmarks.fuzz [--mutations 1000] [--formats png tiff ...] [--seed 0]

Files of each format are written by other libraries, then bits are flipped, bytes replaced, cut out, repeated, numbers
set to extremes, and the file is cut off. Half of the weight files and checkpoints keep right hashes, with other
values in their card or tensors. Each format is read in a process of its own: it may not die, no file may take longer
than ten seconds (twice: others may work on the machine, too), and memory may not grow by more than the readers' own
bound: 64 MiB of values, and what is made of them.
"""

import argparse
import io
import json
import multiprocessing
import random
import resource
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.fuzz_scans import SCANS, read_scan, scan_files
from benchmarks.fuzz_sky import SKY, good, measurement_set_case, read_measured
from benchmarks.fuzz_tomography import TOMOGRAPHY

SECONDS, MEGABYTES = 10, 1000
EXTREMES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\xff" * 8)
VALUES: tuple[Any, ...] = (
    None,
    -1,
    0,
    10**9,
    1e300,
    float("nan"),
    "01",
    "",
    True,
    [],
    ["fast"],
    {},
    [[[]]],
    [0.2, 0.1],
)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One to eight changes; half of them in the first kilobyte, where headers are."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        if not out:
            break
        place = rng.randrange(min(len(out), 1024) if rng.random() < 0.5 else len(out))
        match rng.randrange(6):
            case 0:
                out[place] ^= 1 << rng.randrange(8)
            case 1:
                out[place] = rng.randrange(256)
            case 2:
                new = rng.choice(EXTREMES)
                out[place : place + len(new)] = new
            case 3:
                del out[place : place + rng.randrange(1, 64)]
            case 4:
                out[place:place] = out[place : place + rng.randrange(1, 64)]
            case 5:
                del out[place:]
    return bytes(out)


def whole(kind: str) -> list[bytes]:
    """Good files of a format."""
    if kind in SKY:
        return good(kind)
    if kind in SCANS:
        return scan_files(kind)
    rng = np.random.default_rng(0)
    gray, colour = rng.integers(0, 256, (24, 20)).astype(np.uint8), rng.integers(0, 256, (24, 20, 3)).astype(np.uint8)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{kind}"
        for array in (gray, colour, gray.astype(np.uint16) * 257):
            _write(kind, path, array)
            found.append(path.read_bytes())
    return found


def _write(kind: str, path: Path, array: np.ndarray) -> None:
    if kind in TOMOGRAPHY:
        TOMOGRAPHY[kind][0](path, array)
    elif kind in ("png", "jpg", "webp"):
        from PIL import Image

        array = array if kind == "png" or array.dtype == np.uint8 else (array >> 8).astype(np.uint8)
        Image.fromarray(array).save(path)
    elif kind == "tif":
        import tifffile

        tifffile.imwrite(path, array, photometric="rgb" if array.ndim == 3 else "minisblack",
                         compression="zlib" if array.ndim == 3 else None)  # fmt: skip
    elif kind == "npy":
        np.save(path, array)
    elif kind == "fits":
        from astropy.io import fits

        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(array)]).writeto(path, overwrite=True)
    elif kind == "dcm":
        from pydicom.dataset import FileDataset, FileMetaDataset
        from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, CTImageStorage
        file = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        bits, colours = 8 * array.itemsize, 3 if array.ndim == 3 else 1
        file.Rows, file.Columns, file.BitsAllocated, file.BitsStored, file.HighBit = (
            *array.shape[:2],
            bits,
            bits,
            bits - 1,
        )
        file.SamplesPerPixel, file.PhotometricInterpretation = colours, "RGB" if colours == 3 else "MONOCHROME2"
        file.PlanarConfiguration, file.PixelRepresentation, file.RescaleSlope = 0, 0, "2"
        file.PixelData = array.tobytes()
        file.save_as(path, enforce_file_format=True)
    else:
        import h5py

        with h5py.File(path, "w") as file:
            values = np.atleast_3d(array).transpose(2, 0, 1).astype(np.float32)
            file.create_dataset("kspace", data=values.astype(np.complex64)[:, None], compression="gzip")
            file["reconstruction_rss"], file.attrs["max"] = values, float(values.max())


def weights(rng: random.Random) -> bytes:
    """A weight file with right hashes, in whose card or tensors something is wrong."""
    from safetensors.torch import save

    from denoisers import LoFiDenoiser
    from denoisers.weights import _card_hash, tensors_hash

    state = {k: v.contiguous() for k, v in LoFiDenoiser(None, preset="fast").state_dict().items()}
    card: dict[str, Any] = {"family": "lofi", "preset": "fast", "channels": 1, "sigma_range": [0.0, 0.2]}
    name = rng.choice(sorted(state))
    match rng.randrange(5):
        case 0:
            del state[name]
        case 1:
            state["odd"] = torch.zeros(2)
        case 2:
            state[name] = torch.zeros(rng.choice(((0,), (3,), (1, 2, 3))))
        case 3:
            state[name] = torch.full_like(state[name], float("nan"))
        case 4:
            card[rng.choice(("channels", "preset", "sigma_range", "complex"))] = rng.choice(VALUES)
    card["sha256"] = tensors_hash(state)
    card = json.loads(json.dumps(card))
    return save(state, {"card": json.dumps({**card, "card_sha256": _card_hash(card)})})


def checkpoint(rng: random.Random, wrong: bool = True) -> bytes:
    """A checkpoint of a training by recipe, in which a part is missing or wrong."""
    from pnp.train import DenoiseCrops, Trainer
    from pnp.train.recipes import RECIPES

    recipe = RECIPES["lofi-natural-gray-fast"].tiny()
    model = recipe.build()
    trainer = Trainer(model, DenoiseCrops([torch.rand(1, 16, 16)], crop=8, batch=1, sigmas=(0.1, 0.2)))
    state = trainer.state_dict() | {"recipe": recipe.describe(), "card": recipe.card(), "best": 0.0, "since": [0.0, 0]}
    if wrong:
        place = rng.choice([state, state["averaged"], state["model"], state["card"], state["optimizer"]])
        name = rng.choice(sorted(place))
        value = rng.choice((*VALUES, torch.zeros(3), torch.tensor(float("nan"))))
        place.update({name: value}) if rng.random() < 0.7 else place.pop(name)
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def read_weights(path: Path) -> None:
    """Load a file as a denoiser."""
    from denoisers import LoFiDenoiser

    LoFiDenoiser(str(path))


def read_checkpoint(path: Path) -> None:
    """Continue from a file, and export it."""
    from pnp.cli import main
    from pnp.train import DenoiseCrops, Trainer, load_checkpoint
    from pnp.train.recipes import RECIPES

    state = load_checkpoint(path)
    try:
        main(["export", str(path), "--to", str(path.with_suffix(".safetensors")), "--force", "--quiet"])
    except SystemExit as end:
        if end.code != 2:
            raise
    task = DenoiseCrops([torch.rand(1, 16, 16)], crop=8, batch=1, sigmas=(0.1, 0.2))
    Trainer(RECIPES["lofi-natural-gray-fast"].tiny().build(), task).load_state_dict(state)


def read_pictures(path: Path) -> None:
    """Read a file of images; of HDF5 the k-space, too."""
    from pnp.io import read_fastmri, read_images

    read_images(path)
    if path.suffix == ".h5":
        read_fastmri(path)


def cases(kind: str, seed: int) -> Callable[[int], bytes]:
    """The mutated file of a number."""
    if kind in ("safetensors", "pt"):
        make = weights if kind == "safetensors" else checkpoint
        files = [weights(random.Random(0))] if kind == "safetensors" else [checkpoint(random.Random(0), wrong=False)]
    else:
        make, files = None, whole(kind)

    def case(number: int) -> bytes:
        rng = random.Random(f"{kind} {seed} {number}")
        if kind == "ms":
            return measurement_set_case(files, rng, mutated)
        return make(rng) if make and number % 2 else mutated(rng.choice(files), rng)

    return case


FORMATS: dict[str, Callable[[Path], None]] = {
    **dict.fromkeys(("png", "tif", "jpg", "webp", "npy", "fits", "dcm", "h5"), read_pictures),
    **dict.fromkeys(SKY, read_measured),
    **dict.fromkeys(SCANS, read_scan),
    **{kind: read for kind, (_, read) in TOMOGRAPHY.items()},
    "safetensors": read_weights,
    "pt": read_checkpoint,
}


def attempt(read: Callable[[Path], None], path: Path) -> str:
    """What became of a file: ``read``, ``refused``, or what is wrong in capitals."""

    def late(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        read(path)
    except KeyboardInterrupt:
        return "HANG"
    except ValueError as error:  # one sentence
        return f"LINES {error}" if "\n" in str(error) else "refused"
    except BaseException as error:
        return f"{type(error).__name__.upper()} {error}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return "read"


def work(kind: str, first: int, mutations: int, seed: int, told: Any) -> None:
    """Read the files from number ``first`` on; tells each number before, and what it was after."""
    warnings.simplefilter("ignore")
    sys.stdout = sys.stderr = io.StringIO()
    torch.set_num_threads(1)
    case = cases(kind, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{kind}"
        for number in range(first, mutations):
            path.write_bytes(case(number))
            told.send((number, "begun", 0))
            before = _most_memory()
            end = attempt(FORMATS[kind], path)
            end = attempt(FORMATS[kind], path) if end == "HANG" else end  # it was others' work, maybe
            grown = (_most_memory() - before) // 1024
            told.send((number, f"MEMORY {grown} MB" if grown > MEGABYTES else end, grown))
    told.send((mutations, "done", 0))


def _most_memory() -> int:
    """Of this process and of readers that it starts, kB."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def fuzz(kind: str, mutations: int, seed: int = 0) -> tuple[dict[str, int], list[str]]:
    """How many mutated files of a format were read and refused, and what went wrong with the others."""
    counts, faults, number, last = {"read": 0, "refused": 0, "most MB": 0}, [], 0, -1
    context = multiprocessing.get_context("spawn")
    while number < mutations:
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(kind, number, mutations, seed, there))
        process.start()
        there.close()
        try:
            while number < mutations:
                number, end, grown = here.recv()
                last = number
                counts["most MB"] = max(counts["most MB"], grown)
                if end in counts:
                    counts[end] += 1
                elif end not in ("begun", "done"):
                    faults.append(f"{kind} {number}: {end}")
        except EOFError:  # the process is dead
            process.join()
            faults.append(f"{kind} {last}: DEAD, status {process.exitcode}")
            number = last + 1
        process.join()
    return counts, faults


def main() -> int:
    """A line for each format; status 1 where a file did harm."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--mutations", type=int, default=1000, help="files of each format (default: 1000)")
    p.add_argument("--formats", nargs="+", choices=FORMATS, default=[*FORMATS])
    p.add_argument("--seed", type=int, default=0)
    options = p.parse_args()
    harm = []
    print("| format | read | refused | most memory | harm |\n|---|---|---|---|---|")
    for kind in options.formats:
        counts, faults = fuzz(kind, options.mutations, options.seed)
        print(
            f"| {kind} | {counts['read']} | {counts['refused']} | {counts['most MB']} MB | {len(faults)} |", flush=True
        )
        harm += faults
    print(*harm, sep="\n")
    return int(bool(harm))


if __name__ == "__main__":
    sys.exit(main())
