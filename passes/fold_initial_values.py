"""fold-initial-values: a sum that starts at zero, and to which a bias is added at the end, starts at the bias instead.

Before:  acc = 0; for k { acc = acc + x·w }; y = acc + b         After:  acc = b; for k { acc = acc + x·w }; y = acc

needs: affine programs.
leaves: one floating-point adder fewer for each such reduction.
refuses: nothing.
why: the adder is the largest unit of a lane. The bias is now the first term of the sum, not the last. The report
    declares this reassociation, and the reference adds in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch2hw.dialects.loops import Carried, Constant, Kernel, Load, Operation, Stage, Statement, operand_names
from torch2hw.dialects.operations import operation_kind
from torch2hw.dialects.program import Program
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class FoldInitialValues:
    """The pass. No option turns it off."""

    name: str = "fold-initial-values"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: changed kernels, as a change of rounding."""
        kernels = [fold(kernel) for kernel in program.kernels]
        changed = program.replaced_by(kernels)
        return program.with_kernels(kernels), {"rounding": changed} if changed else {}


def fold(kernel: Kernel) -> Kernel:
    """`kernel` with the bias as initial value, if its first two stages have the form above; else itself."""
    if len(kernel.stages) < 2 or len(kernel.stages[0].carried) != 1:
        return kernel
    first, second = kernel.stages[0], kernel.stages[1]
    carried = first.carried[0]
    made: dict[str, Statement] = {s.result: s for s in (*first.statements, *second.statements)}
    init, step = made.get(carried.init), made.get(carried.next)
    if not (isinstance(init, Constant) and init.bits in (0, 1 << 31) and init.type == "f32"):
        return kernel
    if not (isinstance(step, Operation) and operation_kind(step.name).accumulates and carried.name in step.operands):
        return kernel
    users = [s for s in second.statements if carried.next in operand_names(s)]
    if len(users) != 1 or any(carried.next == store.value for store in kernel.stores()) or second.carried:
        return kernel
    final = users[0]
    if not (isinstance(final, Operation) and final.name == step.name and len(set(final.operands)) == 2):
        return kernel
    other = next(name for name in final.operands if name != carried.next)
    bias = made.get(other)
    if not isinstance(bias, Load | Constant) or bias.result not in {s.result for s in second.statements}:
        return kernel
    if operand_names(bias) & made.keys():
        return kernel  # looked up at an index that is not there yet
    if any(
        carried.next == value for stage in kernel.stages[2:] for s in stage.statements for value in operand_names(s)
    ):
        return kernel
    new_first = Stage(
        (Carried(carried.name, carried.type, bias.result, carried.next),), (*first.statements, bias), first.stores
    )
    rest = tuple(_renamed(s, final.result, carried.next) for s in second.statements if s is not final and s is not bias)
    stores = tuple(replace(s, value=carried.next) if s.value == final.result else s for s in second.stores)
    later = tuple(
        replace(
            stage,
            statements=tuple(_renamed(s, final.result, carried.next) for s in stage.statements),
            stores=tuple(replace(s, value=carried.next) if s.value == final.result else s for s in stage.stores),
        )
        for stage in kernel.stages[2:]
    )
    return replace(kernel, stages=(new_first, replace(second, statements=rest, stores=stores), *later))


def _renamed(statement: Statement, old: str, new: str) -> Statement:
    if isinstance(statement, Operation):
        return replace(statement, operands=tuple(new if name == old else name for name in statement.operands))
    return statement
