"""Modulo scheduling of one nest: when, relative to its iteration's first cycle, each statement starts, and how often one starts.

An iteration starts every `interval_cycles` (II). Statement s of iteration n starts in cycle n·II + start[s]. Constraints:

- an operand is ready when its statement's latency has passed (a memory read has latency 1, constants are always ready);
- a carried value is read no earlier than its initial value is ready and at most distance·II cycles before its next value is;
- a memory has one read port and one write port: two accesses of one iteration to it start in different cycles modulo II;
- at most two operations without a register follow each other in a cycle.

II is the least for which this holds. Operations start as early as they can, memory reads as late as their first use allows, so
that few registers hold operands.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod

from torch2hw.dialects.loops import Buffer, Constant, IndexValue, Load, Nest, Operation, Statement
from torch2hw.passes.remove_dead_code import operand_names

READ_LATENCY_CYCLES = 1
CHAIN_LIMIT = 2

Latency = Callable[[Operation], int]


@dataclass
class Schedule:
    """Cycles relative to an iteration's first. `start` and `ready` are by value name; constants are in neither."""

    interval_cycles: int
    start: dict[str, int] = field(default_factory=dict)
    ready: dict[str, int] = field(default_factory=dict)
    store_cycles: list[int] = field(default_factory=list)       # in the order of nest.stores()
    depth_cycles: int = 0                                       # from an iteration's first cycle to past its last store

    def latency_cycles(self, trip_count: int) -> int:
        """Cycles from the first iteration's first cycle until all stores are done."""
        return (trip_count - 1) * self.interval_cycles + self.depth_cycles


def iteration_distance(nest: Nest, stage: int) -> int:
    """Iterations between two consecutive runs of `stage` with the same state: the loops inside its innermost reduction loop."""
    positions = [k for k, loop in enumerate(nest.loops) if loop.reduced_by == stage]
    return prod(loop.extent for loop in nest.loops[positions[-1] + 1:])


def schedule(nest: Nest, latency: Latency) -> Schedule:
    interval = max([1, *_port_pressure(nest).values()])
    while True:
        result = _attempt(nest, latency, interval)
        if isinstance(result, Schedule):
            return result
        interval = max(interval + 1, result)


def _port_pressure(nest: Nest) -> Counter[tuple[Buffer, str]]:
    """How many accesses of one iteration need the same memory port (identical reads are one; each read of a constant has its ROM)."""
    reads = {(load.buffer, load.indices) for load in nest.loads() if load.buffer.kind != "constant"}
    pressure: Counter[tuple[Buffer, str]] = Counter((buffer, "read") for buffer, _ in reads)
    pressure.update((store.buffer, "write") for store in nest.stores())
    return pressure


def _attempt(nest: Nest, latency: Latency, interval: int) -> Schedule | int:
    """A schedule with this interval, or a larger interval to try."""
    result = Schedule(interval)
    chain: dict[str, int] = {}
    users: dict[str, list[str]] = {}
    carried_by_name = {c.name: (number, c) for number, stage in enumerate(nest.stages) for c in stage.carried}
    for statement in _in_order(nest):
        _place(statement, result, chain, latency, nest, carried_by_name)
        for name in operand_names(statement):
            users.setdefault(name, []).append(statement.result)
    # Carried values are read when first used, or when their initial value is ready.
    for name, (number, carried) in carried_by_name.items():
        uses = [result.start[user] for user in users.get(name, [])] or [result.ready.get(carried.next, 0)]
        read = max(min(uses), result.ready.get(carried.init, 0))
        result.start[name] = result.ready[name] = read
        allowed = read + iteration_distance(nest, number) * interval
        done = result.ready.get(carried.next, 0) + (0 if number == 0 else 2)
        if done > allowed:
            return interval + -(-(done - allowed) // iteration_distance(nest, number))
    _delay_loads(nest, result, users, carried_by_name)
    _place_stores(nest, result)
    ends = [cycle + 1 for cycle in result.store_cycles]
    result.depth_cycles = max([interval, *ends])
    return result


def _in_order(nest: Nest) -> list[Statement]:
    return [statement for stage in nest.stages for statement in stage.statements]


def _place(statement: Statement, result: Schedule, chain: dict[str, int], latency: Latency, nest: Nest,
           carried: dict[str, tuple[int, object]]) -> None:
    name = statement.result
    if isinstance(statement, Constant):
        return
    if isinstance(statement, IndexValue):
        result.start[name] = result.ready[name] = 0
        return
    operands = [operand for operand in operand_names(statement)]
    for operand in operands:                                    # a carried value not yet placed: its initial value bounds it
        if operand in carried and operand not in result.ready:
            result.ready[operand] = result.ready.get(carried[operand][1].init, 0)  # type: ignore[attr-defined]
            chain[operand] = chain.get(carried[operand][1].init, 0)  # type: ignore[attr-defined]
    start = max([0, *(result.ready[operand] for operand in operands if operand in result.ready)])
    if isinstance(statement, Load):
        result.start[name], result.ready[name] = start, start + READ_LATENCY_CYCLES
        chain[name] = 1 if statement.guard else 0
        return
    cycles = latency(statement)
    depth = max([0, *(chain.get(operand, 0) for operand in operands if result.ready.get(operand) == start)])
    if cycles == 0:
        if depth >= CHAIN_LIMIT:
            start, depth = start + 1, 0
        chain[name] = depth + 1
    result.start[name], result.ready[name] = start, start + cycles


def _delay_loads(nest: Nest, result: Schedule, users: dict[str, list[str]], carried: dict[str, tuple[int, object]]) -> None:
    """Moves reads to just before their first use, each in a cycle modulo II that is free on its memory's port."""
    taken: dict[tuple[Buffer, int], tuple[object, ...]] = {}
    inits = {item[1].init: name for name, item in carried.items()}  # type: ignore[attr-defined]
    stored = {store.value for store in nest.stores()}
    for load in nest.loads():
        uses = [result.start[user] for user in users.get(load.result, []) if user in result.start]
        if load.result in inits:
            uses.append(result.start[inits[load.result]])
        latest = min(uses) - READ_LATENCY_CYCLES if uses and load.result not in stored else result.start[load.result]
        earliest = result.start[load.result]
        runtime = any(name in result.ready for name in operand_names(load))
        place = (load.indices, load.stage if hasattr(load, "stage") else None)
        for start in range(max(latest, earliest), max(latest, earliest) - result.interval_cycles, -1):
            slot = load.buffer, start % result.interval_cycles
            if load.buffer.kind == "constant" or slot not in taken or taken[slot] == (*place, start):
                if start >= earliest or not runtime:
                    taken[slot] = (*place, start)
                    result.start[load.result], result.ready[load.result] = start, start + READ_LATENCY_CYCLES
                    break
    lowest = min([0, *result.start.values()])
    if lowest < 0:                                              # reads moved in front of the first cycle: shift everything
        for table in (result.start, result.ready):
            for name in table:
                table[name] -= lowest


def _place_stores(nest: Nest, result: Schedule) -> None:
    taken: set[tuple[Buffer, int]] = set()
    for store in nest.stores():
        cycle = result.ready.get(store.value, 0)
        while (store.buffer, cycle % result.interval_cycles) in taken:
            cycle += 1
        taken.add((store.buffer, cycle % result.interval_cycles))
        result.store_cycles.append(cycle)


