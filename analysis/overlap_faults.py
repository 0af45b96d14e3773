"""Part of check-ports: proves that kernels which run at the same time do not interfere.

For two kernels that overlap in time, every use of a shared unit, a memory port or an element in the common cycles is
enumerated:

- a shared unit gets operands from one kernel in a cycle; an iterative unit, in all the cycles in which it is busy;
- a port of a bank is used by one kernel in a cycle;
- where both access an element, the access of the first kernel in program order comes first.

A round of a kernel counts as a kernel of its own. Two rounds that repeat two earlier ones, moved by equally many rows
in every buffer (`moved_rounds`), are not enumerated again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from torch2hw.analysis.banks import bank_number, selection
from torch2hw.analysis.port_accesses import Access, Array, accesses, counted, evaluated, run_time
from torch2hw.analysis.round_faults import moved_rounds
from torch2hw.analysis.unit_binding import shared_uses
from torch2hw.dialects.loops import Buffer, Kernel, Operation
from torch2hw.dialects.program import Program, Rounds
from torch2hw.dialects.substitution import one_round
from torch2hw.hwlib import Library

MAX_COMMON_CYCLES = 1 << 20


@dataclass(frozen=True)
class Running:
    """One round of a scheduled kernel, or all of a kernel that is not in rounds. It runs in cycles `start` … `end` - 1
    of the design."""

    whole: Kernel
    number: int
    start: int
    end: int

    @cached_property
    def kernel(self) -> Kernel:
        """The kernel with its loop over rounds fixed to this round."""
        return one_round(self.whole, self.number)

    @cached_property
    def accesses(self) -> list[Access]:
        """Its accesses to memories, cycles counted from the start of an iteration."""
        return accesses(self.kernel)

    def iterations(self, cycle: int, first: int, last: int) -> range:
        """The iterations whose cycle `cycle` is one of the design's cycles `first` … `last` - 1."""
        interval = self.whole.plan.interval_cycles
        low = max(0, -(-(first - self.start - cycle) // interval))
        high = min(self.whole.round_trips, -(-(last - self.start - cycle) // interval))
        return range(low, max(low, high))

    def cycles(self, cycle: int, first: int, last: int) -> Array:
        """The design's cycles `first` … `last` - 1 in which cycle `cycle` of some iteration falls."""
        found = self.iterations(cycle, first, last)
        return np.arange(found.start, found.stop) * self.whole.plan.interval_cycles + self.start + cycle


def overlap_faults(program: Program, library: Library, max_common_cycles: int = MAX_COMMON_CYCLES) -> Iterator[str]:
    """What kernels that run at the same time do wrong, a line each. It is a fault, too, if two kernels with data in
    common overlap for more than `max_common_cycles`: these cycles are not checked."""
    seen: set[tuple[int, int, int, int]] = set()
    for left, right in not_apart(in_order(program)):
        first, last = max(left.start, right.start), min(left.end, right.end)
        names = f"{left.whole.name} and {right.whole.name}"
        if right.end <= left.start:
            yield f"{names}: the second ends before the first starts"
        if first >= last:
            continue
        if moved_rounds(left.whole, right.whole):
            later = right.number - left.number, right.start - left.start
            pair = id(left.whole), id(right.whole), *later
            if pair in seen:
                continue
            seen.add(pair)
        for text in unit_faults(program.shared, library, left, right):
            yield f"{names}: {text}"
        if last - first <= max_common_cycles or not common_buffers(left, right):
            for text in access_faults(left, right, first, last):
                yield f"{names}: {text}"
        else:
            yield f"{names}: {last - first} cycles in common are too many to go through"


def not_apart(order: Sequence[Running]) -> Iterator[tuple[Running, Running]]:
    """The pairs, in program order, whose first has not ended when the second starts."""
    ends = list(itertools.accumulate((each.end for each in order), max))  # the last cycle of any so far
    pairs = []
    for number, right in enumerate(order):
        for other in range(number - 1, -1, -1):
            if ends[other] <= right.start < right.end:
                break
            if order[other].end > right.start or order[other].start >= right.end:
                pairs.append((other, number))
    for other, number in sorted(pairs):
        yield order[other], order[number]


def in_order(program: Program) -> list[Running]:
    """All rounds and kernels, in program order."""
    found = []
    for node in program.sequence:
        rounds, period = (node.count, node.period_cycles) if isinstance(node, Rounds) else (1, 0)
        for number in range(rounds):
            for kernel in node.kernels:
                start = node.start_cycle + number * period + (kernel.start_cycle if kernel is not node else 0)
                found.append(Running(kernel, number, start, start + kernel.plan.latency_cycles(kernel.round_trips)))
    return found


def unit_faults(shared: Mapping[str, int], library: Library, left: Running, right: Running) -> Iterator[str]:
    """A text for each shared unit that both kernels give operands less than one initiation interval apart."""
    first, last = max(left.start, right.start), min(left.end, right.end)
    uses = [
        {
            (unit.name, number, unit.interval_cycles): fed(each, operation, first - unit.interval_cycles, last)
            for operation, unit, number in shared_uses(each.kernel, library, shared)
        }
        for each in (left, right)
    ]
    for key in uses[0].keys() & uses[1].keys():
        cycles = np.concatenate([uses[0][key], uses[1][key]])
        order = np.argsort(cycles, kind="stable")
        from_left = order < len(uses[0][key])
        changes = from_left[1:] != from_left[:-1]
        if (changes & (np.diff(cycles[order]) < key[2])).any():
            yield f"both feed number {key[1]} of {key[0]}"


def fed(running: Running, operation: Operation, first: int, last: int) -> Array:
    """The cycles `first` … `last` - 1 in which a kernel feeds an operation's unit: an iterative one where its stage
    runs, a pipelined one in every iteration."""
    kernel, cycle = running.kernel, running.kernel.plan.start[operation.result]
    cycles = running.cycles(cycle, first, last)
    if not operation.iterative:
        return cycles
    return cycles[runs(kernel, kernel.stage_of(operation), running.iterations(cycle, first, last))]


def runs(kernel: Kernel, stage: int, found: range) -> Array:
    """For each of these iterations, whether a stage runs; the kernel's domain is ignored."""
    extents = tuple(loop.extent for loop in kernel.loops)
    number = np.arange(found.start, found.stop)
    inside = np.ones(number.shape, bool)
    for loop, at in zip(kernel.loops, np.unravel_index(number, extents) if extents else (), strict=True):
        if loop.reduced_by is not None and loop.reduced_by < stage:
            inside &= at == loop.extent - 1
    return inside


def access_faults(left: Running, right: Running, first: int, last: int) -> Iterator[str]:
    """A line for each pair of accesses that use a port in the same cycle, or access an element in the wrong order, in
    the design's cycles `first` … `last` - 1."""
    common = common_buffers(left, right)
    for one in left.accesses:
        if one.buffer not in common:
            continue
        for other in right.accesses:
            if one.buffer is not other.buffer:
                continue
            if one.writes == other.writes and banks(one) & banks(other):
                cycles = (left.cycles(one.cycle, first, last), right.cycles(other.cycle, first, last))
                if len(np.intersect1d(*cycles, assume_unique=True)):
                    yield f"{one} and {other} need one port"
            if (one.writes or other.writes) and not comes_first(left, one, right, other, first, last):
                yield f"{one} is not before {other}"


def common_buffers(left: Running, right: Running) -> set[Buffer]:
    """The buffers that both read or write."""
    return {a.buffer for a in left.accesses} & {a.buffer for a in right.accesses}


def banks(access: Access) -> set[tuple[Buffer, int]]:
    """The banks that an access can touch."""
    factors = access.buffer.bank_factors
    return {(access.buffer, bank_number(each, factors)) for each in selection(access.indices, factors)}


def comes_first(left: Running, one: Access, right: Running, other: Access, first: int, last: int) -> bool:
    """Whether every `one` in these cycles comes before any `other` that accesses the same element. In a dimension that
    one of them indexes with a computed value, any two elements may be the same."""
    unknown = run_time(left.kernel, one) | run_time(right.kernel, other)
    known = [
        dimension
        for dimension, indices in enumerate(zip(one.indices, other.indices, strict=True))
        if not any(index.variables() & unknown for index in indices)
    ]
    latest = dict(elements(left, one, known, first, last))  # in order of time: the last one stays
    return all(latest.get(element, cycle - 1) < cycle for element, cycle in elements(right, other, known, first, last))


def elements(running: Running, access: Access, known: list[int], first: int, last: int) -> Iterator[tuple[int, int]]:
    """The elements that an access reaches in these cycles, each with its cycle, in order of time. Only the dimensions
    `known` tell elements apart."""
    kernel = running.kernel
    found = running.iterations(access.cycle, first, last)
    number = np.arange(found.start, found.stop)
    extents = tuple(loop.extent for loop in kernel.loops)
    at = np.unravel_index(number, extents) if extents else ()
    values = dict(zip((loop.variable for loop in kernel.loops), at, strict=True))
    counts = np.broadcast_to(counted(access, values) if values else np.ones(1, bool), number.shape)
    element = np.zeros(number.shape, np.int64)
    for dimension in known:
        index, size = access.indices[dimension], access.buffer.shape[dimension]
        value = np.broadcast_to(evaluated(index, values), number.shape)
        counts = counts & (value >= 0) & (value < size)
        element = element * size + value
    cycle = number * running.kernel.plan.interval_cycles + running.start + access.cycle
    yield from zip(element[counts].tolist(), cycle[counts].tolist(), strict=True)
