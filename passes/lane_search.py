"""The search of choose-lanes: a choice of lanes for every kernel of a program, priced with all others.

The choices of a kernel are looked at in the order of a lower bound of their price that needs no lanes, as far as the
bound is below the best price: with many lanes, most are never priced.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import prod

from torch2hw.analysis.bank_assignment import merged, within
from torch2hw.analysis.banks import run_time_dimensions
from torch2hw.analysis.kernel_likeness import likeness
from torch2hw.analysis.lane_costs import REWIRING_LUTS, Lanes, memory
from torch2hw.analysis.time_and_area import CODE_LANE_LUTS, LANE_LUTS, OTHER_LUTS, luts_of_all_time
from torch2hw.dialects.loops import Buffer, Kernel, Operation
from torch2hw.dialects.program import Program
from torch2hw.hwlib import Library
from torch2hw.passes.integer_sums import PRODUCT
from torch2hw.passes.lane_choices import Choice, candidates

Partition = dict[Buffer, tuple[int, ...]]


@dataclass(frozen=True)
class Effort:
    """For each number of lanes, `priced_choices` may be priced, but no more than `priced_arms` arms in all and no fewer
    than `min_choices`; from `fine_lanes` on they are of any numbers, not only of divisors, and besides them are the
    `by_accesses` that access the fewest elements. In pairs, the `paired_choices` cheapest of one kernel are combined
    with the best of all of the other. `max_rounds`: over all kernels."""

    priced_choices: int = 24
    min_choices: int = 4
    priced_arms: int = 3072
    fine_lanes: int = 64
    by_accesses: int = 8
    paired_choices: int = 6
    max_rounds: int = 8

    def priced(self, lanes: int) -> int:
        """The number of choices that may be priced for a number of lanes."""
        return min(self.priced_choices, max(self.min_choices, self.priced_arms // lanes))


class LaneSearch:
    """A choice of lanes for every kernel of a program, at most `limit` each; `block`, with dot products where lanes are
    joined (`block_sums`)."""

    def __init__(self, effort: Effort, program: Program, limit: int, library: Library, block: bool = False) -> None:
        self.effort, self.kernels, self.limit, self.block = effort, program.kernels, limit, block
        self.whole = run_time_dimensions(program.kernels)
        work = sum(kernel.macs for kernel in self.kernels) or sum(kernel.trip_count for kernel in self.kernels)
        self.order = sorted(range(len(self.kernels)), key=lambda number: -self.kernels[number].trip_count)
        self.widest = next((number for number in self.order if self.kernels[number].macs), None)
        codes = self.widest is not None and of_codes(self.kernels[self.widest])
        self.least_cycles, self.lane_luts = max(work / limit, 1.0), CODE_LANE_LUTS if codes else LANE_LUTS
        self.price = self.least_cycles / luts_of_all_time(limit, self.lane_luts)  # cycles that one LUT is worth
        self.alike: dict[Hashable, list[Choice]] = {}
        self.choices = [self.choices_of(kernel, library, block) for kernel in self.kernels]
        self.ranked = self.by_floor()
        self.needs: dict[Lanes, Partition] = {}
        self.users: dict[Buffer, list[int]] = {}
        self.buffers = [choices[0].priced.buffers for choices in self.choices]
        for number, buffers in enumerate(self.buffers):
            for buffer in buffers:
                self.users.setdefault(buffer, []).append(number)
        self.neighbours = [
            sorted({other for buffer in buffers for other in self.users[buffer]} - {number})
            for number, buffers in enumerate(self.buffers)
        ]
        self.around = [{number, *near} for number, near in enumerate(self.neighbours)]
        self.reach = [
            sorted({far for near in (number, *around) for far in self.neighbours[near]} - {number})
            for number, around in enumerate(self.neighbours)
        ]
        self.responses: dict[Hashable, Lanes] = {}
        self.by_itself: dict[int, list[Lanes]] = {}  # the cheapest few of a kernel without all others

    def choices_of(self, kernel: Kernel, library: Library, block: bool) -> list[Choice]:
        """The kernel's choices that may be worth pricing."""
        adders = self.limit if self.widest is not None and not kernel.macs else 0
        key = likeness(kernel)
        if key in self.alike:
            return [each.of(kernel) for each in self.alike[key]]
        priced = self.effort.priced(self.limit)
        several = self.effort.by_accesses if self.limit >= self.effort.fine_lanes else 0
        found = candidates(kernel, self.limit, priced, several)
        made = [Choice(kernel, counts, place, library, block, adders) for place, counts in enumerate(found)]
        return self.alike.setdefault(key, made)

    def best(self) -> list[Lanes]:
        """The choices: the largest kernel first, then each kernel again, given the others; the cheapest of a few
        starts. A LUT is priced by what a design of a first choice for each kernel takes."""
        self.reprice(self.begun(None))
        chosen = self.settled(None)
        trials = [self.settled(sums) for sums in self.other_joints(chosen)]
        if len([kernel for kernel in self.kernels if kernel.macs]) > 1:
            trials.append(self.all_joined())
        for trial in trials:
            self.settle(trial)
            if self.cost(range(len(trial)), trial) < self.cost(range(len(trial)), chosen) - 1e-6:
                chosen = trial
        return [lanes for lanes in chosen if lanes is not None]

    def by_floor(self) -> list[list[Choice]]:
        """The choices of each kernel in the order of their bounds."""
        return [sorted(choices, key=lambda choice: (self.floor(choice), choice.place)) for choices in self.choices]

    def reprice(self, chosen: Sequence[Lanes | None]) -> None:
        """Changes the price of a LUT to what it is in a design of these choices."""
        factors = self.partition(range(len(chosen)), chosen)
        steering = sum(lanes.luts(factors) for lanes in chosen if lanes is not None)
        memories = sum(memory(buffer, factors[buffer], blocks=False) for buffer in factors)
        other = steering + memories + self.units(range(len(chosen)), chosen)
        self.price = self.least_cycles / luts_of_all_time(self.limit, self.lane_luts, max(other, OTHER_LUTS))
        self.ranked = self.by_floor()
        self.responses.clear()
        self.by_itself.clear()

    def settled(self, granted: int | None) -> list[Lanes | None]:
        """The choices, if multiplexers for so many sums cost nothing."""
        chosen = self.begun(granted)
        self.settle(chosen, granted)
        return chosen

    def begun(self, granted: int | None) -> list[Lanes | None]:
        """A first choice for each kernel, the largest first, given those before it."""
        chosen: list[Lanes | None] = [None] * len(self.kernels)
        for number in self.order:
            chosen[number] = self.response(number, chosen, granted)
        return chosen

    def all_joined(self) -> list[Lanes | None]:
        """The choices, the largest kernel first, if all lanes of a kernel add to one sum wherever they can: no kernel
        needs multiplexers for it then."""
        chosen: list[Lanes | None] = [None] * len(self.kernels)
        for number in self.order:
            ranked = self.ranked[number]
            joined = [each for each in ranked if each.sums == 1 and prod(each.counts.values()) == self.limit]
            chosen[number] = self.response(number, chosen, None, joined or ranked)
        return chosen

    def other_joints(self, chosen: Sequence[Lanes | None]) -> list[int]:
        """Numbers of sums that no kernel's lanes add to now, and that would save more cycles, in all kernels together,
        than the multiplexers are worth."""
        used = {lanes.sums for lanes in chosen if lanes is not None}
        saved: dict[int, int] = {}
        for lanes, choices in zip(chosen, self.choices, strict=True):
            fewest: dict[int, int] = {}
            for other in choices if lanes is not None and lanes.sums else ():
                fewest[other.sums] = min(fewest.get(other.sums, other.trips), other.trips)
            for sums, trips in fewest.items():
                assert lanes is not None
                saved[sums] = saved.get(sums, 0) + max(0, lanes.kernel.trip_count - trips)
        least = self.price * REWIRING_LUTS * self.limit
        return sorted(sums for sums, cycles in saved.items() if sums not in used and cycles > least)

    def settle(self, chosen: list[Lanes | None], granted: int | None = None) -> None:
        """Changes the choices until each is the best, given the others and what multiplexers are granted."""
        for _ in range(self.effort.max_rounds):
            before = list(chosen)
            for number in self.order:
                chosen[number] = self.response(number, chosen, granted)
            for number in self.order:
                self.pair_up(number, chosen, granted)
            if chosen == before:
                break

    def response(
        self,
        number: int,
        chosen: Sequence[Lanes | None],
        granted: int | None,
        choices: Sequence[Choice] | None = None,
    ) -> Lanes:
        """The cheapest choice for one kernel, given those for the others; of equals the first that is listed. Of
        `choices`, where they are given, in the order of their bounds."""
        state = self.seen_by(number, chosen, granted)
        if choices is None and state in self.responses:
            return self.responses[state]
        trial = [None if other == number else lanes for other, lanes in enumerate(chosen)]
        given = self.partition([number, *self.neighbours[number]], trial)
        others = [lanes for lanes in (chosen[other] for other in self.neighbours[number]) if lanes is not None]
        least = sum(self.floor(lanes) for lanes in others)
        best: tuple[float, int, Lanes] | None = None
        for choice in choices or self.ranked[number]:
            if best is not None and least + self.floor(choice) > best[0]:
                break
            lanes = choice.priced
            if best is not None and least + self.floor(lanes) > best[0]:
                continue
            trial[number] = lanes
            needs = self.needs_of(lanes)
            factors = given | {buffer: merged(given[buffer], need, self.limit) for buffer, need in needs.items()}
            cost = self.cost((number,), trial, granted, factors)
            if best is None or (cost, choice.place) < best[:2]:
                best = cost, choice.place, lanes
        assert best is not None
        if choices is None:
            self.responses[state] = best[2]
        return best[2]

    def seen_by(self, number: int, chosen: Sequence[Lanes | None], granted: int | None) -> Hashable:
        """All that the best choice for one kernel depends on: the choices for what shares buffers with it or with one
        of those; the largest kernel's; the sums and units of all others. The largest kernel's depends on all."""
        if number == self.widest:
            return number, granted, *(None if other == number else lanes for other, lanes in enumerate(chosen))
        there = frozenset(lanes.sums for other, lanes in enumerate(chosen) if lanes is not None and other != number)
        widest = None if self.widest is None else chosen[self.widest]
        units = frozenset(self.units_elsewhere((number,), chosen).items())
        return number, granted, there, widest, units, *(chosen[other] for other in self.reach[number])

    def floor(self, lanes: Lanes | Choice) -> float:
        """A lower bound of one kernel's part of a cost."""
        cycles, luts = lanes.least
        return cycles + self.price * luts

    def few(self, number: int) -> list[Lanes]:
        """The cheapest choices for a kernel without all others, the cheapest first."""
        if number not in self.by_itself:
            alone: list[Lanes | None] = [None] * len(self.kernels)
            most, found = self.effort.paired_choices, list[tuple[float, int, Lanes]]()
            for choice in self.ranked[number]:
                if len(found) == most and self.floor(choice) > found[-1][0]:
                    break
                alone[number] = choice.priced
                insort(found, (self.cost((number,), alone), choice.place, choice.priced))
                del found[most:]
            self.by_itself[number] = [lanes for _, _, lanes in found]
        return self.by_itself[number]

    def pair_up(self, number: int, chosen: list[Lanes | None], granted: int | None) -> None:
        """Changes the choices for a kernel and one of its neighbours together, if the two are then cheaper."""
        for other in self.neighbours[number]:
            if self.kernels[number].macs and not self.kernels[other].macs:
                continue  # tried from the other's side
            best = self.cost((number, other), chosen, granted)
            for lanes in self.few(number):
                trial = list(chosen)
                trial[number] = lanes
                trial[other] = self.response(other, trial, granted)
                cost = self.cost((number, other), trial, granted)
                if cost < best - 1e-6:
                    best = cost
                    chosen[number], chosen[other] = lanes, trial[other]

    def cost(
        self,
        numbers: Collection[int],
        chosen: Sequence[Lanes | None],
        granted: int | None = None,
        factors: Partition | None = None,
    ) -> float:
        """All costs that depend on the choices for `numbers`: cycles and LUTs of these kernels and of those that share
        a buffer with them, and the memories of these buffers. Multiplexers for `granted` sums cost nothing."""
        concerned = sorted(set().union(*(self.around[number] for number in numbers)))
        factors = factors or self.partition(concerned, chosen)
        total = 0.0
        for lanes in (chosen[number] for number in concerned):
            if lanes is not None:
                cycles, luts = lanes.cost(factors)
                total += cycles + self.price * luts
        own = dict.fromkeys(buffer for number in numbers for buffer in self.buffers[number])
        luts = sum(memory(buffer, factors[buffer]) for buffer in own)
        if self.widest is not None and (widest := chosen[self.widest]) is not None:
            affected = range(len(chosen)) if self.widest in numbers else numbers
            if self.block:
                luts += sum(lanes.extra_dots(widest) for lanes in (chosen[n] for n in affected) if lanes is not None)
            luts += self.rewiring(affected, chosen, widest, granted)
        luts += self.units(numbers, chosen)
        return total + self.price * luts

    def units(self, numbers: Collection[int], chosen: Sequence[Lanes | None]) -> float:
        """LUTs of units that only these kernels need: kernels share them, so that the most of each kind count."""
        needed = most_units(chosen[number] for number in numbers)
        more = needed - self.units_elsewhere(numbers, chosen) if needed else needed
        return sum(copies * luts for (_, luts), copies in more.items())

    def units_elsewhere(self, numbers: Collection[int], chosen: Sequence[Lanes | None]) -> Counter[tuple[str, float]]:
        """The most copies of each unit that a kernel other than these has."""
        return most_units(lanes for other, lanes in enumerate(chosen) if other not in numbers)

    def rewiring(
        self, numbers: Collection[int], chosen: Sequence[Lanes | None], widest: Lanes, granted: int | None
    ) -> float:
        """LUTs of multiplexers that only these kernels need, one for each number of sums."""
        needed: dict[int, float] = {}
        for lanes in (chosen[number] for number in numbers):
            if lanes is not None and lanes.sums != granted and (luts := lanes.rewiring(widest)):
                needed[lanes.sums] = max(needed.get(lanes.sums, 0.0), luts)
        return sum(luts for sums, luts in needed.items() if not self.elsewhere(sums, numbers, chosen))

    def elsewhere(self, sums: int, numbers: Collection[int], chosen: Sequence[Lanes | None]) -> bool:
        """Whether the lanes of a kernel other than these add to so many sums."""
        pairs = enumerate(chosen)
        return any(lanes.sums == sums for other, lanes in pairs if lanes is not None and other not in numbers)

    def partition(self, numbers: Iterable[int], chosen: Sequence[Lanes | None]) -> Partition:
        """The banks of the buffers that these kernels use, as all kernels chosen so far need them."""
        result: Partition = {}
        for buffer in dict.fromkeys(buffer for number in numbers for buffer in self.buffers[number]):
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
            self.needs[lanes] = within(lanes.needs(self.limit), self.whole)
        return self.needs[lanes]


def most_units(every: Iterable[Lanes | None]) -> Counter[tuple[str, float]]:
    """The most copies of each unit that one of these kernels has."""
    most = Counter[tuple[str, float]]()
    for lanes in every:
        for unit, copies in () if lanes is None else lanes.units.items():
            most[unit] = max(copies, most[unit])
    return most


def of_codes(kernel: Kernel) -> bool:
    """Whether a kernel multiplies codes, so that its lanes are small."""
    return any(isinstance(s, Operation) and s.name == PRODUCT for s in kernel.statements())
