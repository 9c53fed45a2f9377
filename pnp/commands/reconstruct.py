"""Reconstruct images from measured data, of one file or of many; prints the files that it writes.

Data are files of measurements (`pnp info FILE` tells what is in one), npz files with `y` and what was measured by, or
bare arrays and images where --operator names the operator. Arrays beside y: `kernel` (blur); `angles` in radians and
`size` (tomography); `uv` in wavelengths, `cell` in arcsec and `size` (radio); `mask` (pixels, or complex y (coils, H,
W): MRI, where zeros tell it if there is none, and `maps` are estimated).

One file goes to a file, --out image.nii; many, or folders of them, to a folder, --out answers, each with a JSON beside
it. The same command continues after a stop. CONFIG.yaml or CONFIG.toml holds the same options by name, with `files`.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from denoisers.weights.writing import refuse_existing, refuse_unwritable

from ..io.opening import located
from ..io.provenance import provenance
from ..io.writing import WRITTEN, ending_of, write_images
from ..many import Job, reconstruct_many
from ..many.answers import images_of, write_answer
from ..many.corrections import CORRECTIONS
from ..many.inputs import measured_files
from ..many.job import Bench
from ..many.named import METHODS
from ..replay import saved_card
from .common import above_zero, level, progress, put, say
from .settings import read_settings
from .values import as_pixel, from_pairs

__all__ = ["options", "run"]


def strength(text: Any) -> float | str:
    """A number above zero, or ``auto``."""
    if text == "auto":
        return "auto"
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, or auto, got {text!r}")
    return value


def options(p: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand; those of a file of settings come in where they are not given."""
    p.add_argument("data", nargs="+", metavar="FILE", help="measured data, folders of them, or one CONFIG.yaml")
    p.add_argument("--out", "--to", dest="out", help="file to write, .npz (complex, too), .npy, .nii.gz, .dcm, .fits, "
                   ".tif, .png ...; or folder, for many files")  # fmt: skip
    p.add_argument("--reader", nargs="+", metavar="KEY=VALUE", help="options of the format's reader, slices=0:4")
    p.add_argument("--operator", nargs="+", metavar="NAME, KEY=VALUE", help="operator of bare data, Radon, "
                   "FILE.py:NAME; arguments, image_shape=256 angles=@a.npy, in place of the file's")  # fmt: skip
    p.add_argument("--correct", nargs="+", metavar="NAME", choices=tuple(CORRECTIONS), help="correct the data first: "
                   "centre (of rotation), stripes; whiten (coils); outliers, weights (of visibilities)")  # fmt: skip
    p.add_argument(
        "--prior", help="a field (natural, ct, mri, radio), shipped weights or a file (default: the field's)"
    )
    p.add_argument("--method", choices=tuple(METHODS), metavar="METHOD", help=f"{', '.join(METHODS)} (default: admm)")
    p.add_argument("--strength", type=strength, help="of the prior, or auto: chosen from the data (default: 1)")
    p.add_argument("--noise", type=level, help="noise standard deviation in the units of y (default: the file's, or "
                   "estimated)")  # fmt: skip
    p.add_argument("--tolerance", type=level, help="relative residual at which a solve ends")
    p.add_argument("--iterations", type=above_zero, help="at most (default: 200)")
    p.add_argument("--device", help="cpu, cuda ... (default: cpu)")
    p.add_argument("--pixel", type=as_pixel, help="side of a pixel, 0.5mm, for scale bars and headers (default: the "
                   "operator's, where it has one)")  # fmt: skip
    p.add_argument("--force", action="store_true", help="replace files that are there")
    one = p.add_argument_group("one file")
    one.add_argument("--save", metavar="RESULT", help="write the solve, for pnp view, pnp.replay and pnp.compare")
    one.add_argument("--checkpoint", metavar="FILE", help="keep the solve there every 10 iterations, and go on from it")
    one.add_argument("--uncertainty", metavar="METHOD", choices=("bootstrap", "sampling", "jacobian", "laplace"),
                     help="write deviations, too, OUT-std: bootstrap (the default of Python, a solve for each draw), "
                     "sampling, jacobian, laplace (these two cost much more)")  # fmt: skip
    one.add_argument("--draws", type=above_zero, help="of --uncertainty (default: 25)")
    many = p.add_argument_group("many files")
    many.add_argument("--format", metavar="ENDING", help="of the answers (default: .npz)")
    many.add_argument("--workers", type=above_zero, help="processes (default: 1)")
    many.add_argument("--cluster", nargs="?", const="auto", help="Ray's workers: an address, local starts Ray here")
    many.add_argument("--retries", type=int, help="of files whose process dies (default: 2)")


def _words(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a word, got {value!r}")
    return value


def _several(value: Any) -> list[str]:
    return [_words(v) for v in (value if isinstance(value, list) else [value])]


def _named(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected NAME: VALUE, got {value!r}")
    return value


def _whole(value: Any, least: int = 1) -> int:
    if type(value) is not int or value < least:
        raise ValueError(f"expected a whole number >= {least}, got {value!r}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError(f"expected a number, got {value!r}")
    return level(str(value))


def _operator(value: Any) -> dict[str, Any]:
    return {"name": value} if isinstance(value, str) else _named(value)


def _method(value: Any) -> str:
    if value not in METHODS:
        raise ValueError(f"expected one of {', '.join(METHODS)}, got {value!r}")
    return value


_SETTINGS: dict[str, Any] = {
    "files": _several, "out": _words, "reader": _named, "operator": _operator, "prior": _words, "method": _method,
    "strength": strength, "noise": _number, "tolerance": _number, "iterations": _whole, "device": _words,
    "pixel": lambda value: as_pixel(str(value)), "format": _words, "workers": _whole, "cluster": _words,
    "correct": _several, "draws": _whole, "retries": lambda value: _whole(value, 0), "save": _words,
    "checkpoint": _words, "uncertainty": _words,
}  # fmt: skip


def run(given: argparse.Namespace) -> int:
    """Reconstruct, say how it ended, write; status 1 where some of many files failed."""
    given.reader = from_pairs("--reader", given.reader)
    words = given.operator or ()
    names = [w for w in words if "=" not in w]
    if len(names) > 1:
        raise ValueError(f"--operator: expected one name, got {', '.join(names)}")
    given.operator = {
        **({"name": names[0]} if names else {}),
        **from_pairs("--operator", [w for w in words if "=" in w]),
    }
    given.data = [str(located(name)) for name in given.data]
    first = Path(given.data[0])
    if len(given.data) == 1 and first.suffix.lower() in (".yaml", ".yml", ".toml"):
        _merge(given, first)
    for name in ("out", "save", "checkpoint"):
        if (value := getattr(given, name)) is not None:
            setattr(given, name, _named_place(value))
    if given.out is None:
        raise ValueError("--out: missing, a file for one answer, a folder for many")
    if given.draws is not None and (given.uncertainty is None or given.draws < 2):
        raise ValueError("--draws: expected 2 or more, of --uncertainty METHOD")
    paths, root = measured_files(given.data)
    stop = {"tolerance": given.tolerance, "max_iter": given.iterations}
    stop = {k: v for k, v in stop.items() if v is not None} or None
    arguments = dict(given.operator)
    name = arguments.pop("name", None)
    method = given.method or "admm"
    job = Job(
        reader=given.reader, operator=name, arguments=arguments, corrections=tuple(given.correct or ()),
        prior=given.prior, method=method,
        strength=given.strength or 1.0, noise_std=given.noise, device=given.device or "cpu",
        stop=stop,
    )  # fmt: skip
    if len(paths) == 1 and root is None and ending_of(given.out):
        for option in ("format", "workers", "cluster", "retries"):
            if getattr(given, option) is not None:
                raise ValueError(f"--{option}: is for many files, --out FOLDER; {given.out} is one answer")
        return _one(given, job, paths[0])
    for option in ("save", "checkpoint", "uncertainty", "draws"):
        if getattr(given, option) is not None:
            raise ValueError(f"--{option}: is for one file, --out NAME.npz")
    if root is None and [str(p) for p in paths] == given.data and len(paths) == 1:
        _check_folder(given.out)
    if ending_of(given.out):
        raise ValueError(f"--out: {given.out} is a file's name, expected a folder for {len(paths)} files")
    found = reconstruct_many(
        paths, given.out, job, workers=given.workers or 1, cluster=given.cluster, root=root,
        ending=given.format or ".npz", pixel=given.pixel, retries=2 if given.retries is None else given.retries,
        overwrite=given.force, quiet=given.quiet,
    )  # fmt: skip
    for place in found.written:
        put(given, place, written=[str(place)])
    put(given, before=[str(p) for p in found.before], failed={str(k): v for k, v in found.failed.items()})
    say(given, found)
    if given.quiet and found.failed:
        print("\n".join(found.faults), file=sys.stderr)  # errors are not progress
    return 1 if found.failed else 0


def _named_place(text: str) -> str:
    """The name of a place with the user's folder for ``~``, which shells leave in --out=~/answers/."""
    return str(located(text)) + ("/" if text.endswith(("/", os.sep)) else "")


def _check_folder(out: str) -> None:
    """Raise where the answer of one file has a name with an ending that no format has, such as ``image.pgn``."""
    place = Path(out)
    if place.suffix and not place.is_dir() and not out.endswith(("/", os.sep)):
        raise ValueError(
            f"--out: {out}: expected a name that ends with one of {', '.join(sorted(WRITTEN))}; a folder's ends with /"
        )


def _merge(given: argparse.Namespace, path: Path) -> None:
    """Settings of a file where the command line has none; its names of files are relative to its folder."""
    found = read_settings(path, _SETTINGS)
    for name in ("out", "save", "checkpoint"):
        if name in found:
            found[name] = os.path.join(path.parent, _named_place(found[name]))
    for name, value in found.items():
        if name == "files":
            given.data = [str(path.parent / located(each)) for each in value]
        elif name in ("reader", "operator"):
            setattr(given, name, {**value, **(getattr(given, name) or {})})
        elif getattr(given, name) is None:
            setattr(given, name, value)
    if given.data == [str(path)]:
        raise ValueError(f"{path}: files: missing, the measured data")


def _one(given: argparse.Namespace, job: Job, path: Path) -> int:
    """One file to one file."""
    place = Path(given.out)
    beside = place.with_name(f"{place.name[: -len(ending_of(place))]}-std{ending_of(place)}")
    for target in (place, given.save, *([beside] if given.uncertainty else [])):
        if target is not None:
            _check_place(Path(target), path, given)
    if given.checkpoint is not None:
        refuse_unwritable(given.checkpoint)
        if (saved_card(given.checkpoint) or {}).get("told"):
            raise ValueError(
                f"--checkpoint: {given.checkpoint} is a solve that has ended, kept by --save; name another"
            )
    found, bench = job.read(path), Bench(job)
    if ending_of(place) in (".png", ".jpg", ".jpeg") and (count := bench.count(found)) > 1:  # before the solve
        raise ValueError(f"--out: {place}: a picture holds one image, {path.name} has {count}; take .npz, .nii or .tif")
    with progress(given, None) as callback:
        result = bench.solve(found, checkpoint=given.checkpoint, callback=callback)
    say(given, _in_options(str(result)))
    told = provenance(result, found.provenance)
    files = write_answer(place, result, told, found, pixel=given.pixel, overwrite=given.force)
    if given.save is not None:
        if given.force:
            Path(given.save).unlink(missing_ok=True)
        result.save(given.save)
        files.append(Path(given.save))
    if given.uncertainty is not None:
        assert result.source is not None
        files += _deviations(given, result, told, beside)
    if given.checkpoint is not None:
        Path(given.checkpoint).unlink(missing_ok=True)
    for file in files:
        put(given, file, files=[str(file)])
    put(given, report=json.loads(result.to_json()), provenance=told)
    return 0


def _in_options(words: str) -> str:
    """A report's advice in words of the command line."""
    words = words.replace("a larger max_iter, Stop(tolerance=..., max_iter=...)", "--iterations larger")
    return words.replace("operators.check(op)", "`pnp check`")


def _check_place(target: Path, data: Path, given: argparse.Namespace) -> None:
    """Raise before the solve where its answer could not be written, or would replace the data."""
    if target.resolve() == data.resolve():
        raise ValueError(f"--out: {target} is the measured data, which no answer replaces")
    refuse_unwritable(target)
    refuse_existing(target, overwrite=given.force)


def _deviations(given: argparse.Namespace, result: Any, told: dict[str, Any], place: Path) -> list[Path]:
    """Standard deviations of the pixels to a file of their own."""
    from ..analysis import uncertainty

    draws = given.draws or 25
    say(given, f"{draws} draws of {given.uncertainty} ...")
    found = uncertainty(result.source.solver, result.source.y, method=given.uncertainty, draws=draws)
    say(given, found)
    std = images_of(found.std.abs() if found.std.is_complex() else found.std)
    limits = (0.0, max(float(s.max()) for s in std)) if ending_of(place) in (".png", ".jpg", ".jpeg") else None
    told = {**told, "uncertainty": {k: str(v) for k, v in found.told.items()}}
    return write_images(place, std, overwrite=given.force, provenance=told, pixel=given.pixel, limits=limits)
