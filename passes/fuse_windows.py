"""fuse-windows: a reduction over windows that do not overlap is merged into the kernel that computes its operands.

Before:  n0: for o, r, c { for k { acc } ; t[o, r, c] = relu(acc) }
         n1: for o, p, q { for u, v { m = max(m, t[o, 2p+u, 3q+v]) } }
After:   n0: for o, p, q { for u, v { for k { acc } ; m = max(m, relu(acc)) } }

needs: affine programs whose operations have units.
leaves: no buffer between a convolution and its pooling. Elements that no window covers are not computed.
refuses: nothing.
why: the buffer between the two is the largest of a convolutional network. Every element is used once, so nothing is
    computed twice: the consumer becomes later stages of the producer's kernel. The merged kernel has only the
    consumer's outputs to interleave while an addition is in its pipeline. Where they are few, as for a mean over whole
    channels, the lanes would wait, and the kernels stay apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd, prod
from typing import Any

from torch2hw.analysis.inversion import invert
from torch2hw.analysis.reduction_order import recurrence_latency
from torch2hw.dialects.loops import Buffer, Carried, Kernel, Load, Loop, Stage
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Index, Variable, linearise
from torch2hw.dialects.substitution import substitute_stage, substitute_statement, substitute_store
from torch2hw.hwlib import Library
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class FuseWindows:
    """The pass. No option turns it off."""

    name: str = "fuse-windows"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: which kernel went into which."""
        fused: list[str] = []
        kernels = program.straight_line
        position = 0
        while position < len(kernels):
            found = _producer_for(kernels, position, program, context)
            if found is None:
                position += 1
                continue
            where, merged = found
            fused.append(f"{kernels[position].name} into {kernels[where].name}")
            kernels[position] = merged  # the merged kernel runs where the consumer ran
            del kernels[where]
            position = 0
        return program.with_sequence(kernels), {"fused": fused} if fused else {}


def _producer_for(
    kernels: list[Kernel], position: int, program: Program, context: PassContext
) -> tuple[int, Kernel] | None:
    consumer = kernels[position]
    if not consumer.reduction_loops(0) or consumer.domain:
        return None
    for load in consumer.stages[0].statements:
        if not isinstance(load, Load) or load.guard or not load.buffer.storage.is_scratch:
            continue
        if load in consumer.stages[0].in_order()[0]:  # what the sums begin with
            continue
        readers = [other for kernel in kernels for other in kernel.loads() if other.buffer is load.buffer]
        writers = [
            k for k, kernel in enumerate(kernels) if any(store.buffer is load.buffer for store in kernel.stores())
        ]
        if len(readers) != 1 or len(writers) != 1 or writers[0] >= position:
            continue
        producer = kernels[writers[0]]
        written = {store.buffer for kernel in kernels[writers[0] + 1 : position] for store in kernel.stores()}
        if len(list(producer.stores())) != 1 or any(other.buffer in written for other in producer.loads()):
            continue
        merged = fuse(producer, consumer, load.buffer, load)
        if merged is not None and is_faster(merged, producer, consumer, context.options.partition**2, context.library):
            return writers[0], merged
    return None


def is_faster(merged: Kernel, producer: Kernel, consumer: Kernel, lanes: int, library: Library) -> bool:
    """Whether the merged kernel takes no more cycles than the two, on so many lanes. Lanes that divide the reduction's
    loops evenly add to one output; every other lane needs outputs of its own to fill the latency of an addition."""

    def cycles(kernel: Kernel) -> float:
        outputs = prod(loop.extent for loop in kernel.parallel_loops())
        terms = prod(loop.extent for loop in kernel.reduction_loops(0))
        return kernel.trip_count * max(1 / lanes, recurrence_latency(kernel, library) / (outputs * gcd(terms, lanes)))

    return cycles(merged) <= cycles(producer) + cycles(consumer)


def fuse(producer: Kernel, consumer: Kernel, buffer: Buffer, load: Load) -> Kernel | None:
    """The consumer with the producer's computation in place of its load; None if an element is needed twice."""
    store = next(iter(producer.stores()))
    if producer.domain or store.guard or not producer.reduction_loops(0) or producer.stages[-1].carried:
        return None
    element = linearise(load.indices, buffer.shape)
    variables = [loop.variable for loop in consumer.loops]
    if not injective(element, variables):
        return None
    indices = invert(
        linearise(store.indices, buffer.shape), [loop.variable for loop in producer.parallel_loops()], element
    )
    if indices is None:
        return None
    inner = {
        loop.variable: Variable(f"{producer.name}_{loop.variable.name}", loop.extent)
        for loop in producer.loops
        if loop.reduced_by is not None
    }
    mapping: dict[Variable, Index] = {**indices, **{old: Index(((new, 1),), 0) for old, new in inner.items()}}
    rename = {s.result: f"{producer.name}_{s.result}" for s in producer.statements()}
    rename |= {c.name: f"{producer.name}_{c.name}" for stage in producer.stages for c in stage.carried}
    stages = [
        Stage(
            tuple(
                Carried(rename[c.name], c.type, rename.get(c.init, c.init), rename.get(c.next, c.next))
                for c in stage.carried
            ),
            tuple(substitute_statement(s, mapping, rename) for s in stage.statements),
            (),
        )
        for stage in producer.stages
    ]
    value = {load.result: rename.get(store.value, store.value)}
    shift = len(stages) - 1
    first, *later = consumer.stages
    stages[-1] = replace(
        stages[-1],
        carried=tuple(replace(c, next=value.get(c.next, c.next)) for c in first.carried),
        statements=(
            *stages[-1].statements,
            *(substitute_statement(s, {}, value) for s in first.statements if s is not load),
        ),
        stores=tuple(substitute_store(s, {}, value) for s in first.stores),
    )
    later = [substitute_stage(stage, {}, value) for stage in later]
    loops = [
        Loop(loop.variable, None if loop.reduced_by is None else loop.reduced_by + shift) for loop in consumer.loops
    ]
    loops += [Loop(inner[loop.variable], loop.reduced_by) for loop in producer.loops if loop.reduced_by is not None]
    trips = prod(loop.extent for loop in loops)  # those that no window covers are left out
    return replace(
        consumer,
        loops=tuple(loops),
        stages=(*stages, *later),
        macs=producer.macs * trips // producer.trip_count + consumer.macs,
        source=producer.source,
    )


def injective(offset: Index, variables: list[Variable]) -> bool:
    """Whether no two iterations over `variables` reach the same offset: each stride is larger than the range of all
    smaller ones."""
    if not offset.is_affine:
        return False
    strides = {atom: stride for atom, stride in offset.terms if isinstance(atom, Variable)}
    wanted = [v for v in variables if v.extent > 1]
    if set(strides) != set(wanted) or any(stride < 0 for stride in strides.values()):
        return False
    reach = 0
    for item in sorted(wanted, key=lambda v: strides[v]):
        if strides[item] <= reach:
            return False
        reach += strides[item] * (item.extent - 1)
    return True
