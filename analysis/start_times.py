"""The first cycle in which each kernel of a scheduled program may start, given the kernels before it.

The pass `overlap-kernels` stores the result in programs; cost models ask for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from torch2hw.analysis.banks import bank_number, selection
from torch2hw.analysis.modulo_schedule import runs_apart
from torch2hw.analysis.round_faults import moved_rounds
from torch2hw.analysis.unit_binding import shared_uses
from torch2hw.dialects.loops import Buffer, Kernel
from torch2hw.dialects.program import Node, Program, Rounds
from torch2hw.dialects.quasi_affine import Index, Variable
from torch2hw.dialects.substitution import one_round
from torch2hw.hwlib import Library

MAX_SHARED_CYCLES = 1 << 18  # of two kernels with data in common, which `check-ports` has to go through
MAX_GRID_VALUES = 1 << 18  # of the loop variables in an index, all of which are tried
Array = np.ndarray[Any, Any]


def times(program: Program) -> list[tuple[int, int]]:
    """The start and the period of every kernel."""
    return [(placed.start_cycle, placed.period_cycles) for placed in program.placed]


def overlapped(program: Program, library: Library) -> Program:
    """The program with every node and every round as early as those before it allow."""
    nodes: list[Node] = []
    before: list[tuple[Timed, int, int]] = []  # what has started, when, and when all so far have no effect any more
    free = 0  # the first cycle in which a node may start: rounds are not interrupted
    for node in program.sequence:
        assert isinstance(node, Kernel | Rounds), "arms have no static schedule"
        kernels = list(node.kernels)
        offsets, period = [0], 0
        if isinstance(node, Rounds):
            alike = all(moved_rounds(one, other) for one in kernels for other in kernels)
            numbers = range(min(node.count, 2) if alike else node.count)
            offsets, period = in_rounds(
                [[timed(kernel, library, program.shared, round_number=k) for kernel in kernels] for k in numbers]
            )
            free = max([free, *(begun + 1 for _, begun, _ in before)])
        later = [timed(kernel, library, program.shared, period) for kernel in kernels]
        start = free
        for earlier, begun, ended in reversed(before):
            if ended - min(offsets) <= start:
                break
            for each, offset in zip(later, offsets, strict=True):
                start = max(start, begun + distance(earlier, each) - offset)
        for each, offset in zip(later, offsets, strict=True):
            ended = max(start + offset + each.reach_cycles, before[-1][2] if before else 0)
            before.append((each, start + offset, ended))
        if isinstance(node, Rounds):
            body = tuple(replace(kernel, start_cycle=offset) for kernel, offset in zip(kernels, offsets, strict=True))
            node = replace(node, body=body, start_cycle=start, period_cycles=period)
            free = max(free, start + node.span_cycles)
        else:
            node = replace(node, start_cycle=start)
            free = max(free, start)
        nodes.append(node)
    return program.with_sequence(nodes)


def in_rounds(rounds: list[list[Timed]]) -> tuple[list[int], int]:
    """The start of each kernel in a round, and the period: cycles from one round to the next. Rounds that are further
    apart do not overlap. `rounds` has the kernels of the rounds that differ: of the first two, if all others do the
    same to other rows."""
    first = rounds[0]
    offsets: list[int] = []
    for number in range(len(first)):
        start = 0
        for position, begun in reversed(list(enumerate(offsets))):
            if begun + first[position].reach_cycles > start:
                start = max(start, *(begun + distance(kernels[position], kernels[number]) for kernels in rounds))
        offsets.append(start)
    placed = list(zip(first, offsets, strict=True))
    period = max(begun + each.issue_cycles for each, begun in placed)
    period = max(period, -(-max(begun + each.cycles for each, begun in placed) // 2))
    for before, after in pairwise(rounds):
        for earlier, begun in zip(before, offsets, strict=True):
            for later, offset in zip(after, offsets, strict=True):
                if begun + earlier.reach_cycles - offset > period:
                    period = max(period, begun + distance(earlier, later) - offset)
    return offsets, period


@dataclass(frozen=True)
class TimedAccess:
    """A read or write of a kernel: iteration n makes it in cycle n·II + `cycle`."""

    buffer: Buffer
    indices: tuple[Index, ...]
    cycle: int


class Timed:
    """A kernel with the cycles of its accesses and units, from its start; its rounds are `period` cycles apart."""

    def __init__(self, kernel: Kernel, library: Library, shared: Mapping[str, int], period: int = 0) -> None:
        self.kernel, self.library, self.shared = kernel, library, shared
        self.plan = plan = kernel.plan
        self.issue_cycles = kernel.round_trips * plan.interval_cycles
        self.last_cycles = (kernel.rounds - 1) * period + (kernel.round_trips - 1) * plan.interval_cycles
        self.cycles = self.last_cycles + plan.depth_cycles
        self.steps: dict[Variable, int] = {}  # cycles between one value of a loop's index and the next
        step = plan.interval_cycles
        for loop in reversed(kernel.loops):
            self.steps[loop.variable] = step
            step *= loop.extent
        if kernel.is_in_rounds:
            self.steps[kernel.loops[0].variable] = period
        self.extremes: dict[tuple[int, tuple[int, ...], bool], dict[int, int]] = {}  # by the access's number
        self.distances: dict[Timed, int] = {}  # to others, as far as they are known

    @cached_property
    def reach_cycles(self) -> int:
        """An upper bound of its `distance` to any kernel."""
        windows = (free for _, free in self.windows.values())
        accesses = (access.cycle + self.last_cycles + 1 for access in (*self.reads, *self.writes))
        return max([0, self.cycles - MAX_SHARED_CYCLES, *windows, *accesses])

    @cached_property
    def reads(self) -> list[TimedAccess]:
        """Its reads of memories outside the kernel, each in the cycle of its address."""
        loads = (load for load in self.kernel.loads() if not load.buffer.storage.in_kernel)
        return [TimedAccess(load.buffer, load.indices, self.plan.start[load.result]) for load in loads]

    @cached_property
    def writes(self) -> list[TimedAccess]:
        """Its writes, each in the cycle in which the word is at the memory's port."""
        stores = zip(self.kernel.stores(), self.plan.store_cycles, strict=True)
        return [TimedAccess(store.buffer, store.indices, cycle) for store, cycle in stores]

    @cached_property
    def buffers(self) -> frozenset[Buffer]:
        """The buffers in memories outside the kernel that it reads or writes."""
        return frozenset(access.buffer for access in (*self.reads, *self.writes))

    @cached_property
    def windows(self) -> dict[tuple[Any, ...], tuple[int, int]]:
        """For each shared unit, and each port of each bank: the first cycle of use, and the cycle in which it is free
        again."""
        found: dict[tuple[Any, ...], tuple[int, int]] = {}
        for key, used, released in self.uses():
            first, free = found.get(key, (used, released))
            found[key] = min(first, used), max(free, released)
        return {key: (first, free + self.last_cycles) for key, (first, free) in found.items()}

    def extreme(
        self, access: TimedAccess, dimensions: list[int], loops: list[Variable], latest: bool
    ) -> dict[int, int]:
        """`extreme` of some dimensions of an access, computed once."""
        key = id(access), tuple(dimensions), latest
        if key not in self.extremes:
            indices = [access.indices[dimension] for dimension in dimensions]
            shape = [access.buffer.shape[dimension] for dimension in dimensions]
            self.extremes[key] = extreme(indices, loops, self.steps, shape, latest)
        return self.extremes[key]

    def uses(self) -> Iterator[tuple[tuple[Any, ...], int, int]]:
        """Units and ports, each with the cycle of its first use in the first iteration and the cycle after its last use
        in the last one."""
        for operation, unit, number in shared_uses(self.kernel, self.library, self.shared):
            cycle, waits = self.plan.start[operation.result], 0
            if operation.iterative:  # fed when its stage runs for the first time
                waits = (runs_apart(self.kernel, self.kernel.stage_of(operation)) - 1) * self.plan.interval_cycles
            yield (unit.name, number), cycle + waits, cycle + unit.interval_cycles
        for kind, accesses in (("read", self.reads), ("write", self.writes)):
            for access in accesses:
                factors = access.buffer.bank_factors
                for bank in selection(access.indices, factors):
                    yield (kind, access.buffer, bank_number(bank, factors)), access.cycle, access.cycle + 1


def timed(
    kernel: Kernel, library: Library, shared: Mapping[str, int], period: int = 0, round_number: int | None = None
) -> Timed:
    """A kernel, or one round of it, as `Timed`; computed once for each schedule, which belongs to one kernel wherever
    it starts."""
    known: dict[Any, tuple[Kernel, Timed]] = vars(kernel.plan).setdefault("_timed", {})
    key = library, tuple(shared.items()), period, round_number
    if key not in known or known[key][0].stages is not kernel.stages or known[key][0].loops is not kernel.loops:
        part = kernel if round_number is None else one_round(kernel, round_number)
        known[key] = kernel, Timed(part, library, shared, period)
    return known[key][1]


def distance(first: Timed, second: Timed) -> int:
    """Cycles from the start of `first` until `second` may start."""
    if second not in first.distances:
        first.distances[second] = _distance(first, second)
    return first.distances[second]


def _distance(first: Timed, second: Timed) -> int:
    needed = 0
    for key in first.windows.keys() & second.windows.keys():
        needed = max(needed, first.windows[key][1] - second.windows[key][0])
    for before, after in ((first.writes, second.reads), (first.reads, second.writes), (first.writes, second.writes)):
        for one in before:
            for other in after:
                if one.buffer is other.buffer:
                    apart = latest_minus_earliest(first, one, second, other)
                    needed = max(needed, needed if apart is None else apart + one.buffer.storage.write_latency_cycles)
    if first.buffers & second.buffers:
        needed = max(needed, first.cycles - MAX_SHARED_CYCLES)
    return needed


def latest_minus_earliest(first: Timed, one: TimedAccess, second: Timed, other: TimedAccess) -> int | None:
    """The largest difference, over all elements, between the last `one` of `first` and the first `other` of `second`,
    each counted from its kernel's start. None if they never access the same element. Where it is not exact, it is an
    upper bound."""
    total = one.cycle - other.cycle
    left, right = set(first.steps), set(second.steps)
    run_time = {v for index in one.indices for v in index.variables()} - left
    run_time |= {v for index in other.indices for v in index.variables()} - right
    for dimensions in together(one, other):
        a = [one.indices[d] for d in dimensions]
        b = [other.indices[d] for d in dimensions]
        used_left = sorted({v for index in a for v in index.variables()} & left, key=lambda v: v.name)
        used_right = sorted({v for index in b for v in index.variables()} & right, key=lambda v: v.name)
        left -= set(used_left)
        right -= set(used_right)
        known = not run_time & {v for index in (*a, *b) for v in index.variables()}
        if known and max(prod(v.extent for v in used_left), prod(v.extent for v in used_right)) <= MAX_GRID_VALUES:
            late = first.extreme(one, dimensions, used_left, latest=True)
            early = second.extreme(other, dimensions, used_right, latest=False)
            common = late.keys() & early.keys()
            if not common:
                return None
            total += max(late[element] - early[element] for element in common)
        else:  # any element
            total += sum(first.steps[v] * (v.extent - 1) for v in used_left)
    return total + sum(first.steps[v] * (v.extent - 1) for v in left)


def together(one: TimedAccess, other: TimedAccess) -> list[list[int]]:
    """The dimensions in groups that share no loop."""
    groups: list[tuple[set[Any], list[int]]] = []
    for dimension, (a, b) in enumerate(zip(one.indices, other.indices, strict=True)):
        loops: set[Any] = {("one", v) for v in a.variables()} | {("other", v) for v in b.variables()}
        numbers = [dimension]
        for group in [group for group in groups if group[0] & loops]:
            groups.remove(group)
            loops |= group[0]
            numbers = sorted([*group[1], *numbers])
        groups.append((loops, numbers))
    return [numbers for _, numbers in groups]


def extreme(
    indices: list[Index], loops: list[Variable], steps: dict[Variable, int], shape: list[int], latest: bool
) -> dict[int, int]:
    """The latest (or earliest) cycle that `loops` contribute to an access, for every element that `indices` reach."""
    extents = tuple(v.extent for v in loops)
    grid = dict(zip(loops, np.indices(extents), strict=True))
    cycle = np.zeros(extents, np.int64)
    for variable, values in grid.items():
        cycle = cycle + values * steps[variable]
    element = np.zeros(extents, np.int64)
    inside = np.ones(extents, bool)
    for index, size in zip(indices, shape, strict=True):
        value = np.broadcast_to(np.asarray(index.evaluate(grid.__getitem__)), extents)
        inside &= (value >= 0) & (value < size)  # outside nothing is read or written
        element = element * size + value
    order = np.argsort(cycle[inside], kind="stable")
    if not latest:
        order = order[::-1]
    return dict(zip(element[inside][order].tolist(), cycle[inside][order].tolist(), strict=True))  # the last one stays
