"""choose-arms: chooses which loops of a kernel become `par` arms of the sequential schedule, and the banks for them.

Before:  matmul0: for i < 64, j < 48 { for k < 64 … }    x: memref<64x64xf32>        at --partition 4
After:   matmul0: for io < 4, j < 48 { for k < 64 { 16 arms … } }    x: memref<16x4x64xf32>, arm a loads x[a, io, k]

needs: affine programs of the sequential schedule, without lanes.
leaves: with `--sequential-control shared`, one nest of loops whose body has all arms (seq around par; equal loads are
    merged); with `arms`, a nest of loops for each arm, in a `Par` node (par around seq). Every buffer, weights
    included, is partitioned so that the arms access different banks.
refuses: nothing.
why: section III-C of the paper. Among the choices of parallel loops with at most N² arms, those with the fewest
    iterations are candidates. A beam search over all kernels prefers the fewest accesses with a variable bank, then the
    fewest banks. A load with a variable bank reads all banks that it may mean and selects; a store is conditional.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import lcm, prod
from typing import Any

from torch2hw.analysis.bank_groups import wanted_factors
from torch2hw.analysis.banks import run_time_dimensions, selection
from torch2hw.dialects.loops import Buffer, Kernel
from torch2hw.dialects.program import Node, Par, Program
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.dialects.substitution import substitute_stage
from torch2hw.passes.lane_choices import all_choices
from torch2hw.passes.pass_context import PassContext
from torch2hw.passes.unroll_lanes import unroll

COLLIDES = 1 << 30

Choice = tuple[tuple[Variable, int], ...]
Factors = dict[Buffer, tuple[int, ...]]
Element = tuple[Index, ...]


@dataclass(frozen=True)
class ChooseArms:
    """`beam`: choices for the kernels so far that are kept. `max_choices`: of one kernel."""

    name: str = "choose-arms"
    source: str = "affine"
    target: str = "affine"
    beam: int = 32
    max_choices: int = 8

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: arms by kernel, accesses that select their bank at run time, and bank factors by buffer."""
        partition = int(context.options.partition)
        if partition == 1:
            return program, {}
        apart = context.options.sequential_control == "arms"
        search = ArmSearch(self, program, partition * partition, apart)
        choices, factors = search.best()
        nodes: list[Node] = []
        report: dict[str, Any] = {}
        for kernel, choice in zip(program.straight_line, choices, strict=True):
            arms = separate(kernel, choice) if apart and choice else []
            nodes.append(Par(kernel.name, tuple(arms)) if arms else unroll(kernel, dict(choice)))
            report[kernel.name] = ", ".join(f"{v.name} ×{count}" for v, count in choice) or "one arm"
            if dynamic := search.dynamic(kernel, choice, factors):
                report[f"{kernel.name} selects banks at run time"] = dynamic
        banked = {b: replace(b, factors=f) for b, f in factors.items() if prod(f) > 1}
        banks = {b.name: list(b.factors) for b in banked.values()}
        return program.with_sequence(nodes).with_buffers(banked), report | banks


@dataclass(frozen=True)
class Uses:
    """What the arms of a kernel do to one buffer: for each arm the distinct elements that it reads and writes."""

    buffer: Buffer
    reads: tuple[tuple[Element, ...], ...]
    writes: tuple[tuple[Element, ...], ...]


@dataclass
class ArmSearch:
    """Searches the cheapest arms for every kernel. `apart`: each arm has its own controller, so no two may ever write
    to one bank."""

    effort: ChooseArms
    program: Program
    limit: int
    apart: bool
    known: dict[Any, Any] = field(default_factory=dict)

    def best(self) -> tuple[list[Choice], Factors]:
        """A choice for every kernel and the bank factors of all buffers, by beam search in program order."""
        beam: list[tuple[list[Choice], Factors]] = [([], {})]
        for number, kernel in enumerate(self.program.kernels):
            longer = [
                ([*choices, choice], self.joined(factors, kernel, choice))
                for choices, factors in beam
                for choice in self.candidates(kernel)
            ]
            longer.sort(key=lambda state: self.cost(self.program.kernels[: number + 1], *state))
            beam = longer[: self.effort.beam]
        return beam[0]

    def candidates(self, kernel: Kernel) -> list[Choice]:
        """The choices with at most `limit` arms that take the fewest iterations."""
        written = {store.buffer for store in kernel.stores()}
        if kernel.domain or any(load.buffer in written for load in kernel.loads()):
            return [()]
        parallel = {loop.variable for loop in kernel.parallel_loops()}
        found: dict[Choice, int] = {}
        for lanes in all_choices(kernel, self.limit):
            if all(count == 1 or v in parallel for v, count in lanes.items()):
                choice = tuple((v, count) for v, count in lanes.items() if count > 1)
                found[choice] = prod(-(-loop.extent // lanes.get(loop.variable, 1)) for loop in kernel.loops)
        least = min(found.values())
        return [choice for choice, iterations in found.items() if iterations == least][: self.effort.max_choices] + [()]

    def cost(self, kernels: tuple[Kernel, ...], choices: list[Choice], factors: Factors) -> tuple[int, int, int, int]:
        """The order of states: collisions, iterations, accesses that select a bank at run time, banks."""
        pairs = list(zip(kernels, choices, strict=True))
        dynamic = sum(self.dynamic(kernel, choice, factors) for kernel, choice in pairs)
        iterations = 0
        for kernel, choice in pairs:
            counts = dict(choice)
            iterations += prod(-(-loop.extent // counts.get(loop.variable, 1)) for loop in kernel.loops)
        return dynamic // COLLIDES, iterations, dynamic, sum(prod(f) for f in factors.values())

    def joined(self, factors: Factors, kernel: Kernel, choice: Choice) -> Factors:
        """`factors` with what the kernel needs: the least common multiple in each dimension."""
        result = dict(factors)
        for buffer, new in self.needed(kernel, choice).items():
            old = factors.get(buffer, (1,) * len(new))
            sizes = buffer.shape
            result[buffer] = tuple(
                min(max(size, 1), lcm(a, b) if lcm(a, b) <= 4 * self.limit else max(a, b))
                for a, b, size in zip(old, new, sizes, strict=True)
            )
        return result

    def needed(self, kernel: Kernel, choice: Choice) -> Factors:
        """The bank factors that keep the distinct elements of all arms apart, by buffer; at most 4 · `limit` in a
        dimension, 1 in a dimension that is indexed by computed values.
        """
        key = kernel.name, choice
        if key not in self.known:
            whole = run_time_dimensions(self.program.kernels)
            result: Factors = {}
            for uses in self.uses(kernel, choice):
                rank = len(uses.buffer.shape)
                new = [1] * rank
                for group in (uses.reads, uses.writes):
                    elements = dict.fromkeys(itertools.chain(*group))
                    if len(elements) > 1:
                        wanted = wanted_factors(elements, rank, 4 * self.limit)
                        new = [lcm(a, b) for a, b in zip(new, wanted, strict=True)]
                kept = whole.get(uses.buffer, frozenset())
                result[uses.buffer] = tuple(1 if d in kept else factor for d, factor in enumerate(new))
            self.known[key] = result
        found: Factors = self.known[key]
        return found

    def uses(self, kernel: Kernel, choice: Choice) -> list[Uses]:
        """What the arms of a choice read and write, a record for each buffer that the kernel uses."""
        key = "uses", kernel.name, choice
        if key not in self.known:
            reads: dict[Buffer, list[list[Element]]] = {}
            writes: dict[Buffer, list[list[Element]]] = {}
            for number, arm in enumerate(arm_indices(choice)):
                for load in kernel.loads():
                    moved = tuple(index.substitute(arm) for index in load.indices)
                    _slot(reads.setdefault(load.buffer, []), number).append(moved)
                for store in kernel.stores():
                    moved = tuple(index.substitute(arm) for index in store.indices)
                    _slot(writes.setdefault(store.buffer, []), number).append(moved)
            self.known[key] = [
                Uses(
                    buffer,
                    tuple(tuple(dict.fromkeys(arm)) for arm in reads.get(buffer, [])),
                    tuple(tuple(dict.fromkeys(arm)) for arm in writes.get(buffer, [])),
                )
                for buffer in dict.fromkeys([*reads, *writes])
            ]
        found: list[Uses] = self.known[key]
        return found

    def dynamic(self, kernel: Kernel, choice: Choice, factors: Mapping[Buffer, tuple[int, ...]]) -> int:
        """The number of banks, beyond one each, that accesses may go to; plus COLLIDES where two arms may write to one
        bank."""
        total = 0
        for uses in self.uses(kernel, choice):
            banks = factors.get(uses.buffer, (1,) * len(uses.buffer.shape))
            key = "dynamic", kernel.name, choice, uses.buffer, banks
            if key not in self.known:
                elements = dict.fromkeys(itertools.chain(*uses.reads, *uses.writes))
                count = sum(len(selection(element, banks)) - 1 for element in elements)
                written = [{bank for element in arm for bank in selection(element, banks)} for arm in uses.writes]
                if self.apart and len(set().union(*written)) < sum(map(len, written)):
                    count += COLLIDES
                self.known[key] = count
            total += self.known[key]
        return total


def _slot(arms: list[list[Element]], number: int) -> list[Element]:
    while len(arms) <= number:
        arms.append([])
    return arms[number]


def arm_indices(choice: Choice, own: bool = False) -> list[dict[Variable, Index]]:
    """For each arm, its indices as functions of the remaining loops. `own`: each arm's loops end with its own part."""
    found = []
    for arm in itertools.product(*(range(count) for _, count in choice)):
        found.append(
            {
                v: variable(Variable(f"{v.name}l", -(-(v.extent - number * own) // count))) * count + number
                for (v, count), number in zip(choice, arm, strict=True)
            }
        )
    return found


def separate(kernel: Kernel, choice: Choice) -> list[Kernel]:
    """A kernel for each arm."""
    counts = dict(choice)
    arms = []
    left = kernel.macs
    for number, indices in enumerate(arm_indices(choice, own=True)):
        loops = []
        for loop in kernel.loops:
            v = loop.variable
            if v not in counts:
                loops.append(loop)
            elif indices[v].variables():
                (inner,) = indices[v].variables()
                loops.append(replace(loop, variable=inner))
        stages = tuple(substitute_stage(stage, indices, {}) for stage in kernel.stages)
        arm = replace(kernel, name=f"{kernel.name}_arm{number}", loops=tuple(loops), stages=stages)
        share = kernel.macs * arm.trip_count // kernel.trip_count
        arms.append(replace(arm, macs=share))
        left -= share
    arms[0] = replace(arms[0], macs=arms[0].macs + left)
    return arms
