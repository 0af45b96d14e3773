"""Integers that are wider than hardware has (i65), or than is used: only the bits that count are computed.

The low n bits of a sum, difference, product, or bitwise operation depend on the low n bits of its operands alone. So
what is truncated to n bits is computed in n bits, exactly. Where all bits of a wider value count (a comparison, a
quotient), its range is bounded, and it is computed in 64 bits if it fits; else it is refused.

Before:  trunci(addi(extsi(a : i64 to i65), extsi(b : i32 to i65)) : i65 to i32)
After:   addi(trunci(a : i64 to i32), b)
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from torch2hw.dialects.number_types import find_number_type
from torch2hw.lowering.linalg.mlir_attributes import type_name

RING = ("arith.addi", "arith.subi", "arith.muli", "arith.andi", "arith.ori", "arith.xori")
MAX_BITS = 64
Range = tuple[int, int]


def bits_of(value: Any) -> int:
    """The bits of an integer; 0 of anything else."""
    text = type_name(value.type)
    return int(text[1:]) if text[0] == "i" and text[1:].isdigit() else 0


def is_wide(value: Any) -> bool:
    """Whether the value is an integer of more bits than a number type has."""
    return bits_of(value) > MAX_BITS and find_number_type(type_name(value.type)) is None


def defining(value: Any) -> Any:
    """The operation that computes a value; None if none does."""
    owner = getattr(value, "owner", None)
    return None if owner is None or isinstance(owner, ir.Block) else owner.operation


def range_of(value: Any, depth: int = 64) -> Range:
    """What a signed integer is at least and at most."""
    bits = bits_of(value) or MAX_BITS
    whole = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    op = defining(value)
    found = None if op is None or depth == 0 else _computed(op, depth - 1)
    return found if found is not None and whole[0] <= found[0] and found[1] <= whole[1] else whole


def _computed(op: Any, depth: int) -> Range | None:
    if op.name == "arith.constant":
        text = str(op.attributes["value"]).split(" : ")[0]
        return (int(text), int(text)) if text.lstrip("-").isdigit() else None
    if op.name == "arith.extui":
        low, high = range_of(op.operands[0], depth)
        return (low, high) if low >= 0 else (0, (1 << bits_of(op.operands[0])) - 1)
    if op.name in ("arith.extsi", "arith.trunci"):
        return range_of(op.operands[0], depth)
    if op.name == "arith.select":
        ends = [range_of(value, depth) for value in list(op.operands)[1:]]
        return min(low for low, _ in ends), max(high for _, high in ends)
    if len(op.operands) != 2:
        return None
    (a, b), (c, d) = (range_of(value, depth) for value in op.operands)
    if op.name == "arith.addi":
        return a + c, b + d
    if op.name == "arith.subi":
        return a - d, b - c
    if op.name == "arith.muli":
        products = [a * c, a * d, b * c, b * d]
        return min(products), max(products)
    if op.name in ("arith.maxsi", "arith.minsi"):
        pick = max if op.name == "arith.maxsi" else min
        return pick(a, c), pick(b, d)
    if op.name in ("arith.divsi", "arith.shrsi"):
        reach = max(abs(a), abs(b))
        return -reach, reach
    return (-abs(d), abs(d)) if op.name == "arith.remsi" and c > 0 else None


def fits(value: Any) -> bool:
    """Whether 64 bits hold the value, sign included."""
    low, high = range_of(value)
    return low >= -(1 << (MAX_BITS - 1)) and high < 1 << (MAX_BITS - 1)
