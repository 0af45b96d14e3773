"""share-memories: buffers between kernels use one memory where their lifetimes do not meet.

Before:  n0 writes a; n1 reads a, writes b; n2 reads b, writes c; n3 reads c
After:   c is a; b too if n1 works element by element

needs: partitioned programs (after `bank-memories`); each element of a temporary is written once.
leaves: fewer memories; a buffer may now be written again once its last reader is done: no pass after it may move nests.
refuses: nothing.
why: memory is the largest part of many designs. A nest may overwrite what it reads if each iteration reads and writes
    the same place and nothing else of that buffer: the write comes after the read, in hardware and on the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch2hw.dialects.loops import Buffer, Nest, Program


@dataclass(frozen=True)
class ShareMemories:
    name: str = "share-memories"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: Any) -> tuple[Program, dict[str, Any]]:
        if not context.options.share_memories:
            return program, {}
        nests = list(program.nests)
        first, last = lifetimes(program)
        temporaries = [buffer for buffer in program.buffers() if buffer.storage.is_scratch]
        free_after: dict[Buffer, float] = {}  # a memory, and the last nest that uses it
        place: dict[Buffer, Buffer] = {}
        current: dict[Buffer, Buffer] = {}  # a memory, and the buffer that is in it
        for buffer in sorted(temporaries, key=lambda b: (first[b], b.name)):
            for memory, end in free_after.items():
                fits = (memory.shape, memory.factors, memory.dtype) == (buffer.shape, buffer.factors, buffer.dtype)
                start = first[buffer]
                if fits and (end < start or (end == start and elementwise(nests[int(start)], current[memory], buffer))):
                    place[buffer], current[memory], free_after[memory] = memory, buffer, last[buffer]
                    break
            else:
                free_after[buffer], current[buffer] = last[buffer], buffer
        return program.with_buffers(place), {buffer.name: f"in {memory.name}" for buffer, memory in place.items()}


def lifetimes(program: Program) -> tuple[dict[Buffer, float], dict[Buffer, float]]:
    """The first and the last position at which each buffer is needed. A buffer that only nests that are fused together
    use lives in one round, and positions are nests; any other one lives from before all that are fused with its first
    nest until after all that are fused with its last."""
    first: dict[Buffer, float] = {}
    last: dict[Buffer, float] = {}
    groups: dict[Buffer, set[int]] = {}
    every = program.groups()
    for position, group in enumerate(every):
        for number in group:
            nest = program.nests[number]
            stored = [store.buffer for store in nest.stores()]
            for buffer in stored:
                first.setdefault(buffer, number)
            for buffer in (*stored, *(load.buffer for load in nest.loads())):
                last[buffer] = number
                groups.setdefault(buffer, set()).add(position)
    for buffer, where in groups.items():
        earliest, latest = every[min(where)], every[max(where)]
        if len(where) > 1 or len(earliest) == 1:
            first[buffer] = first.get(buffer, 0) if len(earliest) == 1 else earliest[0] - 0.25
            last[buffer] = last[buffer] if len(latest) == 1 else latest[-1] + 0.25
    return first, last


def elementwise(nest: Nest, read: Buffer, written: Buffer) -> bool:
    """Every iteration reads `read` only where it writes `written`, once, and nothing is carried between iterations."""
    if len(nest.stages) != 1 or nest.stages[0].carried:
        return False
    loads = {load.indices for load in nest.loads() if load.buffer is read}
    stores = {store.indices for store in nest.stores() if store.buffer is written}
    guarded = any(load.guard for load in nest.loads() if load.buffer is read)
    return loads == stores and not guarded
