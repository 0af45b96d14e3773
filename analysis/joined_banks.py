"""Banks of an input that are always read at the same address lie side by side in one memory, if they share block RAM.

Lanes read their banks in the same cycle at the same place, and the host writes one word at a time. A block RAM's word
is wider than most elements: eight banks of 512 elements in bf16 are eight RAMB18s, or four with two banks in each.
"""

from __future__ import annotations

from itertools import groupby

from torch2hw.analysis.banks import bank_number, selection
from torch2hw.dialects.bank_ports import bank_ports
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.program import Program
from torch2hw.hwlib import block_plan


def banks_side_by_side(program: Program, buffer: Buffer) -> list[list[int]]:
    """The banks of a buffer, in order: those that become one memory together, if its memories are in the design."""
    storage, alone = buffer.storage, [[bank] for bank in range(buffer.banks)]
    most = block_plan.banks_of_a_block(buffer.bank_elements, buffer.width_bits)
    if not storage.host_writes or storage.host_reads or storage.kernels_write or min(most, buffer.banks) < 2:
        return alone
    reads = _reads(program, buffer)
    if reads is None:
        return alone
    found: list[list[int]] = []
    for _, alike in groupby(range(buffer.banks), key=lambda bank: reads[bank]):
        banks = list(alike)
        found += [banks[start : start + most] for start in range(0, len(banks), most)]
    return found


def name_of_banks(buffer: Buffer, banks: list[int]) -> str:
    """The name of their memory in the top component."""
    first = bank_ports(buffer, banks[0])
    return first.memory if len(banks) == 1 else f"{first.stem}_to_b{banks[-1]}_memory"


def _reads(program: Program, buffer: Buffer) -> list[set[object]] | None:
    """Where and when kernels read each bank; None where they choose the bank at run time."""
    factors = buffer.bank_factors
    found: list[set[object]] = [set() for _ in range(buffer.banks)]
    for number, kernel in enumerate(program.kernels):
        for load in kernel.loads():
            if load.buffer is not buffer:
                continue
            places = selection(load.indices, factors)
            if len(places) > 1:
                return None
            at = tuple(index.floordiv(factor) for index, factor in zip(load.indices, factors, strict=True))
            found[bank_number(places[0], factors)].add((number, at, kernel.plan.start[load.result]))
    return found
