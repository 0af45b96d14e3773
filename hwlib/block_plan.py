"""How a memory is divided into block RAMs.

Block RAMs of UltraScale+ are used without waste only at depths that are powers of two. Yosys makes 15 blocks of
1024 × 36 and a multiplexer of 217 LUTs for 14400 words of 32 bits. Written as 8192 + 4096 + 2048 + 512 words, the same
memory takes 14.5 blocks and 36 LUTs, so memories are written that way for all tools.

An UltraRAM has one shape, 4096 × 72, and no first contents: they are 0 when the device starts, whatever the bitstream
says. So no weights can be there, only what a design writes itself.

Source of the shapes: UG573 (UltraScale memory resources), simple dual port; UG901 says of UltraRAM that INIT does not
exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
"""Words × bits of a RAMB18."""
SHORTEST_WORDS = SHAPES[0][0]
MAX_LUT_WORDS = 256
"""Of a read-only memory that synthesis keeps in LUTs, unless it is told to use block RAM."""
UNDIVIDED_WORDS = 1024
"""Up to here the tools choose well by themselves, distributed RAM included."""
MAX_PIECES = 4
"""A multiplexer of four is one LUT6 for each bit, like one of two."""
LOGIC_WORDS, LUT_WORDS = 256, 64
"""What Yosys keeps in LUTs of a read-only memory, and the words that a LUT6 holds a bit of."""
ULTRA_WORDS, ULTRA_BITS = 4096, 72
ULTRA_BLOCKS = 3
"""Devices have two to three BRAM36 for an UltraRAM, which has the bits of eight."""
BLOCK_LUTS = 100
"""What a BRAM36 may cost in LUTs: less than a device has for each of them (650 on a U50), for both must fit."""
HALF_BLOCK_LUTS, RAM_BITS_OF_A_LUT = 129, 7 / 8
"""What Yosys weighs a RAMB18 with, and the bits of a word of 64 words in a LUT as memory."""
BYTE_BITS = 9
"""That a block RAM can write without the rest of a word."""


def pieces(depth: int, width_bits: int) -> tuple[int, ...]:
    """Sizes in words of the memories that together hold `depth` words, in the order of their addresses.

    Several pieces are powers of two, none larger than the one before it; each starts at a multiple of its size.
    """
    if depth <= UNDIVIDED_WORDS:
        return (depth,)
    return min(_choices(depth, MAX_PIECES), key=lambda sizes: (_cost(sizes, width_bits), len(sizes)))


def half_blocks(depth: int, width_bits: int) -> int:
    """RAMB18s (half a RAMB36 each) of a memory whose depth is a power of two."""
    for words, bits in SHAPES:
        if depth <= words:
            return -(-width_bits // bits)
    return depth // SHAPES[-1][0] * width_bits


def block_rams(sizes: Sequence[int], width_bits: int) -> float:
    """BRAM36 of memories of these depths."""
    return sum(half_blocks(size, width_bits) for size in sizes) / 2


def is_written_in_luts(depth: int, width_bits: int) -> bool:
    """Whether synthesis keeps a memory that is written in LUTs."""
    luts = ceil(depth / LUT_WORDS) * width_bits / RAM_BITS_OF_A_LUT
    return luts < HALF_BLOCK_LUTS * half_blocks(1 << max(0, depth - 1).bit_length(), width_bits)


def banks_of_a_block(depth: int, width_bits: int) -> int:
    """How many memories in block RAM that are written one at a time, and read at one address, a RAMB18 holds side by
    side; 1 of those that are larger, or in LUTs."""
    bits = next((bits for words, bits in SHAPES if depth <= words), 0)
    if is_written_in_luts(depth, width_bits):
        return 1
    return max(1, bits // BYTE_BITS // -(-width_bits // BYTE_BITS))


def ultra_rams(depth: int, width_bits: int) -> int:
    """UltraRAMs of a memory."""
    return -(-depth // ULTRA_WORDS) * -(-width_bits // ULTRA_BITS)


def is_for_ultra_ram(depth: int, width_bits: int) -> bool:
    """Whether a memory without first contents is better in UltraRAM: each stands for ULTRA_BLOCKS of BRAM36."""
    return block_rams(pieces(depth, width_bits), width_bits) >= ULTRA_BLOCKS * ultra_rams(depth, width_bits)


def side_by_side(depth: int, width_bits: int, count: int) -> bool:
    """Whether `count` read-only memories with one address take less as one memory of words side by side, in block RAM,
    than apart. Apart, synthesis keeps those of up to LOGIC_WORDS words in LUTs.
    """
    apart = _cost(pieces(depth, width_bits), width_bits)
    if depth <= LOGIC_WORDS:
        apart = -(-depth // LUT_WORDS) * width_bits
    together = count * width_bits
    return count > 1 and _cost(pieces(depth, together), together) < count * apart


def most_side_by_side(depth: int, width_bits: int, most: int) -> int:
    """How many of such memories, up to `most`, are best in one: 1 where none take fewer block RAMs than apart. A RAMB18
    has words of 36 bits, for three tables of which 12 bits change.
    """

    def share(count: int) -> float:
        together = count * width_bits
        return _cost(pieces(depth, together), together) / count

    best = min(range(most, 0, -1), key=share)
    return best if share(best) < share(1) else 1


def _choices(depth: int, most: int) -> Iterator[tuple[int, ...]]:
    whole = max(SHORTEST_WORDS, 1 << (depth - 1).bit_length())
    yield (whole,)
    if most > 1 and whole > SHORTEST_WORDS:
        yield from ((whole // 2, *rest) for rest in _choices(depth - whole // 2, most - 1))


def _cost(sizes: tuple[int, ...], width_bits: int) -> float:
    """In LUTs, of memories in block RAM."""
    multiplexer = width_bits if len(sizes) > 1 else 0
    return sum(half_blocks(size, width_bits) for size in sizes) * BLOCK_LUTS / 2 + multiplexer
