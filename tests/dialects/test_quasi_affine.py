"""Simplification never changes a value, and removes the divisions that reshapes bring."""

from __future__ import annotations

import math
import random

import pytest

from torch2hw.dialects.quasi_affine import Index, Variable, as_inside, constant, delinearise, linearise, variable


def random_index(rng: random.Random, variables: list[Variable], depth: int) -> Index:
    total = constant(rng.randint(-5, 40))
    for item in variables:
        total = total + variable(item) * rng.choice([-7, -1, 0, 1, 2, 3, 6, 21, 42])
    if depth:
        divisor = rng.choice([1, 2, 3, 5, 6, 7, 21])
        inner = random_index(rng, variables, depth - 1)
        total = total + (inner.floordiv(divisor) * rng.choice([1, divisor]) + inner.remainder(divisor))
        total = rng.choice([total, total.remainder(divisor), total.floordiv(divisor)])
    return total


@pytest.mark.parametrize("seed", range(60))
def test_division_and_remainder_agree_with_python(seed: int) -> None:
    rng = random.Random(seed)
    variables = [Variable(f"i{k}", rng.choice([1, 2, 3, 5, 7, 21])) for k in range(3)]
    index = random_index(rng, variables, 2)
    divisor = rng.choice([1, 2, 3, 4, 6, 7, 21, 42])
    low, high = index.bounds()
    for _ in range(40):
        values = {item: rng.randrange(item.extent) for item in variables}
        plain = index.evaluate(values.__getitem__)
        assert low <= plain <= high
        assert index.floordiv(divisor).evaluate(values.__getitem__) == plain // divisor
        assert index.remainder(divisor).evaluate(values.__getitem__) == plain % divisor
        joined = index.floordiv(divisor) * divisor + index.remainder(divisor)
        assert joined.evaluate(values.__getitem__) == plain


def test_a_reshape_of_a_reshape_is_no_division() -> None:
    head, lane, row = Variable("h", 2), Variable("e", 21), Variable("r", 16)
    flat = linearise([variable(row), variable(head), variable(lane)], [16, 2, 21])
    assert delinearise(flat, (16, 42)) == [variable(row), variable(head) * 21 + variable(lane)]
    column = Variable("c", 42)
    split = [variable(row), variable(column).floordiv(21), variable(column).remainder(21)]
    assert linearise(split, [16, 2, 21]) == linearise([variable(row), variable(column)], [16, 42])


def test_substituting_a_strip_mined_loop_gives_a_constant_bank() -> None:
    loop, outer = Variable("i", 12), Variable("io", 3)
    bank = (variable(loop) * 2 + 1).remainder(4)
    replaced = [bank.substitute({loop: variable(outer) * 4 + lane}) for lane in range(4)]
    assert [str(index) for index in replaced] == ["1", "3", "1", "3"]


def test_an_extent_of_one_is_zero() -> None:
    assert variable(Variable("i", 1)) == constant(0)


@pytest.mark.parametrize("shape", [(4, 4, 4), (1, 4, 3, 3), (5, 2, 3, 2)])
def test_the_offset_of_an_elements_indices_is_the_element(shape: tuple[int, ...]) -> None:
    """Through all divisions and remainders of a flattening: dimensions between the first and the last have both."""
    flat = variable(Variable("i", math.prod(shape)))
    assert linearise(delinearise(flat, shape), shape) == flat


def test_the_padding_of_a_flattened_image_needs_no_division() -> None:
    """An element of a padded image, through its number in a row: as if it were none of the padding."""
    rows, columns, k = Variable("i", 6), Variable("j", 5), Variable("k", 3)
    at = [variable(rows), variable(columns) + variable(k) - 1]
    known, ranges = as_inside(at, (6, 5))
    assert [index.substitute(ranges) for index in delinearise(linearise(known, (6, 5)), (6, 5))] == at
    assert as_inside(at[:1], (6,)) == (at[:1], {})
