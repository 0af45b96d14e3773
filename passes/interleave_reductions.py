"""interleave-reductions: independent outputs fill a reduction operator's latency; an iteration starts every cycle.

Before:  for i, j { for k { acc[i, j] += … } }
After:   for i, jo { for k { for ji < T { acc[i, jo·T + ji] += … } } }        T·II ≥ latency of the addition

needs: affine programs; the hardware library (latency of each operation).
leaves: in each nest the loops in execution order: outer parallel, reductions (last stage outermost), inner parallel.
    Where a nest has too few independent outputs, the reduction is split into partial sums that a nest of their own adds
    up; that changes the order of summation (declared). Where not even that pays, the schedule gets a larger II.
refuses: nothing.
why: the value that an iteration adds to is ready T·II cycles after it was last used; with T·II equal to the adder's
    latency the accumulator is the adder's own pipeline, and needs no other register. The order of each sum is kept.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from torch2hw.dialects.loops import (
    DTYPE_BITS,
    Buffer,
    Carried,
    Constant,
    Load,
    Loop,
    Nest,
    Operation,
    Program,
    Stage,
    Store,
    substitute_statement,
    substitute_store,
)
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.lowering.affine_to_scf import latency_of

PADDING_WEIGHT = 4000  # a nest that is 1 % longer is worth 40 LUTs


@dataclass(frozen=True)
class InterleaveReductions:
    name: str = "interleave-reductions"
    source: str = "affine"
    target: str = "affine"
    reassociates: bool = True

    def run(self, program: Program, context: Any) -> tuple[Program, dict[str, Any]]:
        nests: list[Nest] = []
        split: list[str] = []
        for nest in program.nests:
            latency = recurrence_latency(nest, context.library)
            if latency <= 1:
                nests.append(order_loops(nest, ()))
                continue
            parts = (
                split_reduction(nest, latency)
                if prod(loop.extent for loop in nest.parallel_loops()) < latency
                else [nest]
            )
            if len(parts) > 1:
                split.append(nest.name)
            nests += [interleave(part, recurrence_latency(part, context.library)) for part in parts]
        return program.with_nests(nests), {"partial sums": split} if split else {}


def recurrence_latency(nest: Nest, library: Any) -> int:
    """Cycles from a value carried by stage 0 to the value that replaces it: the longest over all carried values."""
    stage = nest.stages[0]
    longest = 0
    for carried in stage.carried:
        ready: dict[str, int] = {carried.name: 0}
        for statement in stage.statements:
            if isinstance(statement, Operation):
                depths = [ready[name] for name in statement.operands if name in ready]
                if depths:
                    ready[statement.result] = max(depths) + latency_of(statement, library)
        longest = max([longest, *(ready[other.next] for other in stage.carried if other.next in ready)])
    return longest


def order_loops(nest: Nest, inner: tuple[Variable, ...]) -> Nest:
    """Outer parallel loops, reductions from the last stage's to the first's, then the parallel loops in `inner`."""
    outer = [loop for loop in nest.parallel_loops() if loop.variable not in inner]
    reductions = [loop for number in reversed(range(len(nest.stages))) for loop in nest.reduction_loops(number)]
    last = [loop for v in inner for loop in nest.loops if loop.variable == v]
    return replace(nest, loops=(*outer, *reductions, *last))


def interleave(nest: Nest, latency: int) -> Nest:
    """`nest` with at least `latency` independent outputs inside its reduction, or all of them if there are fewer."""
    loops = nest.parallel_loops()
    total = prod(loop.extent for loop in loops)
    if total <= latency:
        return order_loops(nest, tuple(loop.variable for loop in loops))
    best: tuple[float, tuple[Loop, ...], Loop | None, int] | None = None
    lanes_bits = sum(DTYPE_BITS[carried.type] for carried in nest.stages[0].carried)
    for size in range(len(loops) + 1):
        for whole in itertools.combinations(loops, size):
            filled = prod(loop.extent for loop in whole)
            if filled >= latency:
                best = _better(best, (_cost(filled, latency, lanes_bits, 1.0), whole, None, 1))
                continue
            for loop in loops:
                if loop in whole:
                    continue
                for factor in range(-(-latency // filled), min(loop.extent, 4 * latency) + 1):
                    padded = -(-loop.extent // factor) * factor / loop.extent
                    best = _better(best, (_cost(filled * factor, latency, lanes_bits, padded), whole, loop, factor))
    assert best is not None
    _, whole, split, factor = best
    inner = tuple(item.variable for item in whole)
    if split is None or factor == split.extent:
        return order_loops(nest, inner + ((split.variable,) if split is not None else ()))
    nest, _, within = strip_mine(nest, split.variable, factor)
    return order_loops(nest, (*inner, within))


def _cost(filled: int, latency: int, bits: int, padded: float) -> float:
    """LUTs of shift registers for accumulators beyond the operator's own pipeline, and the price of padding."""
    excess = filled - latency
    return (padded - 1) * PADDING_WEIGHT + (0 if excess == 0 else bits * (0.5 if excess == 1 else -(-excess // 32)))


def _better(old: Any, new: Any) -> Any:
    return new if old is None or new[0] < old[0] else old


def strip_mine(nest: Nest, loop: Variable, factor: int) -> tuple[Nest, Variable, Variable]:
    """`loop` as ceil(extent / factor) × factor iterations; a part that sticks out is cut off by the nest's domain."""
    outer = Variable(f"{loop.name}o", -(-loop.extent // factor))
    within = Variable(f"{loop.name}i", factor)
    value = variable(outer) * factor + variable(within)
    indices: dict[Variable, Index] = {loop: value}
    loops: list[Loop] = []
    for item in nest.loops:
        loops += [Loop(outer, item.reduced_by), Loop(within, item.reduced_by)] if item.variable == loop else [item]
    domain = [index.substitute(indices) for index in nest.domain]
    if loop.extent % factor:
        domain.append(value * -1 + (loop.extent - 1))
    stages = tuple(
        replace(
            stage,
            statements=tuple(substitute_statement(s, indices, {}) for s in stage.statements),
            stores=tuple(substitute_store(s, indices, {}) for s in stage.stores),
        )
        for stage in nest.stages
    )
    return (
        replace(
            nest,
            loops=tuple(loop for loop in loops if loop.extent > 1 or loop.reduced_by is not None),
            domain=tuple(domain),
            stages=stages,
        ),
        outer,
        within,
    )


def split_reduction(nest: Nest, latency: int) -> list[Nest]:
    """`nest` as partial sums and a nest that adds them up, where that is faster than waiting for the operator."""
    stage = nest.stages[0]
    reductions = nest.reduction_loops(0)
    outputs = prod(loop.extent for loop in nest.parallel_loops())
    wanted = -(-latency // outputs)
    trips = prod(loop.extent for loop in reductions)
    if len(stage.carried) != 1 or nest.domain or nest.reduction_loops(1):
        return [nest]
    carried = stage.carried[0]
    step = next((s for s in stage.statements if s.result == carried.next), None)
    if not (isinstance(step, Operation) and step.name == "arith.addf" and carried.name in step.operands):
        return [nest]
    fitting = [
        (factor, loop) for loop in reductions for factor in range(wanted, loop.extent) if loop.extent % factor == 0
    ]
    if (
        not fitting
        or trips * outputs + wanted * outputs * latency + 3 * latency >= trips * -(-latency // outputs) * outputs
    ):
        return [nest]
    factor, loop = min(fitting, key=lambda pair: pair[0])
    nest, _, within = strip_mine(nest, loop.variable, factor)
    stage = nest.stages[0]
    parallel = nest.parallel_loops()
    partial = Buffer(
        f"{nest.name}_partial", (*(p.extent for p in parallel), factor), carried.type, "temporary", None, nest.source
    )
    place = (*(variable(p.variable) for p in parallel), variable(within))
    zero = Constant(f"{carried.name}_zero", carried.type, 0)
    loops = tuple(replace(item, reduced_by=None) if item.variable == within else item for item in nest.loops)
    sums = replace(
        nest,
        name=f"{nest.name}_partial",
        loops=loops,
        stages=(
            Stage(
                (replace(carried, init=zero.result),),
                (zero, *(s for s in stage.statements if s.result != carried.init)),
            ),
            Stage((), (), (Store(partial, place, carried.next, (), nest.source),)),
        ),
    )
    term = Load(f"{carried.name}_term", carried.type, partial, place, source=nest.source)
    total = Operation(
        f"{carried.next}_total",
        carried.type,
        "arith.addf",
        (carried.name, term.result),
        (carried.type, carried.type),
        source=step.source,
    )
    init = tuple(s for s in stage.statements if s.result == carried.init)
    rename = {carried.next: total.result}
    later = tuple(
        replace(
            item,
            statements=tuple(substitute_statement(s, {}, rename) for s in item.statements),
            stores=tuple(substitute_store(s, {}, rename) for s in item.stores),
        )
        for item in nest.stages[1:]
    )
    combine = Nest(
        nest.name,
        (*parallel, Loop(within, 0)),
        (Stage((Carried(carried.name, carried.type, carried.init, total.result),), (*init, term, total)), *later),
        (),
        nest.source,
    )
    return [sums, combine]
