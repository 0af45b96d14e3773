"""The meaning of every operation of `bits`: the specification that folding, evaluation and all emitters follow."""

from __future__ import annotations


def _signed(value: int, width: int) -> int:
    return value - (value >> (width - 1) << width)


def evaluate_node(op: str, width: int, operands: tuple[tuple[int, int], ...], attribute: object) -> int:
    """The value of a node, `width` bits, from its operands as (value, width) pairs; all values are unsigned."""
    v = [value for value, _ in operands]
    w = [width_ for _, width_ in operands]
    mask = (1 << width) - 1
    match op:
        case "add":
            return (v[0] + v[1]) & mask
        case "sub":
            return (v[0] - v[1]) & mask
        case "mul":
            return v[0] * v[1]
        case "muls":
            return _signed(v[0], w[0]) * _signed(v[1], w[1]) & mask
        case "and":
            return v[0] & v[1]
        case "or":
            return v[0] | v[1]
        case "xor":
            return v[0] ^ v[1]
        case "not":
            return ~v[0] & mask
        case "eq":
            return int(v[0] == v[1])
        case "ult":
            return int(v[0] < v[1])
        case "slt":
            return int(_signed(v[0], w[0]) < _signed(v[1], w[1]))
        case "any":
            return int(v[0] != 0)
        case "all":
            return int(v[0] == (1 << w[0]) - 1)
        case "mux":
            return v[1] if v[0] else v[2]
        case "extract":
            assert isinstance(attribute, int)
            return v[0] >> attribute & mask
        case "rep":
            return mask if v[0] else 0
        case "table" | "rom":
            assert isinstance(attribute, tuple)
            return int(attribute[v[0]])
        case "concat":
            joined = 0
            for value, part in operands:
                joined = joined << part | value
            return joined
    raise AssertionError(f"no operation {op}")
