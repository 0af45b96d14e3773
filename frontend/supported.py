"""What may stand in a linalg program: the operations that have hardware. The rest is refused at the user's line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from torch_mlir import ir

from torch2hw.frontend.locations import source_of
from torch2hw.frontend.refusals import DynamicShape, EmptyTensor, UnsupportedOperation
from torch2hw.tools.errors import Torch2HWError

STRUCTURE = frozenset(
    {"builtin.module", "func.func", "func.return", "arith.constant"}
    | {f"tensor.{name}" for name in ("empty", "extract_slice", "insert_slice", "expand_shape", "collapse_shape", "pad")}
    | {f"tensor.{name}" for name in ("extract", "yield", "concat", "cast", "splat", "from_elements", "reshape")}
)
"""Operations that move or hold data, beside linalg's own; the library judges arith and math when units are bound."""

DIALECTS = frozenset({"linalg", "arith", "math"})


def check_supported(module: Any) -> Iterator[Torch2HWError]:
    """Refusals of operations without hardware, of shapes that are not static, of tensors without elements."""
    found: list[Torch2HWError] = []

    def visit(operation: Any) -> Any:
        source = source_of(operation.location)
        place = None if source is None else (source.file, source.line)
        if operation.name not in STRUCTURE and operation.name.split(".")[0] not in DIALECTS:
            found.append(
                UnsupportedOperation(
                    f"{operation.name} is unsupported",
                    location=place,
                    operation=operation.name,
                    why="there is no lowering from it to loops",
                    fix="express the model without it",
                )
            )
            return ir.WalkResult.SKIP
        types = [str(value.type) for value in [*operation.operands, *operation.results]]
        if any(re.search(r"tensor<(\d+x)*\?", kind) for kind in types):
            found.append(
                DynamicShape(
                    "a shape depends on the values of a tensor",
                    location=place,
                    operation=operation.name,
                    why="memories and loops of the hardware have sizes that are fixed when it is compiled",
                    fix="compute on all elements and select with torch.where",
                )
            )
        elif any(re.search(r"tensor<(\d+x)*0x", kind) for kind in types):
            found.append(
                EmptyTensor(
                    "an intermediate tensor is empty",
                    location=place,
                    operation=operation.name,
                    why="a memory has at least one element",
                    fix="leave it out of the model",
                )
            )
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    yield from found
