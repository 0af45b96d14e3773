"""Integer division against Python's integers, for every pair of some awkward numbers."""

from __future__ import annotations

from itertools import product

import pytest

from torch2hw.hwlib import Library
from torch2hw.hwlib.bits import evaluate

NUMBERS = (0, 1, 2, 3, 7, 10, 63, 64, 100, 126, 127, 128, 129, 130, 200, 253, 254, 255)


@pytest.mark.parametrize("operation", ["divsi", "remsi", "divui", "remui"])
def test_division(operation: str) -> None:
    unit = Library().unit(f"arith.{operation}", ("i8", "i8"), "i8")
    for left, right in product(NUMBERS, NUMBERS):
        a, b = ((x - (x >> 7 << 8) if operation.endswith("si") else x) for x in (left, right))
        negative = (a < 0) != (b < 0)
        quotient = (1 if a < 0 else -1) if b == 0 else -(abs(a) // abs(b)) if negative else abs(a) // abs(b)
        expected = quotient if operation.startswith("div") else a if b == 0 else a - quotient * b
        got = evaluate(unit.schedule.output, {"left": left, "right": right})
        assert got == expected & 0xFF, (a, b)


def signed(word: int) -> int:
    return word - (word >> 7 << 8)


@pytest.mark.parametrize("operation", ["maxsi", "maxui", "minsi", "minui"])
def test_extremes(operation: str) -> None:
    unit = Library().unit(f"arith.{operation}", ("i8", "i8"), "i8")
    choose = max if operation.startswith("max") else min
    for left, right in product(NUMBERS, NUMBERS):
        expected = choose(left, right, key=signed if operation.endswith("si") else int)
        assert evaluate(unit.schedule.output, {"left": left, "right": right}) == expected, (left, right)


@pytest.mark.parametrize(
    ("operation", "kind"),
    [("extsi", "i32"), ("extui", "i32"), ("trunci", "i4"), ("index_cast", "index"), ("index_castui", "index")],
)
def test_widths(operation: str, kind: str) -> None:
    unit = Library().unit(f"arith.{operation}", ("i8",), kind)
    for word in NUMBERS:
        value = word if operation.endswith("ui") else signed(word)
        assert evaluate(unit.schedule.output, {"in": word}) == value % (1 << unit.output.width_bits), word
