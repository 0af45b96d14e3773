"""x / c by a packed reciprocal: the bits of a division, for every significand of x, and what may be packed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from random import Random

import numpy as np
import pytest

from torch2hw.hwlib import Library, NoUnit, exact
from torch2hw.hwlib.bits import evaluate
from torch2hw.hwlib.catalogue import find
from torch2hw.hwlib.float_divide_by import pack, packed_type, unpack_divisor
from torch2hw.hwlib.formats import FORMATS
from torch2hw.hwlib.unit import Unit

from .running import Words, as_c, as_hardware

OPERATION = "hwlib.divide_by"
DIVISORS = (41.0, 3.0, -10.0, 49.0, 1.0000001, 1.9999999, 1.5, 1e-30, 3e38)  # neighbours of powers of two, far ranges


def unit_of(form: str, policy: str, depth: int | None = None) -> Unit:
    return Library(subnormals=policy).unit(OPERATION, (form, packed_type(FORMATS[form])), form, depth=depth)


def bits_of(value: float) -> int:
    return int(np.float32(value).view(np.uint32))


def quotients(words: Words, divisor: float, flush: bool) -> Words:
    """IEEE 754's, flushed as the hardware does."""
    x = words.astype(np.uint32).view(np.float32)
    x = np.where(flush & (np.abs(x) < 2.0**-126), np.copysign(np.float32(0), x), x)
    with np.errstate(all="ignore"):
        result = x / np.float32(divisor)
    result = np.where(flush & (np.abs(result) < 2.0**-126), np.copysign(np.float32(0), result), result)
    return np.where(np.isnan(result), 0x7FC00000, result.astype(np.float32).view(np.uint32)).astype(np.uint64)


def test_every_significand(tmp_path: Path) -> None:
    words = np.arange(1 << 23, dtype=np.uint64) | np.uint64(0x3F800000)
    packed = np.full_like(words, pack(bits_of(41.0), FORMATS["f32"]))
    got = as_c(unit_of("f32", "flush"), [words, packed], tmp_path)
    np.testing.assert_array_equal(got, quotients(words, 41.0, True))


@pytest.mark.parametrize("policy", ["flush", "keep"])
def test_many_operands(policy: str, tmp_path: Path) -> None:
    random, words, packed, expected = np.random.default_rng(1), [], [], []
    for divisor in DIVISORS:
        usual = random.integers(1 << 23, size=1 << 15) | 0x3F800000
        parts = [usual, random.integers(1 << 32, size=1 << 15), random.integers(1 << 25, size=1 << 15)]
        words.append(np.concatenate(parts).astype(np.uint64))
        packed.append(np.full_like(words[-1], pack(bits_of(divisor), FORMATS["f32"])))
        expected.append(quotients(words[-1], divisor, policy == "flush"))
    got = as_c(unit_of("f32", policy), [np.concatenate(words), np.concatenate(packed)], tmp_path)
    np.testing.assert_array_equal(got, np.concatenate(expected))


@pytest.mark.parametrize("policy", ["flush", "keep"])
def test_any_divisor(policy: str, tmp_path: Path) -> None:
    """Any constant, any operand; and operands whose quotient is a whole number or half way between subnormals."""
    random, form = Random(1), FORMATS["f32"]
    words, packed, expected = [], [], []
    while len(words) < 20_000:
        divisor = random.randrange(1 << 32) if random.random() < 0.5 else bits_of(random.randrange(3, 5000))
        reciprocal = pack(divisor, form)
        if reciprocal is None:
            continue
        value = exact.decode(divisor, form, False)
        assert isinstance(value, exact.Real) and value.magnitude is not None
        near = value.magnitude * random.choice([random.randrange(1, 9000), Fraction(random.randrange(9000), 1 << 150)])
        word = random.choice([random.randrange(1 << 32), exact.encode(exact.Real(False, near), form, False)])
        result = exact.result("arith.divf", ("f32",) * 3, None, policy == "flush", (word, divisor))
        assert result is not None
        words.append(word)
        packed.append(reciprocal)
        expected.append(result)
    got = as_c(unit_of("f32", policy), [np.array(words, np.uint64), np.array(packed, np.uint64)], tmp_path)
    np.testing.assert_array_equal(got, np.array(expected, np.uint64))


@pytest.mark.parametrize("policy", ["flush", "keep"])
@pytest.mark.parametrize("form", ["f16", "bf16", "f8E5M2"])
def test_narrow_formats(form: str, policy: str) -> None:
    unit, types = unit_of(form, policy), (form, form, form)
    random = Random(2)
    names = [port.name for port in unit.inputs]
    for _ in range(4000):
        divisor, word = random.randrange(1 << FORMATS[form].width), random.randrange(1 << FORMATS[form].width)
        packed = pack(divisor, FORMATS[form])
        if packed is not None:
            got = evaluate(unit.schedule.output, dict(zip(names, (word, packed), strict=True)))
            assert got == exact.result("arith.divf", types, None, policy == "flush", (word, divisor)), (word, divisor)


def test_what_is_packed_comes_out_again() -> None:
    random = Random(3)
    for form in (FORMATS["f32"], FORMATS["f16"], FORMATS["bf16"]):
        for _ in range(3000):
            divisor = random.randrange(1 << form.width)
            packed = pack(divisor, form)
            assert packed is None or unpack_divisor(packed, form) == divisor


@pytest.mark.parametrize(
    "divisor", [0x00000000, 0x80000000, 0x00000001, 0x3F800000, 0x41000000, 0x7F800000, 0x7FC00000]
)
def test_what_is_not_packed(divisor: int) -> None:
    assert pack(divisor, FORMATS["f32"]) is None


def test_the_library_lists_it() -> None:
    listed = find(Library(), "f32_divide_by", "f32")
    assert (listed.unit.latency_cycles, listed.bound) == (4, "correctly rounded")
    with pytest.raises(NoUnit):
        Library().unit(OPERATION, ("f64", "i64"), "f64")


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("depth", [0, 1, 6])
def test_the_hardware_is_the_graph(tmp_path: Path, depth: int) -> None:
    unit, random = unit_of("f32", "keep", depth), np.random.default_rng(2)
    words = random.integers(0, 1 << 32, 20_000, dtype=np.uint64)
    packed = np.array([pack(bits_of(DIVISORS[i % len(DIVISORS)]), FORMATS["f32"]) for i in range(20_000)], np.uint64)
    np.testing.assert_array_equal(as_hardware(unit, [words, packed], tmp_path), as_c(unit, [words, packed], tmp_path))
