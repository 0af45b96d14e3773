"""Which accesses can meet in a bank, against every value of their variables."""

from __future__ import annotations

import itertools
import random

import pytest

from torch2hw.analysis.bank_groups import conflicts, wanted_factors
from torch2hw.analysis.banks import apart, never_meet, possible_banks
from torch2hw.dialects.quasi_affine import Index, Variable, variable


def drawn(rng: random.Random, name: str) -> Index:
    """An index of one or two loops."""
    index = Index((), rng.randrange(4))
    for number in range(rng.randrange(3)):
        index = index + variable(Variable(f"{name}{number}", rng.randrange(1, 5))) * rng.choice([1, 2, 3, 4])
    return index


def values(index: Index) -> set[int]:
    """All that an index can be."""
    variables = sorted(index.variables(), key=lambda each: each.name)
    ranges = itertools.product(*(range(each.extent) for each in variables))
    return {index.substitute({v: Index((), k) for v, k in zip(variables, at, strict=True)}).constant for at in ranges}


@pytest.mark.parametrize("seed", range(3))
def test_what_is_said_to_be_apart_never_meets(seed: int) -> None:
    rng, found = random.Random(seed), {True: 0, False: 0}
    for _ in range(300):
        a, b, factor = drawn(rng, "a"), drawn(rng, "b"), rng.randrange(1, 5)
        banks = [{value % factor for value in values(each)} for each in (a, b)]
        assert all(each <= set(possible_banks(index, factor)) for each, index in zip(banks, (a, b), strict=True))
        meet = bool(banks[0] & banks[1])
        said = apart(a, b, factor)
        assert not (said and meet), (a, b, factor)
        assert never_meet([a], [b], [factor]) == said
        assert conflicts([[a], [b]], [factor]) == (1 if said or a == b else 2)
        found[said] += 1
    assert min(found.values()) > 20


@pytest.mark.parametrize(("apart_by", "lanes", "factor"), [(128, 4, 12), (128, 2, 6), (132, 4, 8), (4, 4, 8)])
def test_two_groups_of_lanes_use_few_banks_for_each_access(apart_by: int, lanes: int, factor: int) -> None:
    """Queries and keys of one buffer: `lanes` neighbours, and as many a constant apart."""
    start = variable(Variable("k", 8)) * lanes
    reads = [[start + at + lane] for at in (0, apart_by) for lane in range(lanes)]
    assert wanted_factors(reads, 1, 64) == (factor,)
    assert conflicts(reads, (factor,)) == 1
    assert {len(possible_banks(index, factor)) for (index,) in reads} == {factor // lanes}


@pytest.mark.parametrize("seed", range(3))
def test_reads_of_constant_banks_meet_only_what_moves(seed: int) -> None:
    """In any order: rows 0 to 14 are each in a bank of its own, and may meet one of two that the iteration chooses."""
    moving = variable(Variable("i", 7)) * 2
    reads = [[Index((), row)] for row in range(15)] + [[moving], [moving + 1]]
    random.Random(seed).shuffle(reads)
    assert conflicts(reads, (15,)) == 2
    assert conflicts([*reads, [variable(Variable("j", 15))]], (15,)) == 3
