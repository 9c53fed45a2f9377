"""Combined coils: the operator that a matrix makes of another is the matrix after it."""

import pytest
import torch

from operators import MRI, CoilMatrix, NonCartesianMRI, StackedMRI, VolumeMRI, random_mask
from tests.contracts import relative
from tests.operators.cases import random

M = torch.complex(random(2, 3), random(2, 3, seed=1))
MAPS = torch.complex(random(3, 4, 5), random(3, 4, 5, seed=2))
POINTS = random(2, 30).clamp(-3, 3)
VOLUME = torch.complex(random(3, 2, 4, 5), random(3, 2, 4, 5, seed=2))
ROWS = random_mask((1, 5), 0.6, seed=1).reshape(1, 5).expand(4, 5)
OPS = {
    "Cartesian": lambda maps: MRI(random_mask((4, 5), 0.6), maps),
    "trajectory": lambda maps: NonCartesianMRI(POINTS, (4, 5), maps),
    "volume": lambda maps: VolumeMRI(random_mask((4, 10), 0.6).reshape(2, 4, 5), maps),
    "stack": lambda maps: StackedMRI(POINTS, (2, 4, 5), maps),
}


@pytest.mark.parametrize("name", OPS)
def test_coils_combined_in_the_operator_are_the_data_combined(name):
    op = OPS[name](VOLUME if name in ("volume", "stack") else MAPS)
    x = torch.complex(random(2, *op.in_shape), random(2, *op.in_shape, seed=3))
    combined = CoilMatrix(M) @ op
    assert type(combined) is type(op) and combined.out_shape == (2, *op.out_shape[1:])
    assert relative(combined(x), CoilMatrix(M)(op(x))) < 1e-12
    assert relative(CoilMatrix(M).combined(op(x)), CoilMatrix(M)(op(x))) == 0


def test_one_coil_becomes_several():
    op = CoilMatrix(M[:, :1]) @ MRI(torch.ones(4, 5))
    x = torch.complex(random(1, 1, 4, 5), random(1, 1, 4, 5, seed=3))
    assert op.out_shape == (2, 4, 5) and relative(op(x), CoilMatrix(M[:, :1])(MRI(torch.ones(4, 5))(x))) < 1e-12


@pytest.mark.parametrize(("readout", "mask"), [("rows", ROWS), ("columns", ROWS[:, :4].mT)])
def test_a_matrix_for_each_place(readout, mask):
    places = mask.shape[-2 if readout == "rows" else -1]
    matrix = CoilMatrix(torch.complex(random(places, 2, 3), random(places, 2, 3, seed=1)), readout=readout)
    op = MRI(mask, torch.complex(random(3, *mask.shape), random(3, *mask.shape, seed=2)))
    x = torch.complex(random(2, *op.in_shape), random(2, *op.in_shape, seed=3))
    assert isinstance(matrix @ op, MRI) and relative((matrix @ op)(x), matrix(op(x))) < 1e-12
    with pytest.raises(ValueError, match=f"mask: a matrix for each place.*{readout}"):
        matrix @ MRI(random_mask((places, places), 0.5), random(3, places, places) + 0j)
    with pytest.raises(ValueError, match="mask: a matrix for each place"):
        matrix @ NonCartesianMRI(POINTS, (4, 5), MAPS)


def test_products_of_matrices_and_other_operators():
    n = torch.complex(random(4, 2), random(4, 2, seed=5))
    op = OPS["Cartesian"](MAPS)
    x = torch.complex(random(1, 1, 4, 5), random(1, 1, 4, 5, seed=3))
    assert relative((CoilMatrix(n) @ CoilMatrix(M) @ op)(x), CoilMatrix(n @ M)(op(x))) < 1e-12
    assert relative((CoilMatrix(M) @ (2.0 * op))(x), 2 * CoilMatrix(M)(op(x))) < 1e-12


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="matrix: for 3 coils, the operator has 1"):
        CoilMatrix(M) @ MRI(torch.ones(4, 5))
    with pytest.raises(ValueError, match="mask: coils that are sampled differently"):
        CoilMatrix(M) @ MRI(torch.ones(1, 3, 4, 5), MAPS)
    with pytest.raises(ValueError, match="matrix: holds NaN"):
        CoilMatrix(M / 0)
    with pytest.raises(ValueError, match="matrix: expected"):
        CoilMatrix(M[0])
    with pytest.raises(ValueError, match="readout: expected"):
        CoilMatrix(M, readout="up")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shape: data of 4 coils"):
        CoilMatrix(M, shape=(4, 2))
