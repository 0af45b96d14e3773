"""The exact oracle against the host's float32, against SoftFloat's float16, and against the graphs of small formats."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import softfloatpy

from torch2hw.hwlib.bits import evaluate
from torch2hw.hwlib.catalogue import find
from torch2hw.hwlib.exact import decode, encode, result
from torch2hw.hwlib.formats import FORMATS
from torch2hw.hwlib.library import Library
from torch2hw.hwlib.vectors import vectors

NUMPY = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "sqrt": np.sqrt, "rem": np.fmod}
SOFTFLOAT = {
    "add": softfloatpy.f16_add,
    "sub": softfloatpy.f16_sub,
    "mul": softfloatpy.f16_mul,
    "div": softfloatpy.f16_div,
}


@pytest.mark.parametrize("name", sorted(NUMPY))
def test_as_the_host_rounds(name: str) -> None:
    listed = find(Library(subnormals="keep"), f"f32_{name}", "f32")
    rows = np.array(vectors(listed, False, 3000).rows, np.uint32)
    columns = [rows[:, i].view(np.float32) for i in range(rows.shape[1] - 1)]
    with np.errstate(all="ignore"):
        host = NUMPY[name](*columns).view(np.uint32)
    host[(host & 0x7FFFFFFF) > 0x7F800000] = 0x7FC00000
    np.testing.assert_array_equal(rows[:, -1], host)


@pytest.mark.parametrize("name", sorted(SOFTFLOAT))
def test_as_softfloat_rounds(name: str) -> None:
    listed = find(Library(subnormals="keep"), f"f16_{name}", "f16")
    for left, right, expected in vectors(listed, False, 3000).rows:
        word = SOFTFLOAT[name](*(softfloatpy.Float16.from_bytes(x.to_bytes(2, "big")) for x in (left, right)))
        bits = int.from_bytes(word.to_bytes(), "big")
        assert expected == (FORMATS["f16"].nan if bits & 0x7FFF > 0x7C00 else bits), (hex(left), hex(right))


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["flush", "keep"])
@pytest.mark.parametrize(
    "name", ["sqrt", "floor", "ceil", "trunc", "round", "roundeven", "to_int_i8", "to_uint_i8", "to_f16"]
)
def test_as_the_graphs_of_fp8_compute(name: str, policy: str) -> None:
    listed = find(Library(subnormals=policy), f"f8E4M3_{name}", "f8E4M3")
    found = vectors(listed, policy == "flush", 0)
    assert len(found.rows) == 256
    assert found.oracle == "exact rational arithmetic"
    for operand, expected in found.rows:
        assert evaluate(listed.unit.schedule.output, {"in": operand}) == expected, hex(operand)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["add", "div", "rem", "cmp_one", "cmp_ule", "maximum", "minnum"])
def test_as_binary_graphs_compute(name: str) -> None:
    listed = find(Library(), f"f8E5M2_{name}", "f8E5M2")
    rows = vectors(listed, True, 2000).rows
    assert len(rows) == 2000
    for left, right, expected in rows:
        got = evaluate(listed.unit.schedule.output, {"left": left, "right": right})
        assert got == expected, (hex(left), hex(right))


def test_every_word_survives() -> None:
    form = FORMATS["f8E5M2"]
    for word, flush in product(range(256), (False, True)):
        value = decode(word, form, flush)
        back = encode(value, form, flush)
        if value is None:
            assert back == form.nan
        elif value.zero:
            assert back == word & 0x80
        else:
            assert back == word


def test_what_is_not_correctly_rounded_is_none() -> None:
    assert result("math.exp", ("f32", "f32"), None, True, (0,)) is None
    assert result("arith.addi", ("i32", "i32", "i32"), None, True, (0, 0)) is None
