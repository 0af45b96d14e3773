"""The accesses of one iteration to one buffer: which partition keeps them in different banks, and how many meet in one.

They are a table: with many lanes, most indices differ only in their constants. So an index is the
number of its terms in a list, and a constant; an access is a row of indices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import gcd, lcm, prod

import numpy as np
from numpy.typing import NDArray

from torch2hw.analysis.banks import all_apart, possible_banks
from torch2hw.dialects.once import once
from torch2hw.dialects.quasi_affine import Atom, Index, Variable

Terms = tuple[tuple[Atom, int], ...]
Row = tuple[tuple[int, int], ...]


@dataclass
class TermTable:
    """Terms of indices, and their numbers."""

    numbers: dict[Terms, int] = field(default_factory=dict)
    all: list[Terms] = field(default_factory=list)

    def number(self, terms: Terms) -> int:
        """The number of these terms, a new one if they have none."""
        found = self.numbers.setdefault(terms, len(self.all))
        if found == len(self.all):
            self.all.append(terms)
        return found

    def row(self, indices: Iterable[Index]) -> Row:
        """The row of an access."""
        return tuple((self.number(index.terms), index.constant) for index in indices)


@dataclass(frozen=True, eq=False)
class BankGroup:
    """Distinct accesses, which are all reads or all writes."""

    rows: tuple[Row, ...]
    terms: Sequence[Terms]

    def columns(self) -> Iterator[list[tuple[int, int]]]:
        """The indices of all accesses, for each dimension."""
        return map(list, zip(*self.rows, strict=True))

    def conflicts(self, factors: Sequence[int]) -> int:
        """Cycles that the accesses of an iteration take, if those of a cycle must be in different banks: where the
        schedule begins to look for its II.

        Where all indices of a dimension have the same terms, the bank of each follows from its constant; otherwise they
        are compared pair by pair.
        """
        if len(self.rows) < 2:
            return 1
        equal: list[list[int]] = []
        others: list[tuple[list[Index], int]] = []
        for column, factor in zip(self.columns(), factors, strict=True):
            if factor == 1:
                continue
            if len({number for number, _ in column}) == 1 and self._is_sized(column[0][0]):
                equal.append([constant % factor for _, constant in column])
            else:
                others.append(([Index(self.terms[number], constant) for number, constant in column], factor))
        if not others:
            return max(Counter(zip(*equal, strict=True)).values()) if equal else len(self.rows)
        return self._in_pairs(equal, others)

    def _in_pairs(self, equal: Sequence[list[int]], others: Sequence[tuple[list[Index], int]]) -> int:
        groups: dict[tuple[int, ...], int] = {}
        same = list(zip(*equal, strict=True)) or [()] * len(self.rows)
        group = np.array([groups.setdefault(each, len(groups)) for each in same])
        meet = group[:, None] == group[None, :]
        for indices, factor in others:
            meet &= ~all_apart(indices, factor)
        return _cycles(meet)

    def _is_sized(self, number: int) -> bool:
        return all(v.extent for v in Index(self.terms[number], 0).variables())

    def wanted_factors(self, rank: int, limit: int) -> tuple[int, ...]:
        """The smallest factors that put accesses a constant distance apart into different banks, with constant bank
        numbers where possible."""
        if not self.rows:
            return (1,) * rank
        return tuple(self._wanted(column, limit) for column in self.columns())

    def _wanted(self, column: Sequence[tuple[int, int]], limit: int) -> int:
        offsets: dict[int, set[int]] = {}
        for number, constant in column:
            offsets.setdefault(number, set()).add(constant)
        factor = 1
        for number, constants in offsets.items():
            if len(constants) > 1:
                common = 0
                for atom, coefficient in self.terms[number]:
                    common = gcd(common, coefficient) if isinstance(atom, Variable) else 1
                first = min(constants)
                apart = tuple(sorted(constant - first for constant in constants))
                factor = max(factor, separating_factor(apart, common, limit))
        return factor

    def choices(self, factors: Sequence[int]) -> Counter[int]:
        """How many accesses may go to so many banks, by the number of banks."""
        found = Counter[int]()
        for row, accesses in self._kinds.items() if self._is_affine else ((row, 1) for row in self.rows):
            found[prod(map(self._banks, row, factors))] += accesses
        return found

    @once
    def _banks(self, index: tuple[int, int], factor: int) -> int:
        """The number of banks of one dimension that an index may go to."""
        number, constant = index
        return choices([Index(self.terms[number], constant)], [factor])

    @cached_property
    def _is_affine(self) -> bool:
        """Whether no index has divisions: how many banks one may go to does not depend on its constant then."""
        return all(
            Index(self.terms[number], 0).is_affine for number in {number for row in self.rows for number, _ in row}
        )

    @cached_property
    def _kinds(self) -> Counter[Row]:
        """The accesses, counted without the constants of their indices."""
        return Counter(tuple((number, 0) for number, _ in row) for row in self.rows)


def _cycles(meet: NDArray[np.bool_]) -> int:
    """Cycles in which accesses can be made, if those of a cycle must not meet: a colouring, those that meet most first
    (D. J. A. Welsh, M. B. Powell: An upper bound for the chromatic number of a graph, 1967)."""
    taken: list[NDArray[np.bool_]] = []  # for each cycle, what its accesses meet
    for access in np.argsort(-meet.sum(axis=1), kind="stable").tolist():
        free = next((cycle for cycle in taken if not cycle[access]), None)
        if free is None:
            taken.append(meet[access].copy())
        else:
            free |= meet[access]
    return len(taken)


def group_of(accesses: Iterable[Sequence[Index]]) -> BankGroup:
    """The distinct ones of these accesses."""
    table = TermTable()
    return BankGroup(tuple(dict.fromkeys(map(table.row, accesses))), table.all)


def conflicts(accesses: Iterable[Sequence[Index]], factors: Sequence[int]) -> int:
    """`BankGroup.conflicts` of these accesses."""
    return group_of(accesses).conflicts(factors)


def wanted_factors(accesses: Iterable[Sequence[Index]], rank: int, limit: int) -> tuple[int, ...]:
    """`BankGroup.wanted_factors` of these accesses."""
    return group_of(accesses).wanted_factors(rank, limit)


def common_factors(groups: Iterable[BankGroup], rank: int, limit: int) -> tuple[int, ...]:
    """The least factors that serve the reads and the writes of a buffer."""
    factors = [1] * rank
    for group in groups:
        if len(group.rows) > 1:
            factors = [lcm(a, b) for a, b in zip(factors, group.wanted_factors(rank, limit), strict=True)]
    return tuple(factors)


def choices(indices: Sequence[Index], factors: Sequence[int]) -> int:
    """The number of banks that an access may go to."""
    return prod(len(possible_banks(index, factor)) for index, factor in zip(indices, factors, strict=True))


@lru_cache(maxsize=1 << 14)
def separating_factor(offsets: tuple[int, ...], common: int, limit: int) -> int:
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
