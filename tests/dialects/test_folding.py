"""Folding of constants: integers wrap, one bit is 0 or -1 where it is signed."""

from __future__ import annotations

import numpy as np
import pytest

from torch2hw.dialects.operations import fold

TRUE, FALSE = np.array([True]), np.array([False])


@pytest.mark.parametrize(
    ("name", "left", "right", "expected"),
    [
        ("arith.addi", TRUE, TRUE, False),
        ("arith.addi", TRUE, FALSE, True),
        ("arith.subi", FALSE, TRUE, True),
        ("arith.muli", TRUE, TRUE, True),
        ("arith.maxsi", TRUE, FALSE, False),
        ("arith.minsi", TRUE, FALSE, True),
        ("arith.xori", TRUE, TRUE, False),
    ],
)
def test_one_bit(name: str, left: np.ndarray, right: np.ndarray, expected: bool) -> None:  # type: ignore[type-arg]
    result = fold(name, [left, right], ("i1", "i1"), "i1", None)
    assert result is not None and result.dtype == np.bool_ and result[0] == expected


def test_signed_comparison_of_one_bit() -> None:
    result = fold("arith.cmpi", [TRUE, FALSE], ("i1", "i1"), "i1", "slt")
    assert result is not None and result[0], "-1 < 0"


def test_truncation_keeps_the_lowest_bit() -> None:
    result = fold("arith.trunci", [np.array([2, 3, -1, 0])], ("i64",), "i1", None)
    assert result is not None and result.tolist() == [False, True, True, False]


def test_widening_one_bit() -> None:
    for name, expected in (("arith.extsi", -1), ("arith.extui", 1)):
        result = fold(name, [TRUE], ("i1",), "i64", None)
        assert result is not None and result[0] == expected
    for name, value in (("arith.sitofp", -1.0), ("arith.uitofp", 1.0)):
        result = fold(name, [TRUE], ("i1",), "f32", None)
        assert result is not None and result[0] == value
