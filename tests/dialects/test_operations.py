"""The registry of operations: every entry is whole, and its traits are true of the numbers that it folds to."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from string import Formatter

import numpy as np
import pytest

from torch2hw.dialects import folding
from torch2hw.dialects.number_types import Array, number_type
from torch2hw.dialects.operations import OPERATIONS, OperationKind, fold, operation_kind
from torch2hw.hwlib import Library, NoUnit
from torch2hw.hwlib.entries import ENTRIES

EXPANDED = {"math.fpowi", "arith.floordivsi", "arith.ceildivsi", "arith.bitcast"}
"""Operations without a unit: simplify-arithmetic and CIRCT take them apart, or they are constants."""
OF_THE_LIBRARY = {"hwlib.sum", "hwlib.reciprocal", "hwlib.sigmoid"}
"""Units that no pass uses."""
OTHER = {
    "arith.select": ("i1", "f32", "f32", "f32"),
    "hwlib.divide_by": ("f32", "i64", "f32"),
    "hwlib.product": ("i8", "i8", "i16"),
    "hwlib.requantise": ("i22", "i18", "i10", "i10", "i10", "i8"),
    "hwlib.dot": ("f32",) * 5,
    "hwlib.paired_dot": (*("i8",) * 6, "i36"),
    "hwlib.upper_half": ("i36", "i18"),
}
KINDS = tuple(OPERATIONS.values())


def types_of(kind: OperationKind) -> tuple[str, ...]:
    """Types of its operands and its result."""
    if kind.name in OTHER:
        return OTHER[kind.name]
    types = tuple({"f": "f32", "i": "i32", "x": "i32"}[letter] for letter in kind.kinds)
    widened = {"arith.extf": ("f16", "f32"), "arith.truncf": ("f32", "f16"), "arith.trunci": ("i32", "i16")}
    widened |= {"arith.extsi": ("i16", "i32"), "arith.extui": ("i16", "i32"), "arith.index_cast": ("i32", "index")}
    return widened.get(kind.name, (*types[:-1], "i1") if kind.predicates else types)


def numbers(dtype: str) -> Array:
    """Special and other values."""
    kind = number_type(dtype)
    random = np.random.default_rng(4)
    if kind.is_float:
        special = [0.0, -0.0, 1.0, -2.5, 1e-3, 3e4, np.inf, -np.inf, np.nan]
        return np.array([*special, *random.normal(size=11)]).astype(kind.values)
    ends = [0, 1, -1, 5, kind.sign_bit - 1, -kind.sign_bit]
    return np.array([*ends, *random.integers(-100, 100, 14)]).astype(kind.values)


def same(left: Array | None, right: Array | None) -> bool:
    """Whether all values are equal, NaN with NaN and 0 with -0."""
    return left is not None and right is not None and np.array_equal(left, right, equal_nan=left.dtype.kind == "f")


def faults(kinds: Iterable[OperationKind]) -> list[str]:
    """What is wrong with a registry, in words."""
    found = []
    for kind in kinds:
        types = types_of(kind)
        entry = ENTRIES.get(kind.name)
        operands = [column.reshape(-1) for column in np.meshgrid(*(numbers(t) for t in types[:-1][:2]), indexing="ij")]
        wrong = {
            "no unit": entry is None and kind.name not in EXPANDED,
            "the unit's kinds": entry is not None and bool(entry.kinds) and entry.kinds != kind.kinds,
            "the C++ fields": not {field for _, field, _, _ in Formatter().parse(kind.cpp) if field}
            <= {*map(str, range(len(kind.kinds) - 1)), "type", "unsigned", "divisor"},
            "two parts of a multiply-accumulate": kind.multiplies and kind.accumulates,
            "an identity without an operation to join": kind.identity is not None and not kind.associative,
            "an associative operation without an identity": kind.associative and kind.identity is None,
            "no predicates": kind.name.startswith(("arith.cmp", "hwlib.requantise")) != bool(kind.predicates),
        }
        if kind.fold is not None and len(types) == 3 and not kind.predicates:
            a, b = operands
            ab, ba = fold_of(kind, a, b), fold_of(kind, b, a)
            wrong["commutes, or does not"] = kind.commutative != same(ab, ba)
            identity = kind.identity_bits(types[-1]) if kind.associative else None
            if identity is not None:
                e = np.broadcast_to(number_type(types[0]).values_of(identity), a.shape)
                wrong["the identity"] = not same(fold_of(kind, e, a), a)
            if kind.associative and types[0] == "i32":
                wrong["not associative"] = not same(fold_of(kind, ab, a + 7), fold_of(kind, a, fold_of(kind, b, a + 7)))
        found += [f"{kind.name}: {what}" for what, is_wrong in wrong.items() if is_wrong]
    return found


def fold_of(kind: OperationKind, *operands: Array | None) -> Array | None:
    assert kind.fold is not None
    given = tuple(operand for operand in operands if operand is not None)
    with np.errstate(all="ignore"):
        return kind.fold(folding.Folded(given, types_of(kind)[:-1], types_of(kind)[-1], None))


def test_every_entry_is_whole() -> None:
    assert faults(KINDS) == []
    assert ENTRIES.keys() - OPERATIONS.keys() == OF_THE_LIBRARY


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        ("arith.subf", {"commutative": True}, "arith.subf: commutes, or does not"),
        ("arith.addf", {"identity": 1.0}, "arith.addf: the identity"),
        ("arith.subi", {"associative": True, "identity": 0.0}, "arith.subi: not associative"),
        ("arith.mulf", {"kinds": "iii"}, "arith.mulf: the unit's kinds"),
        ("arith.mulf", {"accumulates": True}, "arith.mulf: two parts of a multiply-accumulate"),
        ("arith.andi", {"identity": None}, "arith.andi: an associative operation without an identity"),
        ("math.exp", {"name": "math.sinh"}, "math.sinh: no unit"),
        ("math.exp", {"cpp": "std::exp({1})"}, "math.exp: the C++ fields"),
        ("arith.cmpf", {"predicates": ()}, "arith.cmpf: no predicates"),
        ("arith.muli", {"fold": folding.exactly(np.subtract)}, "arith.muli: commutes, or does not"),
    ],
)
def test_a_planted_fault_is_found(name: str, change: dict[str, object], fault: str) -> None:
    planted = [replace(kind, **change) if kind.name == name else kind for kind in KINDS]  # type: ignore[arg-type]
    assert fault in faults(planted)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.fold is not None], ids=lambda kind: kind.name)
def test_folding_gives_the_type_of_the_result(kind: OperationKind) -> None:
    types = types_of(kind)
    small = [np.array([1, 2, 3]).astype(number_type(t).values) for t in types[:-1]]
    for predicate in kind.predicates or (None,):
        found = fold(kind.name, small, types[:-1], types[-1], predicate)
        assert found is None or (found.dtype == number_type(types[-1]).values and found.shape == (3,)), predicate
    assert kind.name.startswith(("arith.extui", "arith.uitofp")) or found is not None or kind.predicates


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.has_unit], ids=lambda kind: kind.name)
def test_every_unit_has_a_cost(kind: OperationKind) -> None:
    """Wires cost nothing, nor does a product that is one DSP; everything else is measured or estimated."""
    *operands, result = types_of(kind)
    if kind.name == "arith.index_castui":
        operands, result = ["i32"], "index"
    unit = Library().unit(kind.name, tuple(operands), result, kind.predicates[2] if kind.predicates else None)
    wires = ("ext", "trunci", "index_cast", "absf", "copysign", "hwlib.product", "upper_half")
    assert (unit.luts == 0) == any(word in kind.name and kind.name != "arith.extf" for word in wires)


def test_what_is_not_known_is_refused_and_has_no_traits() -> None:
    unknown = operation_kind("math.sinh")
    assert (unknown.fold, unknown.associative, unknown.has_unit, unknown.cpp) == (None, False, False, "")
    assert fold("math.sinh", [np.array([1.0], np.float32)], ("f32",), "f32", None) is None
    with pytest.raises(NoUnit):
        Library().unit("math.sinh", ("f32",), "f32")


def test_identities_of_integers() -> None:
    found = {
        (name, dtype): operation_kind(f"arith.{name}").identity_bits(dtype)
        for name, dtype in product(("maxsi", "minsi", "andi", "minui", "muli"), ("i8", "i1"))
    }
    assert [found[name, "i8"] for name in ("maxsi", "minsi", "andi", "minui", "muli")] == [128, 127, 255, 255, 1]
    assert [found[name, "i1"] for name in ("maxsi", "minsi", "andi")] == [1, 0, 1]  # 1 is the number -1
    assert operation_kind("arith.subf").identity_bits("f32") is None
    assert operation_kind("arith.maximumf").identity_bits("f16") == 0xFC00
