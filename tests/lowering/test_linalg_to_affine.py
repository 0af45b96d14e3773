"""Models whose results are views of each other, of inputs, of constants: the affine program computes what PyTorch
does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from torch2hw.compiler import compile_model
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import Sources
from torch2hw.options import Options
from torch2hw.sim.reference import Reference


class Function(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Any) -> Any:
        return self.function(*inputs)


def returned_with_its_transpose(x: Any) -> Any:
    y = torch.relu(x @ x.T) + 1
    return y, y.transpose(0, 1)


def returned_with_slices_and_reshapes(x: Any) -> Any:
    y = torch.relu(x) * 2
    return y.reshape(-1), y[:, 1:], y


def returned_twice(x: Any) -> Any:
    y = torch.relu(x)
    return y, y, x


def shifted_onto_itself(x: Any) -> Any:
    y = x * 2
    y[1:] = y[:-1].clone()
    return y


@pytest.mark.parametrize(
    "function", [returned_with_its_transpose, returned_with_slices_and_reshapes, returned_twice, shifted_onto_itself]
)
def test_values(function: Callable[..., Any]) -> None:
    x = torch.arange(-6.0, 6.0).reshape(4, 3)
    here = str(Path(__file__))
    model = LoadedModel(
        Function(function).eval(), (x,), here, "top", Sources(Path(here).parent, Path(here).parent), (here, 1)
    )
    program = compile_model(model, Options(), stop_at="affine", stop_after="linalg-to-affine").at("affine")
    expected = function(x.clone())
    results = Reference(program.text()).run([x.numpy()])
    for result, wanted in zip(results, expected if isinstance(expected, tuple) else (expected,), strict=True):
        np.testing.assert_array_equal(result, wanted.numpy())
