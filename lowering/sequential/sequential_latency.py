"""The exact number of cycles of a sequential program, without simulating it.

Every dynamic group that lower-scf-to-calyx generates takes a fixed time: the chain of done signals from the cells that
it starts to its own done. Loops have constant trip counts. Conditions depend only on loop indices, so running the loops
on the CPU gives the result of every evaluation. Thus the duration of every execution of a control node is known; a
parallel node takes as long as its longest arm in that execution. Tests compare the sum with simulation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from torch2hw.dialects.calyx_program import (
    Component,
    Control,
    Enable,
    Group,
    If,
    Invoke,
    Literal,
    Logic,
    Parallel,
    PortOf,
    Repeat,
    Value,
)
from torch2hw.dialects.calyx_program import Sequence as InOrder
from torch2hw.lowering.sequential.affine_to_scf import all_operations

_NOT_DATA = ("arith.", "scf.for", "affine.")
Array = np.ndarray[Any, Any]
Cycles = int | Array  # of every run the same, or one number for each run, in order


class DataDependent(Exception):
    """The program's latency depends on its data."""


def latency_cycles(component: Component, delays: Mapping[str, int], choices: Sequence[Array]) -> int:
    """Cycles from go to done. `delays`: the cycles from go to done, by cell or kind of cell, and by component for
    instances. `choices`: for each `if` of the control, in order, whether it takes its first arm, an element for each
    time that it is reached. Raises DataDependent."""
    total = _Timing(component, delays, iter(choices)).of_runs(component.control, 1)
    return total if isinstance(total, int) else int(total[0])


class _Timing:
    def __init__(self, component: Component, delays: Mapping[str, int], choices: Iterator[Array]) -> None:
        self.component, self.delays, self.choices = component, delays, choices

    def of_runs(self, control: Control, times: int) -> Cycles:
        """The cycles of each of the `times` runs of `control`."""
        match control:
            case Enable(group):
                return self.group(self.component.groups[group])
            case InOrder(children):
                return sum((self.of_runs(child, times) for child in children), start=0)
            case Repeat(count, body):
                once = self.of_runs(body, times * count)
                return once * count if isinstance(once, int) else once.reshape(times, count).sum(axis=1)
            case Parallel(children):
                longest: Cycles = 0
                for cycles in [self.at_least(child, times) for child in children]:
                    both = isinstance(longest, int) and isinstance(cycles, int)
                    longest = max(longest, cycles) if both else np.maximum(longest, cycles)
                return longest
            case Invoke(cell):
                return self.delays[self.component.cells[cell].of] + 1
            case If(_, _, then, otherwise):
                taken = next(self.choices)
                assert len(taken) == times, f"a condition is reached {len(taken)} times, its control {times} times"
                count = int(np.count_nonzero(taken))
                arms = self.at_least(then, count), self.at_least(otherwise, times - count)
                if isinstance(arms[0], int) and isinstance(arms[1], int) and arms[0] == arms[1]:
                    return arms[0]
                cycles_of = np.empty(times, np.int64)
                cycles_of[taken], cycles_of[~taken] = arms
                return cycles_of
        raise DataDependent(f"{self.component.name} has a while loop")

    def at_least(self, control: Control, times: int) -> Cycles:
        """The cycles of an arm; an empty arm takes one."""
        return 1 if control == InOrder(()) else self.of_runs(control, times)

    def group(self, group: Group) -> int:
        """The cycles of a group, up to and including the cycle of its done."""
        if group.latency_cycles is not None:
            return group.latency_cycles
        ends = (
            max(self.rises(value, group) for value in (source, guard) if value is not None)
            for source, guard in group.done
        )
        return 1 + min(ends)

    def rises(self, value: Value, group: Group) -> int:
        """The cycle of the group in which `value` is first high."""
        if isinstance(value, Literal) and value.value:
            return 0
        if isinstance(value, Logic) and value.operation == "and":  # an `if` with several results
            return max(self.rises(operand, group) for operand in value.operands)
        cell = self.component.cells.get(value.cell) if isinstance(value, PortOf) else None
        if cell is not None and cell.kind == "std_and":
            return max(self.rises(assign.source, group) for assign in group.assigns if assign.target.cell == cell.name)
        if not isinstance(value, PortOf) or cell is None or value.port != "done":
            raise DataDependent(f"group {group.name} of {self.component.name} waits for {value}")
        enable = {"register": "write_en", "seq_mem": "content_en", "memory": "write_en"}.get(cell.kind, "go")
        starts = [
            self.rises(assign.source, group) for assign in group.assigns if assign.target == PortOf(cell.name, enable)
        ]
        return min(starts) + self.delays.get(cell.name, self.delays.get(cell.kind, 1))


def choices(core_text: str) -> list[Array]:
    """For each scf.if of @core, in order, the condition's value each time that it is reached. Raises DataDependent."""
    from torch_mlir import ir

    from torch2hw.analysis.reference import Reference

    with ir.Context(), ir.Location.unknown():
        module = ir.Module.parse(core_text)
        function = next(
            op.operation for op in module.body.operations if op.operation.attributes["sym_name"].value == "core"
        )
        block = function.regions[0].blocks[0]
        conditions = [op for op in all_operations(block) if op.name == "scf.if"]
        if not conditions:
            return []
        number, flag, index = ir.IntegerType.get_signless(64), ir.IntegerType.get_signless(8), ir.IndexType.get()
        most = [_most_runs(op) for op in conditions]
        notes = block.add_argument(ir.MemRefType.get([sum(most)], flag), ir.Location.unknown())
        counters = block.add_argument(ir.MemRefType.get([len(conditions)], number), ir.Location.unknown())
        for place, op in enumerate(conditions):
            _check_independent(op.operands[0])
            with ir.InsertionPoint(op):
                at, one = _constant(ir, index, place), _constant(ir, number, 1)
                count = ir.Operation.create("memref.load", results=[number], operands=[counters, at]).results[0]
                more = ir.Operation.create("arith.addi", results=[number], operands=[count, one]).results[0]
                ir.Operation.create("memref.store", operands=[more, counters, at])
                run = ir.Operation.create("arith.index_cast", results=[index], operands=[count]).results[0]
                first = _constant(ir, index, sum(most[:place]))
                slot = ir.Operation.create("arith.addi", results=[index], operands=[run, first]).results[0]
                found = ir.Operation.create("arith.extui", results=[flag], operands=[op.operands[0]]).results[0]
                ir.Operation.create("memref.store", operands=[found, notes, slot])
        arguments = [argument.type for argument in block.arguments]
        function.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(arguments, []))
        function.attributes["sym_name"] = ir.StringAttr.get("main")
        text = module.operation.get_asm(print_generic_op_form=True)
    *_, noted, reached = Reference(text).run([])
    starts = [sum(most[:place]) for place in range(len(most))]
    return [noted[start : start + int(n)].astype(bool) for start, n in zip(starts, reached, strict=True)]


def _most_runs(op: Any) -> int:
    """How often the loops around `op` repeat it."""
    runs = []
    while op.name != "func.func":
        op = op.parent.operation
        if op.name == "scf.for":
            low, high, step = (operand.owner.attributes["value"].value for operand in list(op.operands)[:3])
            runs.append(-(-(high - low) // step))
    return prod(runs)


def _constant(ir: Any, kind: Any, value: int) -> Any:
    return ir.Operation.create(
        "arith.constant", results=[kind], attributes={"value": ir.IntegerAttr.get(kind, value)}
    ).results[0]


def _check_independent(value: Any) -> None:
    owner = value.owner
    name = owner.name if hasattr(owner, "name") else "scf.for"  # a block: the loop's index
    if not name.startswith(_NOT_DATA):
        raise DataDependent(f"a condition depends on {name}")
    for operand in getattr(owner, "operands", ()):
        _check_independent(operand)
