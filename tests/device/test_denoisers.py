"""Every denoiser does on a device what it does on the CPU."""

from typing import Any

import pytest
import torch

import denoisers
from denoisers import DRUNetDenoiser, LoFiDenoiser, MixerDenoiser, TVDenoiser, XDnCNNDenoiser, as_denoiser
from denoisers.evaluation.fold import folded

from ..operators.cases import random
from .close import DEVICE, assert_close, kept_exact, on

KINDS: dict[str, Any] = {
    "drunet": lambda: DRUNetDenoiser(precision="float32"),
    "drunet, random": lambda: DRUNetDenoiser(None, preset="fast"),
    "lofi": LoFiDenoiser,
    "mixer": MixerDenoiser,
    "xdncnn": XDnCNNDenoiser,
    "tv": TVDenoiser,
    "bounded": lambda: denoisers.Bounded(LoFiDenoiser(), low=0.0),
    "rescaled": lambda: denoisers.Rescaled(XDnCNNDenoiser(None, level=0.1)),
    "equivariant": lambda: denoisers.EquivariantDenoiser(LoFiDenoiser()),
    "random equivariant": lambda: denoisers.RandomEquivariant(LoFiDenoiser()),
    "tiled": lambda: denoisers.TiledDenoiser(LoFiDenoiser("natural-gray-fast"), 1024),
    "gradient step": lambda: denoisers.GradientStep(DRUNetDenoiser(None, preset="fast")),
    "function": lambda: as_denoiser(lambda x, sigma: x / 2),
}


@pytest.mark.parametrize("name", KINDS)
def test_denoisers_are_those_of_the_cpu(name):
    x = random(2, 1, 40, 36).float() / 4 + 0.5
    with kept_exact(), torch.no_grad():
        denoiser, same = KINDS[name](), on(KINDS[name]().eval())
        same.load_state_dict(denoiser.eval().state_dict())
        denoiser, same = denoiser.at_iteration(3), same.at_iteration(3)
        level = torch.tensor([0.1, 0.05]) if denoiser.sigma_range is None or denoiser.sigma_range[0] < 0.05 else 0.1
        assert_close(same(on(x), on(level)), denoiser(x, level), 2e-5)


def test_folded_networks_take_one_strip():
    net = XDnCNNDenoiser().net
    x = random(1, 2, 256, 256).float()
    with torch.no_grad(), kept_exact():
        assert_close(folded(on(net))(on(x)), folded(net.cpu())(x), 2e-5)


def test_bfloat16_and_the_setting_of_products():
    x = on(random(1, 1, 32, 32).float())
    exact, half = (on(DRUNetDenoiser(precision=p)) for p in ("float32", "bfloat16"))
    with torch.no_grad():
        off = float((half(x, 0.1) - exact(x, 0.1)).abs().amax())
    assert 0 < off < 0.05
    seen = []
    exact.net.head.register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.allow_tf32))
    kept = torch.backends.cudnn.allow_tf32
    for precision in ("float32", "tf32"):
        exact.precision = precision
        exact(x, 0.1)
    assert seen == [False, True] and torch.backends.cudnn.allow_tf32 == kept


def test_levels_are_checked_but_for_those_of_solvers():
    with pytest.raises(ValueError, match="sigma"):
        on(LoFiDenoiser())(torch.zeros(1, 1, 16, 16, device=DEVICE), torch.tensor([-1.0], device=DEVICE))
