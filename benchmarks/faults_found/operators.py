"""Operators that are not what they are taken for."""

import warnings

import torch

from denoisers import LoFiDenoiser
from operators import MRI, Blur, FanBeam, LinearOperator, Radon, gaussian_kernel, gaussian_noise
from pnp import PnPADMM, data

from .fault import fault


class _Bent(LinearOperator):
    in_shape = out_shape = (1, 32, 32)

    def A(self, x: torch.Tensor) -> torch.Tensor:
        return x + x**2


@fault("A5", "x + x**2 as an operator", before="converged, 71 % off", right="refused")
def _bent() -> tuple[str, bool]:
    try:
        PnPADMM(_Bent(), LoFiDenoiser(), noise_std=0.01)(torch.rand(1, 1, 32, 32))
    except ValueError as error:
        return str(error), "not linear" in str(error)
    return "solved", False


@fault(
    "A6", "conjugate gradients that do not get there", before="5e-5 instead of 1e-10, nothing said", right="a warning"
)
def _unfinished() -> tuple[str, bool]:
    op = Blur(gaussian_kernel(2.0), (48, 48), boundary="zero")
    y = op.A(data.sample("camera")[..., 100:148, 180:228].double())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        op.A_dagger(y)
    told = "; ".join(str(w.message) for w in caught)
    return told or "nothing said", bool(told)


@fault(
    "A8", "coil maps that are zero outside of the object", before="up to 0.69 of a range of 1 there", right="0 there"
)
def _unseen() -> tuple[str, bool]:
    rows, columns = torch.meshgrid(*[torch.linspace(-1, 1, 64)] * 2, indexing="ij")
    inside = rows**2 + columns**2 < 0.6
    maps = torch.stack([inside * torch.exp(1j * k - (rows - k) ** 2) for k in (-1, 1)])
    x = inside * data.sample("camera")[..., 100:164, 180:244].to(torch.complex64)
    op = MRI(torch.rand(64, 64, generator=torch.Generator().manual_seed(5)) > 0.6, maps)
    y = op.mask * gaussian_noise(op.A(x), 0.01)
    outside = float((PnPADMM(op, LoFiDenoiser())(y).abs() * ~inside).max())
    return f"{outside:.2g}", outside == 0


@fault("C5", "A* A of a fan beam, in forward projections", before="no Toeplitz form", right="two, as composed")
def _fan() -> tuple[str, bool]:
    import time

    op = FanBeam(128, torch.arange(180) * (torch.pi / 90), 300.0, 300.0)
    x = torch.rand(1, 1, 128, 128)

    def seconds(f) -> float:
        f(x)
        start = time.perf_counter()
        f(x)
        return time.perf_counter() - start

    ratio = min(seconds(op.A_adjoint_A) for _ in range(3)) / min(seconds(op.A) for _ in range(3))
    return f"{ratio:.1f}", ratio < 3


@fault("B6", "angles as a reversed view of an array", before="expected a tensor or a list of numbers, got array",
       right="the sinogram of those angles")  # fmt: skip
def _reversed_angles() -> tuple[str, bool]:
    angles = torch.linspace(0, 170, 18)
    x = torch.rand(1, 1, 32, 32)
    y = Radon(32, angles.numpy()[::-1]).A(x)
    error = float((y - Radon(32, angles).A(x).flip(-2)).abs().max() / y.abs().max())
    return f"error {error:.0e}", error < 1e-5
