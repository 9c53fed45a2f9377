"""Recipes without a truth: measured files, fixed measurements, bits after kill -9, shares of a batch."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from denoisers.weights import load_weights
from operators import Identity, Inpainting, Radon, gaussian_noise, random_mask
from pnp import PnPADMM, Reconstructor
from pnp.io import Measurement
from pnp.likelihood import Gaussian
from pnp.train import SURE, SelfSupervised, Splitting, Trainer, Unrolled, load_checkpoint, train
from pnp.train.recipes import RECIPES, DataRecipe

from .training import draw_pictures

TINY: DataRecipe = RECIPES["mri-ssdu"].tiny()  # pyright: ignore[reportAssignmentType]


@pytest.fixture
def folder(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    return draw_pictures(pictures)


def test_each_image_is_measured_once(folder):
    images = TINY.read(folder)
    first, again = (TINY.task(images) for _ in range(2))
    assert isinstance(first, SelfSupervised) and isinstance(again, SelfSupervised)
    for (y, its), (other, theirs) in zip(first.measurements, again.measurements):
        assert torch.equal(y, other) and torch.equal(its.op.get_buffer("mask"), theirs.op.get_buffer("mask"))
    masks = [its.op.get_buffer("mask") for _, its in first.measurements]
    assert not torch.equal(masks[0], masks[1])
    (given, truth, _) = next(iter(TINY.examples(images)))
    assert truth.shape == (1, 1, 32, 32) and given[1][0].out_shape == (1, 32, 32)


def test_a_folder_of_measurements_is_learned_from(tmp_path):
    op = Radon(32, torch.arange(60) * (torch.pi / 60))
    for i in range(2):
        y = gaussian_noise(op.A(torch.rand(1, 1, 32, 32)), 0.5, seed=i)
        np.savez(tmp_path / f"{i}.npz", y=y[0, 0].numpy(), angles=op.angles.numpy(), size=32, noise_std=0.5)
    recipe = RECIPES["ct-noise2inverse"].tiny()
    found = recipe.read(tmp_path)
    assert len(found) == 2 and all(isinstance(m, Measurement) for m in found)
    weights = train(recipe, tmp_path, tmp_path / "out", quiet=True)
    model = recipe.build()
    again = Reconstructor.load(weights, model.op, model.network)  # pyright: ignore[reportArgumentType, reportAttributeAccessIssue]
    assert again(found[0].y).shape == (1, 1, 32, 32)
    with pytest.raises(ValueError, match="no truth"):
        train(recipe, tmp_path, tmp_path / "other", valid=tmp_path, quiet=True)


CHILD = """
import os, signal, sys
from dataclasses import replace
import torch
torch.set_num_threads(1)
from pnp.train import by_recipe
from pnp.train.recipes import RECIPES
keep, count = by_recipe.save_checkpoint, []

def killed(path, state):
    keep(path, state)
    count.append(path)
    if len(count) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

by_recipe.save_checkpoint = killed
by_recipe.train(replace(RECIPES["mri-ssdu"].tiny(), steps=4), sys.argv[1], sys.argv[2], save_every=1, quiet=True)
"""


def test_a_killed_training_ends_with_the_same_bits(folder, tmp_path):
    recipe = replace(TINY, steps=4)
    command = [sys.executable, "-c", CHILD, str(folder), str(tmp_path / "killed")]
    assert subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}).returncode == -signal.SIGKILL
    assert load_checkpoint(tmp_path / "killed" / f"{recipe.name}.pt")["step"] == 2
    train(recipe, folder, tmp_path / "killed", resume=True, save_every=1, quiet=True)
    train(recipe, folder, tmp_path / "whole", save_every=1, quiet=True)
    ends = [load_checkpoint(tmp_path / name / f"{recipe.name}.pt")["averaged"] for name in ("killed", "whole")]
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


@pytest.mark.slow
def test_skies_in_fits_are_images_and_measurements_of_another_field_are_refused(tmp_path):
    fits = pytest.importorskip("astropy.io.fits")
    sky = fits.PrimaryHDU(torch.rand(40, 40).numpy(), fits.Header({"BUNIT": "JY/BEAM", "CDELT2": 1e-4}))
    sky.writeto(tmp_path / "sky.fits")
    (found,) = RECIPES["radio-split"].tiny().read(tmp_path)
    assert isinstance(found, torch.Tensor) and found.shape == (1, 32, 32)
    op = Radon(32, torch.arange(60) * (torch.pi / 60))
    y = op.A(torch.rand(1, 1, 32, 32))
    (tmp_path / "scans").mkdir()
    np.savez(tmp_path / "scans" / "0.npz", y=y[0, 0].numpy(), angles=op.angles.numpy(), size=32, noise_std=0.5)
    with pytest.raises(ValueError, match="mri-ssdu.* is for measurements of mri, these are of ct"):
        TINY.read(tmp_path / "scans")


def test_one_measurement_of_each_image_makes_no_halves():
    op = Radon(32, torch.arange(60) * (torch.pi / 60))
    one = Measurement(op.A(torch.rand(1, 1, 32, 32)), lambda: op, {})  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="two measurements of each image"):
        RECIPES["shear-split"].tiny().task([one])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ct-recorrupted", "shear-split"])
def test_two_processes_learn_the_same_from_data(name, folder, tmp_path):
    pytest.importorskip("lightning", reason="needs lightning: pip install 'pnp-imaging[train]'")
    states = []
    for devices in ("1", "2"):
        out = tmp_path / devices
        command = [sys.executable, "-m", "pnp", "train", name, "--tiny", "--batch", "4", "--precision", "64-true"]
        command += ["--accelerator", "cpu", "--devices", devices, "--threads", "1", "--out", str(out)]
        command += ["--data", str(folder)] if name != "shear-split" else []
        subprocess.run(command, check=True, capture_output=True)
        states.append(load_weights(str(out / f"{name}-tiny-v1.safetensors"), family="reconstructor")[0])
    assert states[0].keys() == states[1].keys()
    assert all(torch.allclose(v, states[1][k], atol=1e-9) for k, v in states[0].items())


def measurements(count: int):
    op = Inpainting(random_mask((16, 16), 0.7))
    likelihood = Gaussian(op, 0.1)
    clean = op.A(torch.rand(count, 1, 16, 16))
    return [(torch.where(op.measured, gaussian_noise(clean, 0.1), clean), likelihood)]


def test_shares_of_a_batch_learn_the_same():
    found = []
    for shares in (1, 2):
        torch.manual_seed(0)
        task = SelfSupervised(measurements(5), Splitting(), batch=4, check=False)
        model = Reconstructor(task.measurements[0][1].measured, nn.Conv2d(1, 1, 3, padding=1))
        trainer = Trainer(model, task, average=0.0, accumulate=shares)
        list(trainer.run(3))
        found.append(model.network.weight.detach().clone())  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
    assert torch.allclose(*found, atol=1e-6)


def test_losses_compose_with_unrolled_solvers():
    torch.manual_seed(0)
    found = measurements(2)
    task = SelfSupervised(found, Splitting(), batch=2, check=False)
    model = Unrolled(PnPADMM(found[0][1], lambda x, sigma: x / (1 + sigma.reshape(-1, 1, 1, 1))), 3)
    task.loss(model, task.draw(0, range(2))).backward()
    assert model.log_sigma.grad is not None and model.log_rho.grad is not None
    assert float(model.log_rho.grad.abs().max()) > 0


def test_a_linear_filter_learned_by_sure_is_that_learned_with_the_truth():
    """Least squares in closed form: the weights of a 3 x 3 filter from SURE's quadratic and from the supervised one."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(64, 1, 16, 16, generator=g, dtype=torch.float64).cumsum(-1).cumsum(-2) / 8
    y = x + 0.5 * torch.randn(x.shape, generator=g, dtype=torch.float64)
    like = Gaussian(Identity((16, 16)), 0.5)

    def best(loss) -> torch.Tensor:
        """The minimiser of a quadratic of nine weights, by one Newton step."""
        w = torch.zeros(9, dtype=torch.float64, requires_grad=True)
        slope = torch.autograd.functional.jacobian(loss, w)
        bend = torch.autograd.functional.hessian(loss, w)
        return -torch.linalg.solve(bend, slope)

    def filtered(w, z):
        return torch.conv2d(torch.nn.functional.pad(z, (1, 1, 1, 1), mode="circular"), w.reshape(1, 1, 3, 3))

    sure = best(lambda w: SURE()(lambda z, _: filtered(w, z), y, like, range(64)).mean())
    truth = best(lambda w: (filtered(w, y) - x).square().mean() / 0.25)
    assert (sure - truth).abs().max() < 0.02 and float(truth.abs().max()) > 0.1
