"""A slice of `python -m torch2hw.hwlib.prove`, and that it proves nothing that is wrong."""

from __future__ import annotations

import pytest

from torch2hw.hwlib.catalogue import find
from torch2hw.hwlib.library import Library
from torch2hw.hwlib.prove import alike, deepest, proved

LIBRARY = Library()
MUL = find(LIBRARY, "f6E3M2_mul", "f6E3M2")


@pytest.mark.slow
def test_small_pipelines_are_the_combinational_unit() -> None:
    for name, policy in (("f6E3M2_mul", "keep"), ("f8E5M2_maximum", "flush"), ("f6E3M2_to_int_i8", "flush")):
        library = Library(subnormals=policy)
        listed = find(library, name, "f6E3M2")
        last = deepest(listed, library)
        assert last > 3
        assert proved(listed, library, [1, 2, last]) == {1: True, 2: True, last: True}


def test_a_pipeline_of_another_latency_is_not_proved() -> None:
    unit, pipeline = (LIBRARY.unit(MUL.operation, MUL.types[:-1], MUL.types[-1], None, depth) for depth in (0, 3))
    assert alike(unit, [(3, pipeline), (2, pipeline), (4, pipeline)]) == [True, False, False]


def test_another_operation_is_not_proved() -> None:
    add = find(LIBRARY, "f6E3M2_add", "f6E3M2").unit
    unit = LIBRARY.unit(MUL.operation, MUL.types[:-1], MUL.types[-1], None, 0)
    assert alike(unit, [(add.latency_cycles, add)]) == [False]
