"""fuse-rectifiers: a comparison with zero and the selection that it controls (PyTorch's ReLU) become one small unit.

Before:  %c = arith.cmpf ugt, %x, %zero ; %y = arith.select %c, %x, %zero
After:   %y = func.call @f32_relu(%x) : (f32) -> f32

needs: programs with bound units.
leaves: the same values; a NaN passes with its bits.
refuses: nothing.
why: the sign and a test for NaN decide, but the two units look at 32 bits of both operands. In the small unit the
    reset of the output register makes the zero. A lane that ends in a ReLU loses a seventh of its LUTs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch2hw.analysis.unit_binding import unit_of
from torch2hw.dialects.loops import Constant, Kernel, Operation, Stage, Statement, operand_names
from torch2hw.dialects.program import Program
from torch2hw.hwlib import Library
from torch2hw.hwlib.formats import float_format
from torch2hw.passes.pass_context import PassContext

RECTIFIER = "hwlib.relu"


@dataclass(frozen=True)
class FuseRectifiers:
    """The pass. No option turns it off."""

    name: str = "fuse-rectifiers"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report is empty: no value changes."""
        kernels = [fuse(kernel, context.library) for kernel in program.kernels]
        models = dict.fromkeys(
            unit_of(statement, context.library).software()
            for kernel in kernels
            for statement in kernel.statements()
            if isinstance(statement, Operation) and statement.name == RECTIFIER
        )
        return replace(program.with_kernels(kernels), models=(*program.models, *models)), {}


def fuse(kernel: Kernel, library: Library) -> Kernel:
    """`kernel` with one unit instead of each such pair, without statements that are then unused."""
    made = {statement.result: statement for statement in kernel.statements()}
    stages, replaced = [], set()
    for stage in kernel.stages:
        statements: list[Statement] = []
        for statement in stage.statements:
            value = _rectified(statement, made)
            if value is not None and isinstance(statement, Operation):
                condition, _, zero = statement.operands
                replaced |= {condition, zero, *operand_names(made[condition])}
                kind = statement.type
                statement = Operation(statement.result, kind, RECTIFIER, (value,), (kind,), source=statement.source)
                statement = replace(statement, callee=unit_of(statement, library).name)
            statements.append(statement)
        stages.append(replace(stage, statements=tuple(statements)))
    while unused := replaced & set(made) - set().union(*(_used(stage) for stage in stages)):
        replaced -= unused
        stages = [
            replace(stage, statements=tuple(s for s in stage.statements if s.result not in unused)) for stage in stages
        ]
    return replace(kernel, stages=tuple(stages))


def _used(stage: Stage) -> set[str]:
    """The names of the values that a stage uses."""
    names = {name for statement in stage.statements for name in operand_names(statement)}
    names |= {name for carried in stage.carried for name in (carried.init, carried.next)}
    return names | {store.value for store in stage.stores}


def _rectified(statement: Statement, made: dict[str, Statement]) -> str | None:
    """The value x if `statement` is max(x, 0) as a selection; otherwise None."""
    if not (isinstance(statement, Operation) and statement.name == "arith.select"):
        return None
    condition, value, other = statement.operands
    test = made.get(condition)
    if not (isinstance(test, Operation) and test.name == "arith.cmpf" and test.predicate == "ugt"):
        return None
    zeros = [_is_zero(made.get(name)) for name in (other, test.operands[1])]
    return value if test.operands[0] == value and all(zeros) else None


def _is_zero(statement: Statement | None) -> bool:
    return isinstance(statement, Constant) and statement.bits == 0 and float_format(statement.type) is not None
