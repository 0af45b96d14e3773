"""The choices of lanes for a kernel, for choose-lanes: which are worth a price, and each priced, and written out, once
that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

from torch2hw.analysis.lane_costs import DEPTH_ESTIMATE_CYCLES, Lanes
from torch2hw.analysis.lane_outline import outline
from torch2hw.analysis.reduction_order import recurrence_latency
from torch2hw.analysis.unit_binding import luts_of
from torch2hw.dialects.loops import Kernel, Operation
from torch2hw.dialects.operations import operation_kind
from torch2hw.dialects.quasi_affine import Index, Variable
from torch2hw.hwlib import Library
from torch2hw.passes.block_sums import blocked
from torch2hw.passes.unroll_lanes import reducible, unroll

STEP = 0.8  # by which iterations must be fewer than with fewer lanes, where these are less than half of the lanes


@dataclass
class Choice:
    """`counts` lanes of a kernel's loops. `place`: in the order in which the kernel's choices are listed. `block`: with
    dot products. `adders`: what other kernels have anyway. `like`: the same of a kernel that is like this one. What is
    asked before `priced` needs no lanes."""

    kernel: Kernel
    counts: dict[Variable, int]
    place: int
    library: Library
    block: bool
    adders: int
    like: Choice | None = None

    def of(self, kernel: Kernel) -> Choice:
        """This choice for a kernel that is like this one's."""
        variables = {mine.variable: loop.variable for mine, loop in zip(self.kernel.loops, kernel.loops, strict=True)}
        counts = {variables[v]: count for v, count in self.counts.items()}
        return replace(self, kernel=kernel, counts=counts, like=self)

    @property
    def trips(self) -> int:
        """Iterations in all rounds together, with padding."""
        return prod(-(-loop.extent // self.counts.get(loop.variable, 1)) for loop in self.kernel.loops)

    @property
    def sums(self) -> int:
        """The number of sums of products that its lanes add to."""
        apart = (self.counts.get(loop.variable, 1) for loop in self.kernel.loops if loop.reduced_by != 0)
        return len(self.kernel.stages[0].carried) * prod(apart) if self.kernel.macs else 0

    @cached_property
    def least(self) -> tuple[int, float]:
        """What cycles and LUTs are not below, whatever the banks; its lanes' own units are not counted, but what dot
        products may take less than they."""
        cycles = self.trips + self.kernel.rounds * DEPTH_ESTIMATE_CYCLES
        if not self.block:
            return cycles, 0.0
        own = [s for s in self.kernel.statements() if isinstance(s, Operation) and _is_half_of_a_mac(s)]
        return cycles, -prod(self.counts.values()) * sum(luts_of(s, self.library) for s in own)

    @cached_property
    def written_out(self) -> Kernel:
        """The kernel with these lanes."""
        unrolled = unroll(self.kernel, self.counts)
        return blocked(unrolled, self.library) if self.block else unrolled

    @cached_property
    def priced(self) -> Lanes:
        """What these lanes cost. Only where they may become dot products, the arms are written out for it."""
        if self.like is not None:
            known, places = self.like.priced, list(self.like.kernel.touched)
            own = dict(zip(places, self.kernel.touched, strict=True))
            return known.of_buffers([own[buffer] for buffer in known.buffers])
        made = outline(self.written_out, {}) if self.block else outline(self.kernel, self.counts)
        text = ", ".join(f"{v.name} ×{count}" for v, count in self.counts.items() if count > 1) or "one lane"
        latency = recurrence_latency(self.written_out if self.block else self.kernel, self.library)
        return Lanes(made, text, latency, self.library, self.adders, self.place)


def _is_half_of_a_mac(operation: Operation) -> bool:
    kind = operation_kind(operation.name)
    return kind.accumulates or kind.multiplies


def candidates(kernel: Kernel, lanes: int, priced: int, by_accesses: int = 0) -> list[dict[Variable, int]]:
    """At most `priced` choices. Of each number of lanes, those with the fewest iterations, and most of them for the
    largest number. If very many are equal, some that are evenly spread over them, and the `by_accesses` that access the
    fewest elements in an iteration."""
    ranked: dict[int, list[tuple[int, int, dict[Variable, int]]]] = {}
    for number, choice in enumerate(all_choices(kernel, lanes, by_accesses > 0)):
        iterations = prod(-(-loop.extent // choice.get(loop.variable, 1)) for loop in kernel.loops)
        ranked.setdefault(prod(choice.values()), []).append((iterations, number, choice))
    chosen: list[dict[Variable, int]] = []
    fewer = 0  # iterations of fewer lanes
    for count, group in sorted(ranked.items()):
        group.sort(key=lambda entry: entry[:2])
        if by_accesses and fewer and group[0][0] > fewer * (1 if 2 * count >= lanes else STEP) - 1:
            continue
        fewer = group[0][0]
        most = priced if 2 * count >= lanes else max(1, priced // 4)
        fewest = [entry for entry in group if entry[0] <= group[0][0] * 1.1]
        best = fewest if len(fewest) > most else group[:most]
        spread = [best[k * len(best) // min(most, len(best))][1:] for k in range(min(most, len(best)))]
        if by_accesses and len(fewest) > most:
            several = by_accesses if 2 * count >= lanes else max(1, by_accesses // 4)
            fewest.sort(key=lambda entry: (elements(kernel, entry[2]), entry[0], entry[1]))
            found = dict([*spread, *(entry[1:] for entry in fewest[:several])])
            spread = sorted(found.items())
        chosen += [choice for _, choice in spread]
    return chosen


def elements(kernel: Kernel, lanes: Mapping[Variable, int]) -> int:
    """About how many elements of buffers outside the kernel are accessed in an iteration."""
    places = {load.indices for load in kernel.loads() if not load.buffer.storage.in_kernel}
    return sum(
        prod(_distinct(index, lanes) for index in indices)
        for indices in (*places, *(store.indices for store in kernel.stores()))
    )


def _distinct(index: Index, lanes: Mapping[Variable, int]) -> int:
    """The number of values of an index in all lanes: no more than combinations of them, and, without divisions, than
    there are from the least to the greatest."""
    ways = prod(lanes.get(v, 1) for v in index.variables())
    if not index.is_affine:
        return ways
    return min(ways, 1 + sum(abs(c) * (lanes.get(v, 1) - 1) for v, c in index.terms if isinstance(v, Variable)))


def all_choices(kernel: Kernel, lanes: int, finely: bool = False) -> Iterator[dict[Variable, int]]:
    """All choices of lanes for the loops, with a product of at most `lanes`: of divisors of `lanes`, or `finely` of all
    numbers than which no smaller one leaves as few iterations."""
    divisors = [d for d in range(1, lanes + 1) if finely or lanes % d == 0]
    options: list[tuple[Variable, list[int]]] = []
    joinable = [reducible(kernel, number) for number in range(min(2, len(kernel.stages)))]
    for loop in kernel.loops:
        if loop.in_rounds:
            continue
        if loop.reduced_by is None:
            counts = {min(d, loop.extent) for d in divisors}
            if finely:
                counts = {-(-loop.extent // -(-loop.extent // count)) for count in counts}
            options.append((loop.variable, sorted(counts)))
        elif loop.reduced_by < len(joinable) and joinable[loop.reduced_by]:
            options.append(
                (loop.variable, sorted({d for d in (*divisors, loop.extent) if loop.extent % d == 0 and d <= lanes}))
            )
    yield from _within(options, lanes)


def _within(options: Sequence[tuple[Variable, list[int]]], lanes: int) -> Iterator[dict[Variable, int]]:
    """The combinations of options, in order, with a product of at most `lanes`."""
    if not options:
        yield {}
        return
    (v, counts), rest = options[0], options[1:]
    for count in counts:  # they ascend
        if count > lanes:
            break
        for others in _within(rest, lanes // count):
            yield {v: count, **others}
