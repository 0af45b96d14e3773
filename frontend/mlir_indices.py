"""What integers of an MLIR function's arguments index: example values must stay below the size of the dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir

_READS = ("tensor.extract", "memref.load", "affine.load")
_PASSED_ON = ("arith.index_cast", "arith.index_castui", "arith.extsi", "arith.extui", "arith.trunci", "tensor.cast")
_SHAPES = ("tensor.expand_shape", "tensor.collapse_shape", "tensor.extract_slice", "tensor.pad", "linalg.transpose")


def limits(main: Any, numbers: Sequence[int]) -> list[int]:
    """For each of these arguments, the smallest dimension that its elements index, else 2."""
    arguments = main.operation.regions[0].blocks[0].arguments
    return [_limit(arguments[number]) for number in numbers]


def _limit(argument: Any) -> int:
    found: list[int] = []
    seen, waiting = {argument}, [argument]
    while waiting:
        for use in list(waiting.pop().uses):
            user, number = use.owner.operation, use.operand_number
            passed: list[Any] = []
            if user.name in _READS and number > 0:
                found.append(int(ir.ShapedType(user.operands[0].type).get_dim_size(number - 1)))
            elif user.name in (*_READS, *_PASSED_ON, *_SHAPES):
                passed = [user.results[0]]
            elif user.name == "linalg.generic":
                passed = [user.regions[0].blocks[0].arguments[number]]
            new = [value for value in passed if value not in seen]
            seen.update(new)
            waiting += new
    return max(1, min(found, default=2))
