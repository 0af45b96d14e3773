"""Constants that are always read at the same address lie side by side in one memory, if they share its block RAM.

A lane's weights are a table of its own; lanes read their tables in the same cycle at the same place. Sixteen tables of
204 codes of 8 bits are 1,400 LUTs in the netlist that Yosys makes, or two memories of 204 words of 64 bits: two block
RAMs. Bits that are the same in all words take no room: of 204 weights in bf16 about 12 bits change, so that three of
these tables fill the words of half a block RAM.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from torch2hw.dialects.bank_ports import bank_ports
from torch2hw.dialects.loops import Buffer, Kernel, Load, Loop
from torch2hw.dialects.program import Program
from torch2hw.hwlib import block_plan
from torch2hw.hwlib.memories import changing_bits

WORD_BITS = 64  # of contents (hwlib/contents.py)
Table = TypeVar("Table", Buffer, Load)


def side_by_side(program: Program) -> list[list[Buffer]]:
    """The read-only buffers outside of kernels, in order: those that become one memory together."""
    groups: dict[object, list[Buffer]] = {}
    for buffer in program.buffers():
        if buffer.storage.is_read_only and not buffer.storage.in_kernel:
            key = (buffer.width_bits, buffer.elements, _reads(program, buffer))
            groups.setdefault(key, []).append(buffer)
    return [part for group in groups.values() for part in _parts(group, group, group[0].elements)]


def in_kernel(kernel: Kernel) -> list[list[Load]]:
    """The loads of constants inside a scheduled kernel, in order: those that read one memory together. Constants that
    loops alone do not index are left out."""
    own = {loop.variable for loop in kernel.loops}
    groups: dict[object, list[Load]] = {}
    for load in kernel.loads():
        used = load.variables
        if load.buffer.data is not None and load.buffer.storage.in_kernel and used <= own:
            key = (load.buffer.width_bits, frozenset(used), kernel.plan.start[load.result])
            groups.setdefault(key, []).append(load)
    return [
        part
        for group in groups.values()
        for part in _parts(
            group, [load.buffer for load in group], prod(loop.extent for loop in loops_of(kernel, group[0]))
        )
    ]


def _parts(tables: Sequence[Table], buffers: Sequence[Buffer], words: int) -> Iterator[list[Table]]:
    """Tables of so many words, from these buffers, divided into those that become one memory together."""
    most = WORD_BITS // buffers[0].width_bits
    if words == 1 or len(tables) == 1 or most < 2:
        yield from ([table] for table in tables)
        return
    stored = stored_bits(buffers)
    most = block_plan.most_side_by_side(words, stored, most)
    for start in range(0, len(tables), most):
        part = list(tables[start : start + most])
        together = block_plan.side_by_side(words, stored, len(part))
        yield from [part] if together else [[table] for table in part]


def stored_bits(tables: Sequence[Buffer]) -> int:
    """Of a word of each, at most: those that change from word to word."""
    return max(changing_bits(buffer.data) for buffer in dict.fromkeys(tables) if buffer.data is not None)


def loops_of(kernel: Kernel, load: Load) -> list[Loop]:
    """The loops that a constant inside a kernel is stored for, outermost first."""
    used = load.variables
    return [loop for loop in kernel.loops if loop.variable in used and loop.extent > 1]


def memory_name(tables: Sequence[Buffer]) -> str:
    """The name of their memory in the top component."""
    if len(tables) == 1:
        return bank_ports(tables[0], 0).memory
    return f"{tables[0].name}_to_{tables[-1].name}_memory"


def _reads(program: Program, buffer: Buffer) -> tuple[object, ...]:
    """Where and when kernels read it."""
    return tuple(
        (number, load.indices, load.guard, kernel.plan.start[load.result])
        for number, kernel in enumerate(program.kernels)
        for load in kernel.loads()
        if load.buffer is buffer
    )


def joined_words(buffers: Sequence[Buffer]) -> NDArray[np.generic]:
    """Their words side by side, the first one's in the lowest bits; of one buffer its own."""
    if len(buffers) == 1:
        assert buffers[0].data is not None
        return buffers[0].data
    width = buffers[0].width_bits
    return words_beside([buffer.data.reshape(-1) for buffer in buffers if buffer.data is not None], width)


def words_beside(columns: Sequence[NDArray[np.generic]], width_bits: int) -> NDArray[np.generic]:
    """Words of `width_bits` side by side, the first column's in the lowest bits."""
    words = np.zeros(columns[0].size, np.uint64)
    for number, column in enumerate(columns):
        words |= column.astype(np.uint64) << np.uint64(number * width_bits)
    return words
