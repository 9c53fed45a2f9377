"""Biases, signs and priors of shear."""

import numpy as np
import pytest
import torch

from denoisers import MassDenoiser
from operators import KaiserSquires, LensingConvention
from pnp.corrections.lensing import calibrated, checked_signs, prior_doubts
from pnp.io import Measurement


def test_biases_are_taken_out():
    g = np.random.default_rng(0)
    e, w, m, c = g.normal(size=(2, 500)), g.uniform(size=500), g.normal(-0.1, 0.05, 500), 0.01 * g.normal(size=500)
    mean = (w * m).sum() / w.sum()
    one, two, said = calibrated((1 + mean) * e[0] + c, (1 + mean) * e[1], m=m, c=(c, 0.0), weight=w)
    assert np.allclose(one, e[0]) and np.allclose(two, e[1]) and f"m {mean:.3g}" in said
    with pytest.raises(ValueError, match="m: expected a mean above -1"):
        calibrated(e[0], e[1], m=-1.5)


def test_signs_and_prior():
    lumps = (torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)) > 0.98).float()
    op = KaiserSquires((64, 64), convention=LensingConvention(sign=(-1, 1)))
    arguments = {"image_shape": (64, 64), "pixel_scale": 0.4}
    m = Measurement(op(lumps), KaiserSquires, arguments, provenance={"redshift": 0.7})
    found = checked_signs(m)
    assert found.operator().convention.sign == (-1, 1) and "signs (-1, 1)" in found.provenance["corrections"][0]
    pixels, depth = prior_doubts(m, MassDenoiser())
    assert (
        "0.4 arcmin, the prior is for 0.29" in pixels
        and "redshift 0.70, the prior's maps are of sources at 1.5" in depth
    )
    fitting = Measurement(m.y, KaiserSquires, {**arguments, "pixel_scale": 0.29}, provenance={"redshift": 1.4})
    assert prior_doubts(fitting, MassDenoiser()) == []
