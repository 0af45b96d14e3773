"""A rom's contents in the order in which a kernel reads them, against a loop over every iteration."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from torch2hw.analysis.rom_contents import rom_contents
from torch2hw.dialects.loops import Buffer, Load, Loop
from torch2hw.dialects.quasi_affine import Index, Variable, constant, variable
from torch2hw.dialects.storage import ROM

EXTENTS = (3, 4, 2)
VARIABLES = [Variable(f"i{number}", extent) for number, extent in enumerate(EXTENTS)]


@st.composite
def indices(draw: st.DrawFn) -> Index:
    """A sum of multiples of loop variables, some divided; it may leave the buffer."""
    total = constant(draw(st.integers(-2, 3)))
    for each in draw(st.lists(st.sampled_from(VARIABLES), max_size=3)):
        term = variable(each) * draw(st.integers(-2, 3)) + draw(st.integers(0, 3))
        kind = draw(st.sampled_from(["whole", "quotient", "remainder"]))
        divisor = draw(st.integers(2, 3))
        total = total + {"whole": term, "quotient": term.floordiv(divisor), "remainder": term.remainder(divisor)}[kind]
    return total


@given(st.lists(indices(), max_size=3), st.lists(indices(), max_size=2), st.integers(1, 3))
def test_contents_are_what_every_iteration_reads(places: list[Index], guard: list[Index], used: int) -> None:
    shape = tuple(3 + number for number in range(len(places)))
    data = (np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.uint32) + 100).reshape(shape)
    buffer = Buffer("weights", shape, "f32", ROM, data)
    load = Load("v", "f32", buffer, tuple(places), tuple(guard), 7)
    loops = [Loop(each) for each in VARIABLES[:used]]
    found = rom_contents(load, loops)
    assert found.shape == (int(np.prod(EXTENTS[:used])),)
    for word, values in zip(found, product(*map(range, EXTENTS[:used])), strict=True):
        at = dict(zip(VARIABLES, values, strict=False))
        place = tuple(value(index, at) for index in places)
        inside = all(0 <= each < size for each, size in zip(place, shape, strict=True))
        inside &= all(value(index, at) >= 0 for index in guard)
        assert word == (data[place] if inside else 7)


def value(index: Index, at: Mapping[Variable, int]) -> int:
    """What an index is in an iteration; loops that are not the kernel's stay at 0."""
    return int(index.evaluate(lambda variable: at.get(variable, 0)))
