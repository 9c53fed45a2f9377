"""How far an estimate of the noise may be off, and when to say so."""

from torch import Tensor

__all__ = ["DOUBTFUL", "is_unsure", "said"]

DOUBTFUL = 1.4
"""Factor from which on an estimate is called unsure. At 1.28, the spread of levels that are as good as the truth (0.8
to 1.3 times), half as many right ones again are doubted for hardly more wrong ones (images of
``python -m benchmarks.noise_doubt``)."""

_WORDS = "; it may be off by a factor of "


def said(doubt: Tensor) -> str:
    """What a report adds to the source of estimates that may be off by the factors (B,), where one is large.

    >>> import torch
    >>> said(torch.tensor([1.1, 1.57]))
    '; it may be off by a factor of 1.6'
    """
    most = float(doubt.max())
    return f"{_WORDS}{most:.2g}" if most > DOUBTFUL else ""


def is_unsure(source: str) -> bool:
    """Whether such words are in the source of a noise level.

    >>> is_unsure("given")
    False
    """
    return _WORDS in source
