"""fold-constants: what is computed of constants alone is a constant.

Before:  n0 { t[k, i] = (float(v[k, i]) - 0)·s[k] }  with constants v and s        After:  a constant t

needs: affine programs whose elementwise kernels are fused.
leaves: no kernel without reductions that reads constants only, unless it makes an output. The lowering to loops folds
    other constants; it leaves the codes of quantised ones, which `read-codes` looks for.
refuses: nothing.
why: a constant is a memory; what computes it in every run is a kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from torch2hw.analysis.constant_values import values_of
from torch2hw.dialects.loops import Buffer, Constant, Kernel, Load, Loop, Operation
from torch2hw.dialects.number_types import Array, number_type
from torch2hw.dialects.operations import fold
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import linearise
from torch2hw.dialects.storage import ROM
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class FoldConstants:
    """The pass. No option turns it off."""

    name: str = "fold-constants"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The program; and which kernels became constants."""
        kernels = list(program.straight_line)
        folded: list[str] = []
        position = 0
        while position < len(kernels):
            kernel = kernels[position]
            found = None if _several_writers(kernel, kernels) else constant_of(kernel, program)
            if found is None:
                position += 1
                continue
            old, new = found
            folded.append(kernel.name)
            del kernels[position]
            whole = Program.of(program.name, (), (), kernels).with_buffers({old: new})
            kernels = list(whole.straight_line)
        return (program.with_sequence(kernels), {"constants": folded}) if folded else (program, {})


def _several_writers(kernel: Kernel, kernels: list[Kernel]) -> bool:
    """Whether another kernel stores to a buffer of this one."""
    buffers = {store.buffer for store in kernel.stores()}
    return any(store.buffer in buffers for other in kernels if other is not kernel for store in other.stores())


def constant_of(kernel: Kernel, program: Program) -> tuple[Buffer, Buffer] | None:
    """The buffer that a kernel writes, and the constant that it could be."""
    stores = list(kernel.stores())
    if len(kernel.stages) != 1 or kernel.domain or len(stores) != 1 or stores[0].guard or kernel.is_in_rounds:
        return None
    store = stores[0]
    if kernel.stages[0].carried or not store.buffer.storage.is_scratch or kernel.trip_count != store.buffer.elements:
        return None
    loads = list(kernel.loads())
    if not loads or any(load.buffer.constant is None for load in loads):
        return None
    known = {loop.variable for loop in kernel.loops}
    if any(v not in known for load in loads for index in load.indices for v in index.variables()):
        return None
    values = _values(kernel)
    if values is None:
        return None
    kind, loops = number_type(store.buffer.dtype), kernel.loops
    shape = tuple(loop.extent for loop in loops)
    grid = dict(zip((loop.variable for loop in loops), np.indices(shape), strict=True))
    places = np.broadcast_to(linearise(store.indices, store.buffer.shape).evaluate(grid.__getitem__), shape)
    data = np.zeros(store.buffer.elements, kind.patterns)
    data[places.reshape(-1)] = kind.bits_of(np.broadcast_to(values[store.value], shape)).reshape(-1)
    constant = replace(store.buffer, storage=ROM, data=data.reshape(store.buffer.shape))
    return store.buffer, constant


def _values(kernel: Kernel) -> dict[str, Array] | None:
    """Every value of a kernel in all iterations, an axis for each loop; None where one is not folded."""
    loops: list[Loop] = list(kernel.loops)
    found: dict[str, Array] = {}
    for statement in kernel.statements():
        if isinstance(statement, Constant | Load):
            found[statement.result] = values_of(statement, loops)
            continue
        if not isinstance(statement, Operation) or any(name not in found for name in statement.operands):
            return None
        operands = [found[name] for name in statement.operands]
        value = fold(statement.name, operands, statement.operand_types, statement.type, statement.predicate)
        if value is None:
            return None
        found[statement.result] = value
    return found
