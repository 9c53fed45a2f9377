"""Image-to-Image Mixer: perceptrons along height, width and channels."""

import time
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from denoisers import (
    BM3DDenoiser,
    DnCNN,
    Img2ImgMixer,
    LinearMixer,
    MixerDenoiser,
    OriginalMixer,
    UMixer,
    UNet,
    ViT,
)
from operators import Identity
from pnp.data import sample
from pnp.metrics import psnr, ssim
from pnp.train import SSIMLoss
from pnp.train.images import squared
from pnp.train.recipes.simulate import accelerated_mri, smooth_phase
from pnp.train.tasks import Pairs
from pnp.train.untrained import fit_untrained

from .row import Effort, Row
from .short import Half, centre, denoiser, denoising_psnr, parameters, plot, trained

__all__ = ["MIXER"]

SIDE, SIGMA, STEPS = 32, 30 / 255, 400
LONG = 4 * STEPS
NETS: dict[str, Callable[[], nn.Module]] = {  # 0.29 to 0.37 million parameters, but for the small ones: a quarter
    "mixer": partial(Img2ImgMixer, SIDE, 1, width=64, depth=8, factor=4),
    "unet": partial(UNet, 1, width=14, poolings=3),
    "vit": partial(ViT, SIDE, 1, patch=4, width=96, depth=3, heads=6),
    "mixer_small": partial(Img2ImgMixer, SIDE, 1, width=32, depth=8, factor=4),
    "unet_small": partial(UNet, 1, width=7, poolings=3),
    "vit_small": partial(ViT, SIDE, 1, patch=4, width=48, depth=3, heads=6),
    "linear": partial(LinearMixer, SIDE, 1, width=64, depth=9),
    "multi": partial(UMixer, SIDE, 1, width=44, scales=3),
    "original": partial(OriginalMixer, SIDE, 1, width=64, depth=6),
    "patch_8": partial(Img2ImgMixer, SIDE, 1, patch=8, width=52, depth=8, factor=4),
    "patch_2": partial(Img2ImgMixer, SIDE, 1, patch=2, width=80, depth=8, factor=2),
}
WORK = "BSD400 to BSD68 (10 crops of 128²), gray, σ = 30; 32² networks of 0.3 million parameters, 400 steps of 8 crops"
LONG_WORK = WORK.replace("400 steps", "1,600 steps")


def _short(effort: Effort, name: str, *, images: int = 400, direct: bool = False, steps: int = STEPS) -> list[float]:
    """PSNR of a network of :data:`NETS` at half of its steps and at the end."""
    return denoiser(
        effort,
        name,
        NETS[name],
        sigma=SIGMA,
        steps=steps,
        crop=SIDE,
        batch=8,
        rate=1e-3,
        images=images,
        direct=direct,
        tested=10,
    )[1]


TABLES = {  # Tables 3 and 4, section 3.5: patch, depth, width, factor, and the printed millions
    1.66: (4, 16, 64, 4), 2.40: (4, 16, 96, 4), 3.44: (4, 16, 128, 4), 6.61: (4, 16, 128, 8), 12.19: (4, 16, 192, 8),
    3.45: (1, 12, 107, 1), 3.46: (2, 16, 140, 2), 6.81: (1, 12, 100, 2), 6.82: (2, 16, 140, 4), 6.86: (8, 16, 140, 8),
}  # fmt: skip


def _parameters(effort: Effort) -> Mapping[str, float]:
    worst = 0.0
    for printed, (patch, depth, width, factor) in TABLES.items():
        net = Img2ImgMixer(256, patch=patch, depth=depth, width=width, factor=factor)
        worst = max(worst, abs(parameters(net) / 1e6 - printed))
    others = {"linear": LinearMixer(256), "multi": UMixer(256), "original": OriginalMixer(256)}
    return {"worst": worst, "default": parameters(Img2ImgMixer(256))} | {k: parameters(v) for k, v in others.items()}


def _growth(effort: Effort) -> Mapping[str, float]:
    """Parameters that a doubling of the image's side adds, over what the doubling before added."""
    builds = {
        "ours": partial(Img2ImgMixer, depth=1),
        "original": lambda side: OriginalMixer(side, depth=1, token_hidden=(side // 4) ** 2),
    }
    figures = {}
    for name, build in builds.items():
        a, b, c = (parameters(build(side)) for side in (32, 64, 128))
        figures |= {f"{name}_small": a, f"{name}_large": c, f"{name}_ratio": (c - b) / (b - a)}
    return figures


def _throughput(effort: Effort) -> Mapping[str, float]:
    nets = {"vit": ViT(256), "unet": UNet(3, width=21), "mixer": Img2ImgMixer(256), "dncnn": DnCNN(3)}
    x, seconds = torch.rand(1, 3, 256, 256), {name: [] for name in nets}
    with torch.no_grad():
        for _ in range(1 + max(2, effort.some(5))):
            for name, net in nets.items():  # in turns, so that a busy machine is so for all
                begin = time.process_time()
                net.eval()(x)
                seconds[name].append(time.process_time() - begin)
    figures = {name: 1 / min(times[1:]) for name, times in seconds.items()}
    return figures | {f"{name}_ratio": figures[name] / figures["mixer"] for name in ("vit", "unet")}


def _training_set(effort: Effort) -> Mapping[str, float]:
    figures, lines = {}, {}
    for name in ("mixer", "unet", "vit"):
        for count in (4, 40, 400):
            figures[f"{name}_{count}"] = _short(effort, name, images=count)[-1]
            lines.setdefault(name, []).append((count, figures[f"{name}_{count}"]))
        figures[f"{name}_gain"] = figures[f"{name}_400"] - figures[f"{name}_4"]
    plot(effort.picture("mixer-training-set"), lines, x="training images", log=True)
    return figures


def _baselines(effort: Effort) -> Mapping[str, float]:
    figures = {}
    for name in ("mixer", "unet", "vit"):
        half, end = _short(effort, name)
        small = _short(effort, f"{name}_small")[-1]
        figures |= {name: end, f"{name}_half": half, f"{name}_small": small}
    gaps = {"gap": figures["unet"] - figures["mixer"], "gap_half": figures["unet_half"] - figures["mixer_half"]}
    return figures | gaps


def _bm3d(effort: Effort) -> Mapping[str, float]:
    test = effort.images("bsd68")
    images = [centre(test[i], 128) for i in range(effort.some(10))]
    net, classic = MixerDenoiser(), BM3DDenoiser()
    return {
        "short": _short(effort, "mixer")[-1],
        "mixer": denoising_psnr(lambda y: net(y, SIGMA), images, SIGMA),
        "bm3d": denoising_psnr(lambda y: classic(y, SIGMA), images, SIGMA),
    }


def _variants(*names: str) -> Callable[[Effort], Mapping[str, float]]:
    def measure(effort: Effort) -> Mapping[str, float]:
        figures = {name: _short(effort, name)[-1] for name in ("mixer", *names)}
        halves = {f"{name}_half": _short(effort, name)[0] for name in ("mixer", *names)}
        rises = {f"{name}_rise": v - halves[f"{name}_half"] for name, v in figures.items()}
        return figures | halves | rises | {f"{name}_parameters": parameters(NETS[name]()) for name in figures}

    return measure


def _worse(name: str) -> tuple[str, Callable[[Mapping[str, float]], tuple[bool, bool]]]:
    """The claim that a variant is worse, and its verdict."""
    return (
        "reproduced: at least 0.3 dB below the default; same trend: below it.",
        lambda f: (f[name] < f["mixer"] - 0.3, f[name] < f["mixer"]),
    )


def _longer(name: str) -> Callable[[Effort], Mapping[str, float]]:
    """A variant that learns later than the default: both at a quarter of :data:`LONG`, half of it, and the end."""

    def measure(effort: Effort) -> Mapping[str, float]:
        figures: dict[str, float] = {}
        for net in ("mixer", name):
            figures[f"{net}_half"], figures[net] = _short(effort, net, steps=LONG)
            figures[f"{net}_short"] = _short(effort, net)[-1]
        return figures

    return measure


def _residual(effort: Effort) -> Mapping[str, float]:
    figures = {}
    for name in ("mixer", "unet", "vit"):
        figures |= {name: _short(effort, name)[-1], f"{name}_direct": _short(effort, name, direct=True)[-1]}
    return figures


class Standard(nn.Module):
    """A network of images of mean zero and deviation one, which it gives their own units back."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = Half(net)

    def forward(self, x: Tensor) -> Tensor:
        mean, std = x.mean((-2, -1), keepdim=True), x.std((-2, -1), keepdim=True) + 1e-6
        return std * self.net((x - mean) / std) + mean


LARGE = 64
WIDE: dict[str, Callable[[], nn.Module]] = {  # 0.35 to 0.5 million parameters
    "mixer": partial(Img2ImgMixer, LARGE, 1, width=64, depth=8, factor=4),
    "unet": NETS["unet"],
    "vit": partial(ViT, LARGE, 1, patch=8, width=96, depth=3, heads=6),
    "original": partial(OriginalMixer, LARGE, 1, width=64, depth=6),
}


def _mri(effort: Effort) -> Mapping[str, float]:
    folder, measure = effort.images("mri_images/brain_ms"), accelerated_mri(LARGE)
    pairs: dict[bool, list[tuple[Tensor, Tensor]]] = {True: [], False: []}
    for i, name in enumerate(folder.names):
        g = torch.Generator().manual_seed(i)
        x = squared(folder[i], LARGE)
        x = x / x.amax()
        op = measure(g)
        pairs[name.startswith(("patient19", "patient20"))].append(
            (op.A_adjoint(op.A(smooth_phase(x, g)[None])).abs()[0], x)
        )
    test = [(y[None], x[None]) for y, x in pairs[True]]
    figures = {"input": sum(float(ssim(y, x)) for y, x in test) / len(test), "images": len(pairs[False])}
    for name in ("mixer", "unet", "vit"):
        task = Pairs(pairs[False], batch=8, crop=LARGE, criterion=SSIMLoss())
        _, course = trained(
            effort, f"mri-{name}", lambda n=name: Standard(WIDE[n]()), task, effort.steps(600), rate=1e-3, times=2,
            watch=lambda model: sum(float(ssim(model(y), x)) for y, x in test) / len(test),
        )  # fmt: skip
        figures |= {f"{name}_half": course[0], name: course[-1]}
    return figures


_UNTRAINED = {"mixer": 1e-4, "unet": 5e-3, "vit": 1e-3, "original": 5e-4}  # learning rates of the paper's code


def _fit(name: str, steps: int, kind: str, side: int = LARGE, build: Callable[[], nn.Module] | None = None):
    """Share of the energy that is not fitted yet, and PSNR of the clean image, after each step."""
    x = sample("camera")[..., 100 : 100 + side, 200 : 200 + side]
    x = x / x.amax()
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    noise = 0.5 * noise * x.norm() / noise.norm()
    y = {"image": x, "noise": noise, "both": x + noise}[kind]
    torch.manual_seed(0)
    energy, rest, quality = float(y.square().mean()), [], []
    for fit in fit_untrained((build or WIDE[name])(), y, Identity((side, side)), steps=steps, rate=_UNTRAINED[name]):
        rest.append(fit.misfit / energy)
        quality.append(float(psnr(fit.x, x)))
    return rest, quality


def _half(rest: list[float]) -> int:
    """First step at which half of the energy is fitted; one after the last where none is."""
    return next((i + 1 for i, v in enumerate(rest) if v < 0.5), len(rest) + 1)


def _image_first(effort: Effort) -> Mapping[str, float]:
    steps, figures = effort.steps(250), {}
    for name in _UNTRAINED:
        figures |= {f"{name}_{kind}": _half(_fit(name, steps, kind)[0]) for kind in ("image", "noise")}
    return figures | {"steps": steps}


def _bias(effort: Effort) -> Mapping[str, float]:
    steps = effort.steps(250)
    figures = {name: max(_fit(name, steps, "both")[1]) for name in _UNTRAINED}
    wide = partial(UNet, 1, width=32)
    return figures | {"unet_large": max(_fit("unet", steps, "both", 128, wide)[1])}


MIXER = [
    Row(
        "mixer-parameters",
        "numbers of parameters (Tables 3, 4; section 3.5)",
        "1.66M to 12.19M; 3.5M linear, 6.45M multi-resolution, 6.87M original",
        "ten configurations at 256² and the variants as they are",
        _parameters,
        "largest difference from the ten printed numbers {worst:.4f}M; default {default:,.0f}; {linear:,.0f}, "
        "{multi:,.0f}, {original:,.0f}",
        "reproduced: all within 0.01M of the print (3.5M: 0.05M); same trend: within 5 %.",
        lambda f: (
            f["worst"] < 0.01
            and abs(f["linear"] - 3.5e6) < 5e4
            and abs(f["multi"] - 6.45e6) < 1e4
            and abs(f["original"] - 6.87e6) < 1e4,
            f["worst"] < 0.3,
        ),
    ),
    Row(
        "mixer-growth",
        "parameters grow linearly with the number of pixels, those of the original mixer quadratically (section 2)",
        "O(H² + W²) against O(H² W²)",
        "one layer at 32², 64², 128²; perceptrons of the original as wide as there are patches",
        _growth,
        "one layer, 32² to 128²: {ours_small:,.0f} to {ours_large:,.0f}, original {original_small:,.0f} to "
        "{original_large:,.0f}; the second doubling of the side adds {ours_ratio:.1f} times what the first did, "
        "original "
        "{original_ratio:.1f} times",
        "reproduced: ratios within 10 % of 4 and of 16; same trend: the original's is the larger one.",
        lambda f: (
            abs(f["ours_ratio"] / 4 - 1) < 0.1 and abs(f["original_ratio"] / 16 - 1) < 0.1,
            f["original_ratio"] > f["ours_ratio"],
        ),
    ),
    Row(
        "mixer-throughput",
        "with one image, about as fast as ViT, faster than DnCNN, slower than the U-Net (Table 2)",
        "ViT 116, U-Net 287, Mixer 89, DnCNN 28 images a second on a GPU",
        "256² colour, float32, one thread, seconds of the processor, in turns, best of five",
        _throughput,
        "ViT {vit:.2f}, U-Net {unet:.2f}, Mixer {mixer:.2f}, DnCNN {dncnn:.2f} images a second",
        "reproduced: DnCNN < Mixer < U-Net and ViT within a factor of two of the Mixer; same trend: DnCNN < Mixer < "
        "U-Net.",
        lambda f: (
            f["dncnn"] < f["mixer"] < f["unet"] and 0.5 < f["vit"] / f["mixer"] < 2,
            f["dncnn"] < f["mixer"] < f["unet"],
        ),
        "on one core the ViT is {vit_ratio:.1f} times and the U-Net {unet_ratio:.1f} times as fast as the Mixer; "
        "printed, on a GPU: 1.3 and 3.2 times.",
        seconds=20,
    ),
    Row(
        "mixer-training-set",
        "PSNR rises with the training set; the U-Net is on par at few images, the Mixer ahead at more (Fig. 2, middle)",
        "1,000 to 100,000 images",
        f"{WORK} of 4, 40 and 400 images",
        _training_set,
        "4, 40, 400 images: Mixer {mixer_4:.2f}, {mixer_40:.2f}, {mixer_400:.2f}; U-Net {unet_4:.2f}, {unet_40:.2f}, "
        "{unet_400:.2f}; ViT {vit_4:.2f}, {vit_40:.2f}, {vit_400:.2f} dB",
        "reproduced: the Mixer is ahead of the U-Net by 0.05 dB at 400 images, and not at 4; same trend: 400 images "
        "are better "
        "than 4 for all three, and the Mixer gains more than the U-Net.",
        lambda f: (
            f["mixer_400"] > f["unet_400"] + 0.05 and f["mixer_4"] < f["unet_4"] + 0.05,
            min(f["mixer_gain"], f["unet_gain"], f["vit_gain"]) > 0 and f["mixer_gain"] > f["unet_gain"],
        ),
        "3,200 crops of 32² are few for all: 400 images instead of 4 are worth {mixer_gain:.2f} dB to the Mixer, "
        "{unet_gain:.2f} dB to the U-Net, {vit_gain:.2f} dB to the ViT.",
        seconds=65,
    ),
    Row(
        "mixer-baselines",
        "at equal size the Mixer is above the U-Net, and that above the ViT (Fig. 2, left; section 3.5)",
        "30.07 (3.4M), 29.87, 29.14 dB after 60 epochs",
        f"{WORK}; and a quarter of the parameters",
        _baselines,
        "0.3 million: Mixer {mixer:.2f}, U-Net {unet:.2f}, ViT {vit:.2f}; 0.08 million: {mixer_small:.2f}, "
        "{unet_small:.2f}, {vit_small:.2f} dB",
        "reproduced: Mixer above U-Net, and U-Net above ViT, by 0.05 dB each; same trend: Mixer above ViT, and "
        "within 0.1 "
        "dB of the U-Net or above it.",
        lambda f: (
            f["mixer"] > f["unet"] + 0.05 and f["unet"] > f["vit"] + 0.05,
            f["mixer"] > f["vit"] and f["mixer"] > f["unet"] - 0.1,
        ),
        "the Mixer learns later: it is {gap_half:.2f} dB below the U-Net at half the steps, and level ({gap:.2f} dB) "
        "at the "
        "end.",
        seconds=35,
    ),
    Row(
        "mixer-bm3d",
        "trained networks are above BM3D (Fig. 2)",
        "BM3D lowest in the figure",
        "10 crops of BSD68, gray, σ = 30; shipped weights, 44 minutes of one core for all levels",
        _bm3d,
        "Mixer {mixer:.2f}, BM3D {bm3d:.2f} dB",
        "reproduced: above BM3D.",
        lambda f: (f["mixer"] > f["bm3d"], False),
        "training closes the distance: {short:.2f} dB after the 400 steps of the rows above, {mixer:.2f} after 6,000 "
        "of the "
        "shipped network, which is for all levels; BM3D has {bm3d:.2f}.",
        seconds=8,
    ),
    Row(
        "mixer-linear",
        "linear mixing of height and width is almost as good (section 3.5)",
        "29.92, 0.15 dB below the default",
        LONG_WORK,
        _longer("linear"),
        "linear {linear:.2f}, default {mixer:.2f} dB",
        "reproduced: within 0.25 dB of the default; same trend: within 0.5 dB.",
        lambda f: (abs(f["linear"] - f["mixer"]) < 0.25, abs(f["linear"] - f["mixer"]) < 0.5),
        "linear layers learn later: trained for 400, 800 and 1,600 steps they have {linear_short:.2f}, "
        "{linear_half:.2f} and {linear:.2f} dB, the default {mixer_short:.2f}, {mixer_half:.2f} and {mixer:.2f}.",
        seconds=120,
    ),
    Row(
        "mixer-multi-resolution",
        "a multi-resolution mixer is worse (section 3.5)",
        "28.77 against 30.20 dB",
        WORK,
        _variants("multi"),
        "multi-resolution {multi:.2f} ({multi_parameters:,.0f} parameters), default {mixer:.2f} dB",
        *_worse("multi"),
        "coarse scales are learned first: it leads by {multi_half:.2f} to {mixer_half:.2f} dB at half the steps, by "
        "{multi:.2f} to {mixer:.2f} at the end.",
        seconds=15,
    ),
    Row(
        "mixer-original",
        "the original mixer, which does not keep the places of patches, is significantly worse (section 3.5)",
        "27.36 against 30.20 dB",
        WORK,
        _variants("original"),
        "original {original:.2f} ({original_parameters:,.0f} parameters), default {mixer:.2f} dB",
        *_worse("original"),
        "at half the steps {original_half:.2f} against {mixer_half:.2f} dB, at the end {original:.2f} against "
        "{mixer:.2f}.",
        seconds=15,
    ),
    Row(
        "mixer-patch-8",
        "patches of 8 pixels are far worse than of 4 (Table 1)",
        "23.85 against 30.07 dB",
        WORK,
        _variants("patch_8"),
        "8: {patch_8:.2f}, 4: {mixer:.2f} dB",
        "reproduced: at least 1 dB below; same trend: below.",
        lambda f: (f["patch_8"] < f["mixer"] - 1, f["patch_8"] < f["mixer"]),
        seconds=15,
    ),
    Row(
        "mixer-patch-2",
        "patches of 2 pixels are marginally better than of 4 (Table 1)",
        "30.18 against 30.07 dB",
        LONG_WORK,
        _longer("patch_2"),
        "2: {patch_2:.2f}, 4: {mixer:.2f} dB",
        "reproduced: above, by less than 0.5 dB; same trend: above.",
        lambda f: (f["mixer"] < f["patch_2"] < f["mixer"] + 0.5, f["patch_2"] > f["mixer"]),
        "smaller patches learn later, then lead by more than in print: after 400, 800 and 1,600 steps "
        "{patch_2_short:.2f}, {patch_2_half:.2f} and {patch_2:.2f} dB, the default "
        "{mixer_short:.2f}, {mixer_half:.2f} and {mixer:.2f}.",
        seconds=150,
    ),
    Row(
        "mixer-residual",
        "mapping noisy images to noise works better than to images, for all networks (section 3.1)",
        "no figure",
        WORK,
        _residual,
        "residual and direct: Mixer {mixer:.2f}, {mixer_direct:.2f}; U-Net {unet:.2f}, {unet_direct:.2f}; ViT "
        "{vit:.2f}, "
        "{vit_direct:.2f} dB",
        "reproduced: residual learning is better for all three; same trend: for the Mixer.",
        lambda f: (
            all(f[n] > f[f"{n}_direct"] for n in ("mixer", "unet", "vit")),
            f["mixer"] > f["mixer_direct"],
        ),
        seconds=35,
    ),
    Row(
        "mixer-mri",
        "4 × accelerated MRI with SSIM loss: all three networks perform very similarly (Fig. 3, 4)",
        "curves of SSIM over fastMRI's 2k to 35k slices",
        "104 slices of 7 patients at 64², two held out; random columns; magnitudes of zero-filled images; 600 steps "
        "of 8",
        _mri,
        "SSIM: zero-filled {input:.3f}, Mixer {mixer:.3f}, U-Net {unet:.3f}, ViT {vit:.3f}",
        "reproduced: all three above the zero-filled image, and within 0.03 of each other; same trend: Mixer and "
        "U-Net.",
        lambda f: (
            min(f["mixer"], f["unet"], f["vit"]) > f["input"]
            and max(f["mixer"], f["unet"], f["vit"]) - min(f["mixer"], f["unet"], f["vit"]) < 0.03,
            min(f["mixer"], f["unet"]) > f["input"] and abs(f["mixer"] - f["unet"]) < 0.03,
        ),
        "the others learn later than the U-Net: from half the steps to the end the Mixer goes from {mixer_half:.3f} to "
        "{mixer:.3f}, the ViT from {vit_half:.3f} to {vit:.3f}, the U-Net from {unet_half:.3f} to {unet:.3f}.",
        seconds=75,
    ),
    Row(
        "mixer-image-first",
        "all untrained networks fit a natural image much faster than noise (Fig. 5)",
        "curves",
        "64² of a photograph, noise of half its norm, rates of the paper's code, 250 steps",
        _image_first,
        "steps to half of the energy of image and noise: Mixer {mixer_image:.0f}, {mixer_noise:.0f}; U-Net "
        "{unet_image:.0f}, {unet_noise:.0f}; ViT {vit_image:.0f}, {vit_noise:.0f}; original {original_image:.0f}, "
        "{original_noise:.0f} ({steps:.0f} steps; one more: not reached)",
        "reproduced: image before noise for all four, in half the steps at most; same trend: before noise.",
        lambda f: (
            all(2 * f[f"{n}_image"] <= f[f"{n}_noise"] for n in _UNTRAINED),
            all(f[f"{n}_image"] < f[f"{n}_noise"] for n in _UNTRAINED),
        ),
        seconds=25,
    ),
    Row(
        "mixer-bias",
        "fitted to one noisy image, the U-Net denoises best, then Mixer, ViT, original mixer (section 3.4)",
        "20.2, 18.1, 17.3, 16.3 dB from 12.5 dB",
        "as above",
        _bias,
        "best of all steps: U-Net {unet:.2f}, Mixer {mixer:.2f}, ViT {vit:.2f}, original {original:.2f} dB",
        "reproduced: that order; same trend: Mixer, ViT, original in that order.",
        lambda f: (
            f["unet"] > f["mixer"] > f["vit"] > f["original"],
            f["mixer"] > f["vit"] > f["original"],
        ),
        "the U-Net's bias grows with its size and the image's: the paper's width of 32 on 128² has {unet_large:.2f} "
        "dB.",
        seconds=45,
    ),
]
