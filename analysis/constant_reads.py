"""Reads of constants: words come a storage's read latency after their address, and a ROM alone takes one cycle of it.

The rest of the latency is registers behind a ROM in block RAM, for its clock. A ROM in LUTs has them in front of it: an
address is shorter than the words, several ROMs share one, and what is behind would be shift registers in LUTs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch2hw.dialects.loops import Buffer
from torch2hw.hwlib.block_plan import MAX_LUT_WORDS
from torch2hw.hwlib.memories import ROM_CYCLES


@dataclass(frozen=True)
class Delays:
    """Cycles of a read: by which registers delay a ROM's address, and from there to the word."""

    address: int
    word: int


def delays(words: int, block: bool, latency_cycles: int) -> Delays:
    """Of a ROM of so many words in a storage of this read latency; `block`: it is to be in block RAM."""
    in_luts = words <= MAX_LUT_WORDS and not block
    return Delays(latency_cycles - ROM_CYCLES, ROM_CYCLES) if in_luts else Delays(0, latency_cycles)


def delays_of_tables(tables: Sequence[Buffer]) -> Delays:
    """Of the ROM of constants that several kernels read, side by side if there are several."""
    return delays(tables[0].elements, len(tables) > 1, tables[0].storage.read_latency_cycles)
