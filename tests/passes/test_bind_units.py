"""bind-units: a division of 1 becomes a reciprocal where no divider is needed for anything else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.passes.test_goldens import affine
from torch2hw.dialects.loops import Operation
from torch2hw.hwlib import Library
from torch2hw.hwlib.hardfloat import HardFloatLibrary
from torch2hw.passes.bind_units import BindUnits


def bound(body: str, library: Library) -> dict[str, str | None]:
    """Of a map with that body over %a and %b: each operation and the software model that it calls."""
    return {each.name: each.callee for each in operations(body, library)}


def operations(body: str, library: Library) -> list[Operation]:
    """The operations of a map with that body over %a and %b."""
    text = f"""#at = affine_map<(d0) -> (d0)>
func.func @main(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {{
  %one = arith.constant 1.0 : f32
  %two = arith.constant 2.0 : f32
  %empty = tensor.empty() : tensor<4xf32>
  %r = linalg.generic {{indexing_maps = [#at, #at, #at], iterator_types = ["parallel"]}}
      ins(%x, %y : tensor<4xf32>, tensor<4xf32>) outs(%empty : tensor<4xf32>) {{
    ^bb0(%a: f32, %b: f32, %unused: f32):
      {body}
      linalg.yield %q : f32
    }} -> tensor<4xf32>
  return %r : tensor<4xf32>
}}
"""
    context: Any = SimpleNamespace(library=library)
    program, _ = BindUnits().run(affine(text), context)
    return [s for kernel in program.kernels for s in kernel.statements() if isinstance(s, Operation)]


def test_a_division_of_one_is_a_reciprocal() -> None:
    body = "%q = arith.divf %one, %a : f32"
    assert bound(body, Library()) == {"hwlib.rounded_reciprocal": "f32_rounded_reciprocal"}
    (inverse,), (division,) = operations(body, Library()), operations(body, HardFloatLibrary(subnormals="keep"))
    assert inverse.operands == division.operands[1:] and inverse.operand_types == ("f32",)


@pytest.mark.parametrize(
    "body",
    [
        "%q = arith.divf %two, %a : f32",
        "%p = arith.divf %one, %a : f32\n      %q = arith.divf %b, %p : f32",
    ],
)
def test_a_divider_that_is_needed_inverts_too(body: str) -> None:
    assert bound(body, Library()) == {"arith.divf": None}


def test_hardfloat_divides() -> None:
    assert bound("%q = arith.divf %one, %a : f32", HardFloatLibrary(subnormals="keep")) == {"arith.divf": None}
