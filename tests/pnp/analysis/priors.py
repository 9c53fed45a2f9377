"""A quick denoiser."""

import torch
from torch.nn.functional import avg_pool2d


def smooth(x, sigma):
    """Drawn towards the mean of nine pixels, the more so the higher sigma is."""
    share = torch.as_tensor(sigma, dtype=x.dtype).reshape(-1, 1, 1, 1)
    share = share / (share + 0.1)
    return x + share * (avg_pool2d(x, 3, 1, 1, count_include_pad=False) - x)
