"""Our operators in deepinv and scipy, in their own solvers."""

import copy
import pickle

import numpy as np
import pytest
import torch

from denoisers import LoFiDenoiser
from operators import (
    MRI,
    Blur,
    Inpainting,
    KaiserSquires,
    Radon,
    as_operator,
    gaussian_kernel,
    random_columns,
    random_mask,
    to_deepinv,
    to_scipy,
)
from pnp import PnPADMM, PnPHQS, Stop

from ...contracts import dense, random_data, random_image, relative

OPERATORS = {
    "real": lambda: Blur(gaussian_kernel(0.7), (8, 7)),
    "real to complex": lambda: KaiserSquires((6, 7), mask=random_mask((6, 7), 0.7, seed=0)),
    "complex": lambda: MRI(random_columns((6, 8), 2.0, 0.2, seed=0)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_scipy_is_the_matrix_and_its_adjoint(name):
    from scipy.sparse.linalg import lsqr

    op = OPERATORS[name]()
    foreign = to_scipy(op)
    y = random_data(op, batch=1)
    native = name == "complex"
    flat = y.flatten().numpy() if native or not y.is_complex() else torch.view_as_real(y).flatten().numpy()
    expected = op.A_adjoint(y).flatten().numpy()
    assert np.allclose(foreign.rmatvec(flat), expected)
    if not native:
        assert np.allclose(foreign.matmat(np.eye(foreign.shape[1])), dense(op)[0].numpy())
    both = np.stack((expected, 2 * expected), 1)
    assert np.allclose(foreign.matmat(both)[:, 1], 2 * foreign.matvec(expected))
    x = lsqr(foreign, flat, atol=1e-13, btol=1e-13, iter_lim=500)[0]
    assert np.allclose(x, op.A_dagger(y, rtol=1e-13).flatten().numpy(), atol=1e-6)


@pytest.mark.parametrize("name", OPERATORS)
def test_scipy_takes_complex_vectors(name):
    foreign = to_scipy(OPERATORS[name]())
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(2, foreign.shape[1]))
    assert np.allclose(foreign @ (u + 1j * v), foreign @ u + 1j * (foreign @ v))
    with pytest.raises(TypeError, match="LinearOperator"):
        to_scipy(torch.eye(3))  # pyright: ignore[reportArgumentType]


@pytest.fixture
def deepinv():
    return pytest.importorskip("deepinv", reason="needs deepinv: pip install 'pnp-imaging[deepinv]'")


@pytest.mark.parametrize("name", OPERATORS)
def test_deepinv_physics_has_our_methods(deepinv, name):
    op = OPERATORS[name]()
    physics = to_deepinv(op)
    assert isinstance(physics, deepinv.physics.LinearPhysics)
    x, y = random_image(op, batch=2), random_data(op, batch=2)
    assert relative(physics(x), op.A(x)) == 0 and relative(physics.A_adjoint(y), op.A_adjoint(y)) == 0
    assert relative(physics.A_adjoint_A(x), op.A_adjoint_A(x)) == 0
    assert relative(physics.prox_l2(x, y, 0.7), op.prox_l2(x, y, 0.7)) == 0
    assert relative(physics.A_dagger(y), op.A_dagger(y)) == 0
    assert relative(physics.prox_l2(None, y, 0.7), op.prox_l2(0 * x, y, 0.7)) == 0
    assert relative(physics.prox_l2(0.5, y, 0.7), op.prox_l2(0 * x + 0.5, y, 0.7)) == 0
    assert as_operator(physics) is op  # there and back, complex images too
    again = pickle.loads(pickle.dumps(physics))
    assert relative(again.A(x), op.A(x)) == 0


def test_deepinvs_noise_is_added_by_a_call_alone(deepinv):
    op = Inpainting(random_mask((16, 16), 0.5, seed=0))
    physics = to_deepinv(op, deepinv.physics.GaussianNoise(0.1))
    x = torch.ones(1, 1, 16, 16)
    assert physics(x).std() > op.A(x).std() and torch.equal(physics.A(x), op.A(x))


def test_deepinvs_noise_stays_where_something_is_measured(deepinv):
    mask = random_mask((16, 16), 0.5, seed=0)
    for op, where in ((Inpainting(mask), mask), (MRI(mask), mask), (Radon(16, [0.0, 1.0]), torch.ones(2, 25) > 0)):
        noisy = to_deepinv(op, deepinv.physics.GaussianNoise(0.4))(random_image(op, batch=1, dtype=torch.float32))
        changed = (noisy - op.A(random_image(op, batch=1, dtype=torch.float32)))[0, 0] != 0
        assert torch.equal(changed, where)


def test_copies_of_a_physics_keep_noise_parameters_and_mode(deepinv):
    op = as_operator(torch.nn.Parameter(torch.eye(4)), in_shape=(1, 2, 2))
    physics = to_deepinv(op, deepinv.physics.GaussianNoise(0.1))
    physics.set_noise_model(deepinv.physics.GaussianNoise(0.25))
    physics.update(sigma=torch.tensor(0.5))
    physics.scale = torch.nn.Parameter(torch.tensor([3.0]), requires_grad=False)
    physics.eval()
    for other in (physics.clone(), copy.deepcopy(physics), pickle.loads(pickle.dumps(physics))):
        assert isinstance(other.noise_model, deepinv.physics.GaussianNoise) and float(other.noise_model.sigma) == 0.5
        assert not other.training and other.scale.item() == 3 and not other.scale.requires_grad
        assert [name for name, _ in other.named_parameters()] == [name for name, _ in physics.named_parameters()]
        assert other.op is not op and other.noise_model is not physics.noise_model
        assert torch.equal(other.A(torch.ones(1, 1, 2, 2)), op.A(torch.ones(1, 1, 2, 2)))
        assert other(torch.zeros(1, 1, 2, 2)).std() > 0


@pytest.mark.parametrize("name", ["A", "A_adjoint", "A_dagger", "A_adjoint_A", "__call__", "update"])
def test_what_a_physics_cannot_change_is_an_error(deepinv, name):
    mask = random_mask((4, 4), 0.5, seed=0)
    physics, x = to_deepinv(Inpainting(mask), deepinv.physics.GaussianNoise(0.1)), torch.ones(1, 1, 4, 4)
    with pytest.raises(TypeError, match="mask: this physics does not change; make a new operator"):
        getattr(physics, name)(*(() if name == "update" else (x,)), mask=torch.ones(4, 4))
    assert physics(x, sigma=0.2).shape == x.shape and physics.A_dagger(x, solver="lsqr", tol=1e-3).shape == x.shape
    physics.update(sigma=torch.tensor(0.7))
    assert float(physics.noise_model.sigma) == pytest.approx(0.7)


def test_deepinvs_solvers_reach_our_fixed_point(deepinv):
    """HQS with a linear denoiser: their optim with our operator, our solver with the same numbers."""
    op = Radon(16, torch.linspace(0, 3, 12))
    x = torch.rand(1, 1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = op(x)

    def smooth(v, sigma, **_):
        return 0.5 * v + 0.125 * sum(v.roll(s, a) for s, a in ((1, -1), (-1, -1), (1, -2), (-1, -2)))

    gamma = 0.3
    theirs = deepinv.optim.optimizers.HQS(
        data_fidelity=deepinv.optim.L2(), prior=deepinv.optim.PnP(smooth), stepsize=gamma, g_param=0.1, max_iter=300
    )(y, to_deepinv(op))
    z = torch.zeros_like(x)
    for _ in range(300):
        z = smooth(op.prox_l2(z, y, gamma, rtol=1e-12), 0.1)
    assert relative(theirs, z) < 1e-6


def test_our_denoiser_in_theirs_and_theirs_in_ours(deepinv):
    op = Inpainting(random_mask((24, 24), 0.6, seed=0))
    rows = torch.linspace(0, 1, 24)
    x = (rows[:, None] * rows).expand(1, 1, 24, 24).contiguous()
    y = op(x)
    theirs = deepinv.optim.optimizers.ADMM(
        data_fidelity=deepinv.optim.L2(),
        prior=deepinv.optim.PnP(LoFiDenoiser()),
        stepsize=1.0,
        g_param=0.1,
        max_iter=30,
    )
    assert (theirs(y, to_deepinv(op)) - x).square().mean() < 0.05 * (y - x).square().mean()
    ours = PnPADMM(op, deepinv.models.MedianFilter(3), noise_std=0.01, stop=Stop(max_iter=30))
    assert (ours(y) - x).square().mean() < 0.1 * (y - x).square().mean()


def test_our_solver_in_their_trainers_test(deepinv, tmp_path):
    op = Inpainting(random_mask((24, 24), 0.6, seed=0))
    rows = torch.linspace(0, 1, 24)
    images = torch.stack([(rows[:, None] ** k * rows)[None] for k in (1, 2)])
    physics = to_deepinv(op, deepinv.physics.GaussianNoise(0.01))

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.solver = PnPHQS(op, LoFiDenoiser(), noise_std=0.01)

        def forward(self, y, physics, **_):
            return self.solver(y)

    loader = torch.utils.data.DataLoader(list(images), batch_size=2)  # pyright: ignore[reportArgumentType]
    trainer = deepinv.Trainer(
        model=Model(), physics=physics, optimizer=None, train_dataloader=loader, online_measurements=True,
        metrics=deepinv.metric.PSNR(), device="cpu", show_progress_bar=False, verbose=False, save_path=str(tmp_path),
        non_blocking_transfers=False,
    )  # fmt: skip
    results = trainer.test(loader)
    assert results["PSNR"] > results["PSNR no learning"] + 5


def test_only_operators_are_exported():
    with pytest.raises(TypeError, match="LinearOperator"):
        to_deepinv(torch.eye(3))  # pyright: ignore[reportArgumentType]
