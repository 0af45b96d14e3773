"""Two sums of products in one multiplier: every combination of codes, the fields' ends, the hardware."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from torch2hw.hwlib import Library, NoUnit
from torch2hw.hwlib.catalogue import find
from torch2hw.hwlib.equivalence import never
from torch2hw.hwlib.paired_dot import FIELD, most_terms
from torch2hw.hwlib.unit import Unit

from .running import Words, as_c, as_hardware

MASK = (1 << FIELD) - 1


def unit_of(terms: int, packed: str = "i8", shared: str = "i8") -> Unit:
    return Library().unit("hwlib.paired_dot", (packed,) * (2 * terms) + (shared,) * terms, "i36")


def words(columns: list[np.ndarray[tuple[int], np.dtype[np.int64]]], unit: Unit) -> list[Words]:
    return [c.astype(np.uint64) & np.uint64((1 << o.width) - 1) for c, o in zip(columns, unit.operands, strict=True)]


def expected(columns: list[np.ndarray[tuple[int], np.dtype[np.int64]]]) -> Words:
    """Exact integers, each in its field."""
    a, b, x = np.split(np.stack(columns), 3)
    high, low = ((each * x).sum(axis=0) for each in (a, b))
    assert max(abs(high).max(), abs(low).max()) < 1 << (FIELD - 1)
    return ((high & MASK) << FIELD | low & MASK).astype(np.uint64)


@pytest.mark.slow
def test_every_combination_of_codes(tmp_path: Path) -> None:
    unit = unit_of(1)
    high, low, shared = (each.reshape(-1) for each in np.meshgrid(*(np.arange(-128, 128),) * 3))
    assert high.size == 1 << 24
    for part in np.array_split(np.arange(high.size), 8):
        columns = [high[part], low[part], shared[part]]
        np.testing.assert_array_equal(as_c(unit, words(columns, unit), tmp_path), expected(columns))


@pytest.mark.parametrize(("terms", "packed", "shared"), [(2, 8, 8), (4, 8, 8), (7, 8, 8), (3, 8, 9), (7, 4, 12)])
def test_sums_up_to_the_ends_of_the_fields(terms: int, packed: int, shared: int, tmp_path: Path) -> None:
    unit, random = unit_of(terms, f"i{packed}", f"i{shared}"), np.random.default_rng(terms)
    columns = []
    for bits in (packed,) * (2 * terms) + (shared,) * terms:
        half = 1 << (bits - 1)
        ends = random.choice([-half, half - 1, -1, 0, 1], 20_000)
        columns.append(np.where(random.random(20_000) < 0.7, ends, random.integers(-half, half, 20_000)))
    columns = [np.concatenate([c, [-(1 << (o.width - 1))]]) for c, o in zip(columns, unit.operands, strict=True)]
    np.testing.assert_array_equal(as_c(unit, words(columns, unit), tmp_path), expected(columns))


def test_as_many_terms_as_the_field_holds() -> None:
    assert [most_terms(8, 8), most_terms(8, 9), most_terms(4, 8), most_terms(8, 12)] == [7, 3, 127, 0]
    assert most_terms(9, 8) == most_terms(8, 19) == 0
    for operands in (("i8",) * 24, ("i8", "i8", "i8", "i8", "i8", "i9"), ("i9", "i9", "i8"), ("i8", "i7", "i8")):
        with pytest.raises(NoUnit):
            Library().unit("hwlib.paired_dot", operands, "i36")
    assert find(Library(), "i8_i8_paired_dot_4", "i8").unit.name == "i8_i8_paired_dot_4"


@pytest.mark.slow
def test_it_is_proved_to_be_two_products_and_the_correction_is_needed() -> None:
    assert [differs(False), differs(True)] == [[True, True], [False, True]]


def differs(uncorrected: bool) -> list[bool]:
    """For both fields whether they are proved to be products of their own, of operands of four bits."""
    unit = Library().unit("hwlib.paired_dot", ("i4", "i4", "i4"), "i36", depth=0)
    ports = "in %a: i4, in %b: i4, in %x: i4"
    take = ", ".join(f"{port.name}: %{name}: i4" for port, name in zip(unit.inputs, "abx", strict=True))
    lines = [f'%both = hw.instance "u" @{unit.name}({take}) -> (out: i36)']
    for field in (18, 0):
        lines.append(f"%f{field} = comb.extract %both from {field} : (i36) -> i18")
    for name in "abx":
        lines += [
            f"%{name}s = comb.extract %{name} from 3 : (i4) -> i1",
            f"%{name}r = comb.replicate %{name}s : (i1) -> i14",
            f"%{name}w = comb.concat %{name}r, %{name} : i14, i4",
        ]
    for field, name in ((18, "a"), (0, "b")):
        lines.append(f"%p{field} = comb.mul %{name}w, %xw : i18")
    if uncorrected:
        lines += [
            "%borrow = comb.extract %f0 from 17 : (i18) -> i1",
            "%zeros = hw.constant 0 : i17",
            "%one = comb.concat %zeros, %borrow : i17, i1",
            "%h = comb.sub %f18, %one : i18",
        ]
    upper = "%h" if uncorrected else "%f18"
    lines += [f"%d0 = comb.icmp ne {upper}, %p18 : i18", "%d1 = comb.icmp ne %f0, %p0 : i18"]
    lines.append("hw.output %d0, %d1 : i1, i1")
    body = "".join(f"  {line}\n" for line in lines)
    return never(f"{unit.definition()}hw.module @miter({ports}, out d0: i1, out d1: i1) {{\n{body}}}\n", "miter")


@pytest.mark.simulation
@pytest.mark.slow
def test_in_hardware(tmp_path: Path) -> None:
    unit, random = unit_of(4), np.random.default_rng(0)
    columns = [random.integers(-128, 128, 3000) for _ in range(12)]
    np.testing.assert_array_equal(as_hardware(unit, words(columns, unit), tmp_path), expected(columns))


def test_values_of_a_module_are_defined_once() -> None:
    """Ports are called x0, x1 …: a sign extension must not be."""
    text = unit_of(8, "i4").definition()
    defined = re.findall(r"(?:in |^\s*)(%\w+)(?= =|:)", text, re.MULTILINE)
    assert "%x7" in defined and len(defined) == len(set(defined))
