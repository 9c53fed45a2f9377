"""Files of images, weights, checkpoints; trainings; the command line."""

import contextlib
import io
import math
import os
import signal
import struct
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from denoisers import LevelMap, LoFiDenoiser
from denoisers.weights import save_weights
from operators import Identity, LinearOperator
from pnp import PnPADMM, Reconstructor, State, Stop
from pnp.cli import main
from pnp.train import DenoiseCrops, ImageFolder, load_checkpoint, read_images, save_checkpoint, train
from pnp.train.recipes import RECIPES

from .fault import fault

FAST = RECIPES["lofi-natural-gray-fast"].tiny()


def _words(function: Any, *arguments: Any, **options: Any) -> str:
    """What an error says, in one line; ``accepted`` where there is none."""
    try:
        function(*arguments, **options)
    except SystemExit as end:
        return f"status {end.code}"
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return "accepted"


def _refused(words: str, *parts: str) -> tuple[str, bool]:
    """The words, cut short, and whether they are a clear error that has these parts."""
    clear = words.startswith(("ValueError", "WeightFileError", "FileExistsError", "OSError", "IsADirectoryError"))
    return words[:90].replace("|", "/"), clear and all(part in words for part in parts)


def _command(*arguments: Any) -> tuple[str, str, int]:
    """What a command prints, and says, and its status."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(a) for a in arguments])
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
    return out.getvalue().strip(), err.getvalue().strip(), status


@contextlib.contextmanager
def _folder():
    """A folder of its own, in which ``images`` holds three pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "images").mkdir()
        for i in range(3):
            np.save(
                folder / "images" / f"{i}.npy", np.random.default_rng(i).integers(0, 256, (24, 24)).astype(np.uint8)
            )
        yield folder


@fault("A13", "enhanced DICOM, slope 2 and 5 by frame", before="[1000, 1000]", right="[1900, 4900]")
def _frames() -> tuple[str, bool]:
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.sequence import Sequence
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    meta, groups = FileMetaDataset(), []
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
    meta.MediaStorageSOPInstanceUID = CTImageStorage
    for slope in (2, 5):
        units, group = Dataset(), Dataset()
        units.RescaleSlope, units.RescaleIntercept, units.RescaleType = str(slope), "-100", "US"
        group.PixelValueTransformationSequence = Sequence([units])
        groups.append(group)
    with _folder() as folder:
        file = FileDataset(str(folder / "a.dcm"), {}, file_meta=meta, preamble=b"\0" * 128)
        file.Rows, file.Columns, file.BitsAllocated, file.BitsStored, file.HighBit = 2, 2, 16, 16, 15
        file.SamplesPerPixel, file.PhotometricInterpretation, file.PixelRepresentation = 1, "MONOCHROME2", 0
        file.NumberOfFrames, file.PerFrameFunctionalGroupsSequence = 2, Sequence(groups)
        file.PixelData = np.full((2, 2, 2), 1000, np.uint16).tobytes()
        file.save_as(folder / "a.dcm", enforce_file_format=True)
        found = [int(x[0, 0, 0]) for x in read_images(folder / "a.dcm")]
    return str(found), found == [1900, 4900]


@fault(
    "A13", "a fastMRI test file", before="object 'reconstruction_esc' doesn't exist", right="k-space without reference"
)
def _fastmri() -> tuple[str, bool]:
    import h5py

    from pnp.train import read_fastmri

    with _folder() as folder:
        kspace = np.ones((2, 3, 4, 4), np.complex64)
        with h5py.File(folder / "a.h5", "w") as file:
            file["kspace"], file["mask"] = kspace, np.array([0, 1, 1, 0])
        found = read_fastmri(folder / "a.h5")
    return f"{len(found)} slices, reference {found[0].target}", len(found) == 2 and found[0].target is None


@fault("B11", "folder of .fits.gz, .fits.fz", before="no images", right="both")
def _compressed() -> tuple[str, bool]:
    from astropy.io import fits

    a = np.arange(20, dtype=np.int32).reshape(4, 5)
    with _folder() as folder:
        fits.writeto(folder / "a.fits.gz", a)
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(a)]).writeto(folder / "b.fits.fz")
        found = ImageFolder(folder)
    return ", ".join(found.names), all(np.array_equal(x[0].numpy(), a) for x in found.images) and len(found) == 2


@fault("F1", "a training on uint16 npy", before="trains without a word", right="refused, --normalise named")
def _words_of_16_bits() -> tuple[str, bool]:
    with _folder() as folder:
        (folder / "data").mkdir()
        np.save(folder / "data" / "a.npy", np.random.default_rng(0).integers(0, 65536, (24, 24)).astype(np.uint16))
        words = _words(train, FAST, folder / "data", folder / "out", quiet=True)
    return _refused(words, "a.npy", "normalise")


def _tiff(array: np.ndarray, **options: Any) -> list[np.ndarray]:
    import tifffile

    with _folder() as folder:
        tifffile.imwrite(folder / "a.tif", array, **options)
        return [x.numpy() for x in read_images(folder / "a.tif", None)]


@fault("F2", "uint32 TIFF of 3e9", before="-1.29e9", right="3e9")
def _uint32() -> tuple[str, bool]:
    value = float(_tiff(np.full((4, 5), 3_000_000_000, np.uint32))[0].max())
    return f"{value:g}", value == 3e9


@fault("F2", "TIFF of four pages", before="1 image", right="4")
def _pages() -> tuple[str, bool]:
    count = len(_tiff(np.zeros((4, 5, 6), np.uint16), photometric="minisblack"))
    return str(count), count == 4


@fault("F2", "16-bit TIFF, WhiteIsZero, a quarter", before="0.25", right="0.75")
def _white() -> tuple[str, bool]:
    value = float(_tiff(np.full((4, 5), 16384, np.uint16), photometric="miniswhite")[0].max())
    return f"{value:.5f}", value == np.float32(65535 - 16384) / np.float32(65535)


@fault("F2", "float64 TIFF", before="refused", right="its values")
def _double() -> tuple[str, bool]:
    value = float(_tiff(np.full((4, 5), 0.1))[0].max())
    return f"{value:.9g}", value == np.float32(0.1)


@fault("F2", "colour PNG of 16 bits", before="cut to 8 bits", right="all 16")
def _deep_colours() -> tuple[str, bool]:
    a = np.random.default_rng(0).integers(0, 65536, (4, 5, 3))
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in a)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 5, 4, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts]
    with _folder() as folder:
        (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
        found = read_images(folder / "a.png", 3)[0].numpy()
    error = float(np.abs(found * 65535 - a.transpose(2, 0, 1)).max())
    return f"error {error:.2g} of 65535", error < 0.01


@fault("F2", "EXIF orientation 6 of a 4 x 6 JPEG", before="4 x 6", right="6 x 4")
def _orientation() -> tuple[str, bool]:
    from PIL import Image

    exif = Image.Exif()
    exif[274] = 6
    with _folder() as folder:
        Image.new("L", (6, 4)).save(folder / "a.jpg", exif=exif)
        shape = tuple(read_images(folder / "a.jpg")[0].shape[1:])
    return str(shape), shape == (6, 4)


@fault("F2", "npy of (H, W, 1) and (7, H, W)", before="refused", right="1 and 7 images")
def _stacks() -> tuple[str, bool]:
    with _folder() as folder:
        np.save(folder / "a.npy", np.zeros((5, 6, 1)))
        np.save(folder / "b.npy", np.zeros((7, 5, 6)))
        found = [len(read_images(folder / f"{name}.npy")) for name in "ab"]
    return str(found), found == [1, 7]


@fault("F2", "macOS' ._x.png in a folder", before="stops the training", right="left out")
def _hidden() -> tuple[str, bool]:
    with _folder() as folder:
        (folder / "images" / "._x.png").write_bytes(b"macOS")
        words = _words(ImageFolder, folder / "images")
    return words, words == "accepted"


@fault("F3", "SIGTERM in a training", before="no checkpoint", right="a checkpoint after the step, status 143")
def _terminated() -> tuple[str, bool]:
    draw = DenoiseCrops.draw

    def stopped(self: Any, step: int, samples: Any) -> Any:
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return draw(self, step, samples)

    with _folder() as folder:
        before = signal.signal(signal.SIGTERM, lambda *_: None)  # were it not caught, this process would end
        DenoiseCrops.draw = stopped  # pyright: ignore
        try:
            command = ["train", "lofi-natural-gray-fast", "--tiny", "--data", folder / "images", "--out", folder, "-q"]
            status = _command(*command)[2]
        finally:
            DenoiseCrops.draw = draw
            signal.signal(signal.SIGTERM, before)
        step = load_checkpoint(folder / f"{FAST.name}.pt")["step"]
    return f"step {step}, status {status}", (step, status) == (3, 143)


@fault("F4", "Reconstructor.save on a file of others", before="replaced", right="refused, nothing left behind")
def _replaced() -> tuple[str, bool]:
    with _folder() as folder:
        for name in ("a.txt", "a.partial"):
            (folder / name).write_text("mine")
        model = Reconstructor(Identity((8, 8)), nn.Conv2d(1, 1, 3, padding=1))
        words = [_words(model.save, folder / name) for name in ("a.txt", "images")]
        kept = (folder / "a.txt").read_text() == (folder / "a.partial").read_text() == "mine"
        whole = kept and sorted(p.name for p in folder.iterdir()) == ["a.partial", "a.txt", "images"]
    seen, clear = _refused(words[0], "overwrite=True")
    return seen, clear and whole and words[1] != "accepted"


@fault("F5", "a checkpoint on a full disk", before="traceback without the file", right="file and free space named")
def _full() -> tuple[str, bool]:
    save = torch.save

    def full(state: Any, file: Any) -> None:
        raise OSError(28, "No space left on device")

    with _folder() as folder:
        try:
            torch.save = full
            words = _words(save_checkpoint, folder / "a.pt", {"step": 1})
        finally:
            torch.save = save
    return words.replace(str(folder), "..."), "a.pt" in words and "bytes are free" in words


@fault("F6", "--resume after an image was changed, same name and size", before="continues", right="refused")
def _changed() -> tuple[str, bool]:
    with _folder() as folder:
        train(FAST, folder / "images", folder / "out", quiet=True)
        np.save(folder / "images" / "1.npy", 255 - np.load(folder / "images" / "1.npy"))
        words = _words(
            train, replace(FAST, steps=6), folder / "images", folder / "out", resume=True, quiet=True
        )  # fmt: skip
    return _refused(words, "other images")


@fault("F7", "DenoiseCrops(sigmas=(5, 50)), and reversed", before="accepted", right="refused")
def _levels() -> tuple[str, bool]:
    images = [torch.rand(1, 16, 16)]
    words = [_words(DenoiseCrops, images, crop=8, batch=1, sigmas=s) for s in ((5, 50), (0.2, 0.1))]
    return _refused(words[0], "gray levels")[0], all(_refused(w, "sigmas")[1] for w in words)


@fault("F8", "Stop(max_iter=nan), 2.5", before="never ends, accepted", right="refused")
def _stop() -> tuple[str, bool]:
    words = [_words(Stop, max_iter=value) for value in (math.nan, 2.5, True, -1)]
    return words[0], all(_refused(w, "max_iter")[1] for w in words)


@fault("F9", "checkpoints without parts, with no weights", before="KeyError, a file without weights", right="one error")
def _parts() -> tuple[str, bool]:
    with _folder() as folder:
        train(FAST, folder / "images", folder, quiet=True)
        file = folder / f"{FAST.name}.pt"
        state = load_checkpoint(file)
        name = next(iter(state["averaged"]))
        wrong = [{k: v for k, v in state.items() if k != part} for part in ("averaged", "card", "step")]
        wrong += [
            state | {"averaged": {}},
            state | {"averaged": state["averaged"] | {name: math.nan * state["averaged"][name]}},
        ]
        said = []
        for number, other in enumerate(wrong):
            save_checkpoint(file, other)
            _, err, status = _command("export", file, "--to", folder / f"{number}.safetensors")
            said.append((status, len(err.splitlines())))
    return str(said[0]), said == [(2, 1)] * 5


def _hostile(state: dict[str, torch.Tensor], card: dict[str, Any]) -> str:
    """What loading weights with right hashes says."""
    import json

    from safetensors.torch import save_file

    from denoisers.weights import _card_hash, tensors_hash

    card = json.loads(json.dumps(card | {"sha256": tensors_hash(state)}))
    with _folder() as folder:
        told = json.dumps(card | {"card_sha256": _card_hash(card)})
        save_file({k: v.contiguous() for k, v in state.items()}, folder / "a.safetensors", {"card": told})
        return _words(LoFiDenoiser, str(folder / "a.safetensors"))


@fault(
    "F10", "weight files with wrong content", before="RuntimeError, TypeError, 9.4 TB, loads", right="one error each"
)
def _content() -> tuple[str, bool]:
    state = dict(LoFiDenoiser(None, preset="fast").state_dict())
    card, name = {"family": "lofi", "preset": "fast", "channels": 1}, next(iter(state))
    words = [
        _hostile({k: v for k, v in state.items() if k != name}, card),
        _hostile(state | {name: torch.zeros(3)}, card),
        _hostile(state | {name: state[name] * math.nan}, card),
        *(_hostile(state, card | told) for told in ({"preset": ["fast"]}, {"channels": 10**9}, {"sigma_range": "01"})),
    ]
    return words[4][:90], all(_refused(w, "weights")[1] for w in words)


@fault("F11", "a state of two samples for one, or with NaN", before="accepted", right="refused")
def _states() -> tuple[str, bool]:
    solver = PnPADMM(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1, stop=Stop(max_iter=3))
    y = torch.ones(1, 1, 4, 4)
    kept = solver.solve(y).state.to_dict()

    def again(change: Any) -> None:
        values = {k: change(v) if isinstance(v, torch.Tensor) else v for k, v in kept["values"].items()}
        solver.solve(y, state=State.from_dict({**kept, "values": values}))

    words = [_words(again, lambda v: v.repeat(2, 1, 1, 1)), _words(again, lambda v: v * math.nan)]
    return words[0], all(_refused(w)[1] for w in words)


@fault("F12", "save_weights of bfloat16", before="refused", right="written and read")
def _half() -> tuple[str, bool]:
    with _folder() as folder:
        state = {k: v.bfloat16() for k, v in LoFiDenoiser(None, preset="fast").state_dict().items()}
        path = folder / "a.safetensors"
        words = _words(save_weights, path, state, {"family": "lofi", "preset": "fast", "channels": 1})
        words = words if words != "accepted" else _words(LoFiDenoiser, str(path))
    return words, words == "accepted"


@fault("F13", "an operator that returns NaN", before="maps everything to zero", right="gives NaN")
def _nan() -> tuple[str, bool]:
    class Bad(LinearOperator):
        in_shape = (1, 8, 8)

        def A(self, x: torch.Tensor) -> torch.Tensor:
            return x * math.nan

    words = _words(PnPADMM(Bad(), lambda x, sigma: x, noise_std=0.1).solve, torch.rand(1, 1, 8, 8))
    return _refused(words, "NaN")


@fault("F13", "a checkpoint that holds code", before="advises weights_only=False", right="says what it is")
def _code() -> tuple[str, bool]:
    with _folder() as folder:
        torch.save({"a": print}, folder / "a.pt")
        words = _words(load_checkpoint, folder / "a.pt")
    return words.replace(str(folder), "..."), "weights_only" not in words and _refused(words, "no checkpoint")[1]


@fault("F14", "save and load of an own LevelMap", before="missing", right="the same answer, with its card")
def _own() -> tuple[str, bool]:
    with _folder() as folder:
        denoiser, path = (
            LevelMap(nn.Conv2d(2, 1, 3, padding=1), sigma_range=(0.0, 0.1)).eval(),
            folder / "a.safetensors",
        )
        denoiser.save(path, {"data": "mine"})
        again = LevelMap.load(path, nn.Conv2d(2, 1, 3, padding=1))
    x = torch.rand(1, 1, 8, 8)
    same = torch.equal(again(x, 0.1), denoiser(x, 0.1)) and again.card["data"] == "mine"
    return f"same answer: {same}", same


@fault("F", "pnp --version, denoise, info, recipes, evaluate", before="missing", right="there, results alone printed")
def _line() -> tuple[str, bool]:
    with _folder() as folder:
        image = folder / "images" / "0.npy"
        runs = [
            _command("--version"),
            _command("denoise", image, "--sigma", "25/255", "--to", folder / "a.npy"),
            _command("info", image),
            _command("recipes"),
            _command("evaluate", "lofi-natural-gray-fast", "--data", folder / "images", "--sigma", "0.1", "--quiet"),
        ]
    fine = all(status == 0 and out and not err for out, err, status in runs)
    return ", ".join(str(status) for *_, status in runs), fine
