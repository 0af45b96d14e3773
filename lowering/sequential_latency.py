"""The exact number of cycles of a sequential program, without simulating it.

Every dynamic group that lower-scf-to-calyx makes takes a fixed time: the chain of done signals from what the group
starts to its own done. Loops repeat a constant number of times. Only conditions remain, and they are on loop indices:
how often each is true is counted by running the loops on the CPU. So the sum over the control tree is the latency,
and tests compare it with simulation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch2hw.dialects.calyx_program import (
    Component,
    Control,
    Enable,
    Group,
    If,
    Invoke,
    Literal,
    Parallel,
    PortOf,
    Repeat,
    Sequence,
    Value,
)
from torch2hw.lowering.affine_to_core import all_operations

_NOT_DATA = ("arith.", "scf.for", "affine.")


class DataDependent(Exception):
    """The program's latency depends on its data."""


def latency_cycles(component: Component, delays: Mapping[str, int], true_counts: list[int]) -> int:
    """Cycles from go to done. `delays` are the cycles from go to done, by cell or kind of cell, for instances by
    component.

    `true_counts` says how often each `if` of the control, in order, takes its first arm in one run. Raises
    DataDependent.
    """
    return _Timing(component, delays, iter(true_counts)).total(component.control, 1)


class _Timing:
    def __init__(self, component: Component, delays: Mapping[str, int], true_counts: Iterator[int]) -> None:
        self.component, self.delays, self.true_counts = component, delays, true_counts

    def total(self, control: Control, times: int) -> int:
        """The cycles that `control` takes in all when it runs `times` times."""
        match control:
            case Enable(group):
                return times * self.group(self.component.groups[group])
            case Sequence(children):
                return sum(self.total(child, times) for child in children)
            case Repeat(count, body):
                return self.total(body, times * count)
            case Parallel(children):
                return max(self.at_least(child, times) for child in children)
            case Invoke(cell):
                return times * (self.delays[self.component.cells[cell].of] + 1)
            case If(_, _, then, otherwise):
                taken = next(self.true_counts)
                return self.at_least(then, taken) + self.at_least(otherwise, times - taken)
        raise DataDependent(f"{self.component.name} has a while loop")

    def at_least(self, control: Control, times: int) -> int:
        """An arm that is empty takes a cycle."""
        return times if control == Sequence(()) else self.total(control, times)

    def group(self, group: Group) -> int:
        """Until the cycle of its done, that one included."""
        if group.latency_cycles is not None:
            return group.latency_cycles
        return 1 + min(self.rises(source, group) for source, _ in group.done)

    def rises(self, value: Value, group: Group) -> int:
        """The cycle of the group in which `value` is first high."""
        if isinstance(value, Literal) and value.value:
            return 0
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


def true_counts(core_text: str) -> list[int]:
    """How often each scf.if of @core, in order, finds its condition true. Raises DataDependent."""
    from torch_mlir import ir

    from torch2hw.sim.reference import Reference

    with ir.Context(), ir.Location.unknown():
        module = ir.Module.parse(core_text)
        function = next(
            op.operation for op in module.body.operations if op.operation.attributes["sym_name"].value == "core"
        )
        block = function.regions[0].blocks[0]
        conditions = [op for op in all_operations(block) if op.name == "scf.if"]
        if not conditions:
            return []
        number, index = ir.IntegerType.get_signless(64), ir.IndexType.get()
        counters = block.add_argument(ir.MemRefType.get([len(conditions)], number), ir.Location.unknown())
        for place, op in enumerate(conditions):
            _check_independent(op.operands[0])
            with ir.InsertionPoint.at_block_begin(op.regions[0].blocks[0]):
                one = _constant(ir, number, 1)
                at = _constant(ir, index, place)
                before = ir.Operation.create("memref.load", results=[number], operands=[counters, at]).results[0]
                after = ir.Operation.create("arith.addi", results=[number], operands=[before, one]).results[0]
                ir.Operation.create("memref.store", operands=[after, counters, at])
        arguments = [argument.type for argument in block.arguments]
        function.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(arguments, []))
        function.attributes["sym_name"] = ir.StringAttr.get("main")
        text = module.operation.get_asm(print_generic_op_form=True)
    return [int(count) for count in Reference(text).run([])[-1]]


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
