"""Reductions with too few independent outputs to fill the latency of their operation: partial sums, and their total.

Before:  for k < 12 { acc += x[k] }                                   of a latency of 4
After:   for ko < 3 { for ki < 4 { acc[ki] += x[4·ko + ki] } } ; for ki < 4 { total += acc[ki] }
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from math import prod

from torch2hw.analysis.dead_values import without_dead_values
from torch2hw.analysis.reduction_order import cycles_of_step, interleave, order_loops, recurrence_latency, strip_mine
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
from torch2hw.dialects.once import once
from torch2hw.dialects.operations import OperationKind, operation_kind
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.dialects.storage import RAM
from torch2hw.dialects.substitution import substitute_stage
from torch2hw.hwlib import Library


@once
def interleaved(kernel: Kernel, library: Library) -> tuple[Kernel, ...]:
    """`kernel` with its loops in order, or the two kernels that it is split into."""
    latency = recurrence_latency(kernel, library)
    if latency <= 1:
        return (order_loops(kernel, ()),)
    few = prod(loop.extent for loop in kernel.independent_loops()) < latency
    parts = split_reduction(kernel, latency) if few else [kernel]
    return tuple(interleave(part, recurrence_latency(part, library)) for part in parts)


def split_reduction(kernel: Kernel, latency: int) -> list[Kernel]:
    """`kernel` as a kernel of partial sums and one that adds them, if that is faster than waiting for the operator."""
    reductions = kernel.reduction_loops(0)
    outputs = prod(loop.extent for loop in kernel.independent_loops())
    wanted = -(-latency // outputs)
    trips = prod(loop.extent for loop in reductions)
    within = _partial_loops(reductions, wanted)
    partial = prod(within.values())
    split_cycles = trips * outputs + partial * outputs * latency + 3 * latency
    step_cycles = cycles_of_step([loop.extent for loop in kernel.independent_loops()], latency, trips)
    own = {name for carried in kernel.stages[0].carried for name in (carried.name, carried.next)}
    scan = bool(own & kernel.needed_for({store.value for store in kernel.stages[0].stores}))
    if not within or kernel.domain or scan or kernel.reduction_loops(1) or split_cycles >= trips * step_cycles:
        return [kernel]
    split, inside = kernel, list[Variable]()
    for loop, factor in within.items():
        split, _, inner = strip_mine(split, loop, factor)
        inside.append(inner)
    stage = split.stages[0]
    steps = {statement.result: statement for statement in stage.statements}
    sums = [steps.get(carried.next) for carried in stage.carried]
    if not all(
        isinstance(step, Operation) and operation_kind(step.name).accumulates and carried.name in step.operands
        for step, carried in zip(sums, stage.carried, strict=True)
    ):
        return [kernel]
    outer = outer_statements(split, _used_outside(split))
    if outer is None:
        return [kernel]
    partials = _partials(split, inside)
    return [_partial_sums(split, inside, partials), _total(split, inside, partials, outer)]


def _partial_loops(reductions: Sequence[Loop], wanted: int) -> dict[Variable, int]:
    """The loops that partial sums stand side by side along, and how many along each: at least `wanted` together, as few
    as divide the loops, and fewer than all terms. Empty where there are none."""
    factors = [[k for k in range(1, loop.extent + 1) if loop.extent % k == 0] for loop in reductions]
    trips = prod(loop.extent for loop in reductions)
    found = [chosen for chosen in itertools.product(*factors) if wanted <= prod(chosen) < trips]
    if not found:
        return {}
    best = min(found, key=lambda chosen: (prod(chosen), sum(factor > 1 for factor in chosen)))
    return {loop.variable: factor for loop, factor in zip(reductions, best, strict=True) if factor > 1}


def _used_outside(kernel: Kernel) -> set[str]:
    """The values that initial values and later stages use, without those that the reduction carries."""
    carried = kernel.stages[0].carried
    needed = {each.init for each in carried}
    for later in kernel.stages[1:]:
        needed |= {store.value for store in later.stores}
        needed |= {name for statement in later.statements for name in operand_names(statement)}
    return needed - {name for each in carried for name in (each.name, each.next)}


def outer_statements(kernel: Kernel, wanted: set[str]) -> tuple[Statement, ...] | None:
    """The statements of stage 0 that these of its values need; None if one of them changes within the reduction."""
    stage = kernel.stages[0]
    changing = {name for c in stage.carried for name in (c.name, c.next)}
    changing |= {loop.variable.name for loop in kernel.reduction_loops(0)}
    if wanted & changing:
        return None
    chosen: list[Statement] = []
    for statement in reversed(stage.statements):
        if statement.result in wanted:
            if operand_names(statement) & changing:
                return None
            wanted = wanted | operand_names(statement)
            chosen.append(statement)
    return tuple(reversed(chosen))


def _partials(kernel: Kernel, within: Sequence[Variable]) -> list[Buffer]:
    """A buffer for the partial sums of each carried value."""
    shape = (*(loop.extent for loop in kernel.independent_loops()), *(v.extent for v in within))
    return [
        Buffer(f"{kernel.name}_partial{number or ''}", shape, carried.type, RAM, None, kernel.source)
        for number, carried in enumerate(kernel.stages[0].carried)
    ]


def _places(kernel: Kernel, within: Sequence[Variable]) -> tuple[Index, ...]:
    """The indices of a partial sum in its buffer."""
    return tuple(variable(v) for v in (*(loop.variable for loop in kernel.independent_loops()), *within))


def _partial_sums(kernel: Kernel, within: Sequence[Variable], partials: list[Buffer]) -> Kernel:
    """The kernel of partial sums: over every loop but those `within`, starting at zero, each stored in its buffer."""
    stage = kernel.stages[0]
    zeros, carried, stores = [], [], []
    for buffer, value in zip(partials, stage.carried, strict=True):
        bits = _operation_of(stage, value).identity_bits(value.type)
        assert bits is not None
        zero = Constant(f"{value.name}_zero", value.type, bits)
        zeros.append(zero)
        carried.append(replace(value, init=zero.result))
        stores.append(Store(buffer, _places(kernel, within), value.next, (), kernel.source))
    loops = tuple(replace(item, reduced_by=None) if item.variable in within else item for item in kernel.loops)
    sums = Stage(tuple(carried), (*zeros, *stage.statements), stage.stores)
    made = replace(kernel, name=f"{kernel.name}_partial", loops=loops, stages=(sums, Stage((), (), tuple(stores))))
    return without_dead_values(made)


def _operation_of(stage: Stage, carried: Carried) -> OperationKind:
    """The operation that makes a carried value."""
    step = next(statement for statement in stage.statements if statement.result == carried.next)
    assert isinstance(step, Operation)
    return operation_kind(step.name)


def _total(kernel: Kernel, within: Sequence[Variable], partials: list[Buffer], outer: tuple[Statement, ...]) -> Kernel:
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
    loops = (*kernel.parallel_loops(), *(Loop(v, 0) for v in within))
    stages = (Stage(tuple(carried), tuple(statements)), *later)
    return Kernel(kernel.name, loops, stages, (), kernel.source)
