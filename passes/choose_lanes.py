"""choose-lanes: which loops of each nest run in parallel, so that N² multiply-accumulate lanes are busy every cycle.

Before:  matmul0: for i < 64, j < 48 { for k < 64 … }        at --partition 4
After:   matmul0: for io < 4, j < 48 { for k < 64 { 16 arms … } }

needs: affine programs.
leaves: nests with their parallel arms written out, loads that several arms need made once.
refuses: nothing.
why: lanes only help if their operands arrive in the same cycle. Every choice of loops with a product of at most N²
    lanes is priced: cycles (with the part that sticks out, and the II that memory conflicts or a short reduction force)
    plus area in LUTs (`lane_costs` says what counts), exchanged as `time_and_area` says. A buffer has the banks that
    all nests need that use it, so a nest's choice changes the price of others: nests are chosen one after the other,
    the largest first; then each again, given all others, until nothing changes any more, and so are pairs of
    multiply-accumulate nests that share a buffer. Ties go to the first in the order of enumeration, so the result is
    deterministic.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from torch2hw.analysis.bank_assignment import merged, merged_factors
from torch2hw.analysis.banks import run_time_dimensions
from torch2hw.analysis.lane_costs import Lanes, memory
from torch2hw.analysis.reduction_order import recurrence_latency
from torch2hw.analysis.time_and_area import luts_of_all_time
from torch2hw.dialects.loops import Buffer, Nest
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Variable
from torch2hw.passes.unroll_lanes import reducible, unroll

Partition = dict[Buffer, tuple[int, ...]]


@dataclass(frozen=True)
class ChooseLanes:
    """How much is tried. `priced_choices` for each number of lanes, but no more than `priced_arms` arms in all (pricing
    a choice means writing its arms out), and no fewer than `min_choices`. `paired_choices`: the cheapest of one nest,
    each with the best of all of another. `max_rounds` over all nests."""

    name: str = "choose-lanes"
    source: str = "affine"
    target: str = "affine"
    priced_choices: int = 24
    min_choices: int = 4
    priced_arms: int = 3072
    paired_choices: int = 6
    max_rounds: int = 8

    def priced(self, lanes: int) -> int:
        """Choices that are priced for a number of lanes."""
        return min(self.priced_choices, max(self.min_choices, self.priced_arms // lanes))

    def run(self, program: Program, context: Any) -> tuple[Program, dict[str, Any]]:
        partition = int(context.options.partition)
        if partition == 1:
            return program, {}
        search = LaneSearch(self, program, partition * partition, context.library)
        chosen = search.best()
        factors = search.partition(range(len(chosen)), chosen)
        report: dict[str, Any] = {}
        joined: list[str] = []  # nests whose lanes are added in a tree
        for nest, lanes in zip(program.nests, chosen, strict=True):
            report[nest.name] = f"{lanes.text}: about {lanes.cost(factors)[0]} cycles"
            trips = [prod(loop.extent for loop in each.reduction_loops(0)) for each in (nest, lanes.nest)]
            if trips[1] < trips[0]:
                joined.append(nest.name)
        if joined:
            report["rounding"] = joined
        return program.with_nests([lanes.nest for lanes in chosen]), report


class LaneSearch:
    """A choice of lanes for every nest of a program, at most `limit` each."""

    def __init__(self, effort: ChooseLanes, program: Program, limit: int, library: Any) -> None:
        self.effort = effort
        self.nests, self.limit = program.nests, limit
        self.whole = run_time_dimensions(program.nests)
        work = sum(nest.macs for nest in self.nests) or sum(nest.trip_count for nest in self.nests)
        self.price = max(work / limit, 1.0) / luts_of_all_time(limit)  # cycles that one LUT is worth
        self.order = sorted(range(len(self.nests)), key=lambda number: -self.nests[number].trip_count)
        self.widest = next((number for number in self.order if self.nests[number].macs), None)
        self.choices = [self.written_out(nest, library) for nest in self.nests]
        self.needs: dict[Lanes, Partition] = {}
        self.users: dict[Buffer, list[int]] = {}
        for number, choices in enumerate(self.choices):
            for buffer in choices[0].buffers:
                self.users.setdefault(buffer, []).append(number)
        self.neighbours = [
            sorted({other for buffer in choices[0].buffers for other in self.users[buffer]} - {number})
            for number, choices in enumerate(self.choices)
        ]

    def written_out(self, nest: Nest, library: Any) -> list[Lanes]:
        found = []
        for choice in candidates(nest, self.limit, self.effort.priced(self.limit)):
            unrolled = unroll(nest, choice)
            text = ", ".join(f"{v.name} ×{count}" for v, count in choice.items() if count > 1) or "one lane"
            found.append(Lanes(unrolled, text, recurrence_latency(unrolled, library), library))
        return found

    def best(self) -> list[Lanes]:
        """The largest nest first, then each given the others."""
        chosen: list[Lanes | None] = [None] * len(self.nests)
        for number in self.order:
            chosen[number] = self.response(number, chosen)[1]
        for _ in range(self.effort.max_rounds):
            before = list(chosen)
            for number in self.order:
                chosen[number] = self.response(number, chosen)[1]
            for number in self.order:
                if self.nests[number].macs:
                    self.pair_up(number, chosen)
            if chosen == before:
                break
        return [lanes for lanes in chosen if lanes is not None]

    def response(self, number: int, chosen: Sequence[Lanes | None]) -> tuple[float, Lanes]:
        """The cheapest choice for one nest, given those for others, and what it costs."""
        trial = [None if other == number else lanes for other, lanes in enumerate(chosen)]
        given = self.partition([number, *self.neighbours[number]], trial)
        others = [lanes for lanes in (chosen[other] for other in self.neighbours[number]) if lanes is not None]
        least = sum(self.least(lanes) for lanes in others)
        best: tuple[float, Lanes] | None = None
        for lanes in self.choices[number]:
            if best is not None and least + self.least(lanes) >= best[0]:
                continue
            trial[number] = lanes
            needs = self.needs_of(lanes)
            factors = given | {buffer: merged(given[buffer], need, self.limit) for buffer, need in needs.items()}
            cost = self.cost((number,), trial, factors)
            if best is None or cost < best[0]:
                best = cost, lanes
        assert best is not None
        return best

    def least(self, lanes: Lanes) -> float:
        """What one nest's part of a cost is not below."""
        cycles, luts = lanes.least
        return cycles + self.price * luts

    def pair_up(self, number: int, chosen: list[Lanes | None]) -> None:
        """Another choice for a nest and for one of its neighbours at once, if the two are cheaper together."""
        alone: list[Lanes | None] = [None] * len(chosen)

        def by_itself(lanes: Lanes) -> float:
            return self.cost((number,), [*alone[:number], lanes, *alone[number + 1 :]])

        few = sorted(self.choices[number], key=by_itself)[: self.effort.paired_choices]
        for other in self.neighbours[number]:
            if not self.nests[other].macs:
                continue
            best = self.cost((number, other), chosen)
            for lanes in few:
                trial = list(chosen)
                trial[number] = lanes
                trial[other] = self.response(other, trial)[1]
                cost = self.cost((number, other), trial)
                if cost < best - 1e-6:
                    best = cost
                    chosen[number], chosen[other] = lanes, trial[other]

    def cost(self, numbers: Collection[int], chosen: Sequence[Lanes | None], factors: Partition | None = None) -> float:
        """All that depends on the choices for `numbers`: cycles and LUTs of these nests and of those that share a
        buffer with them, and the memories of these buffers."""
        concerned = sorted({*numbers, *(other for number in numbers for other in self.neighbours[number])})
        factors = factors or self.partition(concerned, chosen)
        total = 0.0
        for lanes in (chosen[number] for number in concerned):
            if lanes is not None:
                cycles, luts = lanes.cost(factors)
                total += cycles + self.price * luts
        own = dict.fromkeys(buffer for number in numbers for buffer in self.choices[number][0].buffers)
        luts = sum(memory(buffer, factors[buffer]) for buffer in own)
        if self.widest is not None and (widest := chosen[self.widest]) is not None:
            affected = range(len(chosen)) if self.widest in numbers else numbers
            luts += sum(lanes.rewiring(widest.nest) for lanes in (chosen[n] for n in affected) if lanes is not None)
        return total + self.price * luts

    def partition(self, numbers: Iterable[int], chosen: Sequence[Lanes | None]) -> Partition:
        """The banks of the buffers that these nests use, as all nests that have been chosen need them."""
        result: Partition = {}
        for buffer in dict.fromkeys(buffer for number in numbers for buffer in self.choices[number][0].buffers):
            factors = (1,) * len(buffer.shape)
            for user in self.users[buffer]:
                lanes = chosen[user]
                if lanes is not None:  # some do not read it: their lanes are all in the padding
                    factors = merged(factors, self.needs_of(lanes).get(buffer, factors), self.limit)
            result[buffer] = factors
        return result

    def needs_of(self, lanes: Lanes) -> Partition:
        if lanes not in self.needs:
            self.needs[lanes] = merged_factors(lanes.nest, {}, self.limit, self.whole)
        return self.needs[lanes]


def candidates(nest: Nest, lanes: int, priced: int) -> list[dict[Variable, int]]:
    """At most `priced` choices: of every number of lanes those that take the fewest iterations, most of the largest.

    Where very many are equal, some evenly spread over them.
    """
    ranked: dict[int, list[tuple[int, int, dict[Variable, int]]]] = {}
    for number, choice in enumerate(all_choices(nest, lanes)):
        iterations = prod(-(-loop.extent // choice.get(loop.variable, 1)) for loop in nest.loops)
        ranked.setdefault(prod(choice.values()), []).append((iterations, number, choice))
    chosen: list[dict[Variable, int]] = []
    for count, group in sorted(ranked.items()):
        group.sort(key=lambda entry: entry[:2])
        most = priced if 2 * count >= lanes else max(1, priced // 4)
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
        if loop.in_rounds:
            continue
        if loop.reduced_by is None:
            options.append((loop.variable, sorted({min(d, loop.extent) for d in divisors})))
        elif loop.reduced_by == 0 and joinable:
            options.append(
                (loop.variable, sorted({d for d in (*divisors, loop.extent) if loop.extent % d == 0 and d <= lanes}))
            )
    for choice in itertools.product(*(counts for _, counts in options)):
        if prod(choice) <= lanes:
            yield {v: count for (v, _), count in zip(options, choice, strict=True)}
