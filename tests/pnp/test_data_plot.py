"""Samples and pictures."""

import pytest
import torch

from operators import Identity
from pnp import PnPADMM, Stop, TVDenoiser
from pnp.data import sample


def test_samples():
    for name, shape in (("camera", (1, 1, 512, 512)), ("astronaut", (1, 3, 512, 512)), ("coffee", (1, 3, 400, 600))):
        x = sample(name)
        assert x.shape == shape and x.min() >= 0 and x.max() <= 1
    assert sample("brain").shape == (1, 8, 230, 180) and sample("brain").is_complex()
    with pytest.raises(ValueError, match="camera"):
        sample("lena")


def test_pictures(tmp_path):
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot as plt

    from pnp.plot import show

    x = sample("camera")[..., :64, :64]
    show({"noisy": x + 0.1, "complex": x + 0j}, ref=x, path=str(tmp_path / "a.png"))
    show({"colour": sample("astronaut")[..., :32, :32]}, path=str(tmp_path / "b.png"))
    result = PnPADMM(Identity((64, 64)), TVDenoiser(), noise_std=0.1, stop=Stop(max_iter=3)).solve(x)
    result.plot(reference=x, path=str(tmp_path / "c.png"))
    plt.close("all")
    assert all((tmp_path / f"{n}.png").stat().st_size > 1000 for n in "abc")
    assert torch.isfinite(result.x).all()
