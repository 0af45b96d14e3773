"""Modulo scheduling of one kernel: the start of each statement in an iteration, and the initiation interval.

An iteration starts every `interval_cycles` (II). Statement s of iteration n starts in cycle n·II + start[s].
Constraints:

- an operand is ready when its statement's latency has passed. The latency of a read is that of the buffer's storage;
  constants are always ready;
- a carried value is read when its initial value is ready or later, and at most distance·II cycles before its next value
  is ready;
- a memory has one read port and one write port: two accesses of one iteration to a port start in different cycles
  modulo II;
- at most MAX_CHAINED combinational operations follow each other in a cycle;
- an iterative unit gets operands no sooner than its interval after the last ones.

II is the smallest one found that meets the constraints. Operations start as early as possible. Operations on carried
values start as late as this II requires, and memory reads as late as their first use allows: fewer registers then hold
operands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod

from torch2hw.analysis.bank_groups import conflicts
from torch2hw.analysis.banks import accesses_of, never_meet, selection
from torch2hw.dialects.loops import Buffer, Constant, IndexValue, Kernel, Load, Operation, Statement, operand_names
from torch2hw.dialects.quasi_affine import Index
from torch2hw.dialects.schedule import Schedule
from torch2hw.dialects.storage import CARRIED

MAX_CHAINED = 2  # combinational operations one behind the other in a cycle
MAX_DELAYS = 4  # of a read of a memory, before a larger interval is tried
MAX_CARRIED_DELAYS = 8  # of reads of carried values, all that come too early at once

Latency = Callable[[Operation], int]
Uses = list[tuple[tuple[Index, ...], int]]  # indices and cycle of accesses


def iteration_distance(kernel: Kernel, stage: int) -> int:
    """Iterations between two runs of `stage` on the same carried value: the trip counts of the loops inside its
    innermost reduction loop."""
    positions = [k for k, loop in enumerate(kernel.loops) if loop.reduced_by == stage]
    return prod(loop.extent for loop in kernel.loops[positions[-1] + 1 :])


def runs_apart(kernel: Kernel, stage: int) -> int:
    """The smallest number of iterations from one run of `stage` to the next: that of the innermost loops whose
    reductions end before it."""
    trips = 1
    for loop in reversed(kernel.loops):
        if loop.reduced_by is None or loop.reduced_by >= stage:
            break
        trips *= loop.extent
    return trips


def schedule(kernel: Kernel, latency: Latency, spacing: Latency = lambda _: 1) -> Schedule:
    """The schedule of a kernel. `latency` and `spacing` are those of an operation's unit: cycles to its result, and to
    the next operands that it can take."""
    interval = max(_least_interval(kernel), *_unit_intervals(kernel, spacing))
    operations = [statement for statement in kernel.statements() if isinstance(statement, Operation)]
    enough = interval + sum(map(latency, operations)) + 4 * sum(1 for _ in kernel.statements())  # one after the other
    while True:
        result = _attempt(kernel, latency, interval)
        if isinstance(result, Schedule):
            return result
        interval = max(interval + 1, result)
        assert interval <= enough, f"{kernel.name} has no schedule"


def _least_interval(kernel: Kernel) -> int:
    """The II that memory ports force: the most accesses of an iteration that may need one port of one bank."""
    worst = 1
    for access in accesses_of(kernel):
        factors = access.buffer.bank_factors
        worst = max(worst, conflicts(access.reads, factors), conflicts(access.writes, factors))
    return worst


def _unit_intervals(kernel: Kernel, spacing: Latency) -> Iterator[int]:
    """The II that each unit forces."""
    yield 1
    for number, stage in enumerate(kernel.stages):
        for statement in stage.statements:
            if isinstance(statement, Operation):
                yield -(-spacing(statement) // runs_apart(kernel, number))


class _Ports:
    """The cycles modulo II in which ports are taken. By buffer and cycle: for each bank, the accesses that may go to
    it; accesses that may go to the same set of banks are grouped."""

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.sets: dict[tuple[tuple[int, ...], ...], int] = {}  # a number for each set of banks
        self.taken: dict[tuple[Buffer, int], dict[tuple[int, ...], dict[int, Uses]]] = {}

    def take(self, buffer: Buffer, indices: tuple[Index, ...], cycle: int) -> bool:
        """Reserves the ports for an access in `cycle`, unless one may be in use.

        Accesses of one iteration in one cycle must go to different banks or to one address. Accesses in different
        cycles that are equal modulo II belong to different iterations, so the sets of banks they can ever touch must be
        disjoint.
        """
        slot = self.taken.setdefault((buffer, cycle % self.interval), {})
        factors = buffer.bank_factors
        banks = selection(indices, factors)
        rivals: dict[int, Uses] = {}
        for bank in banks:
            rivals |= slot.get(bank, {})
        for other, when in (use for uses in rivals.values() for use in uses):
            if when != cycle or not (other == indices or never_meet(indices, other, factors)):
                return False
        number = self.sets.setdefault(tuple(banks), len(self.sets))
        own = rivals.get(number, [])
        own.append((indices, cycle))
        for bank in banks:
            slot.setdefault(bank, {})[number] = own
        return True


def _attempt(kernel: Kernel, latency: Latency, interval: int) -> Schedule | int:
    """A schedule with this interval, or a larger interval to try."""
    carried = [each for stage in kernel.stages for each in stage.carried]
    not_before: dict[str, int] = {}
    delays = {True: min(len(carried), MAX_CARRIED_DELAYS) + 1, False: MAX_DELAYS * sum(1 for _ in kernel.loads()) + 1}
    larger: list[int] = []
    while True:
        result = _timed(kernel, latency, interval, not_before)
        if not isinstance(result, Delayed):
            return result
        delays[result.of_carried] -= 1
        larger.append(result.otherwise)
        if not delays[result.of_carried]:
            return min(larger)
        not_before |= result.cycles


@dataclass(frozen=True)
class Delayed:
    """Reads that must start later than their users need them, and in which cycles: reads of carried values that are not
    computed yet, and reads at an index computed at run time whose memory port is taken. `otherwise`: a larger interval
    to try instead."""

    cycles: dict[str, int]
    otherwise: int
    of_carried: bool


def _timed(kernel: Kernel, latency: Latency, interval: int, not_before: Mapping[str, int]) -> Schedule | Delayed | int:
    """A schedule with this interval and these delays, or another read to delay, or a larger interval to try."""
    result = Schedule(interval)
    chain: dict[str, int] = {}  # operations without a register that a value has behind it in its cycle
    users: dict[str, list[str]] = {}
    for number, stage in enumerate(kernel.stages):
        early, late = stage.in_order()
        for statement in early:
            _place(statement, result, chain, latency, not_before)
        for carried in stage.carried:  # for now as early as can be; a memory holds those of later stages
            soonest = max(CARRIED.read_latency_cycles if number else 0, not_before.get(carried.name, 0))
            result.ready[carried.name] = max(result.ready.get(carried.init, 0), soonest)
            chain[carried.name] = chain.get(carried.init, 0)
        for statement in late:
            _place(statement, result, chain, latency, not_before)
        for statement in stage.statements:
            for name in operand_names(statement):
                users.setdefault(name, []).append(statement.result)
    for carried in (each for stage in kernel.stages for each in stage.carried):  # read when first used
        read = min([result.start[user] for user in users.get(carried.name, [])] or [result.ready[carried.name]])
        result.start[carried.name] = result.ready[carried.name] = read
    late_reads: dict[str, int] = {}
    larger: list[int] = []
    for number, stage in enumerate(kernel.stages):
        distance = iteration_distance(kernel, number) if stage.carried else 0
        for carried in stage.carried:
            kept = CARRIED.write_latency_cycles + CARRIED.read_latency_cycles if number else 0
            soonest = result.ready.get(carried.next, 0) + kept - distance * interval
            missing = soonest - result.start[carried.name]
            if missing > 0:
                late_reads[carried.name] = soonest
                larger.append(interval + -(-missing // distance))
    if late_reads:
        return Delayed(late_reads, min(larger), of_carried=True)
    blocked = _delay_loads(kernel, result, users)
    if blocked is not None:
        return blocked
    _place_stores(kernel, result)
    stored = zip(kernel.stores(), result.store_cycles, strict=True)
    ends = [cycle + store.buffer.storage.write_latency_cycles for store, cycle in stored]
    result.depth_cycles = max([interval, *ends])
    return result


def _place(
    statement: Statement, result: Schedule, chain: dict[str, int], latency: Latency, not_before: Mapping[str, int]
) -> None:
    """Starts a statement as soon as its operands are ready; a read no earlier than its cycle in `not_before`."""
    name = statement.result
    if isinstance(statement, Constant):
        return
    if isinstance(statement, IndexValue):
        result.start[name] = result.ready[name] = 0
        return
    operands = operand_names(statement)
    start = max([0, *(result.ready[operand] for operand in operands if operand in result.ready)])
    if isinstance(statement, Load):
        start = max(start, not_before.get(name, 0), 1 if needs_arithmetic(statement) else 0)
        result.start[name], result.ready[name] = start, start + statement.buffer.storage.read_latency_cycles
        chain[name] = 1 if statement.guard else 0
        return
    cycles = latency(statement)
    depth = max([0, *(chain.get(operand, 0) for operand in operands if result.ready.get(operand) == start)])
    if cycles == 0:
        if depth >= MAX_CHAINED:
            start, depth = start + 1, 0
        chain[name] = depth + 1
    result.start[name], result.ready[name] = start, start + cycles


def needs_arithmetic(load: Load) -> bool:
    """Whether the address is neither a counter nor an accumulated register, and is computed in the cycle before the
    read."""
    factors = load.buffer.bank_factors
    return not load.buffer.storage.in_kernel and not all(
        part.is_affine
        for index, factor in zip(load.indices, factors, strict=True)
        for part in (index.floordiv(factor), index.remainder(factor))
    )


def _delay_loads(kernel: Kernel, result: Schedule, users: Mapping[str, list[str]]) -> Delayed | int | None:
    """Moves reads to just before their first use, each to a cycle modulo II in which its port is free.

    Where no cycle is free: a larger interval, or, for a read at an index computed at run time, the cycle that is free.
    """
    interval = result.interval_cycles
    ports = _Ports(interval)
    uses: dict[str, list[int]] = {name: [result.start[user] for user in found] for name, found in users.items()}
    for stage in kernel.stages:
        for carried in stage.carried:
            uses.setdefault(carried.init, []).append(result.start[carried.name])
    stored = {store.value for store in kernel.stores()} | {c.next for stage in kernel.stages for c in stage.carried}

    def latest(load: Load) -> int:
        soonest = result.start[load.result]
        if load.result in stored or load.result not in uses:
            return soonest
        return max(min(uses[load.result]) - load.buffer.storage.read_latency_cycles, soonest)

    # The one that is wanted first goes first: others can come to its cycle, where banks that change places stay apart.
    for load in sorted(kernel.loads(), key=latest):
        runtime = any(name in result.ready for name in operand_names(load))
        last = latest(load)
        earliest = result.start[load.result] if runtime else last - 64 * interval
        for start in range(last, earliest - 1, -1):
            if load.buffer.storage.in_kernel or ports.take(load.buffer, load.indices, start):
                result.start[load.result] = start
                result.ready[load.result] = start + load.buffer.storage.read_latency_cycles
                break
        else:
            later = (
                cycle for cycle in range(last + 1, last + interval) if ports.take(load.buffer, load.indices, cycle)
            )
            cycle = next(later, None) if runtime else None
            return interval + 1 if cycle is None else Delayed({load.result: cycle}, interval + 1, of_carried=False)
    lowest = min([0, *result.start.values()])
    if lowest < 0:  # reads moved in front of the first cycle: shift everything
        for table in (result.start, result.ready):
            for name in table:
                table[name] -= lowest
    return None


def _place_stores(kernel: Kernel, result: Schedule) -> None:
    """Starts each store when its value is ready and its bank's port is free. Stores to one buffer are in one cycle if
    possible, and after the iteration's reads of that buffer."""
    ports = _Ports(result.interval_cycles)
    together: dict[Buffer, int] = {}
    for store in kernel.stores():
        together[store.buffer] = max(together.get(store.buffer, 0), result.ready.get(store.value, 0))
    for load in kernel.loads():
        if load.buffer in together:
            together[load.buffer] = max(together[load.buffer], result.start[load.result] + 1)
    for store in kernel.stores():
        cycle = together[store.buffer]
        while not ports.take(store.buffer, store.indices, cycle):
            cycle += 1
        result.store_cycles.append(cycle)
