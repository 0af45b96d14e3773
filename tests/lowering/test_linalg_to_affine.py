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

from torch2hw.analysis.reference import Reference
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.frontend.load_model import LoadedModel, load
from torch2hw.frontend.locations import Sources


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


def running_sums_and_products(x: Any) -> Any:
    return x.cumsum(0), x.cumsum(1), x.cumprod(-1), x.reshape(-1).cumsum(0)


def places_in_what_is_not_stored(x: Any) -> Any:
    places = x[:, 0].abs().to(torch.int64)
    return x.T.reshape(-1)[places], nn.functional.pad(x, (1, 3))[:, places], torch.zeros(7)[places]


def comparisons_of_constants(x: Any) -> Any:
    return torch.full((2,), 0.3) < 0, torch.full((2,), -0.3) < 0, torch.full((2,), 2.0) > 1, x


def extremes_of_what_may_be_nan(x: Any) -> Any:
    y, z = torch.where(x < -3, torch.nan, x), torch.where(x > 3, torch.nan, -x)
    extremes = torch.maximum(y, z), torch.minimum(y, z), torch.fmax(y, z), torch.relu(y)
    return *extremes, y.clamp(-1, 2), y.clamp(min=0), torch.clamp(y, z, z + 1), torch.where(y > z, y, z), y == y


def places_of_what_may_be_nan(x: Any) -> Any:
    y = torch.where((x == -2) | (x == 4), torch.nan, x)[:, [0, 2, 1, 0]]
    z = torch.where(x.abs() < 5, torch.inf, y[:, :3])
    both = [place for each in (y, z, -z) for dim in (0, 1) for place in (each.argmax(dim), each.argmin(dim))]
    return *both, *y.max(1), *z.min(0), *y.median(1), *z.median(0), z.argmax(), torch.full_like(x, torch.nan).argmin()


def padded_in_several_ways(x: Any) -> Any:
    """The same elements with other numbers, and other elements, around them."""
    padded = nn.functional.pad
    values = padded(x, (0, 1)) + padded(x, (0, 1), value=1.0), padded(x, (0, 1), value=2.0) * padded(x, (0, 1))
    return *values, padded(x[:, :2], (0, 2)) + padded(x, (0, 1)), padded(x, (1, 0)) - padded(x[:, 1:], (2, 0))


def eight_bits(x: Any) -> Any:
    y, z = (x * 20 + 125).to(torch.int32).to(torch.uint8), (x * 20).to(torch.int32).to(torch.int8)
    signed = z - 1, z // 7, z % 7, -z, z.amax(0), z > 3
    return y > 130, y == 245, y / 4, y // 7, y % 7, y.max(), y.sum(0), y - 1, y * 0.5, *signed


def at_places_computed_at_run_time(x: Any) -> Any:
    row, column, number = x[0, 0].long() + 8, -x[0, 2].long() - 4 + x[3, 2].long() - 4, x[1, 1].item()
    both = torch.stack([x[row, column], x[column, row]])
    parts = x[row], x[:, column], x.T[column], nn.functional.pad(x, (1, 1))[row], x.reshape(-1)[row * 2]
    return both, *parts, x * (number * 2 + 1), torch.full((3,), number), torch.narrow(x, 1, 1, 2)[column]


@pytest.mark.parametrize(
    "function",
    [
        at_places_computed_at_run_time,
        returned_with_its_transpose,
        returned_with_slices_and_reshapes,
        returned_twice,
        shifted_onto_itself,
        running_sums_and_products,
        places_in_what_is_not_stored,
        comparisons_of_constants,
        extremes_of_what_may_be_nan,
        places_of_what_may_be_nan,
        padded_in_several_ways,
        eight_bits,
    ],
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
        np.testing.assert_array_equal(result.view(wanted.numpy().dtype), wanted.numpy())


TURNED = """
#in = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#out = affine_map<(d0, d1, d2) -> (d2, d0, d1)>
func.func @turned(%x: tensor<2x3x4xf32>) -> tensor<4x2x3xf32> {
  %e = tensor.empty() : tensor<4x2x3xf32>
  %0 = linalg.generic {indexing_maps = [#in, #out], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x : tensor<2x3x4xf32>) outs(%e : tensor<4x2x3xf32>) {
  ^bb0(%a: f32, %b: f32):
    linalg.yield %a : f32
  } -> tensor<4x2x3xf32>
  return %0 : tensor<4x2x3xf32>
}
"""


def test_a_result_whose_dimensions_are_turned(tmp_path: Path) -> None:
    """As files of `.mlir` may have them: torch-mlir turns what is read, not what is written."""
    (tmp_path / "turned.mlir").write_text(TURNED)
    model = load(str(tmp_path / "turned.mlir"))
    program = compile_model(model, Options(), stop_at="affine", stop_after="linalg-to-affine").at("affine")
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    (result,) = Reference(program.text()).run([x])
    np.testing.assert_array_equal(result.view(np.float32), x.transpose(2, 0, 1))


SIGNS = """
#same = affine_map<(d0) -> (d0)>
func.func @signs(%x: tensor<4xf32>) -> (tensor<4xi32>, tensor<4xf32>) {
  %e = tensor.empty() : tensor<4xi32>
  %f = tensor.empty() : tensor<4xf32>
  %0:2 = linalg.generic {indexing_maps = [#same, #same, #same], iterator_types = ["parallel"]}
      ins(%x : tensor<4xf32>) outs(%e, %f : tensor<4xi32>, tensor<4xf32>) {
  ^bb0(%a: f32, %b: i32, %c: f32):
    %zero = arith.constant 0.0 : f32
    %none = arith.constant 0 : i32
    %two = arith.constant 2 : i32
    %above = arith.cmpf ogt, %a, %zero : f32
    %sign = arith.select %above, %two, %none : i32
    %least = arith.maximumf %a, %zero : f32
    linalg.yield %sign, %least : i32, f32
  } -> (tensor<4xi32>, tensor<4xf32>)
  return %0#0, %0#1 : tensor<4xi32>, tensor<4xf32>
}
"""


def test_zeros_of_two_types(tmp_path: Path) -> None:
    (tmp_path / "signs.mlir").write_text(SIGNS)
    program = compile_model(load(str(tmp_path / "signs.mlir")), Options(), stop_at="affine").at("affine")
    signs, least = Reference(program.text()).run([np.array([-1, 0, 2, 3], np.float32)])
    assert signs.view(np.int32).tolist() == [0, 0, 2, 2] and least.view(np.float32).tolist() == [0, 0, 2, 3]


@pytest.mark.parametrize(("function", "count"), [(lambda x: x @ x.T, 48), (lambda x: x.sum(1), 0)])
def test_multiply_accumulates(function: Callable[..., Any], count: int) -> None:
    """A sum counts as such where what it adds is a product."""
    model = LoadedModel(Function(function), (torch.ones(4, 3),), "net.py", "top", Sources(Path(), Path()))
    program = compile_model(model, Options(), stop_at="affine").at("affine")
    assert sum(kernel.macs for kernel in program.kernels) == count
