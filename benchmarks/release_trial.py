"""What a stranger does first with an installed package, run by ``benchmarks.release`` in an environment of its own.

Needs nothing but the package and its dependencies: images through solvers of each field, the command line, and the
doctests of every module that is installed.
"""

import contextlib
import doctest
import importlib
import io
import os
import pkgutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import warnings
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

import denoisers
import operators
import pnp
from pnp.lensing import LognormalMaps

PACKAGES = (pnp, operators, denoisers)
OPTIONAL = {"astropy", "bm3d", "cufinufft", "deepinv", "h5py", "lightning", "matplotlib", "nibabel", "PIL", "pydicom",
            "pywt", "skimage", "tifffile", "torchkbnufft"}  # fmt: skip


def installed() -> str:
    """The three packages come from the environment, not from a tree; none of them is compiled."""
    site = Path(sysconfig.get_paths()["purelib"]).resolve()
    for package in PACKAGES:
        folder = Path(str(package.__file__)).resolve().parent
        assert folder.parent == site, f"{package.__name__} comes from {folder}"
        assert not [*folder.rglob("*.so"), *folder.rglob("*.pyd")]
        assert (folder / "py.typed").is_file()
    versions = (f"{name} {metadata.version(name)}" for name in ("torch", "numpy", "scipy", "finufft", "einops",
                                                               "safetensors", "tqdm"))  # fmt: skip
    return f"Python {sys.version.split()[0]}, {', '.join(versions)}"


def reconstructions() -> str:
    """One small problem of each field at its defaults, better than where it started."""
    camera = pnp.data.sample("camera")[..., 100:164, 180:244]
    angles = torch.linspace(0, torch.pi, 41)[:-1]
    kappa = next(iter(LognormalMaps(1, (64, 64), 0.29)))[None]
    kappa = kappa - kappa.mean()
    sky = camera**3
    mri = operators.MRI(operators.random_columns((64, 64), acceleration=2, seed=0))
    radio = operators.RadioInterferometry(operators.uv_coverage("meerkat"), (64, 64), cell=2.5)
    problems = {
        "photograph": (operators.Inpainting(operators.random_mask((64, 64), keep=0.3)), camera, 0.02),
        "CT": (operators.Radon(64, angles), camera, 0.5),
        "MRI": (mri, camera.to(torch.complex64), 0.02),
        "radio": (radio, sky, 0.02 * float(radio(sky).abs().square().mean().sqrt())),
        "lensing": (operators.KaiserSquires((64, 64)), kappa, operators.shape_noise_std(0.29, n_gal=30)),
    }
    said = []
    for name, (op, x, noise_std) in problems.items():
        y = operators.gaussian_noise(op(x), noise_std, seed=0)
        result = pnp.PnPADMM(op).solve(y)
        first = op.A_adjoint(y)
        scale = float((first.conj() * x).real.sum() / first.abs().square().sum())
        before, after = (float((image - x).norm() / x.norm()) for image in (scale * first, result.x))
        assert after < before, f"{name}: error {after:.3f}, of the adjoint image {before:.3f}"
        said.append(f"{name} {before:.2f} to {after:.2f}")
    return "relative errors, adjoint to answer: " + ", ".join(said)


def commands() -> str:
    """The command line as it was installed."""
    script = Path(sysconfig.get_path("scripts")) / "pnp"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as folder:
        camera = pnp.data.sample("camera")[0, 0, 100:164, 180:244]
        mask = operators.random_mask((64, 64), keep=0.5, seed=0)
        np.save(Path(folder) / "camera.npy", camera.numpy())
        np.savez(Path(folder) / "measured.npz", y=(camera * mask.squeeze()).numpy()[None], mask=mask.squeeze().numpy())
        (Path(folder) / "own.py").write_text("from operators import Identity\n\nop = Identity((6, 7))\n")
        lines = ("--version", "info", "info drunet-natural-gray-fast", "recipes", "reconstruct measured.npz --to x.npy",
                 "denoise camera.npy --sigma 25/255 --to clean.npy", "check own.py:op")  # fmt: skip
        for line in lines:
            subprocess.run([script, *line.split()], cwd=folder, env=environment, check=True, capture_output=True)
        subprocess.run([sys.executable, "-m", "pnp", "--version"], cwd=folder, env=environment, check=True,
                       capture_output=True)  # fmt: skip
        assert np.load(Path(folder) / "x.npy").shape[-2:] == (64, 64)
    return f"{len(lines) + 1} lines"


def doctests() -> str:
    """The examples of every installed module; those of modules that need an optional package are skipped."""
    tried = skipped = 0
    for package in PACKAGES:
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if found.name.rpartition(".")[2] == "__main__":
                continue
            module = importlib.import_module(found.name)
            for test in doctest.DocTestFinder(exclude_empty=True).find(module):
                said = io.StringIO()
                runner = doctest.DocTestRunner(verbose=False)
                with contextlib.redirect_stdout(said):
                    outcome = runner.run(test, out=said.write)
                if not outcome.failed:
                    tried += outcome.attempted
                elif "ImportError" in said.getvalue() or any(
                    f"No module named '{p}" in said.getvalue() for p in OPTIONAL
                ):
                    skipped += 1
                else:
                    raise AssertionError(said.getvalue())
    return f"{tried} lines of examples; {skipped} examples need optional packages"


def main() -> None:
    """Run all; the first that fails ends it."""
    warnings.filterwarnings("error", category=DeprecationWarning, module=r"(pnp|operators|denoisers)\b")
    for part in (installed, reconstructions, commands, doctests):
        start = time.perf_counter()
        print(f"{part.__name__}: {part()} ({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
