"""What torch can be put into, other packages' operators, and what MRI is told of its data."""

import copy
import pickle
import warnings

import numpy as np
import torch
from torch.func import grad, jvp, vmap

from denoisers import LoFiDenoiser, MagnitudePhase, TVDenoiser
from operators import MRI, NUFFT, Inpainting, Radon, as_operator, estimate_coil_maps, fft2c, least_squares, random_mask
from operators.adapters.outgoing import to_deepinv
from pnp import PnPADMM, PnPHQS, Stop

from .fault import fault

_RADON = Radon(12, torch.linspace(0, 3, 7))


def _energy(y: torch.Tensor) -> torch.Tensor:
    return (torch.view_as_real(y) if y.is_complex() else y).square().sum()


def _error(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm() / b.norm())


def _said(call) -> str:
    """What a call warns of, or raises."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call()
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return "; ".join(str(w.message) for w in caught)


@fault("B2", "a Radon made and used in inference mode, its gradient later", before="RuntimeError: inference tensors",
       right="2 A*Ax")  # fmt: skip
def _inference_mode() -> tuple[str, bool]:
    with torch.inference_mode():
        op = Radon(12, torch.linspace(0, 3, 7))
        op.A_adjoint_A(torch.ones(1, 1, 12, 12))
    x = torch.rand(1, 1, 12, 12, requires_grad=True)
    (slope,) = torch.autograd.grad(_energy(op.A(x)), x)
    (twice,) = torch.autograd.grad(_energy(op.A_adjoint_A(x)), x)
    error = max(_error(slope, 2 * _RADON.A_adjoint_A(x)), _error(twice, 2 * op.A_adjoint_A(op.A_adjoint_A(x))))
    return f"off by {error:.0e}", error < 1e-4


@fault("B3", "LoFiDenoiser and a matrix under autocast", before="RuntimeError; bfloat16", right="within 1 %; exact")
def _autocast() -> tuple[str, bool]:
    x, op = torch.rand(1, 1, 32, 32), as_operator(torch.randn(9, 16), in_shape=(1, 4, 4))
    clean, y = LoFiDenoiser()(x, 0.1), op(x[..., :4, :4])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        errors = _error(LoFiDenoiser()(x, 0.1), clean), _error(op(x[..., :4, :4]), y)
    return f"off by {errors[0]:.0e}, {errors[1]:.0e}", errors[0] < 0.01 and errors[1] < 1e-6


@fault("B4", "torch.func through NUFFT, prox_l2 and A_dagger; a denoiser under vmap over sigma",
       before="RuntimeError: setup_context; control flow", right="values of the plain calls")  # fmt: skip
def _transforms() -> tuple[str, bool]:
    op = NUFFT(torch.linspace(-3, 3, 40).double().reshape(2, 20), (3, 4))
    x, y = torch.randn(2, 1, 3, 4).double() + 0j, torch.randn(2, 1, 20).double() + 0j
    errors = [_error(grad(lambda v: _energy(op.A(v)))(x), 2 * op.A_adjoint_A(x))]
    slope = jvp(lambda v: op.prox_l2(v, y, 0.01), (x,), (x,))[1]
    errors += [_error(slope, op.solve_normal(x, 0.01)), _error(vmap(op.A)(x[None])[0], op.A(x))]
    errors += [_error(jvp(lambda v: op.A_dagger(v, max_iter=5), (y,), (y,))[1], op.A_dagger(y, max_iter=5))]
    sigmas, image = torch.tensor([0.05, 0.2]), torch.rand(1, 1, 24, 24)
    for denoiser in (LoFiDenoiser(), TVDenoiser()):
        many = vmap(lambda s, d=denoiser: d(image, s))(sigmas)
        errors += [_error(many[1], denoiser(image, 0.2))]
    return f"off by {max(errors):.0e}", max(errors) < 1e-5


@fault("B5", "as_operator of a LinearOperator of flat vectors (astra's OpTomo)", before="ValueError: (78, 1)",
       right="the matrix")  # fmt: skip
def _flat_vectors() -> tuple[str, bool]:
    from scipy.sparse.linalg import LinearOperator

    matrix = np.random.default_rng(0).normal(size=(5, 12))

    class Flat(LinearOperator):
        def _matvec(self, x):
            return matrix @ x.reshape(12) if x.ndim == 1 else 1 / 0

        def _rmatvec(self, x):
            return matrix.T @ x.reshape(5) if x.ndim == 1 else 1 / 0

    op = as_operator(Flat(np.float64, (5, 12)), in_shape=(1, 3, 4))
    x = torch.randn(2, 1, 3, 4).double()
    error = _error(op(x), x.flatten(1) @ torch.from_numpy(matrix).T)
    return f"off by {error:.0e}", error < 1e-12


@fault("B7", "half precision into operators and solvers", before="NotImplementedError of torch, or accepted",
       right="TypeError that names it")  # fmt: skip
def _half() -> tuple[str, bool]:
    op, mask = _RADON, Inpainting(random_mask((12, 12), 0.5))
    x, y = torch.rand(1, 1, 12, 12).half(), _RADON(torch.rand(1, 1, 12, 12)).bfloat16()
    calls = (lambda: op(x), lambda: op.A(x), lambda: op.A_adjoint(y), lambda: op.A_dagger(y), lambda: mask.A(x),
             lambda: PnPHQS(mask, TVDenoiser(), noise_std=0.1)(x))  # fmt: skip
    said = [_said(call) for call in calls]
    return said[0][:60], all(s.startswith("TypeError: ") and "single or double precision" in s for s in said)


@fault("B8", "calibration=24 where the mask has 14 columns; a mask of fastMRI", before="does not say what fits",
       right="names the value and what fits")  # fmt: skip
def _what_fits() -> tuple[str, bool]:
    mask = torch.zeros(32, 32)
    mask[:, 9:23] = 1
    first = _said(lambda: estimate_coil_maps(fft2c(torch.randn(1, 2, 32, 32) + 0j) * mask, calibration=24))
    second = _said(lambda: MRI(torch.ones(1, 1, 32, 1)))
    fine = "calibration: 24 asks" in first and "(24, 14) fits" in first and "expand(H, 32)" in second
    return first.split("; ")[-1], fine


@fault("A7", "least squares of a noisy sinogram", before="A_dagger fits the noise, -4 ... 15 dB",
       right="ends at the noise, half the error")  # fmt: skip
def _least_squares() -> tuple[str, bool]:
    op, side = Radon(32, torch.linspace(0, 3, 24)), torch.linspace(-1, 1, 32)
    x = ((side[:, None] ** 2 + side**2) < 0.5).float()[None, None]
    y = op(x) + 0.5 * torch.randn(1, 1, 24, op.detector_count, generator=torch.Generator().manual_seed(0))
    found = least_squares(op, y, noise_std=0.5)
    stopped, full = _error(found.x, x), _error(op.A_dagger(y, max_iter=500), x)
    return f"error {stopped:.2f}, all of it {full:.2f}, {found.reasons[0]}", stopped < 0.5 * full


@fault("A15", "iterate with a denoiser that has trainable weights; state= into a denoiser in training mode",
       before="keeps a graph; not checked", right="no graph; ValueError")  # fmt: skip
def _iterate() -> tuple[str, bool]:
    denoiser = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=1), torch.nn.BatchNorm2d(1)).eval()
    solver = PnPADMM(Inpainting(random_mask((12, 12), 0.5)), lambda x, s: denoiser(x), noise_std=0.1, stop=Stop(1))
    solver.denoiser.net = denoiser
    y = torch.rand(1, 1, 12, 12)
    graph = next(solver.iterate(y)).x.requires_grad
    state = solver.solve(y).state
    denoiser.train()
    said = _said(lambda: solver.solve(y, state=state))
    return f"graph: {graph}; {said[:40]}", not graph and "training mode" in said


@fault("A16", "un-centred k-space, 8 calibration columns, MagnitudePhase without convergence, phase of maps",
       before="no warning; flips by 180 degrees", right="warnings; the same phase")  # fmt: skip
def _mri() -> tuple[str, bool]:
    rows, columns = torch.meshgrid(*[torch.linspace(-1, 1, 48)] * 2, indexing="ij")
    maps = torch.stack([torch.exp(-((rows - a) ** 2) - (columns - b) ** 2) for a, b in ((1, 0), (-1, 0), (0, 1))]) + 0j
    x = ((rows**2 + columns**2) < 0.6)[None, None] + 0j
    op = MRI(torch.ones(48, 48), maps)
    y = op(x)
    solver = PnPHQS(op, MagnitudePhase(TVDenoiser()), noise_std=0.01, stop=Stop(max_iter=2, tolerance=0))
    said = [_said(lambda: solver.solve(torch.fft.ifftshift(y, (-2, -1)))), _said(lambda: solver.solve(y)),
            _said(lambda: estimate_coil_maps(y, calibration=(48, 8)))]  # fmt: skip
    a, b = (estimate_coil_maps(y, calibration=n) for n in (16, 24))
    turn = float((a * b.conj()).sum().angle().abs())
    words = ("fftshift", "MagnitudePhase keeps", "of calibration are few")
    return f"phase turns by {turn:.2f}", turn < 0.1 and all(w in s for w, s in zip(words, said, strict=True))


@fault("A17", "to_deepinv: noise where nothing is measured, copies, mask=", before="0.41; noise model lost; ignored",
       right="0; kept; TypeError")  # fmt: skip
def _deepinv() -> tuple[str, bool]:
    from deepinv.physics import GaussianNoise

    mask = random_mask((16, 16), 0.5)
    physics = to_deepinv(Inpainting(mask))
    physics.set_noise_model(GaussianNoise(0.4))
    physics.eval()
    outside = float(physics(torch.ones(1, 1, 16, 16))[0, 0][~mask].abs().max())
    copies = physics.clone(), copy.deepcopy(physics), pickle.loads(pickle.dumps(physics))
    kept = all(isinstance(c.noise_model, GaussianNoise) and not c.training for c in copies)
    said = _said(lambda: physics.A(torch.ones(1, 1, 16, 16), mask=mask))
    return f"{outside:.2f}, kept: {kept}, {said[:40]}", outside == 0 and kept and said.startswith("TypeError: mask")
