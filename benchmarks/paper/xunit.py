"""xUnit: a spatial activation in place of ReLU."""

import statistics
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from denoisers import (
    SRCNN,
    XSRCNN,
    ConvNet,
    DnCNN,
    SRResNet,
    XDnCNN,
    XDnCNNDenoiser,
    XNet,
    XSRResNet,
    XUnit,
)
from pnp.metrics import psnr
from pnp.superres import luma, superres_inputs
from pnp.train.tasks import Pairs

from ..superres import scores
from .row import Effort, Row
from .short import Half, Minus, centre, denoiser, denoising_psnr, parameters, plot, trained

__all__ = ["XUNIT"]

WIDTH, STEPS, CROP, BATCH = 16, 500, 32, 8
OWN = "BN+RL+CD+BN+GS"


def counted(net: nn.Module) -> int:
    """Parameters as the authors count them: without biases of convolutions."""
    inside = sum(m.bias.numel() for m in net.modules() if isinstance(m, nn.Conv2d) and m.bias is not None)
    return parameters(net) - inside


def _parameters(effort: Effort) -> Mapping[str, float]:
    nets = {
        "xdncnn": XDnCNN(1), "xdncnn_colour": XDnCNN(3), "xsrcnn_f": XSRCNN("f"), "xsrcnn_c": XSRCNN("c"),
        "xsrresnet": XSRResNet(), "srcnn": SRCNN(), "srresnet": SRResNet(),
        "dncnn_colour": DnCNN(3), "four_layers": XNet(1, depth=4, kernel_size=11),
    }  # fmt: skip
    return {name: counted(net) for name, net in nets.items()}


_PRINTED = {
    "xdncnn": 303e3, "xdncnn_colour": 306e3, "xsrcnn_f": 32e3, "xsrcnn_c": 44e3, "xsrresnet": 1155e3, "srcnn": 57e3,
    "srresnet": 1546e3, "dncnn_colour": 558e3, "four_layers": 99_136,
}  # fmt: skip


def _net(kind: str, depth: int, *, width: int = WIDTH, kernel: int = 9, design: str = OWN) -> nn.Module:
    if kind == "ConvNet":
        return ConvNet(1, width=width, depth=depth)
    return XNet(1, width=width, depth=depth, kernel_size=kernel, design=design)


def _short(
    effort: Effort,
    kind: str,
    depth: int,
    *,
    seed: int = 0,
    sigma: float = 25 / 255,
    width: int = WIDTH,
    kernel: int = 9,
    design: str = OWN,
    steps: int = STEPS,
) -> float:
    """PSNR of a small network."""
    name = "-".join(map(str, (kind, depth, width, kernel, design)))
    build = partial(_net, kind, depth, width=width, kernel=kernel, design=design)
    return denoiser(effort, name, build, sigma=sigma, steps=steps, crop=CROP, batch=BATCH, seed=seed, times=1)[1][-1]


def matching(target: int) -> int:
    """Convolutions of the smallest ConvNet with at least ``target`` parameters.

    >>> matching(parameters(XNet(1, width=WIDTH, depth=3)))
    5
    """
    return next(d for d in range(2, 60) if parameters(ConvNet(1, width=WIDTH, depth=d)) >= target)


def _against_parameters(effort: Effort) -> Mapping[str, float]:
    figures: dict[str, float] = {}
    lines: dict[str, list[tuple[float, float]]] = {"xNet": [], "ConvNet": []}
    for size, depth in (("small", 2), ("middle", 3), ("large", 4)):
        count = parameters(_net("xNet", depth))
        other = matching(count)
        ours = [_short(effort, "xNet", depth, seed=s) for s in range(3)]
        theirs = [_short(effort, "ConvNet", other, seed=s) for s in range(3)]
        figures |= {f"x_{size}": statistics.mean(ours), f"conv_{size}": statistics.mean(theirs)}
        figures |= {f"x_{size}_worst": min(ours), f"conv_{size}_best": max(theirs), f"x_{size}_parameters": count}
        lines["xNet"].append((count, figures[f"x_{size}"]))
        lines["ConvNet"].append((parameters(_net("ConvNet", other)), figures[f"conv_{size}"]))
    deep = matching(3 * parameters(_net("xNet", 2)))
    figures["conv_thrice"] = statistics.mean(_short(effort, "ConvNet", deep, seed=s) for s in range(3))
    plot(effort.picture("xunit-parameters-psnr"), lines, x="parameters")
    return figures


def _share(effort: Effort) -> Mapping[str, float]:
    target = parameters(_net("xNet", 4))
    figures: dict[str, float] = {}
    for kernel in (0, 1, 5, 9):  # 0: without a gate

        def build(width: int, kernel: int = kernel) -> nn.Module:
            return _net("xNet" if kernel else "ConvNet", 4, width=width, kernel=kernel)

        width = min(range(4, 64), key=lambda w, make=build: abs(parameters(make(w)) - target))
        inside = sum(parameters(m) for m in build(width).modules() if isinstance(m, XUnit))
        figures[f"share_{kernel}"] = 100 * inside / parameters(build(width))
        kind = "xNet" if kernel else "ConvNet"
        figures[f"psnr_{kernel}"] = _short(effort, kind, 4, width=width, kernel=kernel, steps=3 * STEPS)
    return figures


_DESIGNS = {"own": OWN, "plain": "CD+GS", "relu": "RL+CD+BN+GS", "sigmoid": "BN+RL+CD+BN+SG",
            "open": "BN+RL+CD"}  # fmt: skip


def _designs(effort: Effort) -> Mapping[str, float]:
    work = {"sigma": 50 / 255, "steps": 3 * STEPS}
    figures = {name: _short(effort, "xNet", 4, design=design, **work) for name, design in _DESIGNS.items()}
    figures["conv"] = _short(effort, "ConvNet", matching(parameters(_net("xNet", 4))), **work)
    return figures | {"worst": min(v for k, v in figures.items() if k != "conv"), "best": max(figures.values())}


@torch.no_grad()
def _bsd68(effort: Effort) -> Mapping[str, float]:
    test, figures = effort.images("bsd68"), {}
    for level in (25, 50):
        net = XDnCNNDenoiser(f"natural-gray-{level}")
        images = [test[i] for i in range(effort.some(68))]
        figures[f"at_{level}"] = denoising_psnr(lambda y, n=net, s=level: n(y, s / 255), images, level / 255)
    return figures | {"images": len(images)}


@torch.no_grad()
def _gates(net: nn.Module, x: Tensor, kind: type[nn.Module]) -> list[Tensor]:
    """Weights that a network's activations of a kind multiply their inputs with, (1, C, H, W) each."""
    found: list[Tensor] = []

    def look(module: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        z = given[0].float()
        small = z.abs() < 1e-6
        found.append(torch.where(small, torch.zeros_like(z), out.float() / torch.where(small, torch.ones_like(z), z)))

    hooks = [m.register_forward_hook(look) for m in net.modules() if isinstance(m, kind)]
    net(x)
    for hook in hooks:
        hook.remove()
    return found


def _told(name: str, gates: list[Tensor]) -> dict[str, float]:
    """Share of weights above a half, their mean, and share of channels whose mean is above a quarter; all layers."""
    flat = torch.cat([g.flatten() for g in gates])
    channels = torch.cat([g.mean((0, 2, 3)) for g in gates])
    values = {"open": (flat > 0.5).float().mean(), "mean": flat.mean(), "channels": (channels > 0.25).float().mean()}
    return {f"{name}_{k}": float(v) * (1 if k == "mean" else 100) for k, v in values.items()}


def _activations(effort: Effort) -> Mapping[str, float]:
    y = centre(effort.images("bsd68")[5], 128)[None]
    y = y + 25 / 255 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    figures: dict[str, float] = {}
    shown: dict[str, Tensor] = {}
    for name, kind in (("xNet", XUnit), ("ConvNet", nn.ReLU)):
        build = partial(_net, name, 5)
        net, _ = denoiser(
            effort, f"direct-{name}", build, sigma=25 / 255, steps=STEPS, crop=CROP, batch=BATCH, direct=True, times=1
        )
        gates = _gates(net, y, kind)
        shown[name] = gates[-1][0, :12].clamp(0, 1)
        figures |= _told(name, gates)
    _draw(effort, shown)
    return figures | _told("shipped", _gates(XDnCNNDenoiser("natural-gray-25").net, y, XUnit))


def _draw(effort: Effort, shown: dict[str, Tensor]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(4, 6, figsize=(9, 6.3), constrained_layout=True)
    for half, (name, maps) in zip((axes[:2], axes[2:]), shown.items()):
        for axis, one in zip(half.flat, maps):
            axis.imshow(one, cmap="gray", vmin=0, vmax=1)
            axis.set_axis_off()
        half[0, 0].set_title(name, loc="left")
    figure.savefig(effort.picture("xunit-activations"), dpi=60)
    plt.close(figure)


def _derain(effort: Effort) -> Mapping[str, float]:
    folder = effort.images("rain_sirr", 3)
    by_name = dict(zip(folder.names, (folder[i] for i in range(len(folder)))))
    numbers = sorted(int(n[5:-4]) for n in folder.names if n.startswith("input"))
    pairs = {n: (by_name[f"input{n}.png"], by_name[f"norain{n}.png"]) for n in numbers}
    test = [pairs[n] for n in numbers[::3]]
    learn = [pairs[n] for n in numbers if n not in numbers[::3]]
    nets: dict[str, Callable[[], nn.Module]] = {
        "xdncnn": lambda: Minus(XDnCNN(3, width=16, depth=5).net),
        "dncnn": lambda: Minus(DnCNN(3, width=16, depth=9).net),
    }
    layers = [y - x for y, x in learn if y.shape[-1] > y.shape[-2]]
    clean = effort.images("bsds400_color", 3)
    for i in range(effort.some(160)):  # the rain of the pairs on other images, as there are so few
        x, layer = clean[i], layers[i % len(layers)]
        same = (x.shape == truth.shape and bool((x - truth).abs().mean() < 0.02) for _, truth in test)
        if x.shape == layer.shape and not any(same):
            learn.append(((x + layer).clamp(0, 1), x))
    cut = [(centre(y, 256)[None], centre(x, 256)[None]) for y, x in test]
    figures: dict[str, float] = {"rainy": statistics.mean(float(psnr(y, x)) for y, x in cut)}
    for name, build in nets.items():
        _, course = trained(
            effort, f"derain-{name}", build, Pairs(learn, batch=BATCH, crop=CROP), effort.steps(400), times=2,
            watch=lambda model: statistics.mean(float(psnr(model(y).clamp(0, 1), x)) for y, x in cut),
        )  # fmt: skip
        figures |= {f"{name}_half": course[0], name: course[-1], f"{name}_parameters": parameters(build())}
    return figures


def _pairs(effort: Effort, scale: int, *, small: bool) -> list[tuple[Tensor, Tensor]]:
    """Of 60 training images: luma of the enlarged image and of the sharp one, or the small colour image and that."""
    folder, pairs = effort.images("bsds400_color", 3), []
    for i in range(0, 400, 400 // effort.some(50)):
        truth, low, large = superres_inputs(centre(folder[i], 240)[None], scale)
        pairs.append((low[0], truth[0]) if small else (luma(large)[0], luma(truth)[0]))
    return pairs


def _superres(scale: int, nets: dict[str, Callable[[], nn.Module]], steps: int, crop: int, batch: int = 8):
    small = scale == 4 and "srresnet" in nets

    def measure(effort: Effort) -> Mapping[str, float]:
        folder = effort.images("cbsd68", 3)
        test = [centre(folder[i], 240)[None] for i in range(effort.some(10))]
        pairs = _pairs(effort, scale, small=small)
        figures: dict[str, float] = {"bicubic": statistics.mean(scores(test, scale))}
        for name, build in nets.items():
            task = Pairs(pairs, batch=batch, crop=crop)
            half = lambda b=build: Half(b())  # noqa: E731
            _, course = trained(
                effort, f"sr{scale}-{name}", half, task, effort.steps(steps), times=2,
                watch=lambda model: statistics.mean(scores(test, scale, model.get_submodule("net"))),
            )  # fmt: skip
            figures |= {f"{name}_half": course[0], name: course[-1], f"{name}_parameters": counted(build())}
        return figures

    return measure


_SRCNN: dict[str, Callable[[], nn.Module]] = {
    "srcnn": SRCNN, "xsrcnn_c": partial(XSRCNN, "c"), "xsrcnn_f": partial(XSRCNN, "f")
}  # fmt: skip
_SR_SHOWN = (
    "bicubic {bicubic:.2f}, SRCNN {srcnn:.2f} (57K), xSRCNNc {xsrcnn_c:.2f} (44K), xSRCNNf {xsrcnn_f:.2f} dB (32K)"
)


def _sr_row(scale: int, printed: str) -> Row:
    return Row(
        f"xunit-superres-{scale}",
        f"xSRCNN, with 32K or 44K parameters, is on par with SRCNN of 57K at {scale} × (Table 3)",
        printed,
        "BSD: 50 training images, 10 of CBSD68 (240², luma, MATLAB's bicubic); 3,000 steps of 4 crops of 24² each",
        _superres(scale, _SRCNN, 3000, 24, 4),
        _SR_SHOWN,
        "reproduced: both at least SRCNN - 0.05 dB and above bicubic; same trend: one of them is.",
        lambda f: (
            min(f["xsrcnn_c"], f["xsrcnn_f"]) > max(f["srcnn"] - 0.05, f["bicubic"]),
            max(f["xsrcnn_c"], f["xsrcnn_f"]) > max(f["srcnn"] - 0.05, f["bicubic"]),
        ),
        "xSRCNN learns later: from half the steps to the end SRCNN goes from {srcnn_half:.2f} to {srcnn:.2f}, "
        "xSRCNNf from "
        "{xsrcnn_f_half:.2f} to {xsrcnn_f:.2f}, xSRCNNc from {xsrcnn_c_half:.2f} to {xsrcnn_c:.2f} dB.",
        seconds=60,
    )


XUNIT = [
    Row(
        "xunit-parameters",
        "numbers of parameters (Tables 1 to 3, Fig. 4; conv biases are not counted)",
        "303K, 306K, 32K, 44K, 1.155M, 57K, 1.546M, 558K; 99,136",
        "the networks as they are",
        _parameters,
        "{xdncnn:,.0f}, {xdncnn_colour:,.0f}, {xsrcnn_f:,.0f}, {xsrcnn_c:,.0f}, {xsrresnet:,.0f}, {srcnn:,.0f}, "
        "{srresnet:,.0f}, {dncnn_colour:,.0f}; {four_layers:,.0f}",
        "reproduced: each within 1,000 of the printed one (99,136 exactly); same trend: within 5 %.",
        lambda f: (
            all(abs(f[k] - v) < 1000 for k, v in _PRINTED.items()) and f["four_layers"] == 99_136,
            all(abs(f[k] / v - 1) < 0.05 for k, v in _PRINTED.items()),
        ),
    ),
    Row(
        "xunit-parameters-psnr",
        "xNet has a much higher PSNR than a ConvNet of as many parameters, or the same with a third of them (Fig. 1, "
        "3)",
        "a 3-layer xNet is above a 9-layer ConvNet",
        "BSD400 to BSD68 (20 crops of 128²), σ = 25; three sizes of width 16, three seeds, 500 steps of 8 crops of 32²",
        _against_parameters,
        "{x_small_parameters:,.0f} parameters: {x_small:.2f} against {conv_small:.2f} dB; {x_middle_parameters:,.0f}: "
        "{x_middle:.2f} against {conv_middle:.2f}; {x_large_parameters:,.0f}: {x_large:.2f} against {conv_large:.2f}; "
        "ConvNet with three times as many as the smallest: {conv_thrice:.2f}",
        "reproduced: at each size the worst seed of xNet is above the best of ConvNet, and the smallest xNet above the "
        "ConvNet three times as large; same trend: the means are above at each size.",
        lambda f: (
            all(f[f"x_{s}_worst"] > f[f"conv_{s}_best"] for s in ("small", "middle", "large"))
            and f["x_small"] > f["conv_thrice"],
            all(f[f"x_{s}"] > f[f"conv_{s}"] for s in ("small", "middle", "large")),
        ),
        seconds=95,
    ),
    Row(
        "xunit-share",
        "at a fixed number of parameters PSNR rises with the share in the activations, and levels off (Fig. 4)",
        "plateau from 15 to 22 %",
        "as above, 4 layers, width chosen for 9 thousand parameters, gates of 1², 5² and 9²; 1,500 steps",
        _share,
        "0 %: {psnr_0:.2f}; {share_1:.0f} %: {psnr_1:.2f}; {share_5:.0f} %: {psnr_5:.2f}; {share_9:.0f} %: "
        "{psnr_9:.2f} dB",
        "reproduced: each step up in the share is a step up in PSNR (0.02 dB of slack), the last one smaller than all "
        "before it together; same trend: 9² above none.",
        lambda f: (
            f["psnr_9"] > f["psnr_5"] - 0.02 > f["psnr_1"] - 0.04 > f["psnr_0"] - 0.06
            and f["psnr_9"] - f["psnr_5"] < f["psnr_5"] - f["psnr_0"],
            f["psnr_9"] > f["psnr_0"],
        ),
        seconds=40,
    ),
    Row(
        "xunit-designs",
        "of several designs BN+RL+CD+BN+GS is best, and all are significantly better than a ConvNet (Fig. 6)",
        "curves over depth at σ = 50",
        "as above, σ = 50, 4 layers, 1,500 steps; ConvNet with at least as many parameters",
        _designs,
        "BN+RL+CD+BN+GS {own:.2f}, CD+GS {plain:.2f}, RL+CD+BN+GS {relu:.2f}, BN+RL+CD+BN+SG {sigmoid:.2f}, BN+RL+CD "
        "{open:.2f}, ConvNet {conv:.2f} dB",
        "reproduced: the paper's is within 0.03 dB of the best and all are above ConvNet; same trend: the paper's is "
        "above ConvNet and within 0.1 dB of the best.",
        lambda f: (
            f["own"] > f["best"] - 0.03 and f["worst"] > f["conv"],
            f["own"] > f["conv"] and f["own"] > f["best"] - 0.1,
        ),
        seconds=60,
    ),
    Row(
        "xunit-bsd68",
        "xDnCNN on BSD68, above all methods that are no network (Table 1)",
        "29.21 / 26.26 dB at σ = 25 / 50; BM3D 28.56 / 25.62",
        "shipped weights, one for each level, two to four hours of one core; all 68 images",
        _bsd68,
        "{at_25:.2f} / {at_50:.2f} dB on {images:.0f} images",
        "reproduced: both within 0.1 dB of the print; same trend: both above the printed BM3D and within 0.3 dB.",
        lambda f: (
            abs(f["at_25"] - 29.21) < 0.1 and abs(f["at_50"] - 26.26) < 0.1,
            29.21 - 0.3 < f["at_25"] > 28.56 and 26.26 - 0.3 < f["at_50"] > 25.62,
        ),
        seconds=110,
    ),
    Row(
        "xunit-activations",
        "activation maps of ConvNet are very sparse, those of xNet dense: more feature maps take part (Fig. 5, 9)",
        "pictures",
        "5 layers of width 16, direct learning at σ = 25 on BSD400, 500 steps, and the shipped xDnCNN; all layers, "
        "on one BSD68 image",
        _activations,
        "weights above ½: xNet {xNet_open:.0f} % (xDnCNN, hours of training: {shipped_open:.0f} %), ConvNet "
        "{ConvNet_open:.0f} %; mean {xNet_mean:.2f} and "
        "{ConvNet_mean:.2f}; channels open to a quarter or more: {xNet_channels:.0f} and {ConvNet_channels:.0f} %",
        "reproduced: more weights above ½ (in both xUnit networks) and more channels open than in ConvNet, by a "
        "tenth at least; same trend: a larger mean.",
        lambda f: (
            min(f["xNet_open"], f["shipped_open"]) > f["ConvNet_open"] + 10
            and f["xNet_channels"] >= f["ConvNet_channels"] + 10,
            f["xNet_mean"] > f["ConvNet_mean"],
        ),
        seconds=20,
    ),
    Row(
        "xunit-derain",
        "xDnCNN in colour removes rain better than DnCNN with half of its parameters (Table 2)",
        "31.17 against 30.90 dB on Rain12",
        "8 pairs of synthetic rain, and their rain on other images, for training, 4 for the test (centres of 256²); "
        "5 and "
        "9 layers of width 16; 400 steps of 8 crops of 32²",
        _derain,
        "rainy {rainy:.2f}, DnCNN {dncnn:.2f} ({dncnn_parameters:,.0f} parameters), xDnCNN {xdncnn:.2f} dB "
        "({xdncnn_parameters:,.0f})",
        "reproduced: above DnCNN and the rainy image, with fewer parameters; same trend: within 0.1 dB of DnCNN.",
        lambda f: (
            f["xdncnn"] > max(f["dncnn"], f["rainy"]) and f["xdncnn_parameters"] < f["dncnn_parameters"],
            f["xdncnn"] > max(f["dncnn"] - 0.1, f["rainy"]),
        ),
        "xDnCNN is behind and rises faster: from half the steps to the end {xdncnn_half:.2f} to {xdncnn:.2f} dB, DnCNN "
        "{dncnn_half:.2f} to {dncnn:.2f} dB; the paper has 4,900 pairs of rain, here are eight.",
        seconds=15,
    ),
    _sr_row(3, "28.54 / 28.53 (c / f), SRCNN 28.41 dB on BSD100"),
    _sr_row(4, "27.04 / 27.06 (c / f), SRCNN 26.90 dB on BSD100"),
    Row(
        "xunit-srresnet",
        "xSRResNet at 4 × is on par with SRResNet with three quarters of its parameters (Table 3)",
        "27.61 against 27.58 dB on BSD100",
        "10 and 16 residual blocks as in the paper; 50 training images, 10 of CBSD68; 200 steps of 4 crops of 12²",
        _superres(4, {"srresnet": SRResNet, "xsrresnet": XSRResNet}, 200, 12, 4),
        "bicubic {bicubic:.2f}, SRResNet {srresnet:.2f} ({srresnet_parameters:,.0f}), xSRResNet {xsrresnet:.2f} dB "
        "({xsrresnet_parameters:,.0f})",
        "reproduced: at least SRResNet - 0.05 dB, both above bicubic; same trend: at least SRResNet - 0.05 dB.",
        lambda f: (
            f["xsrresnet"] > f["srresnet"] - 0.05 and min(f["xsrresnet"], f["srresnet"]) > f["bicubic"],
            f["xsrresnet"] > f["srresnet"] - 0.05,
        ),
        "200 steps are a beginning: from half of them to the end SRResNet goes from {srresnet_half:.2f} to "
        "{srresnet:.2f}, "
        "xSRResNet from {xsrresnet_half:.2f} to {xsrresnet:.2f} dB; both start from nothing, not from the bicubic "
        "image.",
        seconds=25,
    ),
]
