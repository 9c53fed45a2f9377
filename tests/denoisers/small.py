"""A bare network as a denoiser, for the tests of what stands around denoisers."""

import torch
from torch import nn

from denoisers import Denoiser


class Net(Denoiser):
    """A network that ignores the level."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = net.eval()

    def forward(self, x, sigma):
        return self.net(x)
