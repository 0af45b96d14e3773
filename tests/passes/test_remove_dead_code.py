"""remove-dead-code: what may be read stays."""

from __future__ import annotations

import numpy as np

from torch2hw.dialects.loops import Buffer, Kernel, Load, Loop, Stage, Store
from torch2hw.dialects.quasi_affine import Variable, variable
from torch2hw.dialects.storage import OUTPUT, RAM
from torch2hw.passes.remove_dead_code import touched


def test_the_elements_that_an_access_may_touch() -> None:
    row, column = Variable("r", 3), Variable("c", 2)
    read, written = Buffer("m", (5, 4), "f32", RAM), Buffer("y", (3, 2), "f32", OUTPUT)
    load = Load("a", "f32", read, (variable(row) + 2, variable(column) * 3))
    store = Store(written, (variable(row), variable(column)), "a")
    kernel = Kernel("k", (Loop(row), Loop(column)), (Stage((), (load,), (store,)),))
    expected = np.zeros((5, 4), bool)
    expected[2:, [0, 3]] = True
    np.testing.assert_array_equal(touched(kernel, load, 100), expected)
    assert touched(kernel, store, 100).all() and touched(kernel, load, 5).all()
    outside = Load("a", "f32", read, (variable(row) + 3, variable(column) - 1), (variable(column) - 1,))
    expected = np.zeros((5, 4), bool)
    expected[3:, 0] = True
    np.testing.assert_array_equal(touched(kernel, outside, 100), expected)
