"""Which bank an access touches, and which partition of a buffer keeps the accesses of one iteration in different banks.

With cyclic factors f the bank of an element is (i mod f) in each dimension. For an access at index c₁·v₁ + … + k the
bank is a constant if f divides every c. Two accesses never meet in a bank if, in some dimension, the difference of
their indices modulo f is a constant other than zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

from torch2hw.dialects.loops import Buffer, Kernel
from torch2hw.dialects.once import once
from torch2hw.dialects.quasi_affine import Index, Variable


def bank_of(index: Index, factor: int) -> Index:
    """The bank of an index in one dimension: `index mod factor`, from 0 to `factor` - 1."""
    return index.remainder(factor)


@lru_cache(maxsize=1 << 16)
def possible_banks(index: Index, factor: int) -> tuple[int, ...]:
    """The banks of one dimension that an access can touch, ascending."""
    if factor == 1:
        return (0,)
    bank = bank_of(index, factor)
    if bank.is_constant:
        return (bank.constant,)
    if not index.is_affine:
        return tuple(range(factor))
    low, high = index.bounds()
    step = factor
    for _, coefficient in index.terms:
        step = gcd(step, coefficient)
    values = range(low, min(high + 1, low + factor))  # the others leave the same when divided by the factor
    return tuple(sorted({value % factor for value in values if (value - index.constant) % step == 0}))


def never_meet(left: Sequence[Index], right: Sequence[Index], factors: Sequence[int]) -> bool:
    """Two accesses are to different banks in every iteration."""
    return any(apart(a, b, factor) for a, b, factor in zip(left, right, factors, strict=True) if factor > 1)


@lru_cache(maxsize=1 << 16)
def apart(a: Index, b: Index, factor: int) -> bool:
    """Two indices of one dimension are in different banks in every iteration."""
    difference = (a - b).remainder(factor)
    if difference.is_constant and difference.constant != 0:
        return True
    return not set(possible_banks(a, factor)) & set(possible_banks(b, factor))


def conflicts(accesses: Iterable[Sequence[Index]], factors: Sequence[int]) -> int:
    """The largest number of accesses (to different addresses) that may need one bank in one iteration: a lower bound of
    II. Where the indices of all accesses have the same terms, two are apart if their `kinds` differ; otherwise they are
    compared pair by pair."""
    distinct = list(dict.fromkeys(tuple(access) for access in accesses))
    equal: list[list[int]] = []
    tables: list[NDArray[np.bool_]] = []
    for dimension, factor in enumerate(factors):
        if factor > 1 and len(distinct) > 1:
            indices = [access[dimension] for access in distinct]
            numbers, of_kind = kinds(indices, factor)
            if len({terms for terms, _ in numbers}) == 1 and all(v.extent for v in indices[0].variables()):
                equal.append(of_kind)
            else:
                tables.append(all_apart(indices, factor))
    same = list(zip(*equal, strict=True)) or [()] * len(distinct)
    if not tables:
        return max(Counter(same).values(), default=1)
    groups: dict[tuple[int, ...], int] = {}
    group = np.array([groups.setdefault(each, len(groups)) for each in same])
    meet = np.tril(group[:, None] == group[None, :], -1)  # whether access k meets an earlier one
    for table in tables:
        meet &= ~table
    return 1 + int(meet.sum(axis=1).max())


def kinds(indices: Sequence[Index], factor: int) -> tuple[dict[tuple[object, int], int], list[int]]:
    """A number for each kind of index, and the kind of each index. The bank depends only on the terms of the index and
    on its constant modulo the factor."""
    numbers: dict[tuple[object, int], int] = {}
    return numbers, [numbers.setdefault((index.terms, index.constant % factor), len(numbers)) for index in indices]


def all_apart(indices: Sequence[Index], factor: int) -> NDArray[np.bool_]:
    """`apart` of every two of these indices."""
    numbers, kind = kinds(indices, factor)
    terms: dict[object, int] = {}
    groups = np.array([terms.setdefault(of, len(terms)) for of, _ in numbers], int)
    rest = np.array([constant for _, constant in numbers], int)
    result = rest[:, None] != rest[None, :]  # where two have the same terms, and differ
    examples = dict(zip(kind, indices, strict=True))
    others = (groups[:, None] != groups[None, :]) | np.eye(len(numbers), dtype=bool)
    for row, column in np.argwhere(others).tolist():
        result[row, column] = apart(examples[row], examples[column], factor)
    table: NDArray[np.bool_] = result[np.ix_(kind, kind)]
    return table


def wanted_factors(accesses: Iterable[Sequence[Index]], rank: int, limit: int) -> tuple[int, ...]:
    """The smallest factors that put accesses a constant distance apart into different banks, with constant bank numbers
    where possible."""
    distinct = list(dict.fromkeys(tuple(access) for access in accesses))
    factors = []
    for dimension in range(rank):
        groups: dict[tuple[tuple[object, int], ...], set[int]] = {}
        for access in distinct:
            index = access[dimension]
            groups.setdefault(index.terms, set()).add(index.constant)
        factor = 1
        for terms, offsets in groups.items():
            if len(offsets) < 2:
                continue
            common = 0
            for atom, coefficient in terms:
                common = gcd(common, coefficient) if isinstance(atom, Variable) else 1
            factor = max(factor, separating_factor(sorted(offsets), common, limit))
        factors.append(factor)
    return tuple(factors)


def separating_factor(offsets: list[int], common: int, limit: int) -> int:
    """The factor that puts all offsets into different banks: the smallest divisor of `common` (then the banks are
    constants), or else, of those up to twice the smallest, one for which an access has the fewest banks."""

    def apart(factor: int) -> bool:
        return len({offset % factor for offset in offsets}) == len(offsets)

    span = offsets[-1] - offsets[0] + 1
    upper = min(limit, span if common == 0 else max(span, common))
    for factor in range(len(offsets), upper + 1):
        if apart(factor) and (common == 0 or common % factor == 0):
            return factor
    upper = min(limit, span)
    smallest = next((factor for factor in range(len(offsets), upper + 1) if apart(factor)), 1)
    fitting = [factor for factor in range(smallest, min(upper, 2 * smallest) + 1) if apart(factor)]
    return min(fitting, key=lambda factor: (factor // gcd(factor, common), factor), default=1)


@dataclass(frozen=True)
class Accesses:
    """All reads and all writes of one kernel to one buffer (constants excluded)."""

    buffer: Buffer
    reads: tuple[tuple[Index, ...], ...]
    writes: tuple[tuple[Index, ...], ...]


@once
def accesses_of(kernel: Kernel) -> list[Accesses]:
    """The distinct reads and writes of each buffer in one iteration; buffers inside the kernel are left out."""
    reads: dict[Buffer, list[tuple[Index, ...]]] = {}
    writes: dict[Buffer, list[tuple[Index, ...]]] = {}
    for load in kernel.loads():
        if not load.buffer.storage.in_kernel:
            reads.setdefault(load.buffer, []).append(load.indices)
    for store in kernel.stores():
        writes.setdefault(store.buffer, []).append(store.indices)
    return [
        Accesses(buffer, tuple(dict.fromkeys(reads.get(buffer, []))), tuple(dict.fromkeys(writes.get(buffer, []))))
        for buffer in dict.fromkeys([*reads, *writes])
    ]


def run_time_dimensions(kernels: Iterable[Kernel]) -> dict[Buffer, frozenset[int]]:
    """The dimensions of each buffer that some access indexes with a value computed at run time.

    They are not partitioned: the hardware would need a division to find the bank and the offset in it.
    """
    found: dict[Buffer, frozenset[int]] = {}
    for kernel in kernels:
        for buffer, here in _run_time_dimensions(kernel).items():
            found[buffer] = found.get(buffer, frozenset()) | here
    return found


@once
def _run_time_dimensions(kernel: Kernel) -> dict[Buffer, frozenset[int]]:
    found: dict[Buffer, frozenset[int]] = {}
    loops = {loop.variable for loop in kernel.loops}
    for load in kernel.loads():
        here = {d for d, index in enumerate(load.indices) if not index.variables() <= loops}
        if here:
            found[load.buffer] = found.get(load.buffer, frozenset()) | here
    return found


def selection(indices: Sequence[Index], factors: Sequence[int]) -> list[tuple[int, ...]]:
    """Every bank (as a tuple over dimensions) that an access can touch."""
    banks: list[tuple[int, ...]] = [()]
    for index, factor in zip(indices, factors, strict=True):
        banks = [(*bank, number) for bank in banks for number in possible_banks(index, factor)]
    return banks


def bank_number(bank: Sequence[int], factors: Sequence[int]) -> int:
    """The row-major number of a bank among prod(`factors`), its coordinates one for each dimension."""
    number = 0
    for part, factor in zip(bank, factors, strict=True):
        number = number * factor + part
    return number
