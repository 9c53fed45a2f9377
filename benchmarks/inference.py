"""Time of an evaluation: each network here, the same in plain modules, and deepinv's of similar kind; LoFi beside GEMM.

Plain means: the modules as they are written, nothing folded, the default memory format. Runs of a pair alternate; the
ratio is the median of the pairs' ratios, with the lowest and the highest.

    python -m benchmarks.inference [--size 256] [--repeats 7] [--threads 1]
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

import denoisers as d
from denoisers import DnCNN, Img2ImgMixer, LoFiDenoiser, MixerDenoiser, XDnCNN, XDnCNNDenoiser
from denoisers.evaluation.fold import Folded
from denoisers.trained.lofi import Field

from .common import table

PRODUCTS = {
    "aten::mm", "aten::addmm", "aten::addmm_", "aten::bmm", "aten::baddbmm", "aten::mkldnn_convolution",
    "aten::_slow_conv2d_forward", "mkldnn::_linear_pointwise", "aten::_scaled_dot_product_flash_attention_for_cpu",
}  # fmt: skip


def seconds(function: Callable[[], Tensor]) -> float:
    """Time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def pair(ours: Callable[[], Tensor], theirs: Callable[[], Tensor], repeats: int) -> tuple[float, float, list[float]]:
    """Medians of both, and the ratios theirs / ours, sorted."""
    ours(), theirs()
    runs = [(seconds(ours), seconds(theirs)) for _ in range(repeats)]
    return *(statistics.median(column) for column in zip(*runs)), sorted(b / a for a, b in runs)  # pyright: ignore


def share_of_products(function: Callable[[], Tensor]) -> str:
    """Share of the time of one call within matrix products, convolutions and attention, in percent."""
    with torch.profiler.profile() as profile:
        function()
    times = {event.key: event.self_cpu_time_total for event in profile.key_averages()}
    return f"{100 * sum(t for name, t in times.items() if name in PRODUCTS) / sum(times.values()):.0f} %"


def with_statistics(net: nn.Module) -> nn.Module:
    """A network in eval mode whose normalisations do something."""
    torch.manual_seed(0)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d) and m.running_mean is not None and m.running_var is not None:
            m.running_mean.normal_(0, 0.1)
            m.running_var.uniform_(0.5, 2)
    return net.eval()


def plain_copy(net: nn.Module) -> nn.Module:
    """The same network in the default memory format."""
    import copy

    return copy.deepcopy(net).to(memory_format=torch.contiguous_format)


class PlainFields(nn.Module):
    """The shipped LoFi as plain modules: convolutions over discs, hidden layer, skip, in the order of its formula."""

    def __init__(self, denoiser: LoFiDenoiser) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for field in denoiser.fields:
            assert isinstance(field, Field)
            kernel = field.kernel().detach()
            first = nn.Conv2d(kernel.shape[1], kernel.shape[0], kernel.shape[-1])
            first.load_state_dict({"weight": kernel, "bias": field.bias.detach()})
            last = nn.Conv2d(kernel.shape[0], field.head.weight.shape[0], 1)
            last.load_state_dict(field.head.state_dict())
            pad = nn.ReflectionPad2d(kernel.shape[-1] // 2)
            self.layers.append(nn.Sequential(pad, first, nn.ReLU(), last))
        self.to(memory_format=torch.contiguous_format)

    def forward(self, x: Tensor, sigma: float) -> Tensor:
        z = self.layers[0]((x - x.mean((-2, -1), keepdim=True)) / sigma)
        for layer in self.layers[1:-1]:  # pyright: ignore
            z = z + layer(z)
        return x - sigma * 6 * torch.tanh(self.layers[-1](z) / 6)


class PlainMixer(nn.Module):
    """The Mixer with a linear layer along the last axis of a transposed view for every perceptron."""

    def __init__(self, net: Img2ImgMixer) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        x = self.net.embed.conv(x).permute(0, 2, 3, 1)
        for layer in self.net.layers:
            norm, rows, columns = layer.space  # pyright: ignore
            z = rows.inner(norm(x).transpose(1, 3)).transpose(1, 3)  # pyright: ignore
            x = x + columns.inner(z.transpose(2, 3)).transpose(2, 3)
            x = x + layer.channels(x)  # pyright: ignore
        head, patch = self.net.head, self.net.head.expand.side
        x = head.expand.linear(x).unflatten(-1, (patch, patch, -1)).transpose(2, 3)
        x = head.expand.norm(x.reshape(len(x), patch * x.shape[1], -1, x.shape[-1]))
        return head.conv(x.permute(0, 3, 1, 2))


def product() -> Callable[[], Tensor]:
    """torch's product of 2048 x 2048 matrices, 2 * 2048**3 multiplications and additions."""
    a, b, out = torch.rand(2048, 2048), torch.rand(2048, 2048), torch.empty(2048, 2048)
    return lambda: torch.mm(a, b, out=out)


def lofi_operations(denoiser: LoFiDenoiser) -> int:
    """Multiplications and additions for a pixel that the formula asks for: only pixels within the discs."""
    total = 0
    for field in denoiser.fields:
        assert isinstance(field, Field)
        kernel = field.kernel()
        total += int((kernel != 0).any(0).any(0).sum()) * kernel.shape[0] * kernel.shape[1]
        total += field.head.weight.numel()
    return 2 * total


def networks(size: int, repeats: int) -> list[list]:
    """Rows of pairs: ours, the other, milliseconds, ratio, share of products in ours, largest difference."""
    import deepinv

    x, sigma = torch.rand(1, 1, size, size), 0.1
    dncnn = with_statistics(DnCNN(1))
    fast_dncnn = Folded(dncnn)
    xdncnn = with_statistics(XDnCNNDenoiser(None, level=sigma))
    plain_x = plain_copy(xdncnn.net)  # pyright: ignore
    lofi, quick = LoFiDenoiser(), LoFiDenoiser("natural-gray-fast")
    lofi_plain, quick_plain, square = PlainFields(lofi), PlainFields(quick), x[..., :128, :128]
    half, paper = (MixerDenoiser(None, preset=preset).eval() for preset in ("half", "paper"))
    plain_half, plain_paper = PlainMixer(half.net), PlainMixer(paper.net)
    level = torch.full_like(x, sigma)
    grid = torch.linspace(-0.5, 0.5, 64)
    points = torch.cartesian_prod(grid, grid)
    theirs = deepinv.models.DnCNN(1, 1, depth=17, pretrained=None).eval()
    drunet = deepinv.models.DRUNet(1, 1, nc=(16, 32, 64, 128), nb=2, pretrained=None).eval()
    cases: list[tuple[str, Callable[[], Tensor], str, Callable[[], Tensor], bool]] = [
        ("xDnCNN", lambda: xdncnn(x, sigma), "plain", lambda: plain_x(x), True),
        ("DnCNN folded", lambda: fast_dncnn(x), "plain", lambda: dncnn(x), True),
        ("LoFi accurate", lambda: lofi(x, sigma), "plain", lambda: lofi_plain(x, sigma), True),
        ("LoFi fast", lambda: quick(x, sigma), "plain", lambda: quick_plain(x, sigma), True),
        ("Mixer half, 128", lambda: half(square, sigma), "plain",
         lambda: square - plain_half(torch.cat((square, level[..., :128, :128]), 1)), True),
        ("LoFi, 64 x 64 pixels", lambda: lofi(x[..., :64, :64], sigma), "gathered a pixel",
         lambda: lofi.at(x[..., :64, :64], sigma, points).reshape(1, 1, 64, 64), False),
        ("xDnCNN", lambda: xdncnn(x, sigma), "deepinv DnCNN 17", lambda: theirs(x), False),
        ("DnCNN folded", lambda: fast_dncnn(x), "deepinv DnCNN 17", lambda: theirs(x), False),
        ("xDnCNN", lambda: xdncnn(x, sigma), f"deepinv DRUNet, {count(drunet)}", lambda: drunet(x, sigma), False),
        ("LoFi accurate", lambda: lofi(x, sigma), "xDnCNN", lambda: xdncnn(x, sigma), False),
        ("LoFi fast", lambda: quick(x, sigma), "xDnCNN", lambda: xdncnn(x, sigma), False),
    ]  # fmt: skip
    if size == 256:
        plain = ("plain", lambda: x - plain_paper(torch.cat((x, level), 1)), True)
        cases.insert(5, ("Mixer paper", lambda: paper(x, sigma), *plain))
    cases[6:6] = list(others(size))
    rows = []
    for name, ours, other, function, same in cases:
        a, b = ours(), function()
        apart = f"{float((a - b).abs().max() / b.abs().max()):.1e}" if same or other.startswith("gather") else ""
        mine, their, ratios = pair(ours, function, repeats)
        median = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} - {ratios[-1]:.2f})"
        share = share_of_products(ours) if same else ""
        rows.append([name, other, 1e3 * mine, 1e3 * their, median, share, apart])
        print(rows[-1], flush=True)
    return rows


def others(size: int) -> Iterator[tuple[str, Callable[[], Tensor], str, Callable[[], Tensor], bool]]:
    """Every other network of the papers and the IPPy course, folded and as its modules stand."""
    small = size // 4
    nets: list[tuple[nn.Module, int, int]] = [
        (d.ConvNet(1), 1, size), (d.SimpleCNN(), 1, size), (d.ResCNN(), 1, size), (d.ResUNet(), 1, size),
        (d.SRCNN(), 1, size), (d.XSRCNN("f"), 1, size), (d.XSRCNN("c"), 1, size), (d.SRResNet(), 3, small),
        (d.XSRResNet(), 3, small), (d.LinearMixer(size), 3, size), (d.UMixer(size), 3, size),
        (d.OriginalMixer(size), 3, size), (d.ViT(size), 3, size), (d.UNet(3, width=21), 3, size),
    ]  # fmt: skip
    for net, channels, side in nets:
        with_statistics(net)
        x, fast = torch.rand(1, channels, side, side), Folded(net)
        yield type(net).__name__, partial(fast, x), "plain", partial(net, x), True


def count(net: nn.Module) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in net.parameters())


@torch.no_grad()
def main() -> None:
    """Print both tables."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--size", type=int, default=256)
    p.add_argument("--repeats", type=int, default=7)
    p.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = p.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{options.threads} threads, torch {torch.__version__}; xDnCNN {count(XDnCNN(1))} parameters")
    rows = networks(options.size, options.repeats)
    print(table(rows, ["network", "beside", "ms", "other / ms", "other / ours", "products", "difference"]))
    rows, gemm = [], product()
    for preset in ("accurate", "fast"):
        lofi, x = LoFiDenoiser(None, preset=preset), torch.rand(1, 1, options.size, options.size)
        mine, other, _ = pair(lambda lofi=lofi, x=x: lofi(x, 0.1), gemm, 3 * options.repeats)
        mine, rate = lofi_operations(lofi) * x.numel() / mine, 2 * 2048**3 / other
        rows.append([preset, count(lofi), mine / 1e9, rate / 1e9, f"{100 * mine / rate:.0f} %"])
    print(table(rows, ["LoFi", "parameters", "Gflop/s", "torch.mm, Gflop/s", "share"]))


if __name__ == "__main__":
    main()
