"""choose-lanes: chooses which loops of each kernel run in parallel, so that N² multiply-accumulate lanes are busy in
every cycle.

Before:  matmul0: for i < 64, j < 48 { for k < 64 … }        at --partition 4
After:   matmul0: for io < 4, j < 48 { for k < 64 { 16 arms … } }

needs: affine programs.
leaves: kernels with their parallel arms written out. A load that several arms need is made once.
refuses: nothing.
why: lanes only help if their operands arrive in the same cycle. Every choice of loops with at most N² lanes is priced.
    Its price is the cycles (with padding, and with the II that memory conflicts or a short reduction force) plus the
    area in LUTs (`lane_costs`), weighed as in `time_and_area`. A buffer has the banks that all its kernels need, so the
    choice for one kernel changes the prices for others. Kernels are therefore chosen one by one, the largest first;
    then each is chosen again, given all others, and so are pairs of multiply-accumulate kernels that share a buffer,
    until nothing changes. Lanes that are joined unlike those of the largest kernel need multiplexers in front of the
    shared adders, once for all kernels that are joined in the same way: where these would save more together than the
    multiplexers are worth, all is chosen again with such multiplexers for nothing, and the cheaper result wins. Of
    equal prices the first in the order of enumeration wins: the result is deterministic.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from torch2hw.analysis.bank_assignment import merged, merged_factors
from torch2hw.analysis.banks import run_time_dimensions
from torch2hw.analysis.lane_costs import REWIRING_LUTS, Lanes, memory
from torch2hw.analysis.reduction_order import recurrence_latency
from torch2hw.analysis.time_and_area import luts_of_all_time
from torch2hw.dialects.loops import Buffer, Kernel
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Variable
from torch2hw.hwlib import Library
from torch2hw.passes.block_sums import blocked, models_of
from torch2hw.passes.pass_context import PassContext
from torch2hw.passes.unroll_lanes import reducible, unroll

Partition = dict[Buffer, tuple[int, ...]]


@dataclass(frozen=True)
class ChooseLanes:
    """The effort of the search. For each number of lanes, `priced_choices` are priced, but no more than `priced_arms`
    arms in all (pricing writes the arms out) and no fewer than `min_choices`. In pairs, the `paired_choices` cheapest
    of one kernel are combined with the best of all of the other. `max_rounds`: over all kernels."""

    name: str = "choose-lanes"
    source: str = "affine"
    target: str = "affine"
    priced_choices: int = 24
    min_choices: int = 4
    priced_arms: int = 3072
    paired_choices: int = 6
    max_rounds: int = 8

    def priced(self, lanes: int) -> int:
        """The number of choices that are priced for a number of lanes."""
        return min(self.priced_choices, max(self.min_choices, self.priced_arms // lanes))

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: loops written out and estimated cycles by kernel; reductions split over lanes as a change of
        rounding.
        """
        partition = int(context.options.partition)
        if partition == 1:
            return program, {}
        block = context.options.sums == "block"
        search = LaneSearch(self, program, partition * partition, context.library, block)
        chosen = search.best()
        factors = search.partition(range(len(chosen)), chosen)
        report: dict[str, Any] = {}
        joined: list[str] = []  # kernels whose lanes are added in a tree
        for kernel, lanes in zip(program.kernels, chosen, strict=True):
            report[kernel.name] = f"{lanes.text}: about {lanes.cost(factors)[0]} cycles"
            trips = [
                prod(loop.extent for loop in each.loops if loop.reduced_by in (0, 1)) for each in (kernel, lanes.kernel)
            ]
            if trips[1] < trips[0]:
                joined.append(kernel.name)
        if joined:
            report["rounding"] = joined
        models = {name: text for lanes in chosen for name, text in models_of(lanes.kernel, context.library).items()}
        return program.with_kernels([lanes.kernel for lanes in chosen]).with_models(models.values()), report


class LaneSearch:
    """A choice of lanes for every kernel of a program, at most `limit` each; `block`, with dot products where lanes are
    joined (`block_sums`)."""

    def __init__(
        self, effort: ChooseLanes, program: Program, limit: int, library: Library, block: bool = False
    ) -> None:
        self.effort, self.block = effort, block
        self.kernels, self.limit = program.kernels, limit
        self.whole = run_time_dimensions(program.kernels)
        work = sum(kernel.macs for kernel in self.kernels) or sum(kernel.trip_count for kernel in self.kernels)
        self.price = max(work / limit, 1.0) / luts_of_all_time(limit)  # cycles that one LUT is worth
        self.order = sorted(range(len(self.kernels)), key=lambda number: -self.kernels[number].trip_count)
        self.widest = next((number for number in self.order if self.kernels[number].macs), None)
        self.choices = [self.written_out(kernel, library) for kernel in self.kernels]
        self.granted: int | None = None  # a number of sums for which kernels are not charged with multiplexers
        self.needs: dict[Lanes, Partition] = {}
        self.users: dict[Buffer, list[int]] = {}
        for number, choices in enumerate(self.choices):
            for buffer in choices[0].buffers:
                self.users.setdefault(buffer, []).append(number)
        self.neighbours = [
            sorted({other for buffer in choices[0].buffers for other in self.users[buffer]} - {number})
            for number, choices in enumerate(self.choices)
        ]

    def written_out(self, kernel: Kernel, library: Library) -> list[Lanes]:
        """The kernel with each of the choices that are worth pricing, its lanes written out."""
        found = []
        adders = self.limit if self.widest is not None and not kernel.macs else 0
        for choice in candidates(kernel, self.limit, self.effort.priced(self.limit)):
            unrolled = unroll(kernel, choice)
            if self.block:
                unrolled = blocked(unrolled, library)
            text = ", ".join(f"{v.name} ×{count}" for v, count in choice.items() if count > 1) or "one lane"
            found.append(Lanes(unrolled, text, recurrence_latency(unrolled, library), library, adders))
        return found

    def best(self) -> list[Lanes]:
        """The choices: the largest kernel first, then each kernel again, given the others."""
        chosen = self.settled(None)
        for sums in self.other_joints(chosen):
            trial = self.settled(sums)
            self.settle(trial)
            if self.cost(range(len(trial)), trial) < self.cost(range(len(trial)), chosen) - 1e-6:
                chosen = trial
        return [lanes for lanes in chosen if lanes is not None]

    def settled(self, granted: int | None) -> list[Lanes | None]:
        """The choices, if multiplexers for so many sums cost nothing."""
        self.granted = granted
        chosen: list[Lanes | None] = [None] * len(self.kernels)
        for number in self.order:
            chosen[number] = self.response(number, chosen)[1]
        self.settle(chosen)
        self.granted = None
        return chosen

    def other_joints(self, chosen: Sequence[Lanes | None]) -> list[int]:
        """Numbers of sums that no kernel's lanes add to now, and that would save more cycles, in all kernels together,
        than the multiplexers are worth."""
        used = {lanes.sums for lanes in chosen if lanes is not None}
        saved: dict[int, int] = {}
        for lanes, choices in zip(chosen, self.choices, strict=True):
            fewest: dict[int, int] = {}
            for other in choices if lanes is not None and lanes.sums else ():
                trips = other.kernel.trip_count
                fewest[other.sums] = min(fewest.get(other.sums, trips), trips)
            for sums, trips in fewest.items():
                assert lanes is not None
                saved[sums] = saved.get(sums, 0) + max(0, lanes.kernel.trip_count - trips)
        least = self.price * REWIRING_LUTS * self.limit
        return sorted(sums for sums, cycles in saved.items() if sums not in used and cycles > least)

    def settle(self, chosen: list[Lanes | None]) -> None:
        """Changes the choices until each is the best, given the others."""
        for _ in range(self.effort.max_rounds):
            before = list(chosen)
            for number in self.order:
                chosen[number] = self.response(number, chosen)[1]
            for number in self.order:
                if self.kernels[number].macs:
                    self.pair_up(number, chosen)
            if chosen == before:
                break

    def response(self, number: int, chosen: Sequence[Lanes | None]) -> tuple[float, Lanes]:
        """The cheapest choice for one kernel, given those for the others, and its cost."""
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
        """A lower bound of one kernel's part of a cost."""
        cycles, luts = lanes.least
        return cycles + self.price * luts

    def pair_up(self, number: int, chosen: list[Lanes | None]) -> None:
        """Changes the choices for a kernel and one of its neighbours together, if the two are then cheaper."""
        alone: list[Lanes | None] = [None] * len(chosen)

        def by_itself(lanes: Lanes) -> float:
            return self.cost((number,), [*alone[:number], lanes, *alone[number + 1 :]])

        few = sorted(self.choices[number], key=by_itself)[: self.effort.paired_choices]
        for other in self.neighbours[number]:
            if not self.kernels[other].macs:
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
        """All costs that depend on the choices for `numbers`: cycles and LUTs of these kernels and of those that share
        a buffer with them, and the memories of these buffers."""
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
            luts += sum(lanes.extra_dots(widest.kernel) for lanes in (chosen[n] for n in affected) if lanes is not None)
            luts += self.rewiring(affected, chosen, widest.kernel)
        return total + self.price * luts

    def rewiring(self, numbers: Collection[int], chosen: Sequence[Lanes | None], widest: Kernel) -> float:
        """LUTs of multiplexers that only these kernels need, one for each number of sums."""
        needed: dict[int, float] = {}
        for lanes in (chosen[number] for number in numbers):
            if lanes is not None and lanes.sums != self.granted and (luts := lanes.rewiring(widest)):
                needed[lanes.sums] = max(needed.get(lanes.sums, 0.0), luts)
        if needed:
            there = {lanes.sums for number, lanes in enumerate(chosen) if lanes is not None and number not in numbers}
            return sum(luts for sums, luts in needed.items() if sums not in there)
        return 0.0

    def partition(self, numbers: Iterable[int], chosen: Sequence[Lanes | None]) -> Partition:
        """The banks of the buffers that these kernels use, as all kernels chosen so far need them."""
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
        """The bank factors that a choice needs by itself; computed once."""
        if lanes not in self.needs:
            self.needs[lanes] = merged_factors(lanes.kernel, {}, self.limit, self.whole)
        return self.needs[lanes]


def candidates(kernel: Kernel, lanes: int, priced: int) -> list[dict[Variable, int]]:
    """At most `priced` choices. Of each number of lanes, those with the fewest iterations, and most of them for the
    largest number. If very many are equal, some that are evenly spread over them."""
    ranked: dict[int, list[tuple[int, int, dict[Variable, int]]]] = {}
    for number, choice in enumerate(all_choices(kernel, lanes)):
        iterations = prod(-(-loop.extent // choice.get(loop.variable, 1)) for loop in kernel.loops)
        ranked.setdefault(prod(choice.values()), []).append((iterations, number, choice))
    chosen: list[dict[Variable, int]] = []
    for count, group in sorted(ranked.items()):
        group.sort(key=lambda entry: entry[:2])
        most = priced if 2 * count >= lanes else max(1, priced // 4)
        fewest = [entry for entry in group if entry[0] <= group[0][0] * 1.1]
        best = fewest if len(fewest) > most else group[:most]
        chosen += [best[k * len(best) // min(most, len(best))][2] for k in range(min(most, len(best)))]
    return chosen


def all_choices(kernel: Kernel, lanes: int) -> Iterator[dict[Variable, int]]:
    """All choices of lanes for the loops, with a product of at most `lanes`."""
    divisors = [d for d in range(1, lanes + 1) if lanes % d == 0]
    options: list[tuple[Variable, list[int]]] = []
    joinable = [reducible(kernel, number) for number in range(min(2, len(kernel.stages)))]
    for loop in kernel.loops:
        if loop.in_rounds:
            continue
        if loop.reduced_by is None:
            options.append((loop.variable, sorted({min(d, loop.extent) for d in divisors})))
        elif loop.reduced_by < len(joinable) and joinable[loop.reduced_by]:
            options.append(
                (loop.variable, sorted({d for d in (*divisors, loop.extent) if loop.extent % d == 0 and d <= lanes}))
            )
    for choice in itertools.product(*(counts for _, counts in options)):
        if prod(choice) <= lanes:
            yield {v: count for (v, _), count in zip(options, choice, strict=True)}
