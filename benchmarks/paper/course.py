"""The chapter on end-to-end reconstruction: CNN, ResCNN, U-Net, attention, ViT; receptive field; losses."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from denoisers import ResCNN, ResUNet, SimpleCNN, ViT
from denoisers.evaluation.receptive_field import convolution_field, receptive_field
from operators import gaussian_noise_relative
from pnp.metrics import psnr, ssim
from pnp.train import FourierLoss, SSIMLoss, WeightedSum
from pnp.train.images import squared
from pnp.train.recipes.simulate import course_blur, radon
from pnp.train.tasks import Pairs

from .row import Effort, Row
from .short import Half, trained

__all__ = ["COURSE"]

SIDE, ANGLES = 64, 30
NETS: dict[str, Callable[[], nn.Module]] = {
    "cnn": SimpleCNN,
    "rescnn": ResCNN,
    "unet": partial(ResUNet, widths=(16, 32, 64), variant="chapter", final=None),
    "attention": partial(ResUNet, widths=(16, 32, 64), variant="chapter", final=None, up=("residual", "attention")),
    "vit": partial(ViT, SIDE, 1, patch=8, width=96, depth=3, heads=6),
}
DATA = "31 slices of the chapter's CT patient for training, 10 for the test"


def _pairs(effort: Effort, given: Callable[[Tensor, int], Tensor], side: int) -> tuple[list, list]:
    """Pairs (given, slice), for training with three noises each and for the test."""
    folder = effort.images("ct")
    slices = [squared(folder[i], side) for i in range(len(folder))]
    slices = [(x - x.amin()) / (x.amax() - x.amin()) for x in slices]
    learn = [(given(x[None], 100 * s + i)[0], x) for s in range(3) for i, x in enumerate(slices[:-10])]
    return learn, [(given(x[None], i)[0], x) for i, x in enumerate(slices[-10:])]


def blurred(x: Tensor, seed: int) -> Tensor:
    """Motion blur of 7 pixels along the diagonal, relative noise of 1 %."""
    return gaussian_noise_relative(course_blur(x.shape[-1]).A(x), 0.01, seed=seed)


def back_projected(x: Tensor, seed: int) -> Tensor:
    """Filtered back projection of few angles, relative noise of 1 %."""
    op = radon(x.shape[-1], ANGLES)
    return op.fbp(gaussian_noise_relative(op.A(x), 0.01, seed=seed))


@torch.no_grad()
def _scores(model: Callable[[Tensor], Tensor], test: list[tuple[Tensor, Tensor]]) -> tuple[float, float]:
    """SSIM and PSNR."""
    answers = [(model(y[None]), x[None]) for y, x in test]
    return tuple(float(torch.cat([metric(a, x) for a, x in answers]).mean()) for metric in (ssim, psnr))  # type: ignore


def _compare(
    effort: Effort,
    problem: str,
    names: tuple[str, ...],
    *,
    steps: int,
    batch: int,
    side: int = SIDE,
    loss: Callable[[Tensor, Tensor], Tensor] = F.mse_loss,
    told: str = "",
) -> dict[str, float]:
    """SSIM and PSNR of networks trained equally long, and SSIM at half of the steps."""
    learn, test = _pairs(effort, {"blur": blurred, "ct": back_projected}[problem], side)
    figures: dict[str, float] = dict(zip(("input", "input_psnr"), _scores(lambda y: y, test)))
    for name in names:
        task = Pairs(learn, batch=batch, crop=side, criterion=loss)
        model, course = trained(
            effort, f"{problem}-{side}-{name}{told}", lambda n=name: Half(NETS[n]()), task, effort.steps(steps),
            rate=1e-3, watch=lambda model: _scores(model, test)[0], times=2,
        )  # fmt: skip
        figures |= dict(zip((name, f"{name}_psnr"), _scores(model, test))) | {f"{name}_half": course[0]}
    return figures


def _motion(effort: Effort) -> Mapping[str, float]:
    return _compare(effort, "blur", ("cnn", "rescnn"), side=128, steps=250, batch=2)


def _architectures(problem: str) -> Callable[[Effort], Mapping[str, float]]:
    return lambda effort: _compare(effort, problem, tuple(NETS), steps=600, batch=4)


def _reach(effort: Effort) -> Mapping[str, float]:
    blur, ct = (_compare(effort, problem, ("cnn", "unet"), steps=600, batch=4) for problem in ("blur", "ct"))
    fields = {f"{name}_field": 2 * receptive_field(NETS[name]()) + 1 for name in ("cnn", "unet")}
    halves = {
        f"{k}_{name}_half": v[f"{name}_half"] for k, v in (("blur", blur), ("ct", ct)) for name in ("cnn", "unet")
    }
    return (
        fields
        | halves
        | {
            "blur": blur["unet_psnr"] - blur["cnn_psnr"],
            "ct": ct["unet_psnr"] - ct["cnn_psnr"],
            "ct_cnn": ct["cnn"],
            "ct_unet": ct["unet"],
        }
    )


def _field(effort: Effort) -> Mapping[str, float]:
    figures = {}
    for depth in (3, 5):
        layers = [nn.Conv2d(1 if i == 0 else 4, 4 if i < depth - 1 else 1, 3, padding=1) for i in range(depth)]
        figures[f"measured_{depth}"] = 2 * receptive_field(nn.Sequential(*layers)) + 1
        figures[f"formula_{depth}"] = convolution_field([3] * depth)
    strided = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3, stride=2), nn.Conv2d(1, 1, 3))
    x = torch.zeros(1, 1, 41, 41, requires_grad=True)
    for layer in strided:
        nn.init.ones_(layer.weight)  # type: ignore
    out = strided(x)
    (seen,) = torch.autograd.grad(out[0, 0, out.shape[-2] // 2, out.shape[-1] // 2], x)
    figures["measured_stride"] = int((seen[0, 0].abs().sum(0) > 0).sum())
    strides, r, product = (1, 2, 1), 1, 1
    for stride in strides:  # the chapter's: its product counts the layer's own stride
        product *= stride
        r += 2 * product
    return figures | {"chapter_stride": r, "formula_stride": convolution_field([3] * 3, [*strides])}


def _shift(effort: Effort) -> Mapping[str, float]:
    torch.manual_seed(0)
    net, x = SimpleCNN().eval(), torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        a, b = net(x)[..., 5:-5, 5:-12], net(torch.roll(x, 7, -1))[..., 5:-5, 12:-5]
    return {"largest": float((a - b).abs().max() / a.abs().max())}


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "ssim": SSIMLoss(),
    "fourier": FourierLoss(power=1.0),
    "mixed": WeightedSum((1.0, F.mse_loss), (0.2, SSIMLoss()), (0.1, FourierLoss(magnitude=True))),
}


def _losses(effort: Effort) -> Mapping[str, float]:
    figures = {}
    for name, loss in LOSSES.items():
        told = "" if name == "mse" else f"-{name}"
        found = _compare(effort, "ct", ("rescnn",), steps=250, batch=8, loss=loss, told=f"-losses{told}")
        figures |= {name: found["rescnn"], f"{name}_psnr": found["rescnn_psnr"]}
    return figures | {"input": found["input"]}


_FIVE = "CNN {cnn:.3f}, ResCNN {rescnn:.3f}, UNet {unet:.3f}, attention {attention:.3f}, ViT {vit:.3f} from {input:.3f}"


def _five(name: str, title: str, problem: str, kind: str) -> Row:
    """A row of the five networks on one problem."""
    return Row(
        name,
        title,
        "no common table",
        f"{DATA}, {problem}; 0.04 to 0.4 million parameters, 600 steps of 4",
        _architectures(kind),
        "SSIM: " + _FIVE,
        "reproduced: UNet is best or within 0.005 of the best, and all are above the input; same trend: UNet above "
        "CNN.",
        lambda f: (
            f["unet"] > max(f[n] for n in NETS) - 0.005 and min(f[n] for n in NETS) > f["input"],
            f["unet"] > f["cnn"],
        ),
        "blocks with normalisation learn later: SSIM goes from {unet_half:.3f} at half the steps to {unet:.3f} for "
        "UNet, from {cnn_half:.3f} to {cnn:.3f} for CNN, from {attention_half:.3f} to {attention:.3f} with attention.",
        seconds=55,
    )


COURSE = [
    Row(
        "course-motion",
        "deblurring by a CNN, and by learning the residual (sections on CNN and ResCNN)",
        "SSIM 0.9405 and 0.9408",
        f"{DATA}, 128² (chapter: 3,305 slices of 256²); motion blur 7 px, 1 % noise; 250 steps of 2 (chapter: 20 "
        "epochs)",
        _motion,
        "SSIM: CNN {cnn:.4f}, ResCNN {rescnn:.4f}, from {input:.4f}",
        "reproduced: ResCNN above CNN, both above the input and within 0.03 of the print; same trend: ResCNN above "
        "CNN, "
        "both above the input.",
        lambda f: (
            f["rescnn"] > f["cnn"] > f["input"] and abs(f["cnn"] - 0.9405) < 0.03 and abs(f["rescnn"] - 0.9408) < 0.03,
            f["rescnn"] > f["cnn"] > f["input"],
        ),
        "500 images in all, where the chapter has 66,100: SSIM of CNN still goes from {cnn_half:.4f} at half the "
        "steps to "
        "{cnn:.4f}, of ResCNN from {rescnn_half:.4f} to {rescnn:.4f}.",
        seconds=15,
    ),
    _five(
        "course-deblurring",
        "CNN, ResCNN, UNet, attention and ViT on motion blur",
        "64², motion blur 7 px, 1 % noise",
        "blur",
    ),
    _five(
        "course-ct",
        "CNN, ResCNN, UNet, attention and ViT on CT, behind filtered back projection",
        f"64², {ANGLES} angles, 1 % noise",
        "ct",
    ),
    Row(
        "course-reach",
        "local artefacts need a small receptive field only, global ones a large one (section on the receptive field)",
        "no figure",
        "the networks of the two rows above",
        _reach,
        "what UNet (field of {unet_field:.0f} pixels) has over CNN ({cnn_field:.0f}): motion blur {blur:.2f} dB, CT "
        "{ct:.2f} dB",
        "reproduced: UNet's lead is larger for CT, by 0.5 dB at least; same trend: larger.",
        lambda f: (f["ct"] > f["blur"] + 0.5, f["ct"] > f["blur"]),
        "behind FBP the UNet is not done: SSIM {ct_unet_half:.3f} at half the steps and {ct_unet:.3f} at the end, CNN "
        "{ct_cnn_half:.3f} and {ct_cnn:.3f}; the CNN's field is as wide as the blur.",
        seconds=1,
    ),
    Row(
        "course-receptive-field",
        "receptive field by the recursion r_l = r_(l-1) + (k_l - 1) Π_(i ≤ l) s_i",
        "3 × 3 convolutions: 3, 5, 7 …",
        "marked pixels, strides 1 and 1-2-1",
        _field,
        "3 and 5 layers: formula {formula_3:.0f}, {formula_5:.0f}, measured {measured_3:.0f}, {measured_5:.0f}; "
        "strides "
        "1-2-1: chapter {chapter_stride:.0f}, measured {measured_stride:.0f}",
        "reproduced: equal everywhere; same trend: equal without strides.",
        lambda f: (
            f["formula_3"] == f["measured_3"]
            and f["formula_5"] == f["measured_5"]
            and f["chapter_stride"] == f["measured_stride"],
            f["formula_3"] == f["measured_3"] and f["formula_5"] == f["measured_5"],
        ),
        "the product has to end at the layer before, Π_(i < l): {formula_stride:.0f}, which is what is measured.",
    ),
    Row(
        "course-shift",
        "a CNN commutes with shifts (section on equivariance)",
        "f(x + v) = f(x) + v, meant as shifts",
        "untrained CNN, 7 pixels",
        _shift,
        "largest difference {largest:.1e} of the largest value",
        "reproduced: below 1e-5.",
        lambda f: (f["largest"] < 1e-5, False),
    ),
    Row(
        "course-losses",
        "each loss is best at what it measures; a combination balances them (section on losses)",
        "no figure",
        f"{DATA}, 64², {ANGLES} angles; ResCNN, 250 steps of 8; Fourier: complex, p = 1; combination: MSE + 0.2 SSIM "
        "+ 0.1 Fourier",
        _losses,
        "SSIM (PSNR): MSE {mse:.4f} ({mse_psnr:.2f}), L1 {l1:.4f} ({l1_psnr:.2f}), SSIM {ssim:.4f} "
        "({ssim_psnr:.2f}), Fourier "
        "{fourier:.4f} ({fourier_psnr:.2f}), combination {mixed:.4f} ({mixed_psnr:.2f} dB)",
        "reproduced: the SSIM loss has the highest SSIM of the four, and the combination an SSIM above that of MSE; "
        "same "
        "trend: the SSIM loss has a higher SSIM than MSE.",
        lambda f: (
            f["ssim"] >= max(f["mse"], f["l1"], f["fourier"]) and f["mixed"] > f["mse"],
            f["ssim"] > f["mse"],
        ),
        seconds=35,
    ),
]
