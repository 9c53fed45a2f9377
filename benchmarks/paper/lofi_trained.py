"""LoFi: short trainings beside other networks."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from denoisers import DnCNN, Img2ImgMixer, LoFi, MultiMLP, NoiseFilter, PatchGeometry, UNet, circle_offsets
from denoisers.networks import PatchFinder
from denoisers.networks.lofi import mlp
from pnp.lensing import LognormalMaps, correlation
from pnp.metrics import psnr
from pnp.train import Drawing
from pnp.train.images import as_float, squared
from pnp.train.recipes.fields import attenuation
from pnp.train.recipes.simulate import low_dose_ct, mass_map
from pnp.train.tasks import Pairs

from ..common import noisy
from .row import Effort, Row
from .short import Half, Minus, PairPixels, plot, trained

__all__ = ["TRAINED", "small_lofi", "ten_pictures"]

SIDE, UNIT = 64, 63.5


def small_lofi(channels: int = 1, outputs: int | None = None, *, filtered: str | None = None, finder: int = 0,
               warped: bool = False) -> LoFi:  # fmt: skip
    """The paper's network with MLPs of 96 units instead of 370: 0.25 million parameters."""
    noise_filter = None if filtered is None else NoiseFilter(SIDE, channels, layout=filtered)
    seen = channels + (0 if noise_filter is None else noise_filter.outputs)
    return LoFi(
        MultiMLP((9, 9), seen, outputs or channels, width=96, code=32),
        PatchGeometry(circle_offsets(9, 9, 1.98), unit=UNIT),
        noise_filter=noise_filter,
        finder=PatchFinder(81, seen, steps=finder, width=64) if finder else None,
        warp=mlp(2, 256, 3, 2) if warped else None,
    )


def _mean_psnr(model: Callable[[Tensor], Tensor], pairs: list[tuple[Tensor, Tensor]]) -> float:
    """On the span of each target, as the paper's."""
    with torch.no_grad():
        found = [psnr(model(y[None]), x[None], data_range=float(x.amax() - x.amin())) for y, x in pairs]
    return float(torch.cat(found).mean())


def _against(
    effort: Effort,
    name: str,
    nets: dict[str, Callable[[], nn.Module]],
    learn: list[tuple[Tensor, Tensor]],
    steps: int,
    turn: int = 8,
) -> dict[str, nn.Module]:
    """Networks trained on the same pairs, equally many steps of eight; LoFi on 256 pixels of each."""
    found = {}
    for kind, build in nets.items():
        lofi = kind.startswith("lofi")
        usual = {
            "batch": 8,
            "criterion": F.l1_loss,
            "crop": learn[0][0].shape[-1],
            "drawing": Drawing(orientations=turn),
        }
        task = PairPixels(learn, pixels=256, **usual) if lofi else Pairs(learn, **usual)
        found[kind] = trained(effort, f"{name}-{kind}", build, task, effort.steps(steps), rate=1e-3)[0]
    return found


# ---- nine pictures

NINE_STEPS, NINE_SIDE = 720, 96


def _nine(effort: Effort) -> tuple[list[Tensor], list[Tensor]]:
    folder = effort.images("bsds400_color", 3)
    pictures = [squared(as_float(folder.images[i]), NINE_SIDE) for i in range(0, 140, 10)]
    return pictures[:9], pictures[9:]


def _nine_nets(effort: Effort) -> dict[str, tuple[nn.Module, list[float]]]:
    learn, test = _nine(effort)
    pairs = [(noisy(x, 0.15, seed=100 + i), x) for i, x in enumerate(learn)]  # as in the paper, one noise for each
    examples = [(noisy(x, 0.15, seed=i), x) for i, x in enumerate(test)]
    nets = {"lofi": lambda: Half(small_lofi(3)), "unet": lambda: Minus(UNet(3, width=19))}
    found = {}
    for name, build in nets.items():
        usual = {"criterion": F.l1_loss, "crop": NINE_SIDE, "drawing": Drawing(orientations=1)}
        task = PairPixels(pairs, pixels=256, batch=9, **usual) if name == "lofi" else Pairs(pairs, batch=3, **usual)
        found[name] = trained(
            effort, f"nine-pictures-{name}", build, task, effort.steps(NINE_STEPS), rate=1e-3, average=0.9,
            watch=lambda model: _mean_psnr(model, examples), times=18,
        )  # fmt: skip
    return found


def ten_pictures(effort: Effort) -> tuple[dict[str, nn.Module], list[Tensor]]:
    """The networks, in full precision, and test images."""
    nets = {name: model for name, (model, _) in _nine_nets(effort).items()}
    for module in (m for net in nets.values() for m in net.modules() if isinstance(m, Half)):
        module.wanted = False
    return nets, _nine(effort)[1]


def _ten(effort: Effort) -> Mapping[str, float]:
    figures, lines = {}, {}
    for name, (_, course) in _nine_nets(effort).items():
        step = effort.steps(NINE_STEPS) / len(course)
        lines[name] = [(step * (i + 1), v) for i, v in enumerate(course)]
        figures |= {f"{name}_best": max(course), f"{name}_end": course[-1], f"{name}_lost": max(course) - course[-1]}
    plot(effort.picture("lofi-ten"), lines, x="step")
    return figures


# ---- low-dose CT


def _slices(effort: Effort, name: str) -> list[tuple[str, Tensor]]:
    folder = effort.images(f"ct_patients/{name}")
    slices = [(n, squared(attenuation(folder.images[i]), SIDE)) for i, n in enumerate(folder.names)]
    return [(n, (x / x.amax()).clamp(0, 1)) for n, x in slices]


def _ct(effort: Effort) -> Mapping[str, float]:
    pair = lambda i, x: (low_dose_ct(x, torch.Generator().manual_seed(i)), x)  # noqa: E731
    chest = [s for name in ("tcga", "lidc0314") for s in _slices(effort, name)]
    away = ("TCGA-60", "TCGA-92", "LIDC")
    learn = [pair(i, x) for i, (n, x) in enumerate(chest) if not n.startswith(away)]
    test = [pair(i, x) for i, (n, x) in enumerate(chest) if n.startswith(away)]
    heads = [pair(i, x) for i, (_, x) in enumerate(_slices(effort, "head_ge"))]
    nets: dict[str, Callable[[], nn.Module]] = {
        "lofi": lambda: Half(small_lofi(filtered="real")),
        "unet": lambda: Minus(UNet(1, width=14, poolings=3)),
        "dncnn": lambda: Half(DnCNN(1, width=32, depth=8)),  # finds the noise itself, as the others here
        "mixer": lambda: Minus(Img2ImgMixer(SIDE, 1, width=64, depth=8, factor=4)),
    }
    figures = {"fbp": _mean_psnr(lambda y: y, test), "fbp_head": _mean_psnr(lambda y: y, heads), "slices": len(learn)}
    for name, model in _against(effort, "low-dose", nets, learn, 250).items():
        figures |= {name: _mean_psnr(model, test), f"{name}_head": _mean_psnr(model, heads)}
    others = ("unet", "dncnn", "mixer")
    figures |= {f"{n}_change": figures[f"{n}_head"] - figures[n] for n in ("fbp", "lofi", *others)}
    figures["best"] = max(figures[n] for n in others)
    figures["best_head"] = max(figures[f"{n}_head"] for n in others)
    return figures


# ---- dark matter


def _mass_nets(effort: Effort) -> tuple[dict[str, nn.Module], list[tuple[Tensor, Tensor]]]:
    unit, pixel = 0.01, 300 / SIDE  # convergence that counts as one; arcmin
    maps = LognormalMaps(80, (SIDE, SIDE), pixel, first=700_000)
    pairs = [
        (mass_map(x, torch.Generator().manual_seed(i)) / unit, x / unit)
        for i, x in enumerate(maps[j] for j in range(80))
    ]
    nets: dict[str, Callable[[], nn.Module]] = {
        "lofi": lambda: Half(small_lofi(2, 1, filtered="pair")),
        "unet": lambda: Half(UNet(2, 1, width=14, poolings=3)),
    }
    return _against(effort, "mass", nets, pairs[:60], 300), pairs[60:]


def _mass(effort: Effort) -> Mapping[str, float]:
    nets, test = _mass_nets(effort)
    ks = lambda y: y[:, :1]  # noqa: E731
    figures = {}
    for name, model in {"ks": ks, **nets}.items():
        with torch.no_grad():
            alike = [float(correlation(model(y[None]), x[None]).mean()) for y, x in test]
        figures |= {name: _mean_psnr(model, test), f"{name}_correlation": sum(alike) / len(alike)}
    return figures


def _filter(effort: Effort) -> Mapping[str, float]:
    model = _mass_nets(effort)[0]["lofi"]
    assert isinstance(model, Half) and isinstance(model.net, LoFi) and model.net.noise_filter is not None
    gain = model.net.noise_filter.transfer((SIDE, SIDE))[0].detach()
    radius = torch.hypot(*torch.meshgrid(torch.fft.fftfreq(SIDE), torch.fft.fftfreq(SIDE), indexing="ij"))
    spread = torch.fft.ifft2(gain).abs().square()
    _pictures(
        effort,
        "lofi-filter",
        {"gain": torch.fft.fftshift(gain.abs()), "response": torch.fft.fftshift(spread.sqrt()) ** 0.3},
    )
    return {
        "low": float(gain.abs()[(radius > 0) & (radius < 0.08)].mean()),
        "high": float(gain.abs()[radius > 0.3].mean()),
        "outside": 100 * float(1 - spread[0, 0] / spread.sum()),
        "moved": float((gain - 1).abs().max()),
    }


def _pictures(effort: Effort, name: str, images: dict[str, Tensor], points: dict[str, Tensor] | None = None) -> None:
    """Images in a row, with points (row, column) on each of the same name."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(images), figsize=(4 * len(images), 4), constrained_layout=True, squeeze=False)
    for axis, (title, image) in zip(axes[0], images.items()):
        axis.imshow(image, cmap="gray")
        axis.set_title(title)
        axis.set_axis_off()
        for one in (points or {}).get(title, torch.zeros(0, 1, 2)):
            axis.plot(one[:, 1], one[:, 0], ".", markersize=2)
    figure.savefig(effort.picture(name), dpi=100)
    plt.close(figure)


# ---- geometry


def _geometry(effort: Effort) -> Mapping[str, float]:
    """Patches that look for their place: how they lie along edges after the first and the last of three looks."""
    folder = effort.images("bsd400_gray")
    pairs = [
        (noisy(x, 0.15, seed=i), x)
        for i, x in enumerate(as_float(folder.images[j])[:, 20:68, 20:68] for j in range(200))
    ]
    test = [
        (noisy(x, 0.15, seed=i), x)
        for i, x in enumerate(as_float(folder.images[j])[:, 20:68, 20:68] for j in range(200, 220))
    ]
    nets: dict[str, Callable[[], nn.Module]] = {
        "lofi_fixed": lambda: Half(small_lofi()), "lofi_finder": lambda: Half(small_lofi(finder=3))
    }  # fmt: skip
    models = _against(effort, "geometry", nets, pairs, 300)
    figures = {name: _mean_psnr(model, test) for name, model in models.items()}
    finder = models["lofi_finder"]
    assert isinstance(finder, Half) and isinstance(finder.net, LoFi)
    along: dict[int, list[Tensor]] = {1: [], 3: []}
    size: dict[int, list[Tensor]] = {1: [], 3: []}
    for y, x in test:
        places, direction = _edges(x)
        for looks in along:
            spread = _found(finder.net, y, places, looks)
            spread = spread - spread.mean(1, keepdim=True)
            across = torch.stack((-direction[:, 1], direction[:, 0]), -1)
            lengths = [(spread * d[:, None]).sum(-1).square().mean(1) for d in (direction, across)]
            along[looks].append((lengths[0] / lengths[1].clamp_min(1e-9)).sqrt())
            size[looks].append(spread.square().sum(-1).mean(1).sqrt())
    for name, values in (("ratio", along), ("size", size)):
        figures |= {f"{name}_{looks}": float(torch.cat(v).median()) for looks, v in values.items()}
    y, x = test[3]
    places, _ = _edges(x)
    shown = {f"looks: {n}": _found(finder.net, y, places[:3], n) + places[:3, None] for n in along}
    _pictures(effort, "lofi-geometry", {name: y[0] for name in shown}, shown)
    return figures


def _edges(x: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels (P, 2) of the twenty sharpest straight edges, and the direction of each edge."""
    smooth = F.avg_pool2d(x[None], 3, 1, 1)[0, 0]
    rows, columns = torch.gradient(smooth)
    parts = torch.stack((rows * rows, rows * columns, columns * columns))
    a, b, c = F.avg_pool2d(parts[None], 5, 1, 2)[0]
    coherent = ((a - c).square() + 4 * b * b).sqrt()
    coherent[:6], coherent[-6:], coherent[:, :6], coherent[:, -6:] = 0, 0, 0, 0
    index = coherent.flatten().topk(20).indices
    angle = 0.5 * torch.atan2(2 * b, a - c).flatten()[index]  # of the gradient, from the row axis
    direction = torch.stack((-angle.sin(), angle.cos()), -1)
    return torch.stack((index // x.shape[-1], index % x.shape[-1]), -1).float(), direction


@torch.no_grad()
def _found(net: LoFi, y: Tensor, places: Tensor, looks: int) -> Tensor:
    """Offsets (P, K, 2) in pixels after so many looks."""
    from denoisers.networks.lofi_geometry import sample

    assert net.finder is not None
    offsets = net.geometry.pixels().flatten(0, 1).expand(len(places), -1, 2)
    for look in list(net.finder.looks)[:looks]:
        patch = sample(y[None], (places[:, None] + offsets)[None])[0]
        offsets = net.geometry.pixels(look(patch.flatten(1)).unflatten(-1, (-1, 2)))
    return offsets


# ---- transposed images


def _transposed(effort: Effort) -> Mapping[str, float]:
    side, folder, other = 48, effort.images("bsd400_gray"), effort.images("ct")
    images = [squared(as_float(folder.images[i]), side) for i in range(300)]
    learn, test, away = (
        [(x.mT.contiguous(), x) for x in part]
        for part in (images[:250], images[250:], [squared(other[i], side) for i in range(10)])
    )
    nets: dict[str, Callable[[], nn.Module]] = {
        "lofi": partial(small_lofi, warped=True),  # in full precision: coordinates need their digits
        "unet": lambda: Half(UNet(1, width=14, poolings=3)),
        "dncnn": lambda: Half(DnCNN(1, width=32, depth=8)),
    }
    figures = {"input": _mean_psnr(lambda y: y, test)}
    for name, model in _against(effort, "transposed", nets, learn, 400, turn=1).items():
        figures |= {name: _mean_psnr(model, test), f"{name}_other": _mean_psnr(model, away)}
    return figures


TRAINED = [
    Row(
        "lofi-ct",
        "low-dose CT: on par with CNNs in distribution, significantly better out of it (V-A, Fig. 4)",
        "chest 64 slices, brain 16 slices; pictures",
        "64² slices, 180 projections at 30 dB, FBP; trained on chests, tested on other patients and on heads; LoFi "
        "of 0.25 "
        "million parameters, U-Net 0.37, DnCNN 0.06, Mixer 0.37; 250 steps of 8",
        _ct,
        "chest: FBP {fbp:.2f}, LoFi {lofi:.2f}, U-Net {unet:.2f}, DnCNN {dncnn:.2f}, Mixer {mixer:.2f}; head: FBP "
        "{fbp_head:.2f}, LoFi {lofi_head:.2f}, U-Net {unet_head:.2f}, DnCNN {dncnn_head:.2f}, Mixer {mixer_head:.2f} "
        "dB",
        "reproduced: within 0.3 dB of the best other on chests, above all on heads; same trend: above the multiscale "
        "U-Net and the Mixer on heads.",
        lambda f: (
            f["lofi"] > f["best"] - 0.3 and f["lofi_head"] > f["best_head"],
            f["lofi_head"] > max(f["unet_head"], f["mixer_head"]),
        ),
        "heads are easier than chests for every network, so that nothing tells who copes with the unknown: from one "
        "to the "
        "other LoFi changes by {lofi_change:.2f} dB, DnCNN by {dncnn_change:.2f}, U-Net by {unet_change:.2f}, Mixer by "
        "{mixer_change:.2f}, FBP by {fbp_change:.2f} dB.",
        seconds=45,
    ),
    Row(
        "lofi-ten",
        "trained on nine pictures LoFi does not overfit, a U-Net does early (V-A, Fig. 5)",
        "curves over 20,000 iterations",
        "nine colour pictures of 96², σ = 0.15, one noise for each; U-Net of the paper's width 19; 720 steps",
        _ten,
        "best and last PSNR of five test pictures: LoFi {lofi_best:.2f}, {lofi_end:.2f}; U-Net {unet_best:.2f}, "
        "{unet_end:.2f} dB",
        "reproduced: LoFi ends within 0.1 dB of its best, the U-Net at least 0.5 dB below its own; same trend: the "
        "U-Net "
        "loses more.",
        lambda f: (f["lofi_lost"] < 0.1 and f["unet_lost"] > 0.5, f["unet_lost"] > f["lofi_lost"]),
        seconds=65,
    ),
    Row(
        "lofi-mass",
        "dark matter maps from Kaiser-Squires: LoFi is on par with networks that see far (V-A, Fig. 7)",
        "pictures",
        "60 simulated lognormal maps of 5° as 64², noise by formula (19), E and B modes; 20 others; 300 steps of 8",
        _mass,
        "Kaiser-Squires {ks:.2f}, LoFi {lofi:.2f}, U-Net {unet:.2f} dB; correlation {ks_correlation:.3f}, "
        "{lofi_correlation:.3f}, {unet_correlation:.3f}",
        "reproduced: within 0.3 dB of the U-Net or above it, and above Kaiser-Squires; same trend: above "
        "Kaiser-Squires.",
        lambda f: (f["lofi"] > max(f["unet"] - 0.3, f["ks"]), f["lofi"] > f["ks"]),
        seconds=30,
    ),
    Row(
        "lofi-filter",
        "the noise filter, an identity at first, expands its support in training (III-D, Fig. 17)",
        "a picture",
        "the network of `lofi-mass`",
        _filter,
        "gain {low:.3f} at low and {high:.3f} at high frequencies; {outside:.3f} % of the response's energy outside "
        "its "
        "centre",
        "reproduced: at least 1 % outside the centre, and high frequencies are damped against low ones; same trend: at "
        "least 0.01 % outside, and damped alike.",
        lambda f: (f["outside"] > 1 and f["high"] < f["low"], f["outside"] > 0.01 and f["high"] < f["low"]),
        "a training of 300 steps has moved no frequency's gain, of 1 at first, by more than {moved:.2f}.",
        seconds=1,
    ),
    Row(
        "lofi-geometry",
        "coordinate-conditioned geometry finds where the information lies, more precisely with more looks (V-C, Fig. "
        "9)",
        "pictures, T up to 3",
        "denoising at σ = 0.15, 200 crops of 48²; T = 3 and a fixed geometry, 300 steps of 8; patches at 400 edges",
        _geometry,
        "radius of a patch after one look {size_1:.2f}, after three {size_3:.2f} pixels; extent along the edge over "
        "that "
        "across it {ratio_1:.2f} and {ratio_3:.2f}; PSNR {lofi_finder:.2f}, fixed geometry {lofi_fixed:.2f} dB",
        "reproduced: after three looks patches are at most half as large as after one, and longer along edges by a "
        "tenth; "
        "same trend: at most half as large.",
        lambda f: (f["size_3"] < 0.5 * f["size_1"] and f["ratio_3"] > 1.1, f["size_3"] < 0.5 * f["size_1"]),
        "more looks make patches smaller, {size_1:.2f} to {size_3:.2f} pixels, but 300 steps do not lay them along "
        "the edges: "
        "{ratio_3:.2f} along over across.",
        seconds=25,
    ),
    Row(
        "lofi-transposed",
        "an image from its transpose: INR-LoFi learns the map of coordinates, CNNs fail (V-D, Fig. 10)",
        "pictures, faces and bedrooms",
        "250 photographs of 48², 50 others and ten CT slices; U-Net of 0.37 and DnCNN of 0.06 million parameters; "
        "400 steps of 8",
        _transposed,
        "photographs: INR-LoFi {lofi:.2f}, U-Net {unet:.2f}, DnCNN {dncnn:.2f}; CT slices: {lofi_other:.2f}, "
        "{unet_other:.2f}, {dncnn_other:.2f} dB (the transpose itself: {input:.2f})",
        "reproduced: 5 dB above both on both; same trend: above both on photographs.",
        lambda f: (
            f["lofi"] > max(f["unet"], f["dncnn"]) + 5 and f["lofi_other"] > max(f["unet_other"], f["dncnn_other"]) + 5,
            f["lofi"] > max(f["unet"], f["dncnn"]),
        ),
        seconds=35,
    ),
]
