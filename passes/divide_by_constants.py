"""divide-by-constants: a division by a constant becomes one product and one rounding, with the bits of the division.

Before:  %c = arith.constant 41.0 : f32 ; %q = arith.divf %x, %c : f32
After:   %r = arith.constant … : i64 ; %q = func.call @f32_divide_by(%x, %r)      and func.func private @f32_divide_by

needs: affine programs after `simplify-arithmetic`, which turns divisions by powers of two into products.
leaves: no division by a normal number that is a constant in its kernel.
refuses: nothing.
why: in f32 a divider has 764 LUTs and 15 cycles. This unit has 115 LUTs, three DSPs and 4 cycles; a multiplier has 101
    LUTs, two DSPs and 3 cycles. A product with the reciprocal rounded to the format itself would round twice:
    41 · (1/41) is below 1. Here the reciprocal is a constant of twice the bits (`hwlib/float_divide_by.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch2hw.analysis.unit_binding import unit_of
from torch2hw.dialects.loops import Constant, Kernel, Operation, Stage, Statement
from torch2hw.dialects.program import Program
from torch2hw.hwlib import Library
from torch2hw.hwlib.float_divide_by import pack, packed_type
from torch2hw.hwlib.formats import float_format
from torch2hw.passes.pass_context import PassContext

DIVISION = "hwlib.divide_by"


@dataclass(frozen=True)
class DivideByConstants:
    """The pass. No option turns it off."""

    name: str = "divide-by-constants"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: kernels whose divisions became products. The bits of the results stay."""
        models: dict[str, str] = {}
        kernels = [rewritten(kernel, context.library, models) for kernel in program.kernels]
        if not models:
            return program, {}
        changed = program.replaced_by(kernels)
        return program.with_kernels(kernels).with_models(models.values()), {"divisions by constants": changed}


def rewritten(kernel: Kernel, library: Library, models: dict[str, str]) -> Kernel:
    """`kernel` with its divisions by constants rewritten, or the same object; software models are added to `models`, by
    name."""
    constants = {s.result: s for s in kernel.statements() if isinstance(s, Constant)}
    stages, changed = [], False
    for stage in kernel.stages:
        statements: list[Statement] = []
        for statement in stage.statements:
            packed = None if not isinstance(statement, Operation) else packed_divisor(statement, constants)
            if packed is None or not isinstance(statement, Operation):
                statements.append(statement)
                continue
            changed = True
            operands, types = (statement.operands[0], packed.result), (statement.type, packed.type)
            quotient = replace(statement, name=DIVISION, operands=operands, operand_types=types)
            unit = unit_of(quotient, library)
            models[unit.name] = unit.software()
            statements += [packed, replace(quotient, callee=unit.name)]
        stages.append(Stage(stage.carried, tuple(statements), stage.stores))
    return replace(kernel, stages=tuple(stages)) if changed else kernel


def packed_divisor(statement: Operation, constants: dict[str, Constant]) -> Constant | None:
    """The packed reciprocal of a division's constant divisor; None if the unit does not take it."""
    if statement.name != "arith.divf" or statement.operands[1] not in constants:
        return None
    form = float_format(statement.type)
    kind = None if form is None else packed_type(form)
    if form is None or kind is None:
        return None
    bits = pack(constants[statement.operands[1]].bits, form)
    return None if bits is None else Constant(f"{statement.result}_reciprocal", kind, bits)
