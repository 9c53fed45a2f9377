"""Training on a device: numbered samples, one read a step, checkpoints, scores."""

import copy

import pytest
import torch
from torch import nn

from denoisers import DRUNetDenoiser, LoFiDenoiser
from denoisers.weights import load_weights
from operators import Inpainting, gaussian_noise, random_mask
from pnp import Reconstructor, metrics
from pnp.passport import measure_passport
from pnp.train import DenoiseCrops, Drawn, Measured, Task, Trainer, train
from pnp.train.evaluation import score
from pnp.train.one_device import OneDevice

from ..operators.cases import random
from ..pnp.train.training import FAST, draw_pictures
from . import stand_in
from .close import DEVICE, assert_close, on

made_up = pytest.mark.skipif("stand-in" not in torch.cuda.get_device_name(), reason="the device is real")


class Line(Task):
    """Points of a line, drawn on the CPU."""

    def draw(self, step, samples):
        x = torch.stack([torch.randn(1, generator=g) for g in self.generators(step, samples)])
        return Drawn((x,), 2 * x + 1)


def images():
    return [(255 * torch.rand(1, 40, 44, generator=torch.Generator().manual_seed(k))).to(torch.uint8) for k in range(3)]


def test_a_training_is_that_of_the_cpu():
    found = []
    for device in ("cpu", DEVICE):
        torch.manual_seed(0)
        model = nn.Linear(1, 1).to(device)
        trainer = Trainer(model, Line(4, nn.functional.mse_loss), accumulate=2)
        found.append([*trainer.run(20)])
        assert model.weight.device.type == torch.device(device).type
    for a, b in zip(*found):
        assert a == pytest.approx(b, rel=1e-4)


def test_crops_are_those_of_the_cpu_with_noise_of_the_device():
    task, same = (DenoiseCrops(images(), crop=16, batch=6, sigmas=(0.02, 0.2), seed=3) for _ in range(2))
    same.onto(DEVICE)
    here, there = task.draw(5, range(6)), same.draw(5, range(6))
    assert_close(there.target, here.target)
    assert_close(there.given[1], here.given[1])
    noise = (there.given[0] - there.target).flatten(1).std(1) / there.given[1]
    assert float(noise.min()) > 0.8 and float(noise.max()) < 1.2
    parts = [same.draw(5, part).given[0] for part in (range(2), range(2, 6))]  # whoever draws a sample
    assert torch.equal(torch.cat(parts).cpu(), there.given[0].cpu())


@made_up
def test_one_read_a_step():
    trainer = Trainer(
        on(LoFiDenoiser(None, preset="fast")), DenoiseCrops(images(), crop=16, batch=4, sigmas=(0.1, 0.2))
    )
    list(trainer.run(2))
    with stand_in.watch() as log:
        list(trainer.run(5))
    reads = {site: n for (kind, site), n in log.items() if kind in ("sync", "d2h")}
    assert sum(reads.values()) == 3, reads


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training_goes_on_with_the_same_bits(precision, tmp_path):
    def trainer():
        torch.manual_seed(0)
        task = DenoiseCrops(images(), crop=16, batch=4, sigmas=(0.1, 0.2))
        return Trainer(DRUNetDenoiser(None, preset="fast").train(), task, fabric=OneDevice("cuda", precision))

    whole, first, second = trainer(), trainer(), trainer()
    records = [*whole.run(4)]
    list(first.run(2))
    torch.save(first.state_dict(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", map_location="cpu", weights_only=True)
    assert "random cuda" in state
    second.load_state_dict(state)
    assert [*second.run(4)] == records[2:]
    assert {p.device.type for p in second.model.parameters()} == {"cuda"}


def test_by_recipe(tmp_path):
    pictures = tmp_path / "images"
    pictures.mkdir()
    draw_pictures(pictures)
    path = train(FAST, pictures, tmp_path, valid=pictures, fabric=OneDevice("cuda"), save_every=1, quiet=True)
    state, card = load_weights(str(path), family="lofi")
    assert card["valid"]["images"] == 3 and {v.device.type for v in state.values()} == {"cpu"}


def test_measurements_share_the_operator_of_a_model_that_was_moved():
    op = Inpainting(random_mask((16, 16), 0.5))
    model = Reconstructor(op, nn.Conv2d(1, 1, 3, padding=1)).to(DEVICE)
    task = Measured(images(), op, lambda y, seed: gaussian_noise(y, 0.1, seed=seed), batch=2, size=16)
    records = [*Trainer(model, task).run(2)]
    assert all(r.loss > 0 for r in records)
    scores, pictures = score(model, [task.draw(0, [0])])
    assert scores[0].psnr > 0 and pictures[0].device.type == "cpu"


def test_reconstructors_metrics_passports():
    op = Inpainting(random_mask((16, 16), 0.5))
    model = Reconstructor(op, nn.Conv2d(1, 1, 3, padding=1)).eval()
    y = op.A(random(2, 1, 16, 16).float())
    with torch.no_grad():
        wanted = model(y)
        found = copy.deepcopy(model).to(DEVICE)(on(y))
    assert_close(found, wanted, 1e-5)
    a, b = random(2, 1, 24, 24).float(), random(2, 1, 24, 24, seed=1).float()
    for name in ("psnr", "ssim", "snr"):
        if hasattr(metrics, name):
            assert_close(getattr(metrics, name)(on(a), on(b)), getattr(metrics, name)(a, b), 1e-4)


@pytest.mark.slow
def test_passports():
    passport = measure_passport(on(LoFiDenoiser("natural-gray-fast")), [on(torch.rand(1, 1, 40, 40))])
    assert passport["gain_dB"] and passport["units"]
