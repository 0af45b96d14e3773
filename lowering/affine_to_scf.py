"""affine → scf: a modulo schedule for every nest, and the loops with explicit index arithmetic.

Before:  affine.for … { … arith.mulf … }
After:   scf.for … { … arith.mulf … {cycle = 1 : i64} … } {interval = 1 : i64}

needs: loops in execution order (after `interleave-reductions`), a unit in the library for every operation.
leaves: for each nest its II, the cycle in which every operation starts, and its depth.
refuses: an operation without hardware, as UnsupportedOperation.
The data is `ScheduledProgram`; its text is the scheduled affine program after upstream's lower-affine; it runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch2hw.dialects.loops import Operation, Program
from torch2hw.hwlib import NoUnit
from torch2hw.lowering.modulo_schedule import Schedule, schedule
from torch2hw.lowering.refusals import unsupported


@dataclass(frozen=True)
class ScheduledProgram:
    program: Program
    schedules: tuple[Schedule, ...]
    library: Any = field(repr=False)

    def unit(self, operation: Operation) -> Any:
        return unit_of(operation, self.library)

    def text(self) -> str:
        from torch_mlir import ir
        from torch_mlir.passmanager import PassManager

        cycles = {
            f"{nest.name}_{name}": cycle
            for nest, plan in zip(self.program.nests, self.schedules, strict=True)
            for name, cycle in plan.start.items()
        }
        with ir.Context():
            module = ir.Module.parse(self.program.text(cycles))
            PassManager.parse("builtin.module(lower-affine)").run(module.operation)
            return str(module.operation.get_asm())


def unit_of(operation: Operation, library: Any) -> Any:
    try:
        return library.unit(operation.name, operation.operand_types, operation.type, operation.predicate)
    except NoUnit as problem:
        raise unsupported(operation.name, operation.source) from problem


def operand_register_cycles(unit: Any) -> int:
    """Registers before a unit's operands: one for a deep pipeline, whose first stage then has a cycle to itself."""
    return 1 if unit.latency_cycles > 1 else 0


def latency_of(operation: Operation, library: Any) -> int:
    """Cycles from an operation's operands to its result, its operand registers included."""
    unit = unit_of(operation, library)
    return int(unit.latency_cycles) + operand_register_cycles(unit)


def lower(program: Program, library: Any) -> ScheduledProgram:
    plans = [schedule(nest, lambda operation: latency_of(operation, library)) for nest in program.nests]
    return ScheduledProgram(program, tuple(plans), library)
