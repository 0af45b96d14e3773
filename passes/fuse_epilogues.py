"""fuse-epilogues: an elementwise kernel is merged into the kernel that computes its operand.

Before:  n0: for i, j { for k { acc } ; t[i, j] = acc }      n1: for i, j { y[i, j] = max(t[i, j], 0) }
After:   n0: for i, j { for k { acc } ; y[i, j] = max(acc, 0) }

needs: affine programs; kernels are single-assignment (each element of a buffer is written once).
leaves: fewer kernels. `remove-dead-code` removes the buffers that nothing reads any more.
refuses: nothing.
why: a kernel is a component that goes over whole memories; an epilogue is only a few pipeline stages. An epilogue stays
    apart if it reads other elements of a buffer that the reduction reads: it would need that read port in every second
    cycle, which makes the II 2 for all iterations. The consumer's access is inverted as a mixed-radix number, so
    reshapes between the two kernels do not prevent fusion. Of a producer's other results it may read the element that
    is made in that iteration: x · sigmoid(x) is one kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch2hw.analysis.inversion import invert
from torch2hw.dialects.loops import Buffer, Kernel, Load, Statement
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import linearise
from torch2hw.dialects.substitution import substitute_statement, substitute_store
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class FuseEpilogues:
    """The pass. No option turns it off."""

    name: str = "fuse-epilogues"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: which kernel went into which."""
        fused: list[str] = []
        kernels = program.straight_line
        position = 0
        while position < len(kernels):
            found = _producer_for(kernels, position)
            if found is None:
                position += 1
                continue
            where, merged = found
            fused.append(f"{kernels[position].name} into {kernels[where].name}")
            kernels[where] = merged
            del kernels[position]
            position = where + 1  # for those before, nothing has changed
        return program.with_sequence(kernels), {"fused": fused} if fused else {}


def _producer_for(kernels: list[Kernel], position: int) -> tuple[int, Kernel] | None:
    """The index of the kernel that the kernel at `position` can be merged into, and the merged kernel."""
    consumer = kernels[position]
    if len(consumer.stages) != 1 or consumer.domain or len(list(consumer.stores())) != 1:
        return None
    read = {load.buffer: None for load in consumer.loads()}
    for buffer in read:
        writers = [
            k for k, kernel in enumerate(kernels[:position]) if any(store.buffer is buffer for store in kernel.stores())
        ]
        if len(writers) != 1 or any(
            store.buffer is buffer for kernel in kernels[position:] for store in kernel.stores()
        ):
            continue
        where = writers[0]
        others = [other for other in read if other is not buffer]
        late = any(store.buffer in others for kernel in kernels[where + 1 : position] for store in kernel.stores())
        target = next(iter(consumer.stores())).buffer
        between = kernels[where:position]
        clash = target in {load.buffer for kernel in between for load in kernel.loads()} | {
            store.buffer for kernel in between for store in kernel.stores()
        }
        if late or clash:
            continue
        merged = fuse(kernels[where], consumer, buffer)
        if merged is not None:
            return where, merged
    return None


def fuse(producer: Kernel, consumer: Kernel, buffer: Buffer) -> Kernel | None:
    """`producer` followed by `consumer`, element by element; None if some element is not used in the iteration that
    makes it."""
    stores = [store for store in producer.stages[-1].stores if store.buffer is buffer]
    if len(stores) != 1 or stores[0].guard or producer.domain:
        return None
    accesses = {load.indices for load in consumer.loads() if load.buffer is buffer}
    if len(accesses) != 1 or any(load.guard for load in consumer.loads() if load.buffer is buffer):
        return None
    made_at = linearise(stores[0].indices, buffer.shape)
    indices = invert(linearise(next(iter(accesses)), buffer.shape), [loop.variable for loop in consumer.loops], made_at)
    if indices is None or consumer.trip_count != buffer.elements:
        return None
    if any(loop.reduced_by is not None for loop in consumer.loops):
        return None
    rename = {s.result: f"{consumer.name}_{s.result}" for s in consumer.statements()}
    stage = consumer.stages[0]
    existing = {s.place: s.result for s in producer.stages[-1].statements if isinstance(s, Load)}
    stored = {(store.buffer, linearise(store.indices, store.buffer.shape)): store for store in producer.stores()}
    statements: list[Statement] = []
    for statement in stage.statements:
        if isinstance(statement, Load) and statement.buffer is buffer:
            rename[statement.result] = stores[0].value
            continue
        moved = substitute_statement(statement, indices, rename)
        if isinstance(moved, Load) and any(moved.buffer is written for written, _ in stored):
            store = stored.get((moved.buffer, linearise(moved.indices, moved.buffer.shape)))
            if store is None or store.guard or moved.guard or store not in producer.stages[-1].stores:
                return None
            rename[statement.result] = store.value
            continue
        if isinstance(moved, Load) and moved.place in existing:
            rename[statement.result] = existing[moved.place]
            continue
        statements.append(moved)
    last = producer.stages[-1]
    if last.carried or any(isinstance(s, Load) and s.buffer in _reduced(producer) for s in statements):
        return None
    merged = replace(
        last,
        statements=(*last.statements, *statements),
        stores=(*last.stores, *(substitute_store(store, indices, rename) for store in stage.stores)),
    )
    return replace(producer, stages=(*producer.stages[:-1], merged), macs=producer.macs + consumer.macs)


def _reduced(kernel: Kernel) -> set[Buffer]:
    """The buffers in memory that the kernel's reductions read."""
    loads = (load for stage in kernel.stages[:-1] for load in stage.statements if isinstance(load, Load))
    return {load.buffer for load in loads if not load.buffer.storage.in_kernel}
