"""overlap-kernels: a kernel starts as soon as what it needs is there, instead of when the one before has ended.

Before:  n0 in cycles 0 … 1030, n1 from 1031 on
After:   n1 from 1008 on: while the last results of n0 are still on their way to memory, those that n1 wants first are
         there already

needs: scheduled programs (after `affine-to-scf`).
leaves: start times that keep, for every two nests in the order of the program:
    - an element is read after it was written, and overwritten after it was read;
    - a shared unit and a memory port belong to one nest from the first to the last cycle in which it uses them;
    - of two nests with data in common, no more than PROVABLE_CYCLES are shared, which `check-ports` goes through.
refuses: nothing.
why: every schedule is static, so when an element is written and read is known and no handshake is needed. The cycle of
    an access is a sum over the loops, and so is what each dimension's index contributes: for every value of an index
    the latest write and the earliest read are found in each dimension by itself (dimensions that have loops in common
    are one), and the largest differences add up to the distance that is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from torch2hw.dialects.loops import Buffer, Nest
from torch2hw.dialects.quasi_affine import Index, Variable
from torch2hw.lowering.affine_to_scf import ScheduledProgram
from torch2hw.lowering.modulo_schedule import Schedule
from torch2hw.lowering.units import shared_uses
from torch2hw.passes.bank_analysis import bank_number, selection

PROVABLE_CYCLES = 1 << 18
GRID_LIMIT = 1 << 18  # values of the loops in one dimension's index up to which all are tried
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class OverlapKernels:
    name: str = "overlap-kernels"
    source: str = "scf"
    target: str = "scf"

    def run(self, program: ScheduledProgram, context: Any) -> tuple[ScheduledProgram, dict[str, Any]]:
        if not context.options.overlap or len(program.starts) < 2:
            return program, {}
        starts = earliest_starts(program)
        if starts == program.starts:
            return program, {}
        overlapped = replace(program, starts=starts)
        ends = zip(overlapped.ends, starts[1:], program.program.nests[1:], strict=False)
        report = {nest.name: f"{end - start} cycles earlier" for end, start, nest in ends if end > start}
        return overlapped, report


def earliest_starts(program: ScheduledProgram) -> tuple[int, ...]:
    """The first cycle in which each nest can start, given those before it."""
    nests = [Timed(nest, plan, program) for nest, plan in zip(program.program.nests, program.schedules, strict=True)]
    starts: list[int] = []
    for later in nests:
        starts.append(max([0, *(start + distance(nests[k], later) for k, start in enumerate(starts))]))
    return tuple(starts)


@dataclass(frozen=True)
class Access:
    """A read or write of a nest: by iteration n in cycle n·II + `cycle`."""

    buffer: Buffer
    indices: tuple[Index, ...]
    cycle: int


class Timed:
    """A nest and when it does what, in cycles after its start."""

    def __init__(self, nest: Nest, plan: Schedule, program: ScheduledProgram) -> None:
        self.nest, self.plan, self.program = nest, plan, program
        self.cycles = plan.latency_cycles(nest.trip_count)
        self.steps: dict[Variable, int] = {}  # cycles between one value of a loop's index and the next
        step = plan.interval_cycles
        for loop in reversed(nest.loops):
            self.steps[loop.variable] = step
            step *= loop.extent

    @cached_property
    def reads(self) -> list[Access]:
        loads = (load for load in self.nest.loads() if load.buffer.kind != "constant")
        return [Access(load.buffer, load.indices, self.plan.start[load.result]) for load in loads]

    @cached_property
    def writes(self) -> list[Access]:
        stores = zip(self.nest.stores(), self.plan.store_cycles, strict=True)
        return [Access(store.buffer, store.indices, cycle) for store, cycle in stores]

    @cached_property
    def buffers(self) -> frozenset[Buffer]:
        return frozenset(access.buffer for access in (*self.reads, *self.writes))

    @cached_property
    def windows(self) -> dict[tuple[Any, ...], tuple[int, int]]:
        """For each shared unit and each port of each bank the first cycle and the one after the last."""
        found: dict[tuple[Any, ...], tuple[int, int]] = {}
        for key, cycle in self.uses():
            first, last = found.get(key, (cycle, cycle))
            found[key] = min(first, cycle), max(last, cycle)
        rest = (self.nest.trip_count - 1) * self.plan.interval_cycles + 1
        return {key: (first, last + rest) for key, (first, last) in found.items()}

    def uses(self) -> Iterator[tuple[tuple[Any, ...], int]]:
        for operation, unit, number in shared_uses(self.nest, self.program.library, self.program.shared):
            yield (unit.name, number), self.plan.start[operation.result]
        for kind, accesses in (("read", self.reads), ("write", self.writes)):
            for access in accesses:
                factors = access.buffer.bank_factors
                for bank in selection(access.indices, factors):
                    yield (kind, access.buffer, bank_number(bank, factors)), access.cycle


def distance(first: Timed, second: Timed) -> int:
    """Cycles from the start of `first` until `second` may start."""
    needed = 0
    for key in first.windows.keys() & second.windows.keys():
        needed = max(needed, first.windows[key][1] - second.windows[key][0])
    for before, after in ((first.writes, second.reads), (first.reads, second.writes), (first.writes, second.writes)):
        for one in before:
            for other in after:
                if one.buffer is other.buffer:
                    apart = latest_minus_earliest(first, one, second, other)
                    needed = max(needed, needed if apart is None else apart + 1)
    if first.buffers & second.buffers:
        needed = max(needed, first.cycles - PROVABLE_CYCLES)
    return needed


def latest_minus_earliest(first: Timed, one: Access, second: Timed, other: Access) -> int | None:
    """The most cycles, over all elements, from `first`'s last `one` of it back to `second`'s first `other` of it, both
    counted from their nest's start. None if they never touch the same element. An upper bound where it is not exact."""
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
        if known and max(prod(v.extent for v in used_left), prod(v.extent for v in used_right)) <= GRID_LIMIT:
            shape = [one.buffer.shape[d] for d in dimensions]
            late = extreme(a, used_left, first.steps, shape, latest=True)
            early = extreme(b, used_right, second.steps, shape, latest=False)
            common = late.keys() & early.keys()
            if not common:
                return None
            total += max(late[place] - early[place] for place in common)
        else:  # any element
            total += sum(first.steps[v] * (v.extent - 1) for v in used_left)
    return total + sum(first.steps[v] * (v.extent - 1) for v in left)


def together(one: Access, other: Access) -> list[list[int]]:
    """The dimensions in groups that have no loop in common."""
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
    """For every place that `indices` name, the latest (or earliest) cycle that `loops` contribute when they name it."""
    extents = tuple(v.extent for v in loops)
    grid = dict(zip(loops, np.indices(extents), strict=True))
    cycle = np.zeros(extents, np.int64)
    for variable, values in grid.items():
        cycle = cycle + values * steps[variable]
    place = np.zeros(extents, np.int64)
    inside = np.ones(extents, bool)
    for index, size in zip(indices, shape, strict=True):
        value = np.broadcast_to(np.asarray(index.evaluate(grid.__getitem__)), extents)
        inside &= (value >= 0) & (value < size)  # outside nothing is read or written
        place = place * size + value
    order = np.argsort(cycle[inside], kind="stable")
    if not latest:
        order = order[::-1]
    return dict(zip(place[inside][order].tolist(), cycle[inside][order].tolist(), strict=True))  # the last one stays
