"""How many block RAMs and UltraRAMs the memories of a program take: an estimate, without synthesis.

Constants of up to LOGIC_WORDS words, and memories that take fewer LUTs than a block RAM is worth, are in LUTs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from torch2hw.analysis.joined_banks import banks_side_by_side
from torch2hw.analysis.joined_tables import in_kernel, loops_of, side_by_side, stored_bits
from torch2hw.dialects.loops import Buffer, Kernel
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.program import Program
from torch2hw.dialects.storage import Place
from torch2hw.hwlib.block_plan import (
    LOGIC_WORDS,
    block_rams,
    is_for_ultra_ram,
    is_written_in_luts,
    pieces,
    ultra_rams,
)


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


def memory_needs(program: Program, ultra: bool, surrounded: bool = False) -> MemoryNeeds:
    """Of the memories of a scheduled program; `ultra`: those that UltraRAM suits are there; `surrounded`: those of
    inputs and outputs are in an interface."""
    constants = sum(_constant(words, bits, joined) for words, bits, joined in _constants(program))
    written, uram = 0.0, 0
    for buffer in program.buffers():
        if buffer.storage.place is not Place.TOP or buffer.storage.is_read_only:
            continue
        if ultra and is_in_ultra_ram(buffer):
            uram += buffer.banks * ultra_rams(buffer.bank_elements, buffer.width_bits)
        else:
            memories = buffer.banks if surrounded else len(banks_side_by_side(program, buffer))
            written += memories * _written(buffer.bank_elements, buffer.width_bits)
    carried = sum(_written(words, bits) for kernel in program.kernels for words, bits in _carried(kernel))
    return MemoryNeeds(constants, written + carried, uram)


def is_in_ultra_ram(buffer: Buffer) -> bool:
    """Whether the banks of a buffer are for UltraRAM, where there is some."""
    return buffer.data is None and is_for_ultra_ram(buffer.bank_elements, buffer.width_bits)


def _constants(program: Program) -> Iterator[tuple[int, int, bool]]:
    """Words and bits of the memories of constants, and whether they are made to be in block RAM."""
    for tables in side_by_side(program):
        yield tables[0].elements, _bits_of(tables), len(tables) > 1
    for kernel in program.kernels:
        groups = in_kernel(kernel)
        for loads in groups:
            words = prod(loop.extent for loop in loops_of(kernel, loads[0]))
            yield words, _bits_of([load.buffer for load in loads]), len(loads) > 1
        by_loops = {load.result for loads in groups for load in loads}
        for load in kernel.loads():
            if load.buffer.storage.in_kernel and load.buffer.data is not None and load.result not in by_loops:
                yield load.buffer.elements, load.buffer.width_bits, False


def _bits_of(tables: Sequence[Buffer]) -> int:
    """Of a word of the memory that these are in."""
    return tables[0].width_bits if len(tables) == 1 else len(tables) * stored_bits(tables)


def _carried(kernel: Kernel) -> Iterator[tuple[int, int]]:
    """Words and bits of the memories that hold carried values of later stages."""
    for number, stage in enumerate(kernel.stages):
        words = prod(loop.extent for loop in kernel.state_loops(number)) if number else 1
        if words > 1:
            yield from ((words, number_type(carried.type).bits) for carried in stage.carried)


def _constant(words: int, bits: int, block: bool) -> float:
    return block_rams(pieces(words, bits), bits) if block or words > LOGIC_WORDS else 0.0


def _written(words: int, bits: int) -> float:
    return 0.0 if is_written_in_luts(words, bits) else block_rams(pieces(words, bits), bits)
