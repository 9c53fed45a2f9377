"""Equivariant losses: images that are moved are images, too, and an operator sees other parts of them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from operators.linalg import dot

from ...likelihood import Gaussian, Likelihood
from .measured import Estimator, MeasuredLoss, measured_op, seen, stream, white
from .moves import Moved, draw_move
from .splits import Split
from .splitting import Splitting, misfit

__all__ = ["Equivariant", "EquivariantSplitting"]


class Equivariant(MeasuredLoss):
    r"""Equivariant imaging: an answer that was moved is measured again, and has to be found again.

    .. math:: \frac{\|f(A T \hat x + n) - T \hat x\|^2}{\|x_0\|^2}, \qquad \hat x = f(y), \quad
        x_0 = \frac{\|A^* y\|^2}{\|A A^* y\|^2} A^* y

    T is a random move, :math:`x_0` gives the image's units. Where f is right on the data, this is the supervised error
    on moved images, with their truth; it teaches what A does not see. Alone it is least for
    constants: add a loss of the data, such as :class:`SURE`, by :class:`Together`. The noise n is drawn where its
    level is known.

    Assumes: moved images are as likely as the images; the operator is not equivariant to the moves, A T = T' A: it
    would lose the same of them (:func:`pnp.train.losses.assumptions.useless_moves`).

    Args:
        moves: of :data:`pnp.train.losses.moves.KINDS`.

    Raises:
        ValueError: another kind of move. On use: a turn of images that are not square.

    Chen, Tachella, Davies 2021, doi:10.1109/ICCV48922.2021.00434; with noise: 2022, doi:10.1109/CVPR52688.2022.00556.

    >>> from operators import Inpainting
    >>> op = Inpainting(torch.eye(8))
    >>> loss = Equivariant(["shifts"])
    >>> loss(lambda y, _: y, op.A(torch.rand(2, 1, 8, 8)), Gaussian(op), [0, 1]).shape
    torch.Size([2])
    """

    def __init__(self, moves: Sequence[str] = ("shifts", "flips")) -> None:
        self.moves = tuple(moves)
        draw_move(self.moves, (2, 2), torch.Generator())

    def __call__(
        self, f: Estimator, y: Tensor, likelihood: Likelihood, seeds: Sequence[int], other: Any = None
    ) -> Tensor:
        op, x = measured_op(likelihood), f(y, likelihood)
        generators = [stream(seed) for seed in seeds]
        moved = torch.stack([draw_move(self.moves, x.shape, g)(row) for row, g in zip(x, generators)])
        again = op.A(moved)
        if isinstance(likelihood, Gaussian) and likelihood.noise_std is not None:
            std = likelihood.deviation(y).to(y.real)
            std = torch.where(seen(likelihood, y) > 0, std, torch.zeros_like(std))
            again = again + std * white(y, [seed + 1 for seed in seeds])
        error = f(again, likelihood) - moved
        with torch.no_grad():
            back = op.A_adjoint(y)
            seen_again = op.A(back)
            up, down = dot(back, back), dot(seen_again, seen_again)
            size = up * (up / torch.where(down > 0, down, torch.ones_like(down))).square()
        return dot(error, error) / torch.where(size > 0, size, torch.ones_like(size))

    def groups(self, likelihood: Likelihood) -> Sequence[str]:
        return self.moves


class EquivariantSplitting(Splitting):
    r"""Splitting for one operator: the data are those of a moved image seen by a moved operator.

    .. math:: \frac{1}{M_2} \|A_2 T f(y_1, A_1 T) - y_2\|^2 - \sigma_n^2

    The same data are y = (A T)(T^-1 x): with images that are as likely when moved, a network that is told the operator
    A T sees many operators, whose parts in sum hold everything, and splitting is the supervised error as it is for
    random operators. Otherwise as :class:`Splitting`.

    Args:
        moves: of :data:`pnp.train.losses.moves.KINDS`.
        split: as of :class:`Splitting`.

    Sechaud, Scanvic, Barthelemy, Abry, Tachella 2025, arXiv:2510.00929.

    >>> from operators import Inpainting
    >>> op = Inpainting(torch.eye(8))
    >>> loss = EquivariantSplitting(["shifts"])
    >>> loss(lambda y, part: part.op.A_adjoint(y), op.A(torch.rand(2, 1, 8, 8)), Gaussian(op), [0, 1]).shape
    torch.Size([2])
    """

    def __init__(self, moves: Sequence[str] = ("shifts", "flips"), split: Split | None = None) -> None:
        super().__init__(split)
        self.moves = tuple(moves)
        draw_move(self.moves, (2, 2), torch.Generator())

    def _one(self, f: Estimator, y: Tensor, likelihood: Likelihood, g: torch.Generator) -> Tensor:
        op = measured_op(likelihood)
        keep, out = self.divided(y, likelihood, g)
        move = draw_move(self.moves, op.in_shape, g)
        part, cut = self.part(likelihood, keep)
        x = f(cut(y), part.with_op(Moved(measured_op(part), move)))
        return misfit(op.A(move(x)), y, likelihood, out, shown=keep)

    def groups(self, likelihood: Likelihood) -> Sequence[str]:
        return self.moves
