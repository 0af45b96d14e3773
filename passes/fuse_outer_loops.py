"""fuse-outer-loops: kernels that hand rows to each other share their outermost loop; the memories between them
hold only the rows of one round.

Before:  for i < 64 { n0: h[i, j] = … }   for i < 64 { n1: … h[i, j] … }
After:   for t < 16 { for u < 4 { n0: h[u, j] = … }   for u < 4 { n1: … h[u, j] … } }           h has 4 rows, not 64

needs: programs whose lanes are chosen (after `choose-lanes`); the first loop of a kernel is its outermost.
leaves: `Rounds` of kernels. Buffers that only these kernels use shrink to the rows of one round.
refuses: nothing.
why: the tensor between two kernels is often the largest memory of a design, and a static schedule knows when each of
    its rows is read for the last time. Kernels share their lanes anyway, so alternating more often costs few cycles.
    Kernels are fused if each accesses a buffer that they share only in the rows of the current round: no value changes.
    A number of rounds is tried by scheduling the kernels. It must not add more than `max_added` of their cycles, and
    must make the memories between them cheaper (`lane_costs.bank`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import gcd, prod
from typing import Any

from torch2hw.analysis.bank_assignment import assigned
from torch2hw.analysis.handed_rows import ends, handed_on, run_of
from torch2hw.analysis.lane_costs import bank
from torch2hw.analysis.lifetimes import shared
from torch2hw.analysis.partial_sums import interleaved
from torch2hw.analysis.reduction_order import recurrence_latency
from torch2hw.analysis.scheduling import scheduled
from torch2hw.analysis.start_times import overlapped
from torch2hw.dialects.loops import Buffer, Kernel, Loop
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.once import once
from torch2hw.dialects.program import Node, Program, Rounds
from torch2hw.dialects.quasi_affine import Variable, variable
from torch2hw.dialects.substitution import Access, fixed, with_accesses
from torch2hw.hwlib import Library
from torch2hw.hwlib.block_plan import BLOCK_LUTS
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class FuseOuterLoops:
    """`max_added`: the share of cycles that fusing may add. `max_rounds`: of a group. `max_tried`: the numbers of
    rounds that are scheduled for a group."""

    name: str = "fuse-outer-loops"
    source: str = "affine"
    target: str = "affine"
    max_added: float = 0.002
    max_rounds: int = 128
    max_tried: int = 2

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: the kernels of each group and its number of rounds. Empty if LUTs would not become fewer."""
        if not context.options.fuse_loops or len(program.kernels) < 2:
            return program, {}
        search = RoundSearch(self, program, context)
        report: dict[str, Any] = {}
        position = 0
        while position + 1 < len(search.best.program.sequence):
            if search.grow(position):
                fused = search.best.program.sequence[position]
                assert isinstance(fused, Rounds)
                report[" and ".join(kernel.name for kernel in fused.kernels)] = f"in {fused.count} rounds"
            position += 1
        if not report or search.best.shared_luts >= search.alone.shared_luts:
            return program, {}  # without it the same memories are shared
        return search.best.program, report


@dataclass(frozen=True)
class Tried:
    """A program under trial, with its layout and costs, each computed when it is first asked for."""

    program: Program
    context: PassContext

    @cached_property
    def laid_out(self) -> Program:
        """The program with its loops in order and its memories in banks."""
        return laid_out(self.program, self.context)

    @cached_property
    def cycles(self) -> int:
        """Cycles of a run, scheduled as the passes after this one would."""
        return cycles_of(self.laid_out, self.context)

    @cached_property
    def luts(self) -> float:
        """What the temporaries cost, each in a memory of its own."""
        return storage_luts(self.laid_out)

    @cached_property
    def shared_luts(self) -> float:
        """LUTs of the temporaries in the memories that they share."""
        in_place = shared(self.laid_out) if self.context.options.share_memories else {}
        return storage_luts(self.laid_out.with_buffers(in_place))


class RoundSearch:
    """The search: the original program `alone`, and the `best` one so far."""

    def __init__(self, limits: FuseOuterLoops, program: Program, context: PassContext) -> None:
        self.limits, self.context = limits, context
        self.alone = self.best = Tried(program, context)
        self.banks = {buffer.name: buffer.factors for buffer in self.alone.laid_out.buffers()}

    def grow(self, position: int) -> bool:
        """Fuses the kernel at `position` with the next one, then with one more as long as memories become cheaper.
        Returns whether anything was fused."""
        before = self.best
        for further in ends(before.program, position):
            tried = self.fused(before, position, further)
            if tried is None:
                break
            self.best = tried
        return self.best is not before

    def fused(self, before: Tried, position: int, end: int) -> Tried | None:
        """`before` with its nodes `position` … `end` - 1 as one group, the first that costs fewer LUTs than the best so
        far and adds no more than `max_added` of the cycles; None if there is none.
        """
        groups = cheaper(self.limits, before.program, position, end, self.banks, self.context.library)
        if not groups:
            return None
        most = 1 + self.limits.max_added
        alone = self.cycles_by_themselves(before.program, before.program.sequence[position:end])
        for group in groups:
            if self.cycles_by_themselves(before.program, [group]) <= alone * most:
                tried = Tried(with_group(before.program, position, group), self.context)
                if tried.luts < self.best.luts and tried.cycles <= before.cycles * most:
                    return tried
        return None

    def cycles_by_themselves(self, program: Program, nodes: Sequence[Node]) -> int:
        """Cycles of a program that consists of `nodes` only: a quick estimate."""
        return cycles_of(laid_out(program.with_sequence(nodes), self.context), self.context)


def with_group(program: Program, position: int, group: Rounds) -> Program:
    """The program with `group` in place of as many nodes from `position` on as it has in its body."""
    nodes = program.sequence
    return program.with_sequence([*nodes[:position], group, *nodes[position + len(group.body) :]])


def laid_out(program: Program, context: PassContext) -> Program:
    """The program as `interleave-reductions` and `bank-memories` would leave it."""
    ordered = program.map_kernels(lambda kernel: interleaved(kernel, context.library))
    return ordered.with_buffers(assigned(ordered, context.options.partition))


def cycles_of(program: Program, context: PassContext) -> int:
    """Cycles of a run of a laid-out program, with overlap if the options allow it."""
    timed = scheduled(program, context.library, context.options.share_units)
    return (overlapped(timed, context.library) if context.options.overlap else timed).latency_cycles


def storage_luts(program: Program) -> float:
    """LUTs of all temporaries."""
    return sum(luts_of(buffer, buffer.factors) for buffer in program.buffers() if buffer.storage.is_scratch)


def luts_of(buffer: Buffer, factors: tuple[int, ...]) -> float:
    """LUTs of a memory with these bank factors, reduced where a dimension is smaller."""
    width = number_type(buffer.dtype).bits
    banked = replace(buffer, factors=tuple(map(min, factors, buffer.shape)))
    return banked.banks * bank(banked.bank_elements, width)


# -- numbers of rounds -------------------------------------------------------------------------------------------------
def cheaper(
    limits: FuseOuterLoops,
    program: Program,
    first: int,
    end: int,
    banks: Mapping[str, tuple[int, ...]],
    library: Library,
) -> list[Rounds]:
    """The kernels fused into rounds, for each number of rounds that saves half a block RAM and leaves enough outputs in
    a round; the cheapest first. `banks`: bank factors by name of the buffer."""
    if end < first + 2:
        return []
    rows = handed_on(program, first, end)
    kernels = run_of(program, first, end)
    common = gcd(*(kernel.loops[0].extent for kernel in kernels))
    before = sum(luts_of(buffer, banks[buffer.name]) for buffer in rows)
    tries: list[tuple[float, int, dict[Buffer, tuple[int, Buffer]]]] = []
    for rounds in range(2, min(common, limits.max_rounds) + 1):
        if common % rounds:
            continue
        contracted = {}
        for buffer, (dimension, number) in rows.items():
            contracted[buffer] = dimension, with_rows(buffer, dimension, number // rounds)
        after = sum(luts_of(buffer, banks[buffer.name]) for _, buffer in contracted.values())
        if before - after >= BLOCK_LUTS / 2:
            tries.append((after, rounds, contracted))
    groups: list[Rounds] = []
    for _, rounds, contracted in sorted(tries, key=lambda each: each[:2]):
        split = [in_rounds(kernel, rounds) for kernel in kernels]
        if all(enough_outputs(kernel, library) for kernel in split):
            groups.append(Rounds(rounds, tuple(with_contracted(kernel, contracted) for kernel in split)))
        if len(groups) == limits.max_tried:
            break
    return groups


@once
def with_rows(buffer: Buffer, dimension: int, rows: int) -> Buffer:
    """The buffer with fewer rows."""
    return replace(buffer, shape=tuple(rows if k == dimension else size for k, size in enumerate(buffer.shape)))


@once
def in_rounds(kernel: Kernel, rounds: int) -> Kernel:
    """`kernel` with its outermost loop as two; the outer one counts `rounds` rounds."""
    outermost = kernel.loops[0].variable
    outer = Variable(f"{outermost.name}t", rounds)
    inner = Variable(f"{outermost.name}u", outermost.extent // rounds)
    index = variable(outer) * inner.extent
    if inner.extent > 1:
        index = index + variable(inner)
    moved = fixed(kernel, {outermost: index})
    loops = (Loop(outer, in_rounds=True), *((Loop(inner),) if inner.extent > 1 else ()), *moved.loops)
    return replace(moved, loops=loops)


def enough_outputs(kernel: Kernel, library: Library) -> bool:
    """Whether a round's independent outputs fill the latency of a reduction."""
    latency = recurrence_latency(kernel, library)
    return latency <= 1 or prod(loop.extent for loop in kernel.independent_loops()) >= latency


def with_contracted(kernel: Kernel, contracted: Mapping[Buffer, tuple[int, Buffer]]) -> Kernel:
    """`kernel` with accesses to the contracted buffers, whose rows every round uses again."""
    own = tuple((buffer, *contracted[buffer]) for buffer in kernel.touched if buffer in contracted)
    return _with_contracted(kernel, own) if own else kernel


@once
def _with_contracted(kernel: Kernel, own: tuple[tuple[Buffer, int, Buffer], ...]) -> Kernel:
    contracted = {buffer: (dimension, smaller) for buffer, dimension, smaller in own}
    outer = variable(kernel.loops[0].variable)

    def moved(access: Access) -> Access:
        if access.buffer not in contracted:
            return access
        dimension, buffer = contracted[access.buffer]
        size = buffer.shape[dimension]
        indices = tuple(i - outer * size if k == dimension else i for k, i in enumerate(access.indices))
        return replace(access, buffer=buffer, indices=indices)

    return with_accesses(kernel, moved)
