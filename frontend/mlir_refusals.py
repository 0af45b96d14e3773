"""What the top function of an MLIR file may not hold, told at the file's lines before anything is lowered.

Refuses: `unsupported-operation`, operations of dialects that have no lowering to loops, and calls that cannot be
inlined; `data-dependent`, several blocks and `scf.while`; `not-exportable`, a function without results.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch_mlir import ir

from torch2hw.frontend.mlir_types import line_of
from torch2hw.frontend.refusals import DataDependentControlFlow, NotExportable, UnsupportedOperation
from torch2hw.tools.errors import Torch2HWError

TENSORS = frozenset("builtin func arith math linalg tensor cf shape index bufferization ub".split())
"""Dialects of functions over tensors: what torch-mlir's lowering takes, or `supported` judges."""
MEMORIES = frozenset("builtin func arith math linalg tensor memref affine scf".split())
"""Dialects of functions over memories."""


def check_function(main: Any, memories: bool, shown: str) -> Iterator[Torch2HWError]:
    """Refusals of a function in which calls are inlined; `memories` says over what it is."""
    first, *others = main.operation.regions[0].blocks
    if others:
        yield _branch(list(first.operations)[-1], shown)
        return
    if not main.type.results and not memories:
        yield without_results(main, shown)
    found: list[Torch2HWError] = []

    def visit(operation: Any) -> Any:
        if operation.name == "func.call":
            found.append(_call(operation, shown))
        elif operation.name == "scf.while":
            found.append(_while(operation, shown))
            return ir.WalkResult.SKIP
        elif operation.name.partition(".")[0] not in (MEMORIES if memories else TENSORS):
            found.append(_foreign(operation, memories, shown))
            return ir.WalkResult.SKIP
        return ir.WalkResult.ADVANCE

    main.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    yield from found


def without_results(main: Any, shown: str) -> NotExportable:
    """The refusal of a function that gives nothing."""
    return NotExportable(
        "the top function returns nothing, and writes to no argument",
        location=(shown, line_of(main)),
        fix="return what is to be computed, or write it to a memory that is an argument",
    )


def _branch(operation: Any, shown: str) -> DataDependentControlFlow:
    return DataDependentControlFlow(
        "a branch to another block",
        location=(shown, line_of(operation)),
        why="the schedule of the hardware is fixed when it is compiled",
        fix="compute every branch and choose with arith.select; over memories, scf.if may guard stores",
    )


def _while(operation: Any, shown: str) -> DataDependentControlFlow:
    return DataDependentControlFlow(
        "a loop that runs as long as a condition holds",
        location=(shown, line_of(operation)),
        operation=operation.name,
        why="the schedule of the hardware is fixed when it is compiled",
        fix="loop a fixed number of times (scf.for, affine.for), and guard stores with scf.if",
    )


def _call(operation: Any, shown: str) -> UnsupportedOperation:
    callee = str(operation.attributes["callee"]).removeprefix("@")
    return UnsupportedOperation(
        f"the call of {callee} cannot be inlined",
        location=(shown, line_of(operation)),
        why="a design holds all that it computes: functions have a body in the file, and none calls itself",
        fix=f"write {callee} out in the file",
    )


def _foreign(operation: Any, memories: bool, shown: str) -> UnsupportedOperation:
    taken = "linalg, affine and scf on memref" if memories else "linalg on tensors"
    return UnsupportedOperation(
        f"{operation.name} is unsupported",
        location=(shown, line_of(operation)),
        why="there is no lowering from it to loops",
        fix=f"write it in {taken}, with arith and math",
    )
