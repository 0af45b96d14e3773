"""Which inputs may hold any bits: those that reach no place in a memory, no division and no amount of a shift.

An index out of range gives some value, and MLIR leaves quotients of zero and shifts beyond the width undefined:
stimulus for such inputs must come from the example.
"""

from __future__ import annotations

from torch2hw.dialects.loops import Buffer, Load, Nest, Operation, Program, Store

CONFINED_OPERANDS = {
    **dict.fromkeys(("divsi", "divui", "remsi", "remui", "ceildivsi", "floordivsi"), (0, 1)),
    **dict.fromkeys(("shli", "shrsi", "shrui"), (1,)),
}


def free_inputs(program: Program) -> list[bool]:
    """For each input, whether it is free."""
    confined: set[Buffer] = set()
    while True:
        found = confined.union(*(_confined(nest, confined) for nest in program.nests))
        if found == confined:
            return [buffer not in confined for buffer in program.inputs]
        confined = found


def _confined(nest: Nest, confined: set[Buffer]) -> set[Buffer]:
    """The buffers whose values a nest uses as places, or stores where they are used so."""
    loops = {loop.variable.name for loop in nest.loops}
    names = {store.value for store in nest.stores() if store.buffer in confined}
    accesses: list[Load | Store] = [*nest.loads(), *nest.stores()]
    for access in accesses:
        for index in (*access.indices, *access.guard):
            names |= {variable.name for variable in index.variables()} - loops
    for operation in nest.statements():
        if isinstance(operation, Operation):
            places = CONFINED_OPERANDS.get(operation.name.removeprefix("arith."), ())
            names |= {operation.operands[place] for place in places}
    names = nest.needed_for(names)
    return {load.buffer for load in nest.loads() if load.result in names}
