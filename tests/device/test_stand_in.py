# pyright: reportOptionalMemberAccess=false
"""Does the stand-in fail where CUDA fails, and work where it works? A real device has to do what is not about that."""

import copy
import io

import numpy as np
import pytest
import torch
from torch import nn

from . import stand_in

C = torch.device("cuda")
made_up = pytest.mark.skipif("stand-in" not in torch.cuda.get_device_name(), reason="the device is real")


def mk(*s, **k):
    return torch.randn(*s, device=C, **k)


def test_factories_and_moves():
    for t in (
        torch.zeros(2, device=C),
        torch.ones_like(mk(2)),
        torch.tensor([1.0], device=C),
        torch.as_tensor(1.0, device=C),
        mk(2).new_tensor([1.0]),
        mk(2).new_zeros(3),
        torch.arange(3, device=C),
        torch.randn(2).to(C),
        torch.randn(2).to(mk(1)),
        torch.randn(2).cuda(),
        mk(2).double(),
        torch.linspace(0, 1, 3, device=C),
        torch.full((2,), 1.0, device=C),
        torch.eye(2, device=C),
    ):
        assert t.device == torch.device("cuda:0") and t.is_cuda, t
    assert mk(2).cpu().device.type == "cpu" and torch.zeros(2).device.type == "cpu"
    x = mk(2)
    assert x.to(C) is x and x.to(x) is x and x.to(C, torch.float32) is x and x.to("cpu").device.type == "cpu"
    assert mk(2).to("cuda:1").device.index == 1
    assert torch.equal(mk(3).cpu(), torch.zeros(3)) is False


@made_up
@pytest.mark.parametrize(
    "bad",
    [
        lambda: mk(2) + torch.ones(2),
        lambda: torch.cat((mk(2), torch.ones(2))),
        lambda: mk(2, 2) @ torch.ones(2, 2),
        lambda: torch.randn(2, generator=torch.Generator(), device=C),
        lambda: mk(2) + mk(2).to("cuda:1"),
        lambda: torch.poisson(mk(2).abs(), torch.Generator()),
        lambda: torch.randint(2, (3,), generator=torch.Generator(), device=C),
        lambda: torch.nn.functional.conv2d(mk(1, 1, 4, 4), torch.ones(1, 1, 3, 3)),
        lambda: torch.where(mk(2) > 0, torch.ones(2), 0.0),
        lambda: mk(2).index_select(0, torch.tensor([0])),
        lambda: mk(1).lerp_(torch.ones(1), 0.5),
        lambda: torch.ones(3)[torch.arange(2, device=C)],
        lambda: torch.ops.mkldnn._linear_pointwise(mk(2, 2), mk(2, 2), None, "none", [], ""),
    ],
)
def test_mistakes_raise(bad):
    with pytest.raises((RuntimeError, NotImplementedError)):
        bad()


def test_numpy_raises():
    with pytest.raises(TypeError):
        mk(2).numpy()
    with pytest.raises(TypeError):
        np.asarray(mk(2))


def test_allowed_mixtures():
    assert (mk(2) * torch.tensor(2.0)).is_cuda and torch.where(mk(2) > 0, torch.tensor(1.0), mk(2)).is_cuda
    x = mk(3)
    x[torch.tensor([0, 1])] = 0.0
    assert x[torch.tensor([0])].item() == 0
    x.copy_(torch.ones(3))
    assert x.cpu().sum() == 3


@made_up
def test_counts():
    x = mk(4)
    with stand_in.watch() as log:
        bool(x.any())
        x.sum().item()
        float(x[0])
        x.tolist()
        x.cpu()
        torch.ones(2).to(C)
        x[x > 0]
        torch.nonzero(x)
        bool((x == x).all())
    n = stand_in.totals(log)
    assert n["sync"] == 6 and n["d2h"] == 2 and n["h2d"] == 1, log
    assert all(site.startswith("tests/device/test_stand_in.py:") for _, site in log)


def test_views_conj_inplace():
    x = torch.randn(3, 4, dtype=torch.complex64)
    d = x.to(C)
    assert (
        torch.equal(d.conj().cpu(), x.conj())
        and d.conj().is_conj()
        and torch.equal(d.conj().resolve_conj().cpu(), x.conj())
    )
    assert torch.equal((d.conj() * d).real.cpu(), (x.conj() * x).real) and torch.equal(
        d.conj().imag.cpu(), x.conj().imag
    )
    d[1:].mul_(2)
    assert torch.equal(d.cpu()[1:], 2 * x[1:])
    d.real.zero_()
    assert d.cpu().real.abs().sum() == 0
    assert torch.equal(torch.view_as_real(d).cpu(), torch.view_as_real(d.cpu()))


def test_training_is_that_of_the_cpu():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 3))
    other = copy.deepcopy(net).to(C)
    x = torch.randn(2, 1, 8, 8)
    for model, data in ((net, x), (other, x.to(C))):
        opt = torch.optim.Adam(model.parameters(), 1e-2)
        for _ in range(3):
            opt.zero_grad()
            loss = model(data).square().mean()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            opt.step()
    assert all(p.is_cuda for p in other.parameters()) and all(b.is_cuda for b in other.buffers())
    for a, b in zip(net.state_dict().values(), other.state_dict().values()):
        torch.testing.assert_close(a, b.cpu())
    file = io.BytesIO()
    torch.save(other.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    twin = copy.deepcopy(other)
    assert next(twin.parameters()).is_cuda and isinstance(next(twin.parameters()), nn.Parameter)
    assert not next(twin.cpu().parameters()).is_cuda


def test_autograd():
    x = mk(3, dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    assert h.is_cuda and torch.allclose(h.cpu(), 6 * x.detach().cpu())

    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            assert ctx.saved_tensors[0].is_cuda
            return g * 2

    F.apply(x).sum().backward()
    assert x.grad.is_cuda
