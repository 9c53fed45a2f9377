"""Schedules."""

import pytest
import torch

from pnp import log_schedule
from pnp.levels import value_at


def test_equal_ratios_then_constant():
    values = [log_schedule(49 / 255, 0.01, 8)(k) for k in range(12)]
    ratios = [b / a for a, b in zip(values, values[1:])]
    assert ratios[:7] == pytest.approx([ratios[0]] * 7) and values[7:] == pytest.approx([0.01] * 5)
    each = log_schedule(torch.tensor([1.0, 4.0]), torch.tensor([0.01, 4.0]), 3)(1)
    assert torch.as_tensor(each).tolist() == pytest.approx([0.1, 4.0])


def test_numbers_functions_and_bad_arguments():
    assert value_at(2.0, 9) == 2.0 and value_at(lambda k: k + 1.0, 9) == 10.0
    for arguments, word in (((0.0, 1.0, 3), "start"), ((1.0, -1.0, 3), "end"), ((1.0, 1.0, 0), "steps")):
        with pytest.raises(ValueError, match=word):
            log_schedule(*arguments)
