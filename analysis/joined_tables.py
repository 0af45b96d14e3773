"""Constants of narrow words that are always read at the same address lie side by side in one memory.

A lane's weights are a table of its own; lanes read their tables in the same cycle at the same place. Sixteen tables of
204 codes of 8 bits are 1,400 LUTs in the netlist that Yosys makes, or two memories of 204 words of 64 bits: two block
RAMs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from torch2hw.dialects.bank_ports import bank_ports
from torch2hw.dialects.loops import Buffer, Kernel, Load, Loop
from torch2hw.dialects.program import Program
from torch2hw.hwlib import block_plan

NARROW_BITS = 9  # a quarter of a block RAM's word; wider words fill block RAMs by themselves
WORD_BITS = 64


def side_by_side(program: Program) -> list[list[Buffer]]:
    """The read-only buffers outside of kernels, in order: those that become one memory together."""
    groups: dict[object, list[Buffer]] = {}
    for buffer in program.buffers():
        if buffer.storage.is_read_only and not buffer.storage.in_kernel:
            key = (buffer.width_bits, buffer.elements, _reads(program, buffer))
            groups.setdefault(key if buffer.width_bits <= NARROW_BITS else buffer, []).append(buffer)
    found: list[list[Buffer]] = []
    for group in groups.values():
        most = max(1, WORD_BITS // group[0].width_bits)
        for start in range(0, len(group), most):
            part = group[start : start + most]
            together = block_plan.side_by_side(part[0].elements, part[0].width_bits, len(part))
            found += [part] if together else [[buffer] for buffer in part]
    return found


def in_kernel(kernel: Kernel) -> list[list[Load]]:
    """The loads of constants inside a scheduled kernel, in order: those that read one memory together. Constants that
    loops alone do not index are left out."""
    own = {loop.variable for loop in kernel.loops}
    groups: dict[object, list[Load]] = {}
    for load in kernel.loads():
        used = load.variables
        if load.buffer.data is not None and load.buffer.storage.in_kernel and used <= own:
            key = (load.buffer.width_bits, frozenset(used), kernel.plan.start[load.result])
            groups.setdefault(key if load.buffer.width_bits <= NARROW_BITS else load.result, []).append(load)
    return [part for group in groups.values() for part in _parts(kernel, group)]


def _parts(kernel: Kernel, group: list[Load]) -> Iterator[list[Load]]:
    words, width = prod(loop.extent for loop in loops_of(kernel, group[0])), group[0].buffer.width_bits
    most = max(1, WORD_BITS // width)
    for start in range(0, len(group), most):
        part = group[start : start + most]
        together = words > 1 and block_plan.side_by_side(words, width, len(part))
        yield from [part] if together else [[load] for load in part]


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
