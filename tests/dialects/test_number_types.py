"""The registry of number types: every entry is whole and agrees with what MLIR, NumPy and PyTorch say of it."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch_mlir import ir

from torch2hw.dialects.number_types import (
    ELEMENT_TYPES,
    NUMBER_TYPES,
    NumberType,
    integer_for,
    number_type,
    torch_number_type,
)
from torch2hw.hwlib.formats import type_width

TYPES = tuple(NUMBER_TYPES.values())


def faults(types: Iterable[NumberType]) -> list[str]:
    """What is wrong with a registry, in words."""
    found, seen = [], set[tuple[str, str]]()
    for kind in types:
        wrong = {
            "a name twice": any((what, getattr(kind, what)) in seen for what in ("name", "torch", "manifest")),
            "MLIR's bits": _mlir_bits(kind.mlir) != kind.bits,
            "the library's bits": type_width(kind.mlir) != kind.bits,
            "the format": kind.is_float != (kind.kind == "float")
            or (kind.format is not None and kind.format.width != kind.bits),
            "the element's size": kind.stored.itemsize != -(-kind.bits // 8),
            "PyTorch's size": kind.torch is not None and getattr(torch, kind.torch).itemsize != kind.stored.itemsize,
            "the sign": kind.torch is not None and getattr(torch, kind.torch).is_signed != kind.is_signed,
            "the C++ name": kind.c is not None and not kind.is_float and _c_bits(kind.c) != kind.bits,
            "the manifest's name": (kind.manifest is None) != (kind.torch is None),
        }
        seen |= {(what, value) for what in ("name", "torch", "manifest") if (value := getattr(kind, what)) is not None}
        found += [f"{kind.name}: {what}" for what, is_wrong in wrong.items() if is_wrong]
    return found


def _mlir_bits(name: str) -> int:
    with ir.Context():
        parsed = ir.Type.parse(name)
    return 64 if name == "index" else int(getattr(parsed, "width", 0))


def _c_bits(name: str) -> int:
    return 1 if name == "bool" else int("".join(filter(str.isdigit, name)))


def test_every_entry_is_whole() -> None:
    assert faults(TYPES) == []
    assert [kind.name for kind in TYPES if kind not in ELEMENT_TYPES] == ["index"]
    assert all(number_type(kind.mlir).bits == kind.bits for kind in TYPES)  # what a load of it gives is a type, too


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        ("i32", {"bits": 16}, "i32: MLIR's bits"),
        ("f16", {"format": NUMBER_TYPES["f32"].format}, "f16: the format"),
        ("u8", {"kind": "signed"}, "u8: the sign"),
        ("u8", {"manifest": "i8"}, "u8: a name twice"),
        ("bf16", {"stored": np.dtype(np.float32)}, "bf16: the element's size"),
        ("i64", {"c": "int32_t"}, "i64: the C++ name"),
        ("i1", {"manifest": None}, "i1: the manifest's name"),
    ],
)
def test_a_planted_fault_is_found(name: str, change: dict[str, object], fault: str) -> None:
    planted = [replace(kind, **change) if kind.name == name else kind for kind in TYPES]  # type: ignore[arg-type]
    assert fault in faults(planted)


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_bit_patterns_survive(kind: NumberType) -> None:
    words = np.random.default_rng(1).integers(0, 1 << 64, 1000, np.uint64, endpoint=False) & np.uint64(kind.mask)
    patterns = words.astype(kind.patterns)
    values = kind.values_of(patterns)
    assert values.dtype == kind.values
    again = kind.bits_of(values)
    nan = np.isnan(values) if kind.is_float and kind.values != kind.stored else np.zeros(words.shape, bool)
    assert np.array_equal(np.where(nan, 0, again), np.where(nan, 0, patterns))
    assert again.dtype == kind.patterns


def test_bf16_rounds_to_nearest_even_and_u8_is_no_i8() -> None:
    bf16 = number_type("bf16")
    ours = bf16.bits_of(np.array([1 + 2**-8, 1 + 3 * 2**-8, 3.3895e38, np.nan], np.float32))
    theirs = torch.tensor([1 + 2**-8, 1 + 3 * 2**-8, 3.3895e38]).bfloat16().view(torch.int16).numpy().view(np.uint16)
    assert ours.tolist() == [*theirs.tolist(), 0x7FC0]
    assert number_type("u8").values_of(200).tolist() == [200] and number_type("i8").values_of(200).tolist() == [-56]
    assert number_type("i8").signed_integer(200) == -56
    assert torch_number_type("uint8") is number_type("u8") and torch_number_type("complex64") is None


def test_a_name_that_is_no_type_is_our_fault() -> None:
    with pytest.raises(AssertionError, match="i65 is no number type"):
        number_type("i65")


@pytest.mark.parametrize("width", [2, 7, 10, 19, 33, 63])
def test_whole_numbers_of_any_width(width: int) -> None:
    kind = number_type(f"i{width}")
    edges = np.array([-(1 << (width - 1)), -1, 0, 1, (1 << (width - 1)) - 1], dtype=kind.values)
    bits = kind.bits_of(edges)
    assert (bits <= kind.mask).all() and bits.dtype == kind.patterns
    np.testing.assert_array_equal(kind.values_of(bits), edges)
    assert [kind.signed_integer(int(each)) for each in bits] == edges.tolist()
    assert integer_for(int(edges[0]), 0) is integer_for(0, int(edges[-1])) is kind


def test_narrowest_whole_numbers() -> None:
    assert [integer_for(low, high).name for low, high in ((0, 0), (-128, 127), (0, 128), (-129, 0))] == [
        "i2",
        "i8",
        "i9",
        "i9",
    ]
