"""fuse-terms: an elementwise kernel is merged into the reduction that takes each of its results once.

Before:  n0: for i, j { e[i, j] = exp(t[i, j]) }      n1: for i { for j { s += e[i, j] } }      n2: … e[i, j] …
After:   n1: for i { for j { v = exp(t[i, j]) ; e[i, j] = v ; s += v } }                        n2: … e[i, j] …

needs: affine programs; kernels are single-assignment (each element of a buffer is written once).
leaves: fewer kernels; stage 0 of a merged one stores in every iteration. Where nobody else reads the results, there is
    no buffer.
refuses: nothing.
why: without multiply-accumulates both kernels are time in which the lanes idle: one goes over the elements instead of
    two. An adder of each kernel serves both when they run one after the other, and no longer when they are one: kernels
    are merged if that takes fewer cycles, each with the lanes that its units are worth (`time_and_area`). The merged
    kernel runs where the reduction ran, so nobody may read the results before it. A buffer that both
    kernels read keeps them apart: its port would serve two reads an iteration, which makes the II 2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from torch2hw.analysis.inversion import invert
from torch2hw.analysis.time_and_area import luts_of_all_time
from torch2hw.analysis.unit_binding import luts_of
from torch2hw.dialects.loops import Buffer, Kernel, Operation, Stage
from torch2hw.dialects.operations import operation_kind
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import linearise
from torch2hw.dialects.substitution import substitute_statement, substitute_store
from torch2hw.hwlib import Library
from torch2hw.passes.fuse_windows import injective
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class FuseTerms:
    """The pass. No option turns it off."""

    name: str = "fuse-terms"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: which kernel went into which."""
        fused: list[str] = []
        worth = Worth(context.options.partition**2, program, context.library)
        kernels = program.straight_line
        position = 0
        while position < len(kernels):
            found = _consumer_of(kernels, position, worth)
            if found is None:
                position += 1
                continue
            where, merged = found
            fused.append(f"{kernels[position].name} into {kernels[where].name}")
            kernels[where] = merged
            del kernels[position]
            position = 0
        return program.with_sequence(kernels), {"fused": fused} if fused else {}


@dataclass(frozen=True)
class Worth:
    """What lanes are worth in a program of so many."""

    lanes: int
    program: Program
    library: Library

    @cached_property
    def price(self) -> float:
        """The cycles that one LUT is worth."""
        kernels = self.program.kernels
        work = sum(kernel.macs for kernel in kernels) or sum(kernel.trip_count for kernel in kernels)
        return max(work / self.lanes, 1.0) / luts_of_all_time(self.lanes)

    def cheapest(self, kernel: Kernel) -> tuple[float, float]:
        """Of one number of lanes after the other: the lowest cost, and the cycles at that number. Adders are there for
        all lanes of the program, other units are the kernel's own."""
        adders, adder, own = 0, 0.0, 0.0
        for statement in kernel.stages[0].statements:
            if isinstance(statement, Operation):
                kind, luts = operation_kind(statement.name), luts_of(statement, self.library)
                adders += kind.accumulates
                adder = max(adder, kind.accumulates * luts)
                own += 0 if kind.accumulates or kind.multiplies else luts
        found = []
        for lanes in (count for count in range(1, self.lanes + 1) if self.lanes % count == 0):
            luts = lanes * own + max(0, lanes * adders - self.lanes) * adder
            found.append((kernel.trip_count / lanes + self.price * luts, kernel.trip_count / lanes))
        return min(found)

    def pays(self, merged: Kernel, *parts: Kernel) -> bool:
        """Whether one kernel costs less than its parts, and takes fewer cycles."""
        cost, cycles = self.cheapest(merged)
        apart = [self.cheapest(part) for part in parts]
        return cost < sum(each[0] for each in apart) and cycles < sum(each[1] for each in apart)


def _consumer_of(kernels: list[Kernel], position: int, worth: Worth) -> tuple[int, Kernel] | None:
    """The index of the reduction that the kernel at `position` can be merged into, and the merged kernel."""
    producer = kernels[position]
    if len(producer.stages) != 1 or producer.stages[0].carried or producer.domain:
        return None
    made = {store.buffer for store in producer.stores()}
    read = {load.buffer for load in producer.loads()}
    if any(store.buffer in made for kernel in kernels if kernel is not producer for store in kernel.stores()):
        return None
    for where, consumer in enumerate(kernels[position + 1 :], position + 1):
        if made & consumer.buffers():  # the first that reads one of them
            merged = fuse(producer, consumer)
            later = {load.buffer for kernel in kernels[where + 1 :] for load in kernel.loads()}
            gone = {buffer for buffer in made - later if buffer.storage.is_scratch}
            pays = merged is not None and worth.pays(merged, producer, consumer)
            return (where, _without_stores(merged, gone)) if merged is not None and pays else None
        if any(store.buffer in read for store in consumer.stores()):
            return None
    return None


def fuse(producer: Kernel, consumer: Kernel) -> Kernel | None:
    """The consumer with the producer's computation and stores in place of its loads; None if it does not take each
    element of one result in exactly one iteration."""
    made = {store.buffer: store for store in producer.stores()}
    if len(made) != len(list(producer.stores())) or len(made.keys() & consumer.buffers()) != 1:
        return None
    (store,) = (made[buffer] for buffer in made.keys() & consumer.buffers())
    first, *later = consumer.stages
    loads = [load for load in consumer.loads() if load.buffer is store.buffer]
    early = first.in_order()[0]  # what the sums begin with
    if store.guard or not loads or any(each.guard or each in early or each not in first.statements for each in loads):
        return None
    if not consumer.reduction_loops(0) or consumer.domain or any(loop.in_rounds for loop in consumer.loops):
        return None
    if (
        any(loop.reduced_by for loop in consumer.loops)
        or not consumer.trip_count == store.buffer.elements == producer.trip_count
    ):
        return None
    outside = {each.buffer for each in producer.loads() if not each.buffer.storage.in_kernel}
    if outside & consumer.buffers():
        return None
    element, *others = (linearise(load.indices, store.buffer.shape) for load in loads)
    if any(other != element for other in others) or not injective(element, [loop.variable for loop in consumer.loops]):
        return None
    at = invert(linearise(store.indices, store.buffer.shape), [loop.variable for loop in producer.loops], element)
    if at is None:
        return None
    names = {s.result: f"{producer.name}_{s.result}" for s in producer.statements()}
    value = {load.result: names[store.value] for load in loads}
    stages = [
        Stage(
            tuple(replace(c, next=value.get(c.next, c.next)) for c in stage.carried),
            tuple(substitute_statement(s, {}, value) for s in stage.statements if s not in loads),
            tuple(substitute_store(s, {}, value) for s in stage.stores),
        )
        for stage in (first, *later)
    ]
    terms = tuple(substitute_statement(s, at, names) for s in producer.statements())
    stages[0] = replace(
        stages[0],
        statements=(*terms, *stages[0].statements),
        stores=(*(substitute_store(each, at, names) for each in producer.stores()), *stages[0].stores),
    )
    return replace(consumer, stages=tuple(stages), macs=producer.macs + consumer.macs)


def _without_stores(kernel: Kernel, gone: set[Buffer]) -> Kernel:
    first, *later = kernel.stages
    return replace(
        kernel, stages=(replace(first, stores=tuple(s for s in first.stores if s.buffer not in gone)), *later)
    )
