"""The order of a kernel's loops, so that independent outputs fill the latency of its reduction.

The pass `interleave-reductions` stores the result in programs; cost models ask for it. `partial_sums` has what becomes
of a reduction with too few independent outputs.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from math import prod

from torch2hw.analysis.bank_assignment import own_factors
from torch2hw.analysis.bank_groups import conflicts
from torch2hw.analysis.banks import accesses_of
from torch2hw.analysis.time_and_area import luts_of_all_time
from torch2hw.analysis.unit_binding import latency_of
from torch2hw.dialects.loops import Kernel, Loop, Operation
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.once import once
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.dialects.substitution import substitute_kernel
from torch2hw.hwlib import Library

MIN_SAVED_CYCLES = 16
"""What idle iterations must save: a kernel with them ends later, and has more registers."""
Layout = tuple[float, tuple[Loop, ...], Loop | None, int]
"""LUTs, the loops that move inside the reduction, one more of which only a part does, and the extent of that part."""


@once
def recurrence_latency(kernel: Kernel, library: Library) -> int:
    """Cycles from a value carried by stage 0 to the value that replaces it: the longest over all carried values."""
    stage = kernel.stages[0]
    ready = dict.fromkeys((carried.name for carried in stage.carried), 0)  # cycles after the last carried operand
    for statement in stage.statements:
        if isinstance(statement, Operation):
            depths = [ready[name] for name in statement.operands if name in ready]
            if depths:
                ready[statement.result] = max(depths) + latency_of(statement, library)
    return max((ready.get(carried.next, 0) for carried in stage.carried), default=0)


def order_loops(kernel: Kernel, inner: tuple[Variable, ...]) -> Kernel:
    """Outer parallel loops, reductions from the last stage's to the first's, then the parallel loops in `inner`."""
    outer = [loop for loop in kernel.parallel_loops() if loop.variable not in inner]
    reductions = [loop for number in reversed(range(len(kernel.stages))) for loop in kernel.reduction_loops(number)]
    last = [loop for v in inner for loop in kernel.loops if loop.variable == v]
    return replace(kernel, loops=(*outer, *reductions, *last))


def interleave(kernel: Kernel, latency: int) -> Kernel:
    """`kernel` with at least `latency` independent outputs inside its reduction, or all of them if fewer.

    Of equal costs, the last loops go inside: rows are then finished one after the other, and the next kernel starts on
    the first ones.
    """
    loops = kernel.independent_loops()
    total = prod(loop.extent for loop in loops)
    if total <= latency:
        filled_up = padded_outputs(kernel, latency)
        if filled_up is None:
            return order_loops(kernel, tuple(loop.variable for loop in loops))
        v, extent = filled_up
        kernel, _, within = strip_mine(kernel, v, extent)
        return order_loops(kernel, (*(other.variable for other in loops if other.variable != v), within))
    best: Layout | None = None
    bits = sum(number_type(carried.type).bits for carried in kernel.stages[0].carried)
    time = luts_of_all_time(kernel.lanes)

    def cost(filled: int, padded: float) -> float:
        """LUTs of shift registers for accumulators beyond the operator's own pipeline, and the price of padding."""
        return (padded - 1) * time + in_flight(filled - latency, bits)

    for size in range(len(loops) + 1):
        for chosen in itertools.combinations(reversed(loops), size):
            whole = chosen[::-1]
            filled = prod(loop.extent for loop in whole)
            if filled >= latency:
                best = _better(best, (cost(filled, 1.0), whole, None, 1))
                continue
            for loop in reversed(loops):
                if loop in whole:
                    continue
                for factor in range(-(-latency // filled), min(loop.extent, 4 * latency) + 1):
                    padded = -(-loop.extent // factor) * factor / loop.extent
                    best = _better(best, (cost(filled * factor, padded), whole, loop, factor))
    assert best is not None
    _, whole, split, factor = best
    if split is None or factor == split.extent:
        return order_loops(kernel, tuple(loop.variable for loop in loops if loop in whole or loop == split))
    kernel, _, within = strip_mine(kernel, split.variable, factor)
    return order_loops(kernel, (*(loop.variable for loop in whole), within))


def padded_outputs(kernel: Kernel, latency: int) -> tuple[Variable, int] | None:
    """The loop over outputs that some idle iterations are added to, and its extent with them, so that a sum takes fewer
    cycles than with a larger II; None where they do not help, or where memory ports force an II anyway."""
    loops = kernel.independent_loops()
    extents = [loop.extent for loop in loops]
    found = _padding(extents, latency, kernel.trip_count // prod(extents))
    if found is None or kernel.domain or shares_ports(kernel):
        return None
    _, position, extent = found
    return loops[position].variable, extent


def cycles_of_step(extents: Sequence[int], latency: int, steps: int) -> int:
    """Cycles of one of the steps of all sums, fewer than `latency`, over outputs of these extents: with idle
    iterations, or with a larger II."""
    found, total = _padding(extents, latency, steps), prod(extents)
    return total * -(-latency // total) if found is None else found[0]


def _padding(extents: Sequence[int], latency: int, steps: int) -> tuple[int, int, int] | None:
    """The fewest outputs that fill `latency` if one loop is longer: their number, the loop's position, and its extent.
    None where that does not save cycles enough."""
    total, found = prod(extents), list[tuple[int, int, int]]()
    for position, extent in enumerate(extents):
        longer = -(-latency * extent // total)
        if extent > 1:
            found.append((total // extent * longer, position, longer))
    least = min(found, default=None)
    waiting = total * -(-latency // total)
    return least if least is not None and (waiting - least[0]) * steps >= MIN_SAVED_CYCLES else None


def shares_ports(kernel: Kernel) -> bool:
    """Whether two accesses of an iteration need the same memory port, in as many banks as the kernel itself needs."""
    factors = own_factors(kernel, kernel.lanes)
    groups = [(access.buffer, group) for access in accesses_of(kernel) for group in (access.reads, access.writes)]
    return any(conflicts(group, factors[buffer]) > 1 for buffer, group in groups)


def in_flight(excess: int, bits: int) -> float:
    """LUTs of shift registers for accumulators beyond what the operator's own pipeline holds."""
    return 0 if excess <= 0 else bits * (0.5 if excess == 1 else -(-excess // 32))


def _better(old: Layout | None, new: Layout) -> Layout:
    return new if old is None or new[0] < old[0] else old


def strip_mine(kernel: Kernel, loop: Variable, factor: int) -> tuple[Kernel, Variable, Variable]:
    """`loop` as two loops of ceil(extent / factor) and `factor` iterations; the kernel's domain excludes iterations
    beyond the extent."""
    outer = Variable(f"{loop.name}o", -(-loop.extent // factor))
    within = Variable(f"{loop.name}i", factor)
    value = variable(outer) * factor + variable(within)
    indices: dict[Variable, Index] = {loop: value}
    loops: list[Loop] = []
    for item in kernel.loops:
        loops += [Loop(outer, item.reduced_by), Loop(within, item.reduced_by)] if item.variable == loop else [item]
    mined = substitute_kernel(kernel, indices)
    beyond = (value * -1 + (loop.extent - 1),) if loop.extent % factor else ()
    kept = tuple(loop for loop in loops if loop.extent > 1 or loop.reduced_by is not None)
    return replace(mined, loops=kept, domain=(*mined.domain, *beyond)), outer, within
