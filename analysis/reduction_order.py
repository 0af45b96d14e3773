"""The order of a kernel's loops, so that independent outputs fill the latency of its reduction.

Reductions with too few independent outputs are split into partial sums. The pass `interleave-reductions` stores the
result in programs; cost models ask for it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from math import prod

from torch2hw.analysis.bank_assignment import own_factors
from torch2hw.analysis.bank_groups import conflicts
from torch2hw.analysis.banks import accesses_of
from torch2hw.analysis.dead_values import without_dead_values
from torch2hw.analysis.time_and_area import luts_of_all_time
from torch2hw.analysis.unit_binding import latency_of
from torch2hw.dialects.loops import (
    Buffer,
    Carried,
    Constant,
    Kernel,
    Load,
    Loop,
    Operation,
    Stage,
    Statement,
    Store,
    operand_names,
)
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.once import once
from torch2hw.dialects.operations import OperationKind, operation_kind
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.dialects.storage import RAM
from torch2hw.dialects.substitution import substitute_kernel, substitute_stage
from torch2hw.hwlib import Library

MIN_SAVED_CYCLES = 16
"""What idle iterations must save: a kernel with them ends later, and has more registers."""
Layout = tuple[float, tuple[Loop, ...], Loop | None, int]
"""LUTs, the loops that move inside the reduction, one more of which only a part does, and the extent of that part."""


@once
def interleaved(kernel: Kernel, library: Library) -> tuple[Kernel, ...]:
    """`kernel` with its loops in order, or the two kernels that it is split into."""
    latency = recurrence_latency(kernel, library)
    if latency <= 1:
        return (order_loops(kernel, ()),)
    few = prod(loop.extent for loop in kernel.independent_loops()) < latency
    parts = split_reduction(kernel, latency) if few else [kernel]
    return tuple(interleave(part, recurrence_latency(part, library)) for part in parts)


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


def split_reduction(kernel: Kernel, latency: int) -> list[Kernel]:
    """`kernel` as a kernel of partial sums and one that adds them, if that is faster than waiting for the operator."""
    reductions = kernel.reduction_loops(0)
    outputs = prod(loop.extent for loop in kernel.independent_loops())
    wanted = -(-latency // outputs)
    trips = prod(loop.extent for loop in reductions)
    fitting = [
        (factor, loop)
        for loop in reductions
        for factor in range(wanted, loop.extent + 1)
        if loop.extent % factor == 0 and factor < trips
    ]
    split_cycles = trips * outputs + wanted * outputs * latency + 3 * latency
    step_cycles = cycles_of_step([loop.extent for loop in kernel.independent_loops()], latency, trips)
    own = {name for carried in kernel.stages[0].carried for name in (carried.name, carried.next)}
    scan = bool(own & kernel.needed_for({store.value for store in kernel.stages[0].stores}))
    if not fitting or kernel.domain or scan or kernel.reduction_loops(1) or split_cycles >= trips * step_cycles:
        return [kernel]
    factor, loop = min(fitting, key=lambda pair: pair[0])
    split, _, within = strip_mine(kernel, loop.variable, factor)
    stage = split.stages[0]
    steps = {statement.result: statement for statement in stage.statements}
    sums = [steps.get(carried.next) for carried in stage.carried]
    if not all(
        isinstance(step, Operation) and operation_kind(step.name).accumulates and carried.name in step.operands
        for step, carried in zip(sums, stage.carried, strict=True)
    ):
        return [kernel]
    outer = _outer_statements(split)
    if outer is None:
        return [kernel]
    partials = _partials(split, factor)
    return [_partial_sums(split, within, partials), _total(split, within, partials, outer)]


def _outer_statements(kernel: Kernel) -> tuple[Statement, ...] | None:
    """The statements of stage 0 that initial values and later stages use; None if their values change within the
    reduction."""
    stage = kernel.stages[0]
    own = {carried.name for carried in stage.carried} | {carried.next for carried in stage.carried}
    reduced = {loop.variable.name for loop in kernel.reduction_loops(0)}
    needed = {carried.init for carried in stage.carried}
    for later in kernel.stages[1:]:
        needed |= {store.value for store in later.stores}
        needed |= {name for statement in later.statements for name in operand_names(statement)}
    chosen: list[Statement] = []
    for statement in reversed(stage.statements):
        if statement.result in needed - own:
            if operand_names(statement) & (own | reduced):
                return None
            needed |= operand_names(statement)
            chosen.append(statement)
    return tuple(reversed(chosen))


def _partials(kernel: Kernel, factor: int) -> list[Buffer]:
    """A buffer for the partial sums of each carried value."""
    shape = (*(loop.extent for loop in kernel.independent_loops()), factor)
    return [
        Buffer(f"{kernel.name}_partial{number or ''}", shape, carried.type, RAM, None, kernel.source)
        for number, carried in enumerate(kernel.stages[0].carried)
    ]


def _places(kernel: Kernel, within: Variable) -> tuple[Index, ...]:
    """The indices of a partial sum in its buffer."""
    return tuple(variable(v) for v in (*(loop.variable for loop in kernel.independent_loops()), within))


def _partial_sums(kernel: Kernel, within: Variable, partials: list[Buffer]) -> Kernel:
    """The kernel of partial sums: over every loop but `within`, starting at zero, each stored in its buffer."""
    stage = kernel.stages[0]
    zeros, carried, stores = [], [], []
    for buffer, value in zip(partials, stage.carried, strict=True):
        bits = _operation_of(stage, value).identity_bits(value.type)
        assert bits is not None
        zero = Constant(f"{value.name}_zero", value.type, bits)
        zeros.append(zero)
        carried.append(replace(value, init=zero.result))
        stores.append(Store(buffer, _places(kernel, within), value.next, (), kernel.source))
    loops = tuple(replace(item, reduced_by=None) if item.variable == within else item for item in kernel.loops)
    sums = Stage(tuple(carried), (*zeros, *stage.statements), stage.stores)
    made = replace(kernel, name=f"{kernel.name}_partial", loops=loops, stages=(sums, Stage((), (), tuple(stores))))
    return without_dead_values(made)


def _operation_of(stage: Stage, carried: Carried) -> OperationKind:
    """The operation that makes a carried value."""
    step = next(statement for statement in stage.statements if statement.result == carried.next)
    assert isinstance(step, Operation)
    return operation_kind(step.name)


def _total(kernel: Kernel, within: Variable, partials: list[Buffer], outer: tuple[Statement, ...]) -> Kernel:
    """The kernel that adds the partial sums, and does with the total what `kernel` does."""
    stage = kernel.stages[0]
    statements: list[Statement] = list(outer)
    carried, rename = [], {}
    for buffer, value in zip(partials, stage.carried, strict=True):
        term = Load(f"{value.name}_term", value.type, buffer, _places(kernel, within), source=kernel.source)
        total = f"{value.next}_total"
        operands, types = (value.name, term.result), (value.type, value.type)
        name = _operation_of(stage, value).name
        statements += [term, Operation(total, value.type, name, operands, types, source=kernel.source)]
        carried.append(Carried(value.name, value.type, value.init, total))
        rename[value.next] = total
    later = tuple(substitute_stage(item, {}, rename) for item in kernel.stages[1:])
    loops = (*kernel.parallel_loops(), Loop(within, 0))
    stages = (Stage(tuple(carried), tuple(statements)), *later)
    return Kernel(kernel.name, loops, stages, (), kernel.source)
