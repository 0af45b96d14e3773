"""The cost of lanes, for choose-lanes: cycles of a kernel, and LUTs besides the units of its lanes.

Sizes are those of Yosys 0.70 for UltraScale+ (synth_xilinx -family xcup); the library gives the sizes of units.

| 32 bits wide       | up to words: LUTs                 | above           |
|--------------------|-----------------------------------|-----------------|
| memory             | 32: 24, 64: 40                    | block RAM       |
| read-only memory   | 64: 29, 128: 56, 256: 113         | block RAM       |

One LUT is a multiplexer of four one-bit inputs, or a one-bit delay line of up to 32 cycles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from functools import cached_property, lru_cache
from math import prod

from torch2hw.analysis.lane_outline import Outline
from torch2hw.analysis.reduction_order import cycles_of_step, in_flight, interleave
from torch2hw.analysis.unit_binding import is_long, latency_of, luts_of, unit_of
from torch2hw.dialects.loops import Buffer, Operation, Stage
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.operations import operation_kind
from torch2hw.hwlib import Library
from torch2hw.hwlib.block_plan import BLOCK_LUTS, MAX_LUT_WORDS, half_blocks, pieces

WITH_CONSTANT_LUTS = {"arith.cmpf": 4.0, "arith.maximumf": 30.0, "arith.minimumf": 30.0}
"""Of units of which a constant leaves less: a maximum with 0, 6 or 1.08… takes 24, 26 and 35 LUTs, a minimum 24, 30 and
39."""
BANK_LUTS = 16  # of address, enable and host's decoder
REWIRING_LUTS = 64  # two operands of an adder from another place than in the other kernel
MAX_RAM_WORDS = 64  # of a memory in LUTs
DEPTH_ESTIMATE_CYCLES = 14
DOT = "hwlib.dot"

Factors = Mapping[Buffer, tuple[int, ...]]


class Lanes:
    """The price of one choice of a kernel's lanes: the `place`th of its choices. `latency` is that of the reduction's
    operation, `adders` the number that other kernels of the design have anyway."""

    def __init__(
        self, outline: Outline, text: str, latency: int, library: Library, adders: int = 0, place: int = 0
    ) -> None:
        self.outline, self.text, self.latency, self.library, self.place = outline, text, latency, library, place
        self.kernel = kernel = outline.kernel
        self.adders = max(adders, kernel.lanes)
        self.sums = len(kernel.stages[0].carried) if kernel.macs else 0  # that its lanes add to
        self.buffers = outline.buffers
        self.outputs = prod(loop.extent for loop in kernel.independent_loops())  # of a round
        self.known: dict[tuple[tuple[int, ...], ...], tuple[int, float]] = {}
        self.intervals: dict[tuple[int, tuple[int, ...]], int] = {}
        self.selection: dict[tuple[int, tuple[int, ...]], tuple[float, float, float]] = {}

    def of_buffers(self, buffers: list[Buffer]) -> Lanes:
        """These lanes of a kernel that is like this one, with other buffers. What is known of one is known of both."""
        assert self.least, "it is known for all kernels that are alike"
        made = copy(self)
        made.buffers = buffers
        return made

    def needs(self, limit: int) -> dict[Buffer, tuple[int, ...]]:
        """The bank factors that the kernel needs by itself."""
        return dict(zip(self.buffers, self.outline.own_factors(limit), strict=True))

    def cost(self, factors: Factors) -> tuple[int, float]:
        """Cycles from start to end, and LUTs besides the lanes; memories are not included."""
        key = tuple(factors[buffer] for buffer in self.buffers)
        if key not in self.known:
            self.known[key] = self.cycles(factors), self.fixed_luts + self.luts(factors)
        return self.known[key]

    def cycles(self, factors: Factors) -> int:
        """Cycles from start to end, with the II that memory ports force."""
        rounds = self.kernel.rounds
        interval, latency, trips, depth = 1, self.latency, self.kernel.trip_count, rounds * self.depth
        for number, buffer in enumerate(self.buffers):
            key = number, factors[buffer]
            if key not in self.intervals:
                self.intervals[key] = max(group.conflicts(key[1]) for group in self.outline.groups[number])
            interval = max(interval, self.intervals[key])
        if self.kernel.stages[0].carried and self.outputs * interval < latency:
            waiting = trips * -(-latency // self.outputs)
            if interval == 1:
                extents = [loop.extent for loop in self.kernel.independent_loops()]
                steps = trips // self.outputs
                waiting = steps * cycles_of_step(extents, latency, steps)
            adding_up = -(-latency // self.outputs) * self.outputs * latency + 2 * DEPTH_ESTIMATE_CYCLES
            split = trips * interval + rounds * adding_up
            return min(waiting, split) + depth
        return self.interleaved[0] * interval + depth

    @cached_property
    def depth(self) -> int:
        """Cycles from a load to a store, with a tree of additions where lanes are joined."""
        carried = len(self.kernel.stages[0].carried)
        joined = self.kernel.lanes // carried if carried else 1
        if self.blocks:
            return DEPTH_ESTIMATE_CYCLES + latency_of(self.blocks[0], self.library) + self.latency
        return DEPTH_ESTIMATE_CYCLES + (joined - 1).bit_length() * self.latency

    @cached_property
    def least(self) -> tuple[int, float]:
        """What cycles and LUTs are not below, whatever the banks."""
        return self.kernel.trip_count + self.kernel.rounds * self.depth, self.fixed_luts - self.saved_luts

    @cached_property
    def blocks(self) -> list[Operation]:
        """Its dot products."""
        return [s for s, copies in self.outline.units for _ in range(copies) if s.name == DOT]

    @cached_property
    def saved_luts(self) -> float:
        """What its dot products take less than multipliers and adders of their own."""
        return sum(self._apart(dot) - luts_of(dot, self.library) for dot in self.blocks)

    def _apart(self, dot: Operation) -> float:
        """LUTs of the multipliers and adders of a dot product, but for the one that adds to the carried value."""
        lanes, kind, source = len(dot.operands) // 2, dot.type, dot.operand_types[:2]
        multiplier = Operation("", kind, "arith.mulf", ("", ""), source)
        adder = Operation("", kind, "arith.addf", ("", ""), (kind, kind))
        return lanes * luts_of(multiplier, self.library) + (lanes - 1) * luts_of(adder, self.library)

    @cached_property
    def interleaved(self) -> tuple[int, int]:
        """Iterations, padded so that they fill the latency of the reduction's operation; and iterations between two
        steps of a sum."""
        if not self.kernel.stages[0].carried:
            return self.kernel.trip_count, 0
        stages = tuple(Stage(stage.carried) for stage in self.kernel.stages)
        ordered = interleave(replace(self.kernel, stages=stages, domain=()), self.latency)
        last = max((place for place, loop in enumerate(ordered.loops) if loop.reduced_by == 0), default=-1)
        return ordered.trip_count, prod(loop.extent for loop in ordered.loops[last + 1 :])

    @cached_property
    def fixed_luts(self) -> float:
        """LUTs of units that neither are the lanes' own nor shared by kernels (`units`), of constants, of adders beyond
        `adders`, and of partial sums that the adders do not hold."""
        total, sums, adder = 0.0, 0, 0.0
        for bits, words in self.outline.tables:
            luts, blocks = rom_cost(words, bits)
            total += luts + blocks * BLOCK_LUTS / 2
        for operation, copies in self.outline.units:
            whole = luts_of(operation, self.library)
            if operation_kind(operation.name).accumulates:
                sums, adder = sums + copies, adder or whole
            elif not _is_lanes_own(operation) and not is_long(unit_of(operation, self.library)):
                with_constant = WITH_CONSTANT_LUTS.get(operation.name, whole)
                simple = self.outline.simple.get(operation.result, 0)
                total += simple * min(whole, with_constant) + (copies - simple) * whole
        total += max(0, sums - self.adders) * adder
        kernel = self.kernel
        excess = self.interleaved[1] - self.latency
        if kernel.stages[0].carried and self.outputs >= self.latency:
            total += in_flight(excess, sum(number_type(each.type).bits for each in kernel.stages[0].carried))
        return total

    @cached_property
    def units(self) -> Counter[tuple[str, float]]:
        """How many units it has that kernels share and that are not the lanes' own, by name and LUTs of one."""
        found = Counter[tuple[str, float]]()
        for operation, copies in self.outline.units:
            unit = unit_of(operation, self.library)
            if is_long(unit) and not _is_lanes_own(operation):
                found[unit.name, float(unit.luts)] += copies
        return found

    def luts(self, factors: Factors) -> float:
        """LUTs of multiplexers and enables where bank numbers are no compile-time constants."""
        total = 0.0
        for number, buffer in enumerate(self.buffers):
            key = number, factors[buffer]
            if key not in self.selection:
                self.selection[key] = self._selection(number, number_type(buffer.dtype).bits, factors[buffer])
            for part in self.selection[key]:
                total += part
        return total

    def _selection(self, number: int, width: int, banks: tuple[int, ...]) -> tuple[float, float, float]:
        """LUTs of multiplexers of what is read from a buffer; of enables; of multiplexers of what is written to it."""
        reads, writes = self.outline.groups[number]
        read = sum(count * multiplexer(inputs, width) for inputs, count in reads.choices(banks).items())
        ways = sum(choices * count for choices, count in writes.choices(banks).items())
        written = prod(banks) * multiplexer(-(-ways // prod(banks)), width) if ways > prod(banks) else 0.0
        return read, ways - len(writes.rows), written

    def extra_dots(self, widest: Lanes) -> float:
        """LUTs of dot products that the largest kernel has not; of the largest one itself, what its dot products
        save, which is negative."""
        if widest is self:
            return -self.saved_luts
        if self.blocks and Counter(map(_shape, self.blocks)) - Counter(map(_shape, widest.blocks)):
            return sum(luts_of(dot, self.library) for dot in self.blocks)
        return 0.0

    def rewiring(self, widest: Lanes) -> float:
        """LUTs of multiplexers in front of shared adders, where the lanes are not joined as in the largest kernel; all
        kernels that are joined in the same way share them."""
        joined = self.sums and self.sums != len(widest.kernel.stages[0].carried)
        return REWIRING_LUTS * self.kernel.lanes if joined and not self.extra_dots(widest) else 0.0


def _shape(dot: Operation) -> tuple[int, str]:
    return len(dot.operands), dot.operand_types[0]


def _is_lanes_own(operation: Operation) -> bool:
    """Whether an operation is half of a multiply-accumulate: each lane has one."""
    kind = operation_kind(operation.name)
    return kind.accumulates or kind.multiplies or operation.name == DOT


def multiplexer(inputs: int, width: int) -> float:
    """LUTs of a multiplexer."""
    return 0.0 if inputs < 2 else width * max(1.0, (inputs - 1) / 3)


@lru_cache(maxsize=1 << 16)
def memory(buffer: Buffer, factors: tuple[int, ...], blocks: bool = True) -> float:
    """LUTs of a buffer in banks; block RAMs as in block_plan, or none without `blocks`."""
    width = number_type(buffer.dtype).bits
    banks = prod(factors)
    words = prod(-(-size // factor) for size, factor in zip(buffer.shape, factors, strict=True))
    inside = bank(words, width) if blocks or words <= MAX_RAM_WORDS else 0.0
    return banks * (inside + (BANK_LUTS if banks > 1 else 0))


def bank(words: int, width: int) -> float:
    """LUTs of one memory."""
    if words <= MAX_RAM_WORDS:
        return width * (0.75 if words <= 32 else 1.25)
    return half_blocks(1 << (words - 1).bit_length(), width) * BLOCK_LUTS / 2


def rom_cost(words: int, width: int) -> tuple[int, int]:
    """LUTs and RAMB18s of a read-only memory."""
    if words <= MAX_LUT_WORDS:
        return width * max(1, (1 << (words - 1).bit_length()) // 64), 0
    sizes = pieces(words, width)
    return width * (len(sizes) > 1), sum(half_blocks(1 << (size - 1).bit_length(), width) for size in sizes)
