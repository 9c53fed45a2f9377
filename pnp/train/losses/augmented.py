"""Losses of moved images: the same data are those of a moved operator."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...likelihood import Likelihood
from .measured import Estimator, MeasuredLoss, check_loss, measured_op, stream
from .moves import Moved, draw_move

__all__ = ["Augmented"]


class Augmented(MeasuredLoss):
    r"""A loss of data whose estimator sees moved images: more data of few measurements.

    .. math:: f_T(y, A) = T f(y, A T), \qquad y = A x + n = (A T)(T^{-1} x) + n

    with a random move T of each sample, so that the estimator has to make :math:`T^{-1} x`, and the loss is that of
    :math:`f_T` with the same data. The noise stays as it is. Each measurement counts as many, as turned and mirrored
    images do where there is a truth, and turns by any angle show the operator's artefacts in other directions.

    Assumes: what ``loss`` assumes; moved images are as likely as the images.

    Args:
        loss: of data, such as :class:`Recorrupted`.
        moves: of :data:`pnp.train.losses.moves.KINDS`.

    Raises:
        TypeError: ``loss`` is none of data alone.
        ValueError: another kind of move. On use: a turn of images that are not square.

    After Sechaud, Scanvic, Barthelemy, Abry, Tachella 2025, arXiv:2510.00929, for any loss.

    >>> from operators import Radon
    >>> from pnp.likelihood import Gaussian
    >>> from pnp.train.losses import SURE
    >>> op = Radon(8, torch.arange(8) * 0.4)
    >>> loss = Augmented(SURE(), ["flips"])
    >>> loss(lambda y, its: its.op.fbp(y), op.A(torch.rand(2, 1, 8, 8)), Gaussian(op, 0.1), [0, 1]).shape
    torch.Size([2])
    """

    def __init__(self, loss: MeasuredLoss, moves: Sequence[str] = ("quarters", "flips", "rotations")) -> None:
        check_loss(loss)
        self.inner, self.moves = loss, tuple(moves)
        self.assumes, self.gain = loss.assumes, loss.gain
        draw_move(self.moves, (2, 2), torch.Generator())

    def __call__(
        self, f: Estimator, y: Tensor, likelihood: Likelihood, seeds: Sequence[int], other: Any = None
    ) -> Tensor:
        shape, found = measured_op(likelihood).in_shape, []
        for i, seed in enumerate(seeds):
            move = draw_move(self.moves, shape, stream(seed + 1))

            def moved(z: Tensor, its: Likelihood, move=move) -> Tensor:
                return move(f(z, its.with_op(Moved(measured_op(its), move))))

            second = None if other is None else (other[0][i : i + 1], other[1])
            found.append(self.inner(moved, y[i : i + 1], likelihood, [seed], second))
        return torch.cat(found)

    def check(self, likelihood: Likelihood) -> None:
        self.inner.check(likelihood)

    def groups(self, likelihood: Likelihood) -> Sequence[Any]:
        return self.inner.groups(likelihood)
