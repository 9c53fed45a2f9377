"""LoFi: what needs no training, or rests on shipped weights."""

import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from denoisers import Bounded, LoFi, LoFiDenoiser, TVDenoiser, UNet
from operators import Inpainting, RadioInterferometry, gaussian_noise_snr, random_mask
from pnp import PnPADMM, Stop
from pnp.metrics import psnr
from pnp.passport.memory import peak_memory
from pnp.train.images import as_float, squared

from ..common import noisy, timed
from ..radio import SLACK, sky, snr
from .lofi_trained import TRAINED, ten_pictures
from .row import Effort, Row
from .short import centre, parameters

__all__ = ["LOFI"]

MIB = 2**20


def _parameters(effort: Effort) -> Mapping[str, float]:
    return {"lofi": parameters(LoFi.paper(3)), "unet": parameters(UNet(3, width=19))}


def _step(model: nn.Module, size: int, lofi: bool) -> Callable[[], object]:
    """One step of Adam on one image; LoFi on 512 of its pixels."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    image = torch.rand(1, 1, size, size)

    def step() -> None:
        optimizer.zero_grad()
        given = (image, torch.rand(512, 2) - 0.5) if lofi else (image,)
        model(*given).square().mean().backward()
        optimizer.step()

    return step


def _cost(effort: Effort) -> Mapping[str, float]:
    figures: dict[str, float] = {}
    _measured_step("lofi", 64)  # the first one imports and allocates what is not the network's
    for name, sizes in (("lofi", (128, 512, 2048)), ("unet", (128, 512))):
        for size in sizes:
            figures[f"{name}_{size}"], figures[f"{name}_{size}_seconds"] = _measured_step(name, size)
    return figures


def _measured_step(name: str, size: int) -> tuple[float, float]:
    """MiB that the network, its optimiser and two steps take, and seconds of the second one."""
    seconds = []

    def run() -> None:
        step = _step(LoFi.paper() if name == "lofi" else UNet(1, width=32), size, name == "lofi")
        for _ in range(2):
            begin = time.process_time()
            step()
            seconds.append(time.process_time() - begin)

    return (peak_memory(run) or float("nan")) / MIB, seconds[-1]


def _inference(effort: Effort) -> Mapping[str, float]:
    model, figures = LoFi.paper().eval(), {}
    with torch.no_grad():
        for size in (64, 128, 256):
            x = torch.rand(1, 1, size, size)
            if size == 64:
                model(x)
            _, figures[f"seconds_{size}"] = timed(lambda x=x: model(x))
            figures[f"memory_{size}"] = (peak_memory(lambda x=x: model(x)) or float("nan")) / MIB
    return figures


def _equivariance(effort: Effort) -> Mapping[str, float]:
    """LoFi and U-Net of the nine pictures, on test images that are shifted by 15 pixels and turned by a quarter."""
    nets, tests = ten_pictures(effort)
    figures = {}
    for name, net in nets.items():
        moved, drops, turns = 0.0, [], []
        for i, x in enumerate(tests):
            wide = F.pad(x[None], (0, 16, 0, 0), mode="reflect")
            y = noisy(wide, 0.15, seed=i)
            side = x.shape[-1]
            with torch.no_grad():
                still, shifted = net(y[..., :side]), net(y[..., 15 : 15 + side])
                turned = net(torch.rot90(y[..., :side], 1, (-2, -1)))
            inner = (..., slice(12, -12), slice(12, -12))  # away from borders, which are mirrored
            moved = max(moved, float((still[..., 15:][inner] - shifted[..., :-15][inner]).abs().max()))
            base = float(psnr(still[..., 15:], x[None][..., 15:]))
            drops.append(base - float(psnr(shifted[..., :-15], x[None][..., 15:])))
            turns.append(float(psnr(still, x[None])) - float(psnr(torch.rot90(turned, -1, (-2, -1)), x[None])))
        figures |= {
            f"{name}_moved": moved,
            f"{name}_shift": sum(drops) / len(drops),
            f"{name}_turn": sum(turns) / len(turns),
        }
    return figures


def _photographs(effort: Effort, side: int) -> Tensor:
    """One gray image of ``side`` pixels: photographs of 512² side by side, or a part of one."""
    folder, n = effort.images("natural_more/unsplash"), max(1, side // 512)
    tiles = [centre(as_float(folder.images[i]), min(side, 512)) for i in range(n * n)]
    return torch.cat([torch.cat(tiles[n * i : n * i + n], -1) for i in range(n)], -2)[None]


def _inpainting(effort: Effort) -> Mapping[str, float]:
    """At several sizes; and four windows of 128² of the first photograph, in the large answers and solved alone."""
    denoiser, figures = LoFiDenoiser("natural-gray-fast"), {}
    for side in (512, 1024, 2048) if effort.scale >= 1 else (256,):
        x, mask = _photographs(effort, side), random_mask((side, side), 0.3, seed=1)
        y = mask * x
        filled = PnPADMM(Inpainting(mask), denoiser, noise_std=0.0)(y)
        alone = PnPADMM(Inpainting(_windows(mask.reshape(1, 1, side, side))), denoiser, noise_std=0.0)(_windows(y))
        figures |= {f"lofi_{side}": float(psnr(filled, x)), f"zero_{side}": float(psnr(y, x))}
        figures[f"alone_{side}"] = float(psnr(alone, _windows(x)).mean())
        figures[f"window_{side}"] = float(psnr(_windows(filled), _windows(x)).mean())
    return figures


def _windows(x: Tensor) -> Tensor:
    """Four neighbouring squares of 128 pixels from the middle of the first 512 (256) of (1, 1, H, W)."""
    middle = centre(x[..., :512, :512], 256)
    return torch.cat([half for part in middle.chunk(2, -2) for half in part.chunk(2, -1)])


class _AsPhotographs(PnPADMM):
    annealing, usual = 24, Stop(tolerance=0.001)  # the denoiser is of photographs: not the levels of skies


def _radio(effort: Effort) -> Mapping[str, float]:
    """M31 at several sizes from an hour of MeerKAT, and at 512² from eight hours as well."""
    import numpy as np

    hours = {n: np.load(effort.data / "radio" / f"meerkat_uv_{n}h.npy") for n in (1, 8)}
    full, figures = sky(effort.data / "radio" / "M31_1024.fits"), {}
    prior = Bounded(LoFiDenoiser("natural-gray-fast"), low=0.0, slack=SLACK)
    cases = ((128, 1), (512, 1), (1024, 1), (512, 8)) if effort.scale >= 1 else ((64, 1), (128, 1))
    for side, long in cases:
        x = squared(full[0], side)[None]
        op = RadioInterferometry(torch.from_numpy(hours[long]).double(), (side, side), unit="rad/pixel")
        clean = op.A(x)
        y = gaussian_noise_snr(clean, 30.0, seed=0)
        std = 10 ** (-30 / 20) * float(clean.norm()) / (2 * clean.numel()) ** 0.5
        answer, dirty = _AsPhotographs(op, prior, noise_std=std)(y), op.dirty_image(y)
        dirty = dirty * float((dirty * x).sum() / (dirty * dirty).sum())
        name = f"{side}" if long == 1 else f"{side}_long"
        seen = F.interpolate(answer, full.shape[-2:], mode="bicubic", align_corners=False)
        figures |= {f"lofi_{name}": snr(answer, x), f"dirty_{name}": snr(dirty, x), f"detail_{name}": snr(seen, full)}
        figures[f"density_{name}"] = clean.numel() / x.numel()
    return figures


def _denoising(effort: Effort) -> Mapping[str, float]:
    """The shipped LoFi on photographs, which it knows, and on CT slices, which it does not, beside TV at its best."""
    lofi, tv, figures = LoFiDenoiser(), TVDenoiser(), {}
    for kind, folder in (("photographs", "bsd68"), ("slices", "ct")):
        images, count = effort.images(folder).images, effort.some(10)
        for i in range(count):
            x = centre(as_float(images[i]), 256)[None]
            y = noisy(x, 0.15, seed=i)
            best = max(float(psnr(tv(y, 0.15 * weight), x)) for weight in (0.5, 0.7, 1.0, 1.4))
            with torch.no_grad():
                scores = {"noisy": float(psnr(y, x)), "tv": best, "lofi": float(psnr(lofi(y, 0.15), x))}
            for name, score in scores.items():
                figures[f"{kind}_{name}"] = figures.get(f"{kind}_{name}", 0.0) + score / count
    return figures


def _continuous(effort: Effort) -> Mapping[str, float]:
    """Denoised at twice the resolution: LoFi asked between pixels, and its pixels enlarged bicubically."""
    denoiser, figures = LoFiDenoiser(), {"lofi": 0.0, "bicubic": 0.0}
    folder, count = effort.images("natural_more/unsplash"), effort.some(6)
    for i in range(count):
        x = centre(as_float(folder.images[i]), 257)[None]
        y = noisy(x[..., ::2, ::2], 0.05, seed=i)  # every second pixel, so that its grid lies on that of the truth
        side = torch.linspace(-0.5, 0.5, 257)
        places = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1).reshape(-1, 2)
        with torch.no_grad():
            between = denoiser.at(y, 0.05, places).reshape(1, 1, 257, 257)
            large = F.interpolate(denoiser(y, 0.05), (257, 257), mode="bicubic", align_corners=True)
        figures["lofi"] += float(psnr(between, x)) / count
        figures["bicubic"] += float(psnr(large, x)) / count
        noisy_large = F.interpolate(y, (257, 257), mode="bicubic", align_corners=True)
        figures["input"] = figures.get("input", 0.0) + float(psnr(noisy_large, x)) / count
    return figures


LOFI = [
    Row(
        "lofi-parameters",
        "LoFi and the baselines have about 3 million parameters (ten pictures; VII-B)",
        "“approximately 3M”",
        "the networks as they are, colour",
        _parameters,
        "LoFi {lofi:,.0f}, U-Net of width 19 {unet:,.0f}",
        "reproduced: both within 20 % of 3 million; same trend: within 50 %.",
        lambda f: (
            all(abs(f[name] / 3e6 - 1) < 0.2 for name in ("lofi", "unet")),
            all(abs(f[name] / 3e6 - 1) < 0.5 for name in ("lofi", "unet")),
        ),
    ),
    Row(
        "lofi-training-cost",
        "memory and time of training hardly depend on the size of images, unlike those of CNNs; below 200 MB (Fig. 1)",
        "less than 200 MB at 1024²; curves",
        "one image a step and 512 of its pixels, networks of the paper's size; peak over the process before",
        _cost,
        "LoFi at 128², 512², 2048²: {lofi_128:.0f}, {lofi_512:.0f}, {lofi_2048:.0f} MiB and {lofi_128_seconds:.2f}, "
        "{lofi_512_seconds:.2f}, {lofi_2048_seconds:.2f} s a step; U-Net at 128², 512²: {unet_128:.0f}, "
        "{unet_512:.0f} MiB "
        "and {unet_128_seconds:.2f}, {unet_512_seconds:.2f} s",
        "reproduced: LoFi below 200 MiB up to 2048², its memory at 2048² at most 1.5 times that at 128² and its time "
        "twice, "
        "while the U-Net's time grows at least fourfold from 128² to 512²; same trend: LoFi's memory and time grow "
        "less.",
        lambda f: (
            max(f["lofi_128"], f["lofi_512"], f["lofi_2048"]) < 200
            and f["lofi_2048"] < 1.5 * f["lofi_128"]
            and f["lofi_2048_seconds"] < 2 * f["lofi_128_seconds"]
            and f["unet_512_seconds"] > 4 * f["unet_128_seconds"],
            f["lofi_512"] / f["lofi_128"] < f["unet_512"] / f["unet_128"]
            and f["lofi_512_seconds"] / f["lofi_128_seconds"] < f["unet_512_seconds"] / f["unet_128_seconds"],
        ),
        seconds=15,
    ),
    Row(
        "lofi-inference-cost",
        "evaluation takes time with the number of pixels, in constant memory beyond 16,384 of them (Fig. 8)",
        "curves",
        "network of the paper's size, 64², 128², 256²",
        _inference,
        "{seconds_64:.2f}, {seconds_128:.2f}, {seconds_256:.2f} s; {memory_64:.0f}, {memory_128:.0f}, "
        "{memory_256:.0f} MiB",
        "reproduced: four times the pixels take 2.8 to 5.7 times as long from 128² to 256², with at most 1.3 times the "
        "memory; same trend: more time than memory.",
        lambda f: (
            2.8 < f["seconds_256"] / f["seconds_128"] < 5.7 and f["memory_256"] < 1.3 * f["memory_128"],
            f["seconds_256"] / f["seconds_128"] > f["memory_256"] / f["memory_128"],
        ),
        seconds=15,
    ),
    Row(
        "lofi-shift",
        "LoFi is truly shift equivariant, multiscale CNNs are not (VIII-B, Fig. 15)",
        "a picture; 15 pixels",
        "networks of the row `lofi-ten`, trained without turned images; five test images, shifted by 15 pixels",
        _equivariance,
        "largest change of a pixel: LoFi {lofi_moved:.1e}, U-Net {unet_moved:.1e}; PSNR lost: {lofi_shift:.3f} and "
        "{unet_shift:.3f} dB",
        "reproduced: away from borders no pixel of LoFi's changes by more than 0.001, and the U-Net's change ten "
        "times as "
        "much; same trend: the U-Net's change more.",
        lambda f: (
            f["lofi_moved"] < 0.001 and f["unet_moved"] > 10 * f["lofi_moved"],
            f["unet_moved"] > f["lofi_moved"],
        ),
        seconds=5,
    ),
    Row(
        "lofi-rotation",
        "LoFi's quality hardly suffers where the image is turned by a quarter, without such images in the training "
        "(Fig. 16)",
        "“minimal degradation”",
        "as above, turned by a quarter",
        _equivariance,
        "PSNR lost: LoFi {lofi_turn:.3f}, U-Net {unet_turn:.3f} dB",
        "reproduced: LoFi loses less than 0.1 dB; same trend: less than the U-Net.",
        lambda f: (f["lofi_turn"] < 0.1, f["lofi_turn"] < f["unet_turn"]),
        seconds=5,
    ),
    *TRAINED,
    Row(
        "lofi-continuous",
        "images can be recovered at any continuous coordinate, at several resolutions (III-B)",
        "no figure",
        "shipped LoFi, trained on pixels only; six photographs seen at every second pixel, noise 0.05, asked at all "
        "pixels",
        _continuous,
        "LoFi between the pixels {lofi:.2f}, its pixels enlarged {bicubic:.2f}, the noisy image enlarged {input:.2f} "
        "dB",
        "reproduced: at least the enlarged answer less 0.2 dB, and above the enlarged input; same trend: above the "
        "latter.",
        lambda f: (f["lofi"] > max(f["bicubic"] - 0.2, f["input"]), f["lofi"] > f["input"]),
        seconds=10,
    ),
    Row(
        "lofi-denoising",
        "images of a kind that the training did not have are denoised as well (VIII-A, Fig. 14)",
        "pictures; faces and bedrooms at σ = 0.15",
        "shipped LoFi, trained on photographs; ten of BSD68 and ten CT slices, 256², σ = 0.15; TV at the best of four "
        "weights for each image",
        _denoising,
        "photographs: noisy {photographs_noisy:.2f}, TV {photographs_tv:.2f}, LoFi {photographs_lofi:.2f} dB; CT "
        "slices: {slices_noisy:.2f}, {slices_tv:.2f}, {slices_lofi:.2f} dB",
        "reproduced: above TV by 0.5 dB on both; same trend: above TV on photographs and 5 dB above the noisy slices.",
        lambda f: (
            all(f[f"{kind}_lofi"] > f[f"{kind}_tv"] + 0.5 for kind in ("photographs", "slices")),
            f["photographs_lofi"] > f["photographs_tv"] and f["slices_lofi"] > f["slices_noisy"] + 5,
        ),
        "on slices LoFi is {slices_lofi:.2f} dB where TV has {slices_tv:.2f}.",
        seconds=30,
    ),
    Row(
        "lofi-inpainting",
        "LoFi-ADMM with a low-resolution denoiser inpaints at any higher resolution (V-E, Fig. 11)",
        "pictures; 30 % of the pixels are kept",
        "shipped fast LoFi, trained on crops of 48²; photographs of 512², one, four and sixteen side by side; four "
        "windows "
        "of 128² of the first, as parts of the large problem and as problems of their own",
        _inpainting,
        "512², 1024², 2048²: {lofi_512:.2f}, {lofi_1024:.2f}, {lofi_2048:.2f} dB, masked {zero_512:.2f}, "
        "{zero_1024:.2f}, "
        "{zero_2048:.2f}; the windows in them {window_512:.2f}, {window_1024:.2f}, {window_2048:.2f}, alone "
        "{alone_512:.2f}, "
        "{alone_1024:.2f}, {alone_2048:.2f} dB",
        "reproduced: at each size 10 dB above the masked image, and the windows not 0.1 dB worse than alone; same "
        "trend: 10 "
        "dB above the masked image.",
        lambda f: (
            all(
                f[f"lofi_{n}"] > f[f"zero_{n}"] + 10 and f[f"window_{n}"] > f[f"alone_{n}"] - 0.1
                for n in (512, 1024, 2048)
            ),
            all(f[f"lofi_{n}"] > f[f"zero_{n}"] + 10 for n in (512, 1024, 2048)),
        ),
        seconds=50,
    ),
    Row(
        "lofi-radio",
        "LoFi-ADMM of radio data at a higher resolution than the denoiser's gives more detail (V-E, Fig. 12)",
        "pictures; MeerKAT, 30 dB",
        "shipped fast LoFi; M31 at 128², 512², 1024², 30,240 visibilities of an hour each; 512² from eight hours; 30 "
        "dB; ADMM with the levels of photographs, to a residual of 0.001",
        _radio,
        "SNR at 128², 512², 1024²: {lofi_128:.1f}, {lofi_512:.1f}, {lofi_1024:.1f} dB (dirty image {dirty_128:.1f}, "
        "{dirty_512:.1f}, {dirty_1024:.1f}); all against the sky of 1024²: {detail_128:.1f}, {detail_512:.1f}, "
        "{detail_1024:.1f} dB; 512² from eight hours {lofi_512_long:.1f}, against 1024² {detail_512_long:.1f} dB",
        "reproduced: ahead of the dirty image by 10 dB at each size, and each size has more of the sky of 1024² than "
        "the one "
        "before; same trend: ahead of the dirty image by 10 dB at each size.",
        lambda f: (
            all(f[f"lofi_{n}"] > f[f"dirty_{n}"] + 10 for n in (128, 512, 1024))
            and f["detail_1024"] > f["detail_512"] > f["detail_128"],
            all(f[f"lofi_{n}"] > f[f"dirty_{n}"] + 10 for n in (128, 512, 1024)),
        ),
        "the denoiser serves every size, but the same visibilities are {density_128:.2f} a pixel at 128² and "
        "{density_1024:.2f} at 1024²; with those of eight hours 512² has {detail_512_long:.1f} dB of the sky of 1024² "
        "where it had {detail_512:.1f}.",
        seconds=60,
    ),
]
