"""bind-units: every operation is bound to its hardware unit, and calls the unit's software model where the CPU's own
operation gives other bits.

Before:  %1 = math.exp %0 : f32
After:   %1 = func.call @f32_exp(%0) : (f32) -> f32        and func.func private @f32_exp

Before:  %1 = arith.divf %one, %0 : f32, where every division in the program is one of 1
After:   %1 = func.call @f32_rounded_reciprocal(%0) : (f32) -> f32, the same bits from a third of a divider's LUTs

needs: affine programs in execution order.
leaves: the scheduled level: a program whose values on the CPU are the hardware's, bit for bit.
refuses: an operation without a unit, as UnsupportedOperation at the user's line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch2hw.analysis.unit_binding import unit_of
from torch2hw.dialects.loops import Constant, Kernel, Operation
from torch2hw.dialects.program import Program
from torch2hw.hwlib import Library
from torch2hw.hwlib.formats import float_format
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class BindUnits:
    """The pass. No option turns it off."""

    name: str = "bind-units"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report names the software models that replace operations of the CPU, as a change of rounding."""
        models: dict[str, str] = {}
        inverses = frozenset(only_inverses(program))
        kernels = [bind(kernel, context.library, models, inverses) for kernel in program.kernels]
        bound = replace(program.with_kernels(kernels), models=tuple(models.values()))
        return bound, {"rounding": f"software models of {', '.join(sorted(models))}"} if models else {}


def only_inverses(program: Program) -> set[str]:
    """The types in which every division is 1 / x: a divider would do nothing else."""
    dividing: dict[bool, set[str]] = {True: set(), False: set()}
    for kernel in program.kernels:
        ones = ones_of(kernel)
        for statement in kernel.statements():
            if isinstance(statement, Operation) and pipelined_division(statement):
                dividing[statement.operands[0] in ones].add(statement.type)
    return dividing[True] - dividing[False]


def pipelined_division(operation: Operation) -> bool:
    """Whether an operation is a division on a pipelined unit; an iterative divider is smaller than a reciprocal."""
    return operation.name == "arith.divf" and not operation.iterative


def ones_of(kernel: Kernel) -> frozenset[str]:
    """The values that are the constant 1.0."""
    found = []
    for statement in kernel.statements():
        if isinstance(statement, Constant):
            form = float_format(statement.type)
            if form is not None and statement.bits == form.one():
                found.append(statement.result)
    return frozenset(found)


def bind(kernel: Kernel, library: Library, models: dict[str, str], inverses: frozenset[str] = frozenset()) -> Kernel:
    """`kernel` with calls to software models, which are added to `models`. Divisions of 1 in the types `inverses`
    become reciprocals if the library has a unit for them."""
    ones = ones_of(kernel)
    stages = []
    for stage in kernel.stages:
        statements = []
        for statement in stage.statements:
            if isinstance(statement, Operation):
                inverts = pipelined_division(statement) and statement.operands[0] in ones
                inverse = library.inverse(statement.type) if inverts and statement.type in inverses else None
                if inverse is not None:
                    _, divisor = statement.operands
                    statement = replace(
                        statement,
                        name=inverse,
                        operands=(divisor,),
                        operand_types=(statement.type,),
                    )
                unit = unit_of(statement, library)
                model = unit.model()
                if model is not None:
                    models[unit.name] = model
                    statement = replace(statement, callee=unit.name)
            statements.append(statement)
        stages.append(replace(stage, statements=tuple(statements)))
    return replace(kernel, stages=tuple(stages))
