"""The paper's network: counts, geometry, coordinates, chunks, derivatives."""

import pytest
import torch
from scipy.ndimage import map_coordinates
from torch.autograd import gradcheck

from denoisers import LoFi, MultiMLP, PatchGeometry, circle_offsets, pixel_coordinates, square_offsets
from denoisers.networks import PatchFinder
from denoisers.networks.lofi import mlp
from denoisers.networks.lofi_geometry import sample


def count(model: LoFi) -> int:
    """Trainable numbers, a complex one counted once, as the paper's code counts."""
    numbers = sum(p.numel() for p in model.parameters())
    return numbers - (model.noise_filter.response.numel() // 2 if model.noise_filter is not None else 0)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"filtered": "real"}, 3_525_488),
        ({"channels": 3, "filtered": "real"}, 3_744_138),
        ({"channels": 3}, 3_507_186),
        ({}, 3_446_504),
        ({"channels": 2, "outputs": 1, "filtered": "pair"}, 3_555_458),
        ({"channels": 2, "outputs": 1, "filtered": "pair", "size": 256}, 3_607_170),
    ],
)
def test_parameter_counts_of_the_paper(settings, expected):
    assert count(LoFi.paper(**settings)) == expected


def test_circle_of_the_paper_has_rings_every_quarter_pixel():
    pixels = LoFi.paper().geometry.pixels().detach()
    radius = pixels.norm(dim=-1)
    assert torch.allclose(radius, (torch.arange(9.0) * 0.248046875)[:, None].expand(9, 9), atol=1e-6)
    assert len({(round(r, 4), round(c, 4)) for r, c in pixels.reshape(-1, 2).tolist()}) == 73


def test_square_and_custom_geometry():
    assert square_offsets(9, 9, 1.98)[0, 0].tolist() == pytest.approx([-1.98, -1.98])
    own = torch.randn(2, 3, 2)
    assert torch.allclose(PatchGeometry(own, unit=7.0).pixels(), own, atol=1e-6)
    with pytest.raises(ValueError, match="offsets"):
        PatchGeometry(torch.zeros(5, 2))


def test_coordinates_include_both_ends():
    c = pixel_coordinates((3, 5))
    assert c[0].tolist() == [-0.5, -0.5] and c[-1].tolist() == [0.5, 0.5] and c[1].tolist() == [-0.5, -0.25]


def test_sampling_is_keys_bicubic_with_mirrored_borders():
    image = torch.randn(1, 1, 7, 9, dtype=torch.float64)
    rows, columns = torch.meshgrid(torch.arange(-5, 12), torch.arange(-6, 15), indexing="ij")
    at_pixels = torch.stack((rows, columns), -1).reshape(1, -1, 1, 2).double()
    mirrored = map_coordinates(image[0, 0].numpy(), at_pixels[0, :, 0].T.numpy(), order=0, mode="mirror")
    assert torch.allclose(sample(image, at_pixels)[0, :, 0, 0], torch.from_numpy(mirrored), atol=1e-12)

    def keys(t, a=-0.75):
        t = abs(t)
        return (a + 2) * t**3 - (a + 3) * t**2 + 1 if t <= 1 else a * (t**3 - 5 * t**2 + 8 * t - 4) * (t < 2)

    r, c = 3.3, 4.75
    expected = sum(keys(r - i) * keys(c - j) * image[0, 0, i, j].item() for i in range(7) for j in range(9))
    inside = torch.tensor([[[[r, c]]]], dtype=torch.float64)
    assert sample(image, inside).item() == pytest.approx(expected)


def test_chunks_write_every_pixel_and_change_nothing():
    model = LoFi.paper(filtered="real", size=16).double().eval()
    image = torch.rand(2, 1, 13, 11, dtype=torch.float64)
    whole = model(image)
    assert whole.shape == (2, 1, 13, 11)
    assert model.chunk_size(torch.cat([image] * 3, 1), 1e6) < 13 * 11
    assert torch.allclose(model(image, max_memory=1e6), whole, atol=1e-12)
    with torch.no_grad():  # written into one tensor, also under transforms
        assert torch.allclose(model(image, max_memory=1e6), whole, atol=1e-12)
        batched = torch.func.vmap(lambda x: model(x, max_memory=1e6))(image[None])
        moved = torch.func.jvp(lambda x: model(x, max_memory=1e6), (image,), (image,))[1]
    assert torch.allclose(batched[0], whole, atol=1e-12)
    assert torch.allclose(moved, torch.func.jvp(model, (image,), (image,))[1], atol=1e-12)
    with pytest.raises(ValueError, match="max_memory"):
        model(image, max_memory=0)


def test_every_resolution_and_continuous_coordinates():
    model = LoFi.paper().double()
    for shape in ((5, 5), (1, 1), (20, 31)):
        assert model(torch.rand(1, 1, *shape, dtype=torch.float64)).shape == (1, 1, *shape)
    image = torch.rand(1, 1, 8, 9, dtype=torch.float64)
    grid = pixel_coordinates((8, 9), dtype=torch.float64)
    assert torch.allclose(model(image, grid).reshape(1, 1, 8, 9), model(image), atol=1e-12)
    own = torch.rand(1, 6, 2, dtype=torch.float64) - 0.5
    assert torch.allclose(model(image, own[0]), model(image, own), atol=1e-12)


def test_shift_equivariant_inside():
    model = LoFi.paper().double()
    image = torch.rand(1, 1, 20, 20, dtype=torch.float64)
    shifted = model(image.roll((2, 3), (-2, -1)))
    assert torch.allclose(shifted[..., 8:14, 8:14], model(image).roll((2, 3), (-2, -1))[..., 8:14, 8:14], atol=1e-9)


def test_residual_output_subtracts_from_the_observed_value():
    geometry = PatchGeometry(circle_offsets(3, 4, 1.0))
    network = MultiMLP((3, 4), 1, 1, width=8, code=4)
    image = torch.rand(1, 1, 6, 6)
    direct, residual = LoFi(network, geometry), LoFi(network, geometry, residual=True)
    assert torch.allclose(residual(image), image - direct(image), atol=1e-6)


def test_gradients_reach_geometry_filter_finder_and_warp():
    model = LoFi.paper(filtered="real", size=8, finder_steps=2, warped=True)
    model(torch.rand(1, 1, 8, 8), torch.rand(4, 2) - 0.5).square().sum().backward()
    missing = {name for name, p in model.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)}
    # the learned circle only feeds the first look of the finder; everything must have a gradient
    assert not missing


def test_gradcheck_in_image_and_coordinates():
    torch.manual_seed(1)
    geometry = PatchGeometry(circle_offsets(2, 3, 1.3))
    model = LoFi(MultiMLP((2, 3), 1, 1, width=4, code=3), geometry).double()
    image = torch.rand(1, 1, 6, 5, dtype=torch.float64, requires_grad=True)
    place = (0.6 * torch.rand(3, 2, dtype=torch.float64) - 0.3).requires_grad_()
    assert gradcheck(model, (image, place))


def test_finder_replaces_the_learned_offsets():
    finder = PatchFinder(12, 1, steps=1)
    final = finder.looks[0][-1]  # pyright: ignore
    torch.nn.init.zeros_(final.weight)
    torch.nn.init.zeros_(final.bias)  # every point is sent to the centre
    model = LoFi(MultiMLP((3, 4), 1, 1, width=8, code=4), PatchGeometry(circle_offsets(3, 4, 2.0)), finder=finder)
    centre = LoFi(model.network, PatchGeometry(torch.zeros(3, 4, 2)))
    image = torch.rand(1, 1, 6, 6)
    assert torch.allclose(model(image), centre(image), atol=1e-6)


def test_warp_moves_the_coordinates():
    class Shift(torch.nn.Module):
        def forward(self, c):
            return c + 0.1

    geometry, network = PatchGeometry(circle_offsets(3, 4, 1.0)), MultiMLP((3, 4), 1, 1, width=8, code=4)
    image, c = torch.rand(1, 1, 6, 6), torch.zeros(1, 2)
    warped, plain = LoFi(network, geometry, warp=Shift()), LoFi(network, geometry)
    assert torch.allclose(warped(image, c), plain(image, c + 0.1))


def test_learns_a_simple_rule():
    torch.manual_seed(0)
    model = LoFi(mlp_network(), PatchGeometry(circle_offsets(3, 4, 1.0)))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    image = torch.rand(1, 1, 16, 16)
    c = pixel_coordinates((16, 16))
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = (model(image, c).reshape(1, 1, 16, 16) - 2 * image).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


def mlp_network() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Flatten(), mlp(12, 32, 1, 1))


@pytest.mark.parametrize(
    ("image", "coordinates", "error", "word"),
    [
        (torch.zeros(1, 8, 8), None, ValueError, "x"),
        (torch.zeros(0, 1, 8, 8), None, ValueError, "empty"),
        (torch.zeros(1, 1, 8, 8, dtype=torch.complex64), None, TypeError, "real"),
        (torch.zeros(1, 1, 8, 8, dtype=torch.int64), None, TypeError, "floating"),
        (torch.zeros(1, 1, 8, 8), torch.zeros(4, 3), ValueError, "coordinates"),
    ],
)
def test_bad_input_is_named(image, coordinates, error, word):
    with pytest.raises(error, match=word):
        LoFi.paper()(image, coordinates)
