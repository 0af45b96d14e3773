"""The product of two codes, for all of them, and requantisation against fractions."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from torch2hw.hwlib import Library, NoUnit
from torch2hw.hwlib.bits import Graph, evaluate
from torch2hw.hwlib.iterative import IterativeUnit, joined, state_inputs
from torch2hw.hwlib.requantise import Requantisation
from torch2hw.hwlib.unit import Unit

from .running import as_c, as_hardware
from .test_iterative import by_protocol

LEVELS = ("i10", "i10", "i10")


def requantise_unit(total: str, shift: int, shape: str = "pipelined", multiplier: str = "i18") -> Unit:
    return Library().unit("hwlib.requantise", (total, multiplier, *LEVELS), "i8", str(shift), shape=shape)


def expected(total: int, multiplier: int, zero: int, low: int, high: int, shift: int) -> int:
    """Python rounds fractions to nearest even."""
    return min(max(round(Fraction(total * multiplier, 1 << shift)) + zero, low), high) & 255


def operands(width: int, shift: int, count: int) -> list[list[int]]:
    """Random ones, many of whose products lie between two results or at their bounds."""
    random = np.random.default_rng(shift * 100 + width)
    rows = []
    for _ in range(count):
        multiplier = int(random.integers(0, 1 << 17))
        low = int(random.integers(-128, 256))
        high, zero = int(random.integers(low, 256)), int(random.integers(-128, 256))
        near = Fraction(int(random.integers(2 * low - 6, 2 * high + 6)) - 2 * zero, 2) * (1 << shift)
        total = int(near / multiplier) if multiplier else 0
        total += int(random.integers(-1, 2))
        if random.integers(4) == 0:
            total = int(random.integers(-(1 << (width - 1)), 1 << (width - 1)))
        if random.integers(3) == 0:
            multiplier = 1 << int(random.integers(17))
        half = 1 << (width - 1)
        rows.append([min(max(total, -half), half - 1), multiplier, zero, low, high])
    return rows


SHAPES = ("iterative", "iterative_2", "iterative_3")


@pytest.mark.parametrize("shape", ["pipelined", *SHAPES])
@pytest.mark.parametrize(("width", "shift"), [(8, 1), (12, 9), (19, 23), (27, 31), (32, 47), (2, 1), (3, 47)])
def test_requantise(width: int, shift: int, shape: str, tmp_path: Path) -> None:
    rows = operands(width, shift, 4000)
    wanted = [expected(*row, shift) for row in rows]  # type: ignore[misc]
    unit = requantise_unit(f"i{width}", shift, shape)
    words = [np.array(column, np.int64).astype(np.uint64) for column in zip(*rows, strict=True)]
    words = [word & np.uint64((1 << o.width) - 1) for word, o in zip(words, unit.operands, strict=True)]
    np.testing.assert_array_equal(as_c(unit, words, tmp_path), wanted)
    names = [str(o.attribute) for o in unit.operands]
    for row in list(zip(*words, strict=True))[:50]:
        given = dict(zip(names, map(int, row), strict=True))
        assert evaluate(unit.schedule.output, given) == expected(
            *(signed(value, o.width) for value, o in zip(map(int, row), unit.operands, strict=True)), shift
        )


def signed(value: int, width: int) -> int:
    return value - (value >> (width - 1) << width)


@pytest.mark.simulation
@pytest.mark.slow
def test_requantise_in_hardware(tmp_path: Path) -> None:
    rows = operands(22, 24, 4000)
    unit = requantise_unit("i22", 24)
    words = [
        np.array(column, np.int64).astype(np.uint64) & np.uint64((1 << o.width) - 1)
        for column, o in zip(zip(*rows, strict=True), unit.operands, strict=True)
    ]
    np.testing.assert_array_equal(as_hardware(unit, words, tmp_path), [expected(*row, 24) for row in rows])  # type: ignore[misc]


@pytest.mark.simulation
@pytest.mark.slow
@pytest.mark.parametrize("multiplier", ["i16", "i18"])
@pytest.mark.parametrize("shape", SHAPES)
def test_iterations_in_hardware(shape: str, multiplier: str, tmp_path: Path) -> None:
    """Operands come as soon as the unit takes them, and later."""
    unit, rng = requantise_unit("i22", 24, shape, multiplier), np.random.default_rng(5)
    assert isinstance(unit, IterativeUnit)
    rows = [r for r in operands(22, 24, 4000) if r[1] < 1 << (int(multiplier[1:]) - 1)]
    words = [
        np.array(column, np.int64).astype(np.uint64) & np.uint64((1 << o.width) - 1)
        for column, o in zip(zip(*rows, strict=True), unit.operands, strict=True)
    ]
    gaps = np.where(rng.random(len(rows)) < 0.7, 0, rng.integers(0, 12, len(rows))).astype(np.uint64)
    wanted = [expected(*row, 24) for row in rows]  # type: ignore[misc]
    np.testing.assert_array_equal(by_protocol(unit, words, gaps, tmp_path), wanted)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("multiplier", [16, 18])
def test_a_step_takes_a_cycle(shape: str, multiplier: int) -> None:
    """Of totals whose product one DSP could make."""
    library, unit = Library(), Requantisation(27, multiplier, 10, 25, 8, SHAPES.index(shape) + 1)
    step, _ = joined(unit.step(state_inputs(Graph(), unit)))
    assert library.path_ns(step) <= library.clock_ns - library.delays.register_ns


def test_every_product_of_codes(tmp_path: Path) -> None:
    codes = np.arange(-128, 128)
    left, right = (each.reshape(-1) for each in np.meshgrid(codes, codes))
    unit = Library().unit("hwlib.product", ("i8", "i8"), "i16")
    assert unit.latency_cycles >= 2, "kernels take turns with units of two stages or more"
    words = [each.astype(np.int64).astype(np.uint64) & np.uint64(255) for each in (left, right)]
    wanted = (left * right).astype(np.int64).astype(np.uint64) & np.uint64(0xFFFF)
    np.testing.assert_array_equal(as_c(unit, words, tmp_path), wanted)


@pytest.mark.parametrize(("bits", "shape", "interval"), [
    (16, "iterative", 8), (16, "iterative_2", 4), (16, "iterative_3", 3),
    (18, "iterative", 9), (18, "iterative_2", 5), (18, "iterative_3", 3),
])  # fmt: skip
def test_every_multiplier_some_bits_a_cycle(bits: int, shape: str, interval: int, tmp_path: Path) -> None:
    """All 2^16 or 2^18 of them, negative ones too, on totals at the ends of their range."""
    unit = requantise_unit("i9", 17, shape, f"i{bits}")
    assert (unit.interval_cycles, unit.name) == (interval, f"i9_i{bits}_requantise_17_{shape}")
    multiplier = np.arange(-(1 << (bits - 1)), 1 << (bits - 1))
    for total in (-256, 255, -1, 85):
        rows = [np.full_like(multiplier, total), multiplier, *(np.full_like(multiplier, k) for k in (3, -512, 511))]
        words = [r.astype(np.uint64) & np.uint64((1 << o.width) - 1) for r, o in zip(rows, unit.operands, strict=True)]
        wanted = (np.round(total * multiplier / 2.0**17).astype(np.int64) + 3) & 255
        np.testing.assert_array_equal(as_c(unit, words, tmp_path), wanted)


def test_what_there_is_no_unit_for() -> None:
    for shift in ("0", "48"):
        with pytest.raises(NoUnit):
            Library().unit("hwlib.requantise", ("i22", "i18", *LEVELS), "i8", shift)
    with pytest.raises(NoUnit):
        Library().unit("hwlib.product", ("i8", "i8"), "i15")
    with pytest.raises(NoUnit):
        Library().unit("hwlib.requantise", ("i22", "i17", *LEVELS), "i8", "20")
