"""The expectation of each loss is the supervised risk, up to the constant that its documentation names."""

import math

import pytest
import torch

from operators import MRI, Blur, Identity, Inpainting, Radon, gaussian_noise
from operators.noise import poisson_noise
from operators.tomography.fbp import filter_sinogram
from pnp.likelihood import Gaussian, Huber, Poisson
from pnp.train.losses import (
    SURE,
    UNSURE,
    Augmented,
    BlindSpot,
    Equivariant,
    EquivariantSplitting,
    Noise2Noise,
    Noisier2Inverse,
    Recorrupted,
    Splitting,
    UnknownNoise,
    angles,
    samples,
    smeared_noise,
)
from pnp.train.losses.moves import draw_move

from .linear import SHAPE, agrees, applied, image, mean_of, smoothing

N, STD, DRAWS = 64, 0.3, 2000
IDENTITY = Identity(SHAPE)


def noisy(std: float = STD, draws: int = DRAWS, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return gaussian_noise(image(dtype).expand(draws, -1, -1, -1), std, seed=10_000)


def risk(matrix: torch.Tensor, variance: float, truth: torch.Tensor | None = None) -> float:
    """E |H y - x|^2 / N of y = x + n, in closed form."""
    x = (image() if truth is None else truth).flatten()
    bias = matrix.to(x.dtype) @ x - x
    return float((bias.abs().square().sum() + variance * matrix.square().sum()) / N)


def test_sure_is_the_risk():
    h = smoothing()
    found = mean_of(SURE(), applied(h), noisy(), Gaussian(IDENTITY, STD))
    assert agrees(found, risk(h, STD**2) / STD**2, precision=0.05)


def test_sure_of_uneven_noise_is_the_whitened_risk():
    h, std = smoothing(), 0.1 + 0.4 * torch.rand(1, 1, *SHAPE, dtype=torch.float64)
    data = image() + std * gaussian_noise(torch.zeros(DRAWS, 1, *SHAPE, dtype=torch.float64), 1.0, seed=10_000)
    x, s = image().flatten(), std.flatten()
    errors = (h @ x - x).square() + h.square() @ s.square()
    found = mean_of(SURE(), applied(h), data, Gaussian(IDENTITY, std))
    assert agrees(found, float((errors / s.square()).mean()), precision=0.05)


def test_sure_of_complex_masked_data_is_the_risk_of_what_is_measured():
    op = MRI(torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)) < 0.6)
    x, h = image(torch.complex128), smoothing()
    clean = op.A(x).expand(DRAWS, -1, -1, -1)
    data = torch.where(op.measured, gaussian_noise(clean, STD, seed=10_000), clean)
    found = mean_of(SURE(), lambda y, its: applied(h)(op.A_adjoint(y)), data, Gaussian(op, STD))
    basis = torch.eye(N, dtype=torch.complex128).reshape(N, 1, *SHAPE)
    columns = [op.A(applied(h)(op.A_adjoint(c * op.measured * basis))) for c in (1, 1j)]
    bias = op.A(applied(h)(op.A_adjoint(clean[:1])) - x).abs().square().sum()
    spread = STD**2 * sum(c.abs().square().sum() for c in columns)
    assert agrees(found, float((bias + spread) / STD**2 / (2 * int(op.measured.sum()))), precision=0.05)


@pytest.mark.parametrize("background", [0.0, 0.5])
def test_sure_of_counts_is_the_risk(background):
    h, photons = smoothing(), 20.0
    rate = image() + background
    data = poisson_noise(rate.expand(DRAWS, -1, -1, -1), photons, seed=10_000)
    likelihood = Poisson(IDENTITY, photons, background)
    found = mean_of(SURE(), applied(h), data, likelihood)
    v = rate.flatten()
    bias = h @ v + background - v
    expected = (bias.square().sum() + (h.square() @ (v / photons)).sum()) / N * photons**2
    assert agrees(found, float(expected), precision=0.1)


def test_sure_of_counts_with_gaussian_noise_is_the_risk():
    h, gain = smoothing(), 0.05
    data = poisson_noise(image().expand(DRAWS, -1, -1, -1), 1 / gain, seed=10_000)
    data = gaussian_noise(data, STD, seed=50_000)
    x = image().flatten()
    expected = ((h @ x - x).square().sum() + (h.square() @ (gain * x + STD**2)).sum()) / N / STD**2
    assert agrees(mean_of(SURE(gain=gain), applied(h), data, Gaussian(IDENTITY, STD)), float(expected), precision=0.1)


def test_sure_behind_an_operator_is_the_error_of_the_data():
    op, h = Blur(torch.tensor([[0.25, 0.5, 0.25]], dtype=torch.float64), SHAPE), smoothing()
    a = op.A(torch.eye(N, dtype=torch.float64).reshape(N, 1, *SHAPE)).flatten(1).T
    x = image().flatten()
    data = gaussian_noise(op.A(image()).expand(DRAWS, -1, -1, -1), STD, seed=10_000)
    expected = ((a @ h @ a @ x - a @ x).square().sum() + STD**2 * (a @ h).square().sum()) / N / STD**2
    assert agrees(mean_of(SURE(), applied(h), data, Gaussian(op, STD)), float(expected), precision=0.05)


def test_unsure_without_divergence_is_the_risk_whatever_the_level():
    h = smoothing(0.0)  # nothing from the pixel itself
    for guess in (0.1, 1.0):
        model = UnknownNoise(torch.nn.Identity(), guess)
        found = mean_of(UNSURE(model), applied(h), noisy(), Gaussian(IDENTITY))
        assert agrees(found, (risk(h, STD**2) + STD**2) / guess**2, precision=0.1)


def test_unsure_rests_at_the_best_filter_without_divergence():
    """For Gaussian images of power P that is 1 - eta / (P + sigma^2), eta the harmonic mean of the spectrum: there, and
    only there, neither the filter nor the level has a gradient."""
    rows = torch.fft.fftfreq(8, dtype=torch.float64)
    spectrum = 2 / (1 + 40 * (rows[:, None].square() + rows.square())) + STD**2
    g = torch.Generator().manual_seed(0)
    data = torch.randn(8_000, 1, *SHAPE, generator=g, dtype=torch.float64)
    data = torch.fft.ifft2(torch.fft.fft2(data) * spectrum.sqrt()).real
    eta = float(1 / (1 / spectrum).mean())

    def slopes(level: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean gradients of the response (8, 8) and of the logarithm of the level, over their standard errors."""
        model, found = UnknownNoise(torch.nn.Identity(), level), []
        response = (1 - eta / spectrum).requires_grad_()
        for batch in range(20):
            y = data[400 * batch : 400 * (batch + 1)]
            loss = UNSURE(model)(lambda z, _: torch.fft.ifft2(torch.fft.fft2(z) * response).real, y,
                                 Gaussian(IDENTITY), range(400 * batch, 400 * (batch + 1)))  # fmt: skip
            parts = torch.autograd.grad(loss.mean(), (response, model.log_level))
            found.append(torch.cat([part.flatten() for part in parts]))
        each = torch.stack(found)
        scores = each.mean(0) / (each.std(0) / len(each) ** 0.5)
        return scores[:-1].reshape(SHAPE), scores[-1]

    response, level = slopes(eta**0.5)
    assert response.abs().max() < 4.5 and level.abs() < 4
    assert slopes(0.8 * eta**0.5)[0].abs().max() > 10  # another level asks for another filter


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_recorrupted_is_the_risk_at_the_noise_that_is_shown(alpha):
    h = smoothing()
    told = []

    def f(y, likelihood):
        told.append(likelihood.noise_std)
        return applied(h)(y)

    found = mean_of(Recorrupted(alpha), f, noisy(), Gaussian(IDENTITY, STD))
    assert agrees(found, risk(h, (1 + alpha**2) * STD**2) / STD**2, precision=0.2)
    assert told == [pytest.approx(STD * math.sqrt(1 + alpha**2))]


def test_recorrupted_with_both_signs_is_the_same_risk_with_less_scatter():
    h, alpha, like = smoothing(), 0.3, Gaussian(IDENTITY, STD)
    both, one = (mean_of(Recorrupted(alpha, mirrored=m), applied(h), noisy(), like) for m in (True, False))
    assert agrees(both, risk(h, (1 + alpha**2) * STD**2) / STD**2, precision=0.1)
    assert both[1] < one[1] / 2
    h, draw = torch.eye(N, dtype=torch.float64) / 2, smeared_noise(STD, width=3)
    found = mean_of(Noisier2Inverse(draw, mirrored=True), applied(h), image() + torch.zeros(DRAWS, 1, *SHAPE),
                    Gaussian(IDENTITY))  # fmt: skip
    x = image().square().mean() / 4
    assert agrees(found, float(x) + STD**2 * (1 / 4 + 1 + 1), precision=0.1)  # without noise in y: its own two


@pytest.mark.parametrize("loss", [SURE(domain="filtered"), Recorrupted(0.5, mirrored=True, domain="filtered")])
@pytest.mark.parametrize("uneven", [False, True])
def test_filtered_risks_of_tomography(loss, uneven):
    op, count = Radon(8, torch.arange(12) * (torch.pi / 12)), 400
    x, size = image(), math.prod(op.out_shape)
    std = STD * (torch.linspace(0.5, 2, 12, dtype=torch.float64)[:, None].expand(op.out_shape) if uneven else 1)
    data = gaussian_noise(op.A(x).expand(count, -1, -1, -1), 1.0, seed=10_000)
    data = op.A(x) + std * (data - op.A(x))
    found = mean_of(loss, lambda y, its: 0.9 * op.fbp(y), data, Gaussian(op, std))
    s = torch.as_tensor(std, dtype=torch.float64).expand(op.out_shape).flatten()
    unit = torch.diag(s).reshape(size, *op.out_shape)
    spread = op.A(0.9 * op.fbp(unit)).flatten(1) / s  # whitened error of each unit of whitened noise
    bias = (op.A(0.9 * op.fbp(op.A(x)) - x)).flatten(1) / s
    ramp = filter_sinogram(torch.eye(op.out_shape[-1], dtype=torch.float64)[None, None], 1.0, "ram-lak")[0, 0]
    ramp, grid = ramp / ramp[4, 4], (-1, 12, op.out_shape[-1])
    more = 1 + loss.alpha**2 if isinstance(loss, Recorrupted) else 1
    terms = [(r.reshape(grid) * (r.reshape(grid) @ ramp)).sum() for r in (bias, spread)]
    assert agrees(found, float(terms[0] + more * terms[1]) / size, precision=0.15)


def test_filtered_risk_of_counts():
    op, photons = Radon(8, torch.arange(12) * (torch.pi / 12)), 5.0
    x, size = image(), math.prod(op.out_shape)
    rate = op.A(x).clamp_min(0)
    data = poisson_noise(rate.expand(400, -1, -1, -1), photons, seed=10_000)
    found = mean_of(SURE(domain="filtered"), lambda y, its: 0.5 * op.fbp(y), data, Poisson(op, photons))
    unit = torch.diag((rate / photons).flatten().sqrt()).reshape(size, *op.out_shape)
    ramp = filter_sinogram(torch.eye(op.out_shape[-1], dtype=torch.float64)[None, None], 1.0, "ram-lak")[0, 0]
    ramp = ramp / ramp[4, 4]
    terms = [(r * (r @ ramp)).sum() for r in (op.A(0.5 * op.fbp(unit)), op.A(0.5 * op.fbp(rate)) - rate)]
    assert agrees(found, float(terms[0] + terms[1]) / size * photons**2, precision=0.15)


def test_thinned_counts_are_the_risk_of_the_thinned():
    h, photons, alpha = smoothing(), 20.0, 1.0
    data = poisson_noise(image().expand(DRAWS, -1, -1, -1), photons, seed=10_000)
    x = image().flatten()
    expected = ((h @ x - x).square().sum() + (h.square() @ (x / (photons / 2))).sum()) / N * photons**2
    assert agrees(mean_of(Recorrupted(alpha), applied(h), data, Poisson(IDENTITY, photons)), float(expected),
                  precision=0.2)  # fmt: skip
    with pytest.raises(ValueError, match="whole numbers"):
        Recorrupted()(applied(h), data + 0.01, Poisson(IDENTITY, photons), range(DRAWS))


def test_noisier2inverse_takes_correlated_noise():
    h, alpha, draw = smoothing(), 1.0, smeared_noise(STD, width=3)
    g = torch.Generator().manual_seed(77)
    data = torch.stack([image()[0] + draw(image()[0], g) for _ in range(DRAWS)])
    eye = torch.eye(N, dtype=torch.float64).reshape(N, *SHAPE)
    smear = sum(eye.roll(k, -1) for k in range(3)).reshape(N, N).T / 3**0.5  # pyright: ignore[reportAttributeAccessIssue]
    x = image().flatten()
    error = (h @ x - x).square().sum() + (1 + alpha**2) * STD**2 * (h @ smear).square().sum()
    constant = (1 + alpha**-2) * STD**2
    found = mean_of(Noisier2Inverse(draw, alpha), applied(h), data, Gaussian(IDENTITY))
    assert agrees(found, float(error / N) + constant, precision=0.1)
    white = mean_of(Recorrupted(alpha), applied(h), data, Gaussian(IDENTITY, STD))[0] * STD**2
    assert abs(white - float(error / N)) > 0.1 * float(error / N)  # white noise is not the same thing


@pytest.mark.parametrize("domain", ["data", "filtered"])
def test_splitting_of_angles_is_the_error_of_angles_that_are_not_seen(domain):
    op = Radon(8, torch.arange(12) * (torch.pi / 12))
    x = image()
    data = gaussian_noise(op.A(x).expand(250, -1, -1, -1), STD, seed=10_000)

    def f(y, its):
        return 0.9 * its.op.fbp(y)

    found = mean_of(Splitting(angles(3), domain=domain), f, data, Gaussian(op, STD))
    expected = []
    for first in range(3):
        out = torch.arange(12) % 3 == first
        part, rest = Radon(8, op.angles[~out], op.detector_count), Radon(8, op.angles[out], op.detector_count)
        size = math.prod(part.out_shape)
        unit = torch.eye(size, dtype=torch.float64).reshape(size, *part.out_shape)
        matrix = rest.A(0.9 * part.fbp(unit))
        bias, ramp = rest.A(0.9 * part.fbp(part.A(x)) - x), torch.eye(op.out_shape[-1], dtype=torch.float64)
        if domain == "filtered":  # a matrix of the detector's bins, of diagonal one
            ramp = filter_sinogram(ramp[None, None], 1.0, "ram-lak")[0, 0]
            ramp = ramp / ramp[4, 4]
        bias, spread = ((r * (r @ ramp)).sum() for r in (bias, matrix))
        expected.append((bias + STD**2 * spread) / math.prod(rest.out_shape) / STD**2)
    assert agrees(found, float(sum(expected)) / 3, precision=0.15)


def test_noise2inverse_compares_images():
    op = Radon(8, torch.arange(12) * (torch.pi / 12))
    data = gaussian_noise(op.A(image()), STD, seed=3)
    loss = Splitting(angles(3), domain="image")
    keep, out = loss.divided(data, Gaussian(op), torch.Generator().manual_seed(0))
    part = Radon(8, op.angles[keep[0, 0, :, 0]], op.detector_count)
    rest = Radon(8, op.angles[out[0, 0, :, 0] > 0], op.detector_count)
    a = part.fbp(data[:, :, keep[0, 0, :, 0]])
    b = rest.fbp(data[:, :, out[0, 0, :, 0] > 0])
    g = torch.Generator().manual_seed(0)
    value = loss._one(lambda y, its: its.op.fbp(y), data, Gaussian(op), g)  # pyright: ignore[reportCallIssue]
    assert value.item() == pytest.approx(float((a - b).square().mean() / b.square().mean()), rel=1e-6)


def test_splitting_of_k_space():
    """Random masks and random parts of them: the weighted mean is that over all of k-space that is not seen."""
    g = torch.Generator().manual_seed(2)
    density = torch.where(torch.rand(SHAPE, generator=g) < 0.5, 0.4, 0.9).double()
    share, given = 0.4, MRI(torch.ones(SHAPE))
    spectrum = torch.exp(1j * torch.rand(1, 1, *SHAPE, generator=g, dtype=torch.float64))
    shrunk = 2 * (density - 0.4)  # what is predicted of the unseen: less where it is seldom sampled

    def f(y, its):
        return given.A_adjoint(shrunk * spectrum + 0.5 * y)

    split = samples(share, centre=0)
    weighted, even = Splitting(split, density=density, share=share), Splitting(split)
    rows = []
    for i in range(400):
        mask = torch.rand(SHAPE, generator=g, dtype=torch.float64) < density
        op = MRI(mask)
        y = torch.where(op.measured, gaussian_noise(spectrum, STD, seed=10_000 + i), 0 * spectrum)
        like = Gaussian(op, STD)
        keep, _ = even.divided(y, like, torch.Generator().manual_seed((i * 1_000_003 + 60_029) % 2**63))
        unseen = ~(keep & op.measured)[0, 0]
        error = ((shrunk - 1) * spectrum[0, 0]).abs().square() / STD**2
        rows.append([*(loss(f, y, like, [i]).item() for loss in (weighted, even)), float(error[unseen].mean() / 2)])
    found, other, right = torch.tensor(rows, dtype=torch.float64).T
    off, wrong = found - right, other - right
    spread, spread_of_wrong = (float(v.std() / len(v) ** 0.5) for v in (off, wrong))
    assert 4 * spread < 0.1 * float(right.mean())
    assert abs(float(off.mean())) < 4 * spread
    assert abs(float(wrong.mean())) > 4 * spread_of_wrong  # without weights what is often sampled counts more


def test_noise2noise_is_the_error_of_the_first():
    h = smoothing()
    second = gaussian_noise(image().expand(DRAWS, -1, -1, -1), 2 * STD, seed=90_000)
    like, its = Gaussian(IDENTITY, STD), Gaussian(IDENTITY, 2 * STD)
    found = mean_of(Noise2Noise(both=False), applied(h), noisy(), like, other=(second, its))
    assert agrees(found, risk(h, STD**2) / (2 * STD) ** 2, precision=0.2)
    both = mean_of(Noise2Noise(), applied(h), noisy(), like, other=(second, its))
    ways = risk(h, STD**2) / (2 * STD) ** 2, risk(h, 4 * STD**2) / STD**2
    assert agrees(both, sum(ways) / 2, precision=0.1)
    with pytest.raises(ValueError, match="second measurement"):
        Noise2Noise()(applied(h), noisy(), like, range(DRAWS))


def test_blind_spots_are_the_error_at_pixels_that_are_not_seen():
    h = smoothing()
    loss, like = BlindSpot(4), Gaussian(IDENTITY, STD)
    clean = image().expand(2400, -1, -1, -1)
    data = gaussian_noise(clean, STD, seed=10_000)
    found = mean_of(loss, applied(h), data, like)
    streams = (torch.Generator().manual_seed((i * 1_000_003 + 60_029) % 2**63) for i in range(len(data)))
    replaced, hidden = (torch.stack(v) for v in zip(*(loss._hidden(row, g) for row, g in zip(data, streams))))
    errors = (applied(h)(replaced) - clean).square() * hidden  # of the same network on the same hidden pixels
    right = errors.flatten(1).sum(1) / hidden.flatten(1).sum(1) / STD**2
    supervised, spread = float(right.mean()), float(right.std() / len(right) ** 0.5)
    assert abs(found[0] - supervised) < 4 * math.hypot(found[1], spread) and 4 * found[1] < 0.1 * supervised


def test_equivariant_imaging_is_the_supervised_error_of_moved_answers():
    """With f right on the data: E |f(A T x + n) - T x|^2 over moves and noise."""
    op = Inpainting(torch.rand(SHAPE, generator=torch.Generator().manual_seed(4)) < 0.7)
    h, x, moves = smoothing(), image(), ("shifts", "flips")
    data = op.A(x).expand(DRAWS, -1, -1, -1)

    def f(y, its):  # the answer itself where the data are those of x
        right = (y == data[:1]).flatten(1).all(1)
        return torch.where(right[:, None, None, None], x, applied(h)(y))

    found = mean_of(Equivariant(moves), f, data, Gaussian(op, STD))
    mask, expected = op.mask.double().flatten(), []
    for flip in (False, True):
        for i in range(8):
            for j in range(8):
                tx = (x.flip(-1) if flip else x).roll((i, j), (-2, -1)).flatten()
                spread = STD**2 * (h * mask).square().sum()
                expected.append(((h @ (mask * tx) - tx).square().sum() + spread) / (mask * x.flatten()).square().sum())
    assert agrees(found, float(sum(expected)) / len(expected), precision=0.05)


def test_equivariant_splitting_is_splitting_of_moved_images():
    """Images that are as likely when moved: the loss is the error of f at pixels that a moved operator does not see."""
    op = Inpainting(torch.rand(SHAPE, generator=torch.Generator().manual_seed(4)) < 0.7)
    h, x, draws = smoothing(), image(), 300
    loss, like = EquivariantSplitting(["shifts"], samples(0.3, centre=0)), Gaussian(op, STD)
    data = torch.where(op.measured, gaussian_noise(op.A(x).expand(draws, -1, -1, -1), STD, seed=10_000), 0)
    found = mean_of(loss, lambda y, its: applied(h)(its.op.A_adjoint(y)), data, like)
    errors = []
    for i in range(4 * draws):
        g = torch.Generator().manual_seed((i * 1_000_003 + 60_029) % 2**63)
        keep, out = loss.divided(data[:1], like, g)
        move = draw_move(loss.moves, x.shape, g)
        seen = (op.mask * keep).double().flatten()
        y = move.back((seen * x.flatten()).reshape(1, 1, *SHAPE)).flatten()
        error = move((h @ y).reshape(1, 1, *SHAPE)).flatten() - x.flatten()
        inside = move.back(seen.reshape(1, 1, *SHAPE)).flatten()
        spread = move(((h * inside).square().sum(1)).reshape(1, 1, *SHAPE)).flatten() * STD**2
        at = out.flatten() > 0
        errors.append((error.square() + spread)[at].mean() / STD**2)
    right = torch.stack(errors)
    scatter = math.hypot(found[1], float(right.std() / len(right) ** 0.5))
    assert abs(found[0] - float(right.mean())) < 4 * scatter and 4 * scatter < 0.1 * float(right.mean())


def test_augmented_losses_are_those_of_moved_images():
    """The estimator is shown T^-1 x: one that sees more in it makes another loss, one that follows moves the same."""
    op, moves, seen_by_f = Identity(SHAPE), ("quarters", "flips"), []
    like, data = Gaussian(op, STD), noisy(draws=3)

    def f(y, its):
        image = its.op.A_adjoint(y)  # T^-1 y
        seen_by_f.append(image)
        return image * 0.7

    for loss in (SURE(), Recorrupted(mirrored=True), Splitting(samples(0.4, centre=0))):
        value = Augmented(loss, moves)(f, data, like, range(3))
        assert torch.allclose(value, loss(f, data, like, range(3)), rtol=1e-5)
    h = smoothing()

    def smooth(y, its):
        return applied(h)(its.op.A_adjoint(y))

    found = Augmented(SURE(), moves)(smooth, data, like, range(3))
    for i in range(3):
        move = draw_move(moves, SHAPE, torch.Generator().manual_seed(((i + 1) * 1_000_003 + 60_029) % 2**63))
        turned = SURE()(lambda y, its, move=move: move(applied(h)(move.back(y))), data[i : i + 1], like, [i])
        assert found[i].item() == pytest.approx(turned.item())
    assert any(not torch.equal(v, seen_by_f[0]) for v in seen_by_f)
    with pytest.raises(ValueError, match="moves"):
        Augmented(SURE(), ["turns"])
    with pytest.raises(ValueError, match="mirrored"):
        Augmented(Recorrupted(mirrored=True)).check(Poisson(op, 9.0))


def test_losses_follow_units():
    h, like = smoothing(), Gaussian(IDENTITY, STD)
    for loss in (SURE(), Recorrupted(), Splitting(samples(0.4, centre=0)), BlindSpot(), Equivariant(["shifts"])):
        value = loss(applied(h), noisy(draws=3), like, range(3))
        for c in (1e-8, 1e8):
            scaled = loss(applied(h), c * noisy(draws=3), Gaussian(IDENTITY, c * STD), range(3))
            assert torch.allclose(scaled, value, rtol=1e-6)
        if not isinstance(loss, SURE | Recorrupted | Equivariant):  # no level is needed
            free = loss(applied(h), noisy(draws=3), Gaussian(IDENTITY), range(3))
            assert torch.allclose(loss(applied(h), 1e8 * noisy(draws=3), Gaussian(IDENTITY), range(3)), free)
        alone = torch.cat([loss(applied(h), y[None], like, [i]) for i, y in enumerate(noisy(draws=3))])
        assert torch.allclose(alone, value, rtol=1e-9)


def test_other_likelihoods_are_predicted_by_their_own_measure():
    h, loss = smoothing(), Splitting(samples(0.4, centre=0))
    like = Huber(IDENTITY, STD)
    data = noisy(draws=2)
    keep, out = loss.divided(data[:1], like, torch.Generator().manual_seed(60_029))
    x = applied(h)(keep * data[:1])
    expected = like.value(torch.where(out > 0, x, data[:1]), data[:1]) / out.sum()
    assert loss(applied(h), data[:1], like, [0]).item() == pytest.approx(expected.item())
    for bad in (SURE(), Recorrupted()):
        with pytest.raises(ValueError, match="likelihood"):
            bad(applied(h), data, like, [0, 1])
        with pytest.raises(ValueError, match="noise_std"):
            bad(applied(h), data, Gaussian(IDENTITY), [0, 1])
