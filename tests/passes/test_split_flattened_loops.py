"""split-flattened-loops: new loops go through the same elements in the same order."""

from __future__ import annotations

import itertools
from math import prod

import pytest

from torch2hw.dialects.quasi_affine import Index, Variable, delinearise, linearise, variable
from torch2hw.passes.split_flattened_loops import extents

FLAT = Variable("k", 24)


@pytest.mark.parametrize("shape", [(2, 3, 4), (6, 4), (2, 12), (24,), (2, 2, 2, 3)])
def test_the_same_elements_in_the_same_order(shape: tuple[int, ...]) -> None:
    places = delinearise(variable(FLAT), shape)
    sizes = extents(FLAT, places)
    assert sizes == list(shape)
    loops = [Variable(f"k{number}", size) for number, size in enumerate(sizes)]
    moved = [place.substitute({FLAT: linearise(map(variable, loops), sizes)}) for place in places]
    assert moved == [variable(loop) for loop in loops]
    for number, values in enumerate(itertools.product(*map(range, sizes))):
        at = dict(zip(loops, values, strict=True))
        assert [index.evaluate(at.__getitem__) for index in moved] == [
            index.evaluate({FLAT: number}.__getitem__) for index in places
        ]


def test_two_shapes_of_one_tensor_have_a_loop_for_every_divisor() -> None:
    assert extents(FLAT, [*delinearise(variable(FLAT), (4, 6)), *delinearise(variable(FLAT), (12, 2))]) == [4, 3, 2]


def test_divisors_that_do_not_divide_each_other_or_of_something_else_leave_the_loop() -> None:
    other = Variable("j", 3)
    left: list[list[Index]] = [
        [*delinearise(variable(FLAT), (4, 6)), *delinearise(variable(FLAT), (6, 4))],
        [variable(FLAT).floordiv(5)],
        [(variable(FLAT) + 1).floordiv(4), (variable(FLAT) * 5 + variable(other)).floordiv(7)],
        [variable(other), variable(FLAT)],
    ]
    for indices in left:
        assert prod(extents(FLAT, indices)) == 24 == extents(FLAT, indices)[0], indices
