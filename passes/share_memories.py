"""share-memories: buffers between kernels share a memory where their lifetimes do not overlap.

Before:  n0 writes a; n1 reads a, writes b; n2 reads b, writes c; n3 reads c
After:   c is a; b too if n1 works element by element

needs: partitioned programs (after `bank-memories`); each element of a temporary is written once.
leaves: fewer memories. A memory is written again once the last reader of its old contents is done, so no later pass
    may move kernels.
refuses: nothing.
why: memory is the largest part of many designs. A kernel may overwrite what it reads if each iteration reads and writes
    one element of the buffer, the same one: the write comes after the read, in hardware and on the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch2hw.analysis.lifetimes import shared
from torch2hw.dialects.program import Program
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class ShareMemories:
    """The pass. It is turned off by `--no-shared-memories`."""

    name: str = "share-memories"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: the memory of each buffer that shares one."""
        if not context.options.share_memories:
            return program, {}
        memory_of = shared(program)
        return program.with_buffers(memory_of), {
            buffer.name: f"in {memory.name}" for buffer, memory in memory_of.items()
        }
