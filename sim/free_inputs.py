"""The inputs that may have any bit pattern: those that reach no index, no division and no amount of a shift.

An index out of range gives an arbitrary value, and MLIR leaves quotients by zero and shifts beyond the width undefined.
So the stimulus for other inputs must come from the example.
"""

from __future__ import annotations

from collections.abc import Set

from torch2hw.dialects.loops import Buffer, Constant, Kernel, Load, Operation, Store
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.operations import operation_kind
from torch2hw.dialects.program import Program


def free_inputs(program: Program) -> list[bool]:
    """For each input, whether it is free."""
    confined: set[Buffer] = set()
    while True:
        found = confined.union(*(confined_buffers(kernel, confined) for kernel in program.kernels))
        if found == confined:
            return [buffer not in confined for buffer in program.inputs]
        confined = found


def confined_buffers(kernel: Kernel, confined: Set[Buffer] = frozenset()) -> set[Buffer]:
    """The buffers whose values a kernel uses as places and the like, or stores in `confined` ones."""
    loops = {loop.variable.name for loop in kernel.loops}
    names = {store.value for store in kernel.stores() if store.buffer in confined}
    harmless = {s.result for s in kernel.statements() if isinstance(s, Constant) and s.bits not in _undefined(s.type)}
    accesses: list[Load | Store] = [*kernel.loads(), *kernel.stores()]
    for access in accesses:
        for index in (*access.indices, *access.guard):
            names |= {variable.name for variable in index.variables()} - loops
    for operation in kernel.statements():
        if isinstance(operation, Operation) and not _divides_by(operation, harmless):
            names |= {operation.operands[place] for place in operation_kind(operation.name).confined}
    names = kernel.needed_for(names)
    return {load.buffer for load in kernel.loads() if load.result in names}


def _divides_by(operation: Operation, divisors: set[str]) -> bool:
    return operation_kind(operation.name).undefined == "division" and operation.operands[1] in divisors


def _undefined(type: str) -> tuple[int, int]:
    """The bits of 0 and -1: of some number the quotient by these is undefined."""
    return 0, (1 << number_type(type).bits) - 1
