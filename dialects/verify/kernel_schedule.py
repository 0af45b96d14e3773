"""The schedule of one kernel: a start and an end for every statement, operands that are there in time, stores that wait
for their values.

Cycles of a statement: a load's are its storage's; an operation's are its unit's, and one for the registers in front of
a pipeline of two stages or more; an index's none. A carried value of a later stage goes through a memory from one
iteration to the next. All of it is computed here once more, from `Schedule`'s table, not by the scheduler's functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from torch2hw.dialects.loops import Constant, Kernel, Load, Operation, Statement, operand_names
from torch2hw.dialects.once import once
from torch2hw.dialects.schedule import Schedule
from torch2hw.dialects.storage import CARRIED
from torch2hw.hwlib import Library
from torch2hw.hwlib.library import NoUnit


@once
def schedule_faults(kernel: Kernel, library: Library) -> tuple[str, ...]:
    """What is wrong with the schedule of a kernel, a sentence each."""
    if kernel.schedule is None:
        return (f"{kernel.name} has no schedule",)
    checks = (_statement_faults, _carried_faults, _store_faults)
    found = (text for check in checks for text in check(kernel, kernel.schedule, library))
    return tuple(f"{kernel.name}: {text}" for text in found)


def _statement_faults(kernel: Kernel, plan: Schedule, library: Library) -> Iterator[str]:
    if plan.interval_cycles < 1:
        yield f"an iteration starts every {plan.interval_cycles} cycles"
    for number, stage in enumerate(kernel.stages):
        for statement in stage.statements:
            name = statement.result
            if isinstance(statement, Constant):
                continue
            if name not in plan.start or name not in plan.ready:
                yield f"{name} has no cycle"
                continue
            start = plan.start[name]
            if start < 0:
                yield f"{name} starts in cycle {start}"
            try:
                cycles, spacing = _cycles(statement, library)
            except NoUnit as missing:
                yield f"{name} has no unit: {missing}"
                continue
            if plan.ready[name] != start + cycles:
                yield f"{name} starts in cycle {start}, takes {cycles} and is ready in cycle {plan.ready[name]}"
            for operand in sorted(operand_names(statement)):
                if plan.ready.get(operand, start) > start:
                    yield f"{name} starts in cycle {start}, and its operand {operand} is ready in {plan.ready[operand]}"
            if _runs_apart(kernel, number) * plan.interval_cycles < spacing:
                yield f"{name} comes more often than every {spacing} cycles, in which its unit takes operands"


def _cycles(statement: Statement, library: Library) -> tuple[int, int]:
    """Cycles from a statement's start to its value, and to the next operands. NoUnit where there is none."""
    if isinstance(statement, Load):
        return statement.buffer.storage.read_latency_cycles, 1
    if not isinstance(statement, Operation):
        return 0, 1
    types, shape = statement.operand_types, statement.shape
    unit = library.unit(statement.name, types, statement.type, statement.predicate, shape=shape)
    return unit.latency_cycles + (unit.latency_cycles > 1), unit.interval_cycles


def _runs_apart(kernel: Kernel, stage: int) -> int:
    """Iterations from one run of a stage to the next: of the innermost loops, those that end before it."""
    trips = 1
    for loop in reversed(kernel.loops):
        if loop.reduced_by is None or loop.reduced_by >= stage:
            return trips
        trips *= loop.extent
    return trips


def _carried_faults(kernel: Kernel, plan: Schedule, library: Library) -> Iterator[str]:
    """Carried values that are read before their initial value is there, or before the last iteration's is."""
    for number, stage in enumerate(kernel.stages):
        last = max((k for k, loop in enumerate(kernel.loops) if loop.reduced_by == number), default=0)
        iterations = prod(loop.extent for loop in kernel.loops[last + 1 :])
        kept = CARRIED.write_latency_cycles + CARRIED.read_latency_cycles if number else 0
        for carried in stage.carried:
            if carried.name not in plan.start or carried.name not in plan.ready:
                yield f"{carried.name} has no cycle"
                continue
            start = plan.start[carried.name]
            if plan.ready.get(carried.init, start) > start:
                ready = plan.ready[carried.init]
                yield f"{carried.name} is read in cycle {start}, and its initial value is ready in {ready}"
            earliest = plan.ready.get(carried.next, 0) + kept - iterations * plan.interval_cycles
            if earliest > start:
                yield (
                    f"{carried.name} is read in cycle {start}, and its value of {iterations} iterations before is "
                    f"ready in {earliest}"
                )


def _store_faults(kernel: Kernel, plan: Schedule, library: Library) -> Iterator[str]:
    """Stores before their values are there; a depth that is not past the last store."""
    stores = list(kernel.stores())
    if len(stores) != len(plan.store_cycles):
        yield f"there are {len(stores)} stores, and cycles of {len(plan.store_cycles)}"
        return
    depth = plan.interval_cycles
    for store, cycle in zip(stores, plan.store_cycles, strict=True):
        ready = plan.ready.get(store.value, 0)
        if cycle < ready:
            yield f"the store to {store.buffer.name} is in cycle {cycle}, and {store.value} is ready in {ready}"
        depth = max(depth, cycle + store.buffer.storage.write_latency_cycles)
    if plan.depth_cycles != depth:
        yield f"an iteration takes {depth} cycles, and its depth is {plan.depth_cycles}"
