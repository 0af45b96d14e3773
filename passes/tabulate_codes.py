"""tabulate-codes: a function of one code is a table of 256 codes.

Before:  x = (q - 3)·0.1; y = tanh(x); p = int8(clamp(roundeven(y·120) - 7, -128, 127))
After:   p = table[q], of the 8 bits of q as an unsigned number

needs: affine programs, their arithmetic simplified; a unit in the library for every operation (`check-units`).
leaves: the same codes, bit for bit: the contents are what the library's units compute for the 256 values.
refuses: nothing. What depends on anything but one code and constants stays (a scale for each channel is no constant),
    and so does what takes fewer LUTs than a table.
why: dequantising, a sigmoid and quantising are 3,000 LUTs and several DSPs for each lane; a table of 256 words of 8
    bits is 32 LUTs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from torch2hw.analysis.constant_values import FreshNames
from torch2hw.analysis.dead_values import without_dead_values
from torch2hw.analysis.quantised_values import Made, made_by
from torch2hw.analysis.unit_binding import luts_of, unit_of
from torch2hw.dialects.loops import Buffer, Constant, Kernel, Load, Operation, Statement
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Variable, variable
from torch2hw.dialects.storage import ROM
from torch2hw.hwlib import Library
from torch2hw.hwlib.bits import evaluate
from torch2hw.hwlib.unit import Unit
from torch2hw.passes.pass_context import PassContext

CODE, CODES = "i8", 256
MIN_LUTS = 100
"""Of what a table stands for: more than the table itself, and than a clamp and a requantisation."""


@dataclass(frozen=True)
class TabulateCodes:
    """The pass. No option turns it off."""

    name: str = "tabulate-codes"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The program; and which kernels look codes up."""
        fresh = FreshNames({buffer.name for buffer in program.buffers()})
        kernels = [rewritten(kernel, context.library, fresh) for kernel in program.kernels]
        changed = program.replaced_by(kernels)
        return (program.with_kernels(kernels), {"tables of codes": changed}) if changed else (program, {})


@dataclass(frozen=True)
class Function:
    """`result` as a function of the code `argument`; `steps` compute it, in order."""

    result: Operation
    argument: str
    steps: tuple[Operation | Constant, ...]


def rewritten(kernel: Kernel, library: Library, fresh: FreshNames) -> Kernel:
    """`kernel` with tables in the place of functions of one code, or itself."""
    made = made_by(kernel)
    replaced: dict[str, list[Statement]] = {}
    for statement in kernel.statements():
        found = function_of(statement, made)
        if found is not None and luts_in(found, library) >= MIN_LUTS:
            replaced[statement.result] = _look_up(found, library, fresh(f"{kernel.name}_codes"))
    if not replaced:
        return kernel
    stages = [
        replace(stage, statements=tuple(new for old in stage.statements for new in replaced.get(old.result, [old])))
        for stage in kernel.stages
    ]
    return without_dead_values(replace(kernel, stages=tuple(stages)))


def function_of(statement: Statement, made: Made) -> Function | None:
    """The statement as a function of one code, if it is one."""
    if not isinstance(statement, Operation) or statement.type != CODE:
        return None
    steps: dict[str, Operation | Constant] = {}
    arguments: set[str] = set()

    def visit(name: str) -> bool:
        if name in steps or name in arguments:
            return True
        maker = made.get(name)
        if isinstance(maker, Constant):
            steps[name] = maker
        elif maker is not None and maker.type == CODE and name != statement.result:
            arguments.add(name)
        elif isinstance(maker, Operation) and all(visit(operand) for operand in maker.operands):
            steps[name] = maker
        else:
            return False
        return len(arguments) <= 1

    if not visit(statement.result) or len(arguments) != 1:
        return None
    return Function(statement, arguments.pop(), tuple(steps.values()))


def luts_in(function: Function, library: Library) -> float:
    """LUTs of the units that compute it."""
    return sum(luts_of(step, library) for step in function.steps if isinstance(step, Operation))


def _look_up(function: Function, library: Library, name: str) -> list[Statement]:
    """The statements in the place of the result."""
    result, at = function.result.result, function.result.source
    data = np.array(values_of(function, library), np.uint8)
    buffer = Buffer(name, (CODES,), CODE, ROM, data, at)
    wide, place = f"{result}_unsigned", f"{result}_place"
    return [
        Operation(wide, "i16", "arith.extui", (function.argument,), (CODE,), source=at),
        Operation(place, "index", "arith.index_cast", (wide,), ("i16",), source=at),
        Load(result, CODE, buffer, (variable(Variable(place, CODES)),), source=at),
    ]


def values_of(function: Function, library: Library) -> list[int]:
    """The bits of the result for the codes whose bits are 0, 1 … 255."""
    columns: dict[str, list[int]] = {function.argument: list(range(CODES))}
    for step in function.steps:
        if isinstance(step, Constant):
            columns[step.result] = [step.bits] * CODES
        else:
            columns[step.result] = computed(unit_of(step, library), [columns[name] for name in step.operands])
    return columns[function.result.result]


def computed(unit: Unit, operands: list[list[int]]) -> list[int]:
    """A unit's results for columns of operands, equal rows once."""
    rows = list(zip(*operands, strict=True))
    names = [str(operand.attribute) for operand in unit.operands]
    known = {row: evaluate(unit.schedule.output, dict(zip(names, row, strict=True))) for row in dict.fromkeys(rows)}
    return [known[row] for row in rows]
