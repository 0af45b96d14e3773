"""Accesses whose bank is no constant. Where the indices of accesses of one cycle differ by constants, modulo the bank
factors, one number tells where all of them are: that of the bank of the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch2hw.analysis.banks import bank_number, selection
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.quasi_affine import Index, linearise

Indices = Sequence[Index]


@dataclass(frozen=True)
class Places:
    """Where an access is: `banks` has its bank for each value of `index`, the number of the first access's bank."""

    index: Index
    banks: dict[int, int]


class MovingBanks:
    """The first accesses, by buffer and cycle of an iteration."""

    def __init__(self) -> None:
        self.first: dict[tuple[Buffer, int], list[Indices]] = {}

    def places(self, buffer: Buffer, indices: Indices, cycle: int) -> Places:
        """Where an access of this cycle is."""
        factors = buffer.bank_factors
        earlier = self.first.setdefault((buffer, cycle), [])
        for first in earlier:
            moved = steps(first, indices, factors)
            if moved is not None:
                break
        else:
            first, moved = indices, [0] * len(factors)
            earlier.append(first)
        number = linearise([i.remainder(f) for i, f in zip(first, factors, strict=True)], factors)
        banks = {}
        for bank in selection(first, factors):
            own = [(part + step) % f for part, step, f in zip(bank, moved, factors, strict=True)]
            banks[bank_number(bank, factors)] = bank_number(own, factors)
        return Places(number, banks)


def steps(first: Indices, indices: Indices, factors: Sequence[int]) -> list[int] | None:
    """How many banks an access is behind the first in each dimension; None where that is no constant."""
    found = [(i - j).remainder(f) for i, j, f in zip(indices, first, factors, strict=True)]
    return [step.constant for step in found] if all(step.is_constant for step in found) else None
