"""Lifetimes of buffers in a program, and which buffers can share a memory."""

from __future__ import annotations

from typing import NamedTuple

from torch2hw.dialects.loops import Buffer, Kernel
from torch2hw.dialects.program import Node, Program


class Position(NamedTuple):
    """A position in execution order: a node of the program's sequence, and a kernel in it. BEFORE and AFTER
    replace the kernel for the start and the end of the node."""

    node: int
    kernel: int


BEFORE, AFTER = -1, 1 << 62


def lifetimes(program: Program) -> tuple[dict[Buffer, Position], dict[Buffer, Position]]:
    """The first and the last position at which each buffer is needed. A buffer that only kernels of one `Rounds` node
    use lives within a round. Any other buffer lives from before the rounds in which it is first used until after the
    rounds in which it is last used."""
    first: dict[Buffer, Position] = {}
    last: dict[Buffer, Position] = {}
    nodes: dict[Buffer, set[int]] = {}
    number = 0
    for position, node in enumerate(program.sequence):
        for kernel in node.kernels:
            stored = [store.buffer for store in kernel.stores()]
            for buffer in stored:
                first.setdefault(buffer, Position(position, number))
            for buffer in (*stored, *(load.buffer for load in kernel.loads())):
                last[buffer] = Position(position, number)
                nodes.setdefault(buffer, set()).add(position)
            number += 1
    for buffer, where in nodes.items():
        first.setdefault(buffer, Position(0, 0))
        if len(where) > 1 and several(program.sequence[min(where)]):
            first[buffer] = Position(min(where), BEFORE)
        if len(where) > 1 and several(program.sequence[max(where)]):
            last[buffer] = Position(max(where), AFTER)
    return first, last


def several(node: Node) -> bool:
    """Whether a node has more than one kernel."""
    return len(list(node.kernels)) > 1


def elementwise(kernel: Kernel, read: Buffer, written: Buffer) -> bool:
    """Whether every iteration reads `read` only at the element of `written` that it writes, once, and carries nothing
    to other iterations."""
    if len(kernel.stages) != 1 or kernel.stages[0].carried:
        return False
    loads = {load.indices for load in kernel.loads() if load.buffer is read}
    stores = {store.indices for store in kernel.stores() if store.buffer is written}
    guarded = any(load.guard for load in kernel.loads() if load.buffer is read)
    return loads == stores and not guarded


def shared(program: Program) -> dict[Buffer, Buffer]:
    """The buffers that can use the memory of another buffer, each with that buffer."""
    kernels = program.kernels
    first, last = lifetimes(program)
    temporaries = [buffer for buffer in program.buffers() if buffer.storage.is_scratch]
    free_after: dict[Buffer, Position] = {}  # a memory, and the last kernel that uses it
    memory_of: dict[Buffer, Buffer] = {}
    current: dict[Buffer, Buffer] = {}  # a memory, and the buffer that is in it
    for buffer in sorted(temporaries, key=lambda b: (first[b], b.name)):
        for memory, end in free_after.items():
            fits = (memory.shape, memory.factors, memory.dtype) == (buffer.shape, buffer.factors, buffer.dtype)
            start = first[buffer]
            overwrites = end == start and elementwise(kernels[start.kernel], current[memory], buffer)
            if fits and (end < start or overwrites):
                memory_of[buffer], current[memory], free_after[memory] = memory, buffer, last[buffer]
                break
        else:
            free_after[buffer], current[buffer] = last[buffer], buffer
    return memory_of
