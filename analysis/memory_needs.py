"""How many block RAMs and UltraRAMs the memories of a program take: an estimate, without synthesis.

Constants of up to LOGIC_WORDS words, and memories that take fewer LUTs than a block RAM is worth, are in LUTs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, prod

from torch2hw.analysis.joined_tables import in_kernel, loops_of, side_by_side
from torch2hw.dialects.loops import Buffer, Kernel
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.program import Program
from torch2hw.dialects.storage import Place
from torch2hw.hwlib.block_plan import (
    LOGIC_WORDS,
    LUT_WORDS,
    block_rams,
    half_blocks,
    is_for_ultra_ram,
    pieces,
    ultra_rams,
)

HALF_BLOCK_LUTS, RAM_BITS_OF_A_LUT = 129, 7 / 8
"""What Yosys weighs half a BRAM36 with, and the bits of a word of 64 words in a LUT as memory."""


@dataclass(frozen=True)
class MemoryNeeds:
    """BRAM36 of constants and of memories that are written, and UltraRAMs."""

    constants_bram36: float
    written_bram36: float
    uram: int

    @property
    def bram36(self) -> float:
        """All of them."""
        return self.constants_bram36 + self.written_bram36


def memory_needs(program: Program, ultra: bool) -> MemoryNeeds:
    """Of the memories of a scheduled program; `ultra`: those that UltraRAM suits are there."""
    constants = sum(_constant(words, bits, joined) for words, bits, joined in _constants(program))
    written, uram = 0.0, 0
    for buffer in program.buffers():
        if buffer.storage.place is not Place.TOP or buffer.storage.is_read_only:
            continue
        if ultra and is_in_ultra_ram(buffer):
            uram += buffer.banks * ultra_rams(buffer.bank_elements, buffer.width_bits)
        else:
            written += buffer.banks * _written(buffer.bank_elements, buffer.width_bits)
    carried = sum(_written(words, bits) for kernel in program.kernels for words, bits in _carried(kernel))
    return MemoryNeeds(constants, written + carried, uram)


def is_in_ultra_ram(buffer: Buffer) -> bool:
    """Whether the banks of a buffer are for UltraRAM, where there is some."""
    return buffer.data is None and is_for_ultra_ram(buffer.bank_elements, buffer.width_bits)


def _constants(program: Program) -> Iterator[tuple[int, int, bool]]:
    """Words and bits of the memories of constants, and whether they are made to be in block RAM."""
    for tables in side_by_side(program):
        yield tables[0].elements, tables[0].width_bits * len(tables), len(tables) > 1
    for kernel in program.kernels:
        groups = in_kernel(kernel)
        for loads in groups:
            words = prod(loop.extent for loop in loops_of(kernel, loads[0]))
            yield words, loads[0].buffer.width_bits * len(loads), len(loads) > 1
        by_loops = {load.result for loads in groups for load in loads}
        for load in kernel.loads():
            if load.buffer.storage.in_kernel and load.buffer.data is not None and load.result not in by_loops:
                yield load.buffer.elements, load.buffer.width_bits, False


def _carried(kernel: Kernel) -> Iterator[tuple[int, int]]:
    """Words and bits of the memories that hold carried values of later stages."""
    for number, stage in enumerate(kernel.stages):
        words = prod(loop.extent for loop in kernel.state_loops(number)) if number else 1
        if words > 1:
            yield from ((words, number_type(carried.type).bits) for carried in stage.carried)


def _constant(words: int, bits: int, block: bool) -> float:
    return block_rams(pieces(words, bits), bits) if block or words > LOGIC_WORDS else 0.0


def _written(words: int, bits: int) -> float:
    luts = ceil(words / LUT_WORDS) * bits / RAM_BITS_OF_A_LUT
    whole = 1 << max(0, words - 1).bit_length()
    return 0.0 if luts < HALF_BLOCK_LUTS * half_blocks(whole, bits) else block_rams(pieces(words, bits), bits)
