"""The iteration that touches an element, of every element."""

from __future__ import annotations

import itertools

from torch2hw.analysis.inversion import invert
from torch2hw.dialects.quasi_affine import Index, Variable, variable


def test_every_element_has_its_iteration() -> None:
    loops = [Variable("a", 2), Variable("b", 1), Variable("c", 3), Variable("d", 4)]
    a, _, c, d = map(variable, loops)
    place = Variable("place", 24)
    found = invert(c * 8 + d * 2 + a, loops, variable(place))
    assert found is not None
    for in_c, in_d, in_a in itertools.product(range(3), range(4), range(2)):
        number = in_c * 8 + in_d * 2 + in_a
        at = [found[loop].substitute({place: Index((), number)}).constant for loop in loops]
        assert at == [in_a, 0, in_c, in_d]


def test_what_has_no_inverse() -> None:
    loops = [Variable("a", 2), Variable("b", 3)]
    a, b = map(variable, loops)
    place = variable(Variable("place", 6))
    for offset in (a * 3 + b + 1, a * 2 + b, a * 4 + b, a, a * 3 + (b * 2).remainder(3)):
        assert invert(offset, loops, place) is None
