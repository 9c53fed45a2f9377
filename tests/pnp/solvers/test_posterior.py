"""Langevin draws beside a posterior that dense algebra knows: the whole covariance."""

import torch

from operators import as_operator
from pnp import Expert, PnPULA, Stop

N = 5
NOISE, LEVEL, PACE, BURN, COUNT = 0.5, 0.3, 0.6, 200, 8_000


def test_langevin_has_the_covariance_of_a_gaussian_posterior():
    g = torch.Generator().manual_seed(0)
    a, root = (torch.randn(n, N, generator=g, dtype=torch.float64) for n in (3, N))
    prior = root @ root.mT / N + 0.3 * torch.eye(N, dtype=torch.float64)
    best = torch.linalg.inv(torch.eye(N, dtype=torch.float64) + LEVEL**2 * torch.linalg.inv(prior))
    y = torch.randn(1, 1, 1, 3, generator=g, dtype=torch.float64).reshape(1, *as_operator(a).out_shape)
    op = as_operator(a, in_shape=(1, 1, N))
    solver = PnPULA(
        op, lambda x, sigma: x @ best, noise_std=NOISE, calibration=None, pace=PACE, burn=BURN,
        expert=Expert(1 / LEVEL**2, LEVEL), stop=Stop(max_iter=BURN + COUNT, tolerance=0),
    )  # fmt: skip

    # a denoiser at LEVEL is the score of the prior widened by it; steps of length delta have this covariance exactly
    smooth = prior + LEVEL**2 * torch.eye(N, dtype=torch.float64)
    precision = a.mT @ a / NOISE**2 + torch.linalg.inv(smooth)
    delta = PACE / (float(torch.linalg.matrix_norm(a, 2)) ** 2 / NOISE**2 + 1 / LEVEL**2)
    mean = torch.linalg.solve(precision, (a.mT @ y.flatten() / NOISE**2)[:, None])[:, 0]
    rate, axes = torch.linalg.eigh(precision)
    variance, memory = 1 / (rate * (1 - delta * rate / 2)), 1 - delta * rate

    states = solver.iterate(y)
    chain = torch.stack([next(states).values.chain.flatten() for _ in range(BURN + COUNT)])[BURN:]
    parts = (chain - mean) @ axes / variance.sqrt()  # independent, of deviation one
    covariance, both = parts.mT @ parts / COUNT, memory[:, None] * memory
    error = ((1 + torch.eye(N)) / COUNT * (1 + both) / (1 - both)).sqrt()
    assert float(((covariance - torch.eye(N)) / error).abs().max()) < 4
    assert float(error.max()) < 0.2  # narrow enough that the prior's or the data's part could not be missing
    whitened = axes.mT @ smooth @ axes / (variance[:, None] * variance).sqrt()
    assert float(((covariance - whitened) / error).abs().max()) > 10  # the prior alone
