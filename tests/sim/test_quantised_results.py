"""Codes may be one step from PyTorch's, and no more."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.quantisation.models import Codes, Computed
from torch2hw.analysis.stored_arrays import Array, from_torch
from torch2hw.compiler.options import Options
from torch2hw.sim.explained import Unexplained, unexplained
from torch2hw.sim.quantised import output_steps, steps_apart, total

X, Y = Codes(1 / 16, 3), Codes(1 / 8, -2)


def judged(model: torch.nn.Module, x: torch.Tensor, moved: int, dtype: str, step: float) -> Unexplained | None:
    """What is said of PyTorch's own result with one element some steps away."""
    expected = from_torch(model(x))
    other: Array = expected.copy()
    middle = int(np.abs(expected.astype(np.int64)).argmin())
    other.reshape(-1)[middle] += np.array(moved * step, other.dtype)
    return unexplained(model, (x,), ["out"], [dtype], [expected], [other], Options())


@pytest.mark.parametrize("moved", [-2, -1, 0, 1, 2])
def test_codes(moved: int) -> None:
    model, x = Computed(lambda x: Y.quantise(X(x))), torch.randn(6, 5)
    assert (judged(model, x, moved, "i8", 1) is not None) == (abs(moved) > 1)


@pytest.mark.parametrize("moved", [-2, -1, 0, 1, 2])
def test_numbers_that_codes_stand_for(moved: int) -> None:
    model, x = Computed(lambda x: Y(X(x)).reshape(3, 10)), torch.randn(6, 5)
    assert (judged(model, x, moved, "f32", Y.scale) is not None) == (abs(moved) > 1)


def test_steps_of_outputs() -> None:
    x = torch.randn(6, 5)
    model = Computed(lambda x: (Y.quantise(x), Y(x).flatten(), X(x) + 1, x))
    assert output_steps(model, (x,)) == [1.0, Y.scale, None, None]
    assert output_steps(Computed(lambda x: x + 1), (x,)) is None


def test_counted() -> None:
    left, right = np.array([0, 1, 5], np.float32), np.array([0, 1.5, 4], np.float32)
    found = steps_apart(left, right, "f32", 0.5)
    assert (found.different, found.of, found.most) == (2, 3, 2)
    assert total([]) is None and total([found, found]) is not None
