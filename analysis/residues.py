"""Part of check-ports: the pairs of accesses of a kernel that residues do not keep apart.

The residues of an index modulo a factor are a set, exact where the index is affine. Two accesses with disjoint sets in
some dimension never meet; the other pairs are examined one by one. Indices with the same terms, and constants that are
equal modulo the factor, have the same residues. So one set is made for each kind of index, and a table gives the kind
of each access.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import gcd, prod

import numpy as np

from torch2hw.analysis.port_accesses import Access, Array, evaluated
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.quasi_affine import Index, Variable

MAX_EXACT = 1 << 16  # iterations (or elements) up to which every address is computed; beyond, of some drawn ones
ROWS = 1 << 10  # of a table of pairs, made at once

Pair = tuple[int, int]
Moduli = Sequence[int]


def suspects(found: Sequence[Access], interval_cycles: int) -> list[tuple[Access, Access]]:
    """The pairs of accesses to one buffer that may meet, in order: two reads or two writes of one bank in cycles that
    are equal modulo the interval, or a read and a write of one element."""
    groups: dict[tuple[Buffer, bool, int], list[int]] = {}
    written: dict[Buffer, tuple[list[int], list[int]]] = {}  # reads and writes
    for number, access in enumerate(found):
        groups.setdefault((access.buffer, access.writes, access.cycle % interval_cycles), []).append(number)
        written.setdefault(access.buffer, ([], []))[access.writes].append(number)
    pairs: set[Pair] = set()
    for (buffer, _, _), numbers in groups.items():
        meeting = may_meet([found[k] for k in numbers], [found[k] for k in numbers], buffer.bank_factors)
        pairs.update((numbers[left], numbers[right]) for left, right in meeting if left < right)
    for reads, writes in written.values():
        for left, right in by_steps([found[k] for k in reads], [found[k] for k in writes]):
            pairs.add((min(reads[left], writes[right]), max(reads[left], writes[right])))
    return [(found[left], found[right]) for left, right in sorted(pairs)]


def by_steps(left: Sequence[Access], right: Sequence[Access]) -> Iterator[Pair]:
    """The numbers of the pairs that may access one element: their residues modulo the steps of both meet in every
    dimension."""
    for many, numbers in by_terms(left).items():
        for others, opposite in by_terms(right).items():
            moduli = [step(a, b) for a, b in zip(many, others, strict=True)]
            for one, other in may_meet([left[k] for k in numbers], [right[k] for k in opposite], moduli):
                yield numbers[one], opposite[other]


def by_terms(found: Sequence[Access]) -> dict[tuple[tuple[tuple[object, int], ...], ...], list[int]]:
    """The numbers of the accesses, grouped: within a group, indices differ only in their constants."""
    groups: dict[tuple[tuple[tuple[object, int], ...], ...], list[int]] = {}
    for number, access in enumerate(found):
        groups.setdefault(tuple(index.terms for index in access.indices), []).append(number)
    return groups


def step(*terms: Sequence[tuple[object, int]]) -> int:
    """The greatest common divisor of all coefficients; if there are none, a number larger than any index."""
    return gcd(*(coefficient for each in terms for _, coefficient in each)) or MAX_EXACT


def may_meet(left: Sequence[Access], right: Sequence[Access], moduli: Moduli) -> Iterator[Pair]:
    """The numbers of the pairs of a left and a right access whose residues meet in every dimension."""
    tables = []
    for dimension, modulus in enumerate(moduli):
        if modulus > 1:
            rows, row = kinds([access.indices[dimension] for access in left], modulus)
            columns, column = kinds([access.indices[dimension] for access in right], modulus)
            tables.append((row, common(rows, columns), column))
    for start in range(0, len(left), ROWS):
        end = min(start + ROWS, len(left))
        meet = np.ones((end - start, len(right)), bool)
        for row, table, column in tables:
            meet &= table[np.ix_(row[start:end], column)]
        for one, other in np.argwhere(meet).tolist():
            yield start + one, other


def kinds(indices: Sequence[Index], modulus: int) -> tuple[list[frozenset[int]], list[int]]:
    """The residues of one index of each kind, and the kind of each index."""
    numbers: dict[tuple[object, int], int] = {}
    kind = [numbers.setdefault((index.terms, index.constant % modulus), len(numbers)) for index in indices]
    examples = dict(zip(kind, indices, strict=True))
    return [residues(examples[number], modulus) for number in range(len(numbers))], kind


def common(rows: Sequence[frozenset[int]], columns: Sequence[frozenset[int]]) -> Array:
    """For each row and column, whether their sets have a member in common."""
    column = {value: number for number, value in enumerate(frozenset().union(*rows))}
    tables = []
    for sets in (rows, columns):
        members = np.zeros((len(sets), len(column)), np.float32)
        for number, values in enumerate(sets):
            members[number, [column[value] for value in values if value in column]] = 1
        tables.append(members)
    return np.asarray(tables[0] @ tables[1].T > 0)


@lru_cache(maxsize=65536)
def residues(index: Index, modulus: int) -> frozenset[int]:
    """Every value that `index` modulo `modulus` can have: exact if the index is affine, all values if its divisions are
    too many to try."""
    if modulus == 1:
        return frozenset((0,))
    if not index.is_affine:
        variables = sorted(index.variables(), key=lambda v: v.name)
        if prod(v.extent for v in variables) > MAX_EXACT:
            return frozenset(range(modulus))
        grid = dict(zip(variables, np.indices(tuple(v.extent for v in variables)), strict=True))
        return frozenset(np.unique(evaluated(index, grid) % modulus).tolist())
    found = {index.constant % modulus}
    for atom, coefficient in index.terms:
        assert isinstance(atom, Variable)
        steps = {coefficient * value % modulus for value in range(min(atom.extent, modulus))}
        found = {(a + b) % modulus for a in found for b in steps}
    return frozenset(found)
