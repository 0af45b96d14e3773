"""choose-lanes: which loops of each nest run in parallel, so that N² multiply-accumulate lanes are busy every cycle.

Before:  matmul0: for i < 64, j < 48 { for k < 64 … }        at --partition 4
After:   matmul0: for io < 4, j < 48 { for k < 64 { 16 arms … } }

needs: affine programs.
leaves: nests with their parallel arms written out, loads that several arms need made once.
refuses: nothing.
why: lanes only help if their operands arrive in the same cycle. Every choice of loops with a product of at most N²
    lanes is priced: cycles (with the part that sticks out, and the II that memory conflicts or a short reduction force)
    plus area in LUTs × the design's cycles per LUT × 1/4, so that four per cent of area are worth one per cent of time.
    Area counts units other than the lanes' own, banks that must be made, read multiplexers where a bank is no
    compile-time constant, copies of constants, and lanes joined in another way than in the largest nest, whose units
    are shared. The cheapest choice wins; ties go to the first in the order of enumeration, so it is deterministic.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import lcm, prod
from typing import Any

from torch2hw.dialects.loops import DTYPE_BITS, Buffer, Constant, Load, Nest, Operation, Program, Stage
from torch2hw.dialects.quasi_affine import Variable
from torch2hw.passes.bank_analysis import (
    accesses_of,
    conflicts,
    possible_banks,
    run_time_dimensions,
    wanted_factors,
)
from torch2hw.passes.interleave_reductions import interleave, recurrence_latency
from torch2hw.passes.unroll_lanes import reducible, unroll

UNIT_LUTS = {
    "arith.addf": 410,
    "arith.subf": 410,
    "arith.mulf": 160,
    "arith.divf": 900,
    "math.exp": 450,
    "arith.cmpf": 50,
    "arith.maximumf": 60,
    "arith.minimumf": 60,
    "math.sqrt": 700,
    "math.tanh": 600,
    "math.erf": 600,
    "math.atan": 600,
    "math.log": 600,
    "math.expm1": 700,
    "math.log1p": 1100,
    "math.sin": 1300,
    "math.cos": 1300,
    "arith.divsi": 8200,
    "arith.remsi": 8200,
    "arith.remf": 12000,
}
LANE_OPERATIONS = ("arith.addf", "arith.mulf")
BANK_LUTS = 40
REWIRING_LUTS = 64  # two operands of an adder from another place than in the other nest
PRICED_CHOICES = 24
AREA_WEIGHT = 0.25  # time counts more: the lanes are there to be used
DEPTH_ESTIMATE_CYCLES = 14


@dataclass(frozen=True)
class ChooseLanes:
    name: str = "choose-lanes"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: Any) -> tuple[Program, dict[str, Any]]:
        partition = int(context.options.partition)
        if partition == 1:
            return program, {}
        lanes = partition * partition
        work = sum(nest.macs for nest in program.nests) or sum(nest.trip_count for nest in program.nests)
        price = max(work / lanes, 1.0) / (560.0 * lanes + 1000.0) * AREA_WEIGHT  # cycles that one LUT is worth
        factors: dict[Buffer, tuple[int, ...]] = {}
        whole = run_time_dimensions(program.nests)
        chosen: dict[str, Nest] = {}
        report: dict[str, Any] = {}
        joined: list[str] = []  # nests whose lanes are added in a tree
        widest: Nest | None = None  # the largest multiply-accumulate nest, as chosen
        for nest in sorted(program.nests, key=lambda nest: -nest.trip_count):
            best: tuple[float, str, Nest, dict[Buffer, tuple[int, ...]]] | None = None
            for choice in candidates(nest, lanes):
                unrolled = unroll(nest, choice)
                needed = merged_factors(unrolled, factors, lanes, whole)
                cycles = estimate_cycles(unrolled, needed, recurrence_latency(unrolled, context.library))
                cost = cycles + price * (area(unrolled, needed, factors) + rewiring(unrolled, widest))
                if best is None or cost < best[0]:
                    text = ", ".join(f"{v.name} ×{count}" for v, count in choice.items() if count > 1) or "one lane"
                    best = cost, f"{text}: about {cycles} cycles", unrolled, needed
            assert best is not None
            report[nest.name] = best[1]
            chosen[nest.name] = best[2]
            trips = [prod(loop.extent for loop in each.reduction_loops(0)) for each in (nest, best[2])]
            if trips[1] < trips[0]:
                joined.append(nest.name)
            factors |= best[3]
            if nest.macs and widest is None:
                widest = best[2]
        if joined:
            report["rounding"] = joined
        return program.with_nests([chosen[nest.name] for nest in program.nests]), report


def candidates(nest: Nest, lanes: int) -> list[dict[Variable, int]]:
    """Choices worth pricing: of every number of lanes those that take the fewest iterations, most of the largest.

    Where very many are equal, some evenly spread over them: pricing one means writing its arms out.
    """
    ranked: dict[int, list[tuple[int, int, dict[Variable, int]]]] = {}
    for number, choice in enumerate(all_choices(nest, lanes)):
        iterations = prod(-(-loop.extent // choice.get(loop.variable, 1)) for loop in nest.loops)
        ranked.setdefault(prod(choice.values()), []).append((iterations, number, choice))
    chosen: list[dict[Variable, int]] = []
    for count, group in sorted(ranked.items()):
        group.sort(key=lambda entry: entry[:2])
        most = PRICED_CHOICES if 2 * count >= lanes else PRICED_CHOICES // 4
        fewest = [entry for entry in group if entry[0] <= group[0][0] * 1.1]
        best = fewest if len(fewest) > most else group[:most]
        chosen += [best[k * len(best) // min(most, len(best))][2] for k in range(min(most, len(best)))]
    return chosen


def all_choices(nest: Nest, lanes: int) -> Iterator[dict[Variable, int]]:
    """Lanes for each loop, with a product of at most `lanes`."""
    divisors = [d for d in range(1, lanes + 1) if lanes % d == 0]
    options: list[tuple[Variable, list[int]]] = []
    joinable = reducible(nest)
    for loop in nest.loops:
        if loop.reduced_by is None:
            options.append((loop.variable, sorted({min(d, loop.extent) for d in divisors})))
        elif loop.reduced_by == 0 and joinable:
            options.append(
                (loop.variable, sorted({d for d in (*divisors, loop.extent) if loop.extent % d == 0 and d <= lanes}))
            )
    for choice in itertools.product(*(counts for _, counts in options)):
        if prod(choice) <= lanes:
            yield {v: count for (v, _), count in zip(options, choice, strict=True)}


def merged_factors(
    nest: Nest, factors: Mapping[Buffer, tuple[int, ...]], limit: int, whole: Mapping[Buffer, frozenset[int]]
) -> dict[Buffer, tuple[int, ...]]:
    """The partition of each buffer that `nest` accesses, once its needs are added to those of nests before.

    The dimensions in `whole` are not partitioned.
    """
    result = {}
    for access in accesses_of(nest):
        rank = len(access.buffer.shape)
        old = factors.get(access.buffer, (1,) * rank)
        new = [1] * rank
        for group in (access.reads, access.writes):
            if len(group) > 1:
                new = [lcm(a, b) for a, b in zip(new, wanted_factors(group, rank, 4 * limit), strict=True)]
        both = tuple(
            min(lcm(a, b), max(a, b) if lcm(a, b) > 4 * limit else lcm(a, b)) for a, b in zip(old, new, strict=True)
        )
        kept = whole.get(access.buffer, frozenset())
        result[access.buffer] = tuple(1 if d in kept else factor for d, factor in enumerate(both))
    return result


def estimate_cycles(nest: Nest, factors: Mapping[Buffer, tuple[int, ...]], latency: int) -> int:
    interval = 1
    for access in accesses_of(nest):
        banks = factors[access.buffer]
        interval = max(interval, conflicts(access.reads, banks), conflicts(access.writes, banks))
    trips = nest.trip_count
    outputs = prod(loop.extent for loop in nest.parallel_loops())
    if nest.stages[0].carried and outputs * interval < latency:
        waiting = trips * -(-latency // outputs)
        split = trips * interval + -(-latency // outputs) * outputs * latency + 2 * DEPTH_ESTIMATE_CYCLES
        return min(waiting, split) + DEPTH_ESTIMATE_CYCLES
    if nest.stages[0].carried:
        loops_only = replace(nest, stages=tuple(Stage(stage.carried) for stage in nest.stages), domain=())
        trips = interleave(loops_only, latency).trip_count  # with what it pads to fill the operator's latency
    return trips * interval + DEPTH_ESTIMATE_CYCLES


def rewiring(nest: Nest, widest: Nest | None) -> float:
    """LUTs of multiplexers in front of shared adders, where the lanes are not joined as in the largest nest."""
    if widest is None or not nest.macs or len(nest.stages[0].carried) == len(widest.stages[0].carried):
        return 0.0
    return REWIRING_LUTS * nest.lanes


def area(nest: Nest, factors: Mapping[Buffer, tuple[int, ...]], before: Mapping[Buffer, tuple[int, ...]]) -> float:
    """LUTs beyond the lanes that the design has anyway."""
    total = 0.0
    constants = {s.result for s in nest.statements() if isinstance(s, Constant)}
    for statement in nest.statements():
        if isinstance(statement, Operation) and statement.name == "arith.cmpf" and set(statement.operands) & constants:
            total += 4
        elif isinstance(statement, Operation) and statement.name not in LANE_OPERATIONS:
            total += UNIT_LUTS.get(statement.name, 32)
        elif isinstance(statement, Load):
            width = DTYPE_BITS[statement.type]
            if statement.buffer.kind == "constant":
                words = prod(v.extent for v in set().union(*(index.variables() for index in statement.indices)))
                total += 20 + words * width / 18432 * 10
            else:
                banks = factors[statement.buffer]
                choices = prod(len(possible_banks(i, f)) for i, f in zip(statement.indices, banks, strict=True))
                total += (choices - 1) * width * 0.5
    for buffer, banks in factors.items():
        total += BANK_LUTS * (prod(banks) - prod(before.get(buffer, (1,))))
    extra = sum(isinstance(s, Operation) and s.name == "arith.addf" for s in nest.statements()) - nest.lanes
    return total + max(0, extra) * UNIT_LUTS["arith.addf"]
