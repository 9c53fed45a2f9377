"""Total variation against scipy's bounded quasi-Newton method on the same, slightly rounded, problem."""

import numpy as np
import pytest
import torch

from operators import as_operator
from pnp import tv_reconstruction


def objective(x: np.ndarray, matrix: np.ndarray, y: np.ndarray, weight: float, rounding: float) -> float:
    image = x.reshape(4, 5)
    rows, columns = np.zeros_like(image), np.zeros_like(image)
    rows[:-1], columns[:, :-1] = np.diff(image, axis=0), np.diff(image, axis=1)
    total = np.sqrt(rows**2 + columns**2 + rounding**2).sum()
    return 0.5 * float(((matrix @ x - y) ** 2).sum()) + weight * float(total)


@pytest.mark.parametrize("nonnegative", [False, True])
def test_minimum_is_that_of_another_method(nonnegative):
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(15, 20))
    truth = np.zeros(20)
    truth[6:13] = 1.0
    y = matrix @ truth + 0.3 * rng.normal(size=15)
    op = as_operator(torch.from_numpy(matrix), in_shape=(1, 4, 5))
    data = torch.from_numpy(y)[None]
    x = tv_reconstruction(op, data, 0.3, strength=0.7, iterations=4000, nonnegative=nonnegative)[0, 0].numpy().ravel()
    from pnp.problem import data_gain

    gain = float(data_gain(op, torch.zeros(1, 1, 4, 5, dtype=torch.float64)))
    weight = 0.8 * 0.7 * 0.3 * gain**0.5
    best = min(
        optimize.minimize(
            objective, np.abs(rng.normal(size=20)), (matrix, y, weight, 1e-5), method="L-BFGS-B",
            bounds=[(0 if nonnegative else None, None)] * 20, options={"maxiter": 20_000, "maxfun": 2_000_000},
        ).fun
        for _ in range(3)
    )  # fmt: skip
    assert x.min() >= 0 or not nonnegative
    assert objective(x, matrix, y, weight, 0.0) < best * (1 + 1e-4)
    assert objective(x, matrix, y, weight, 0.0) > best * (1 - 1e-3)
    if nonnegative:  # the constraint matters here
        free = tv_reconstruction(op, data, 0.3, strength=0.7, iterations=4000)
        assert free.min() < -1e-3
