"""fuse-terms: an elementwise kernel is merged into the reduction that takes each of its results once.

Before:  n0: for i, j { e[i, j] = exp(t[i, j]) }      n1: for i { for j { s += e[i, j] } }      n2: … e[i, j] …
After:   n1: for i { for j { v = exp(t[i, j]) ; e[i, j] = v ; s += v } }                        n2: … e[i, j] …

needs: affine programs; kernels are single-assignment (each element of a buffer is written once).
leaves: fewer kernels; stage 0 of a merged one stores in every iteration. Where nobody else reads the results, there is
    no buffer.
refuses: nothing.
why: without multiply-accumulates both kernels are time in which the lanes idle: one goes over the elements instead of
    two. The merged kernel runs where the reduction ran, so nobody may read the results before it. A buffer that both
    kernels read keeps them apart: its port would serve two reads an iteration, which makes the II 2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch2hw.analysis.inversion import invert
from torch2hw.dialects.loops import Kernel, Stage
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import linearise
from torch2hw.dialects.substitution import substitute_statement, substitute_store
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
        kernels = program.straight_line
        position = 0
        while position < len(kernels):
            found = _consumer_of(kernels, position)
            if found is None:
                position += 1
                continue
            where, merged = found
            fused.append(f"{kernels[position].name} into {kernels[where].name}")
            kernels[where] = merged
            del kernels[position]
            position = 0
        return program.with_sequence(kernels), {"fused": fused} if fused else {}


def _consumer_of(kernels: list[Kernel], position: int) -> tuple[int, Kernel] | None:
    """The index of the reduction that the kernel at `position` can be merged into, and the merged kernel."""
    producer = kernels[position]
    stores = list(producer.stores())
    if len(producer.stages) != 1 or producer.stages[0].carried or producer.domain or len(stores) != 1:
        return None
    made, read = stores[0].buffer, {load.buffer for load in producer.loads()}
    if any(store.buffer is made for kernel in kernels if kernel is not producer for store in kernel.stores()):
        return None
    for where, consumer in enumerate(kernels[position + 1 :], position + 1):
        if made in consumer.buffers():  # the first that reads it
            merged = fuse(producer, consumer)
            used = any(load.buffer is made for kernel in kernels[where + 1 :] for load in kernel.loads())
            kept = used or not made.storage.is_scratch
            return None if merged is None else (where, merged if kept else _without_first_store(merged))
        if any(store.buffer in read for store in consumer.stores()):
            return None
    return None


def fuse(producer: Kernel, consumer: Kernel) -> Kernel | None:
    """The consumer with the producer's computation and store in place of its loads; None if it does not take
    each element in exactly one iteration."""
    (store,) = producer.stores()
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
        stores=(substitute_store(store, at, names), *stages[0].stores),
    )
    return replace(consumer, stages=tuple(stages), macs=producer.macs + consumer.macs)


def _without_first_store(kernel: Kernel) -> Kernel:
    first, *later = kernel.stages
    return replace(kernel, stages=(replace(first, stores=first.stores[1:]), *later))
