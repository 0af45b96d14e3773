"""The same graph as a C function over 64-bit words (128-bit where a value is wider), for exhaustive tests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from .bits import Bits, reachable

# Of g++, to run a graph on several inputs at once where the machine has wide registers. Without knowledge of ranges,
# with which it makes truncations to a bit that it does not vectorise; tuned for a machine where gathers pay, it thinks.
FLAGS = ("-O3", "-march=native", "-mtune=skylake-avx512", "-mprefer-vector-width=512", "-fno-tree-vrp")


def emit(
    name: str, inputs: list[Bits], output: Bits, faults: Mapping[int, Sequence[tuple[int, Bits]]] | None = None
) -> str:
    """`static inline uint64_t name(uint64_t <input>…)`, preceded by its tables; needs <stdint.h>. Ports are at most
    64 bits. `faults`, by node: where the global `fault` has that number, what the node is instead (of its operands,
    and of the node itself as it was).
    """
    tables: list[str] = []
    lines: list[str] = []
    for node in reachable(output):
        if node.op not in ("input", "const"):
            lines.append(f"  {_type(node.width)} n{node.index} = {_value(name, node, tables)};")
        for number, instead in (faults or {}).get(node.index, ()):
            value = _value(f"{name}_{number}", instead, tables)
            lines.append(f"  if (__builtin_expect(fault == {number}, 0)) n{node.index} = {value};")
    ports = ", ".join(f"uint64_t {_port(n)}" for n in inputs)
    body = "\n".join(lines)
    return (
        "".join(tables)
        + f"static inline uint64_t {name}({ports}) {{\n{body}\n  return (uint64_t){_name(output)};\n}}\n"
    )


def digest(inputs: list[Bits], output: Bits) -> str:
    """Twelve digits that name a graph: what a recorded measurement was made of."""
    return hashlib.sha256(emit("graph", inputs, output).encode()).hexdigest()[:12]


def _port(node: Bits) -> str:
    return f"in_{node.attribute}"


def _type(width: int) -> str:
    assert width <= 128, "a value of more than 128 bits"
    return "uint64_t" if width <= 64 else "unsigned __int128"


def _number(value: int, width: int) -> str:
    if width <= 64:
        return f"UINT64_C({value})"
    return f"((unsigned __int128)UINT64_C({value >> 64}) << 64 | UINT64_C({value & (1 << 64) - 1}))"


def _name(node: Bits) -> str:
    if node.op == "const":
        return _number(node.value, node.width)
    return _port(node) if node.op == "input" else f"n{node.index}"


def _signed(node: Bits) -> str:
    shift = (64 if node.width <= 64 else 128) - node.width
    kind = "int64_t" if node.width <= 64 else "__int128"
    return f"(({kind})({_name(node)} << {shift}) >> {shift})"


def _value(name: str, node: Bits, tables: list[str]) -> str:
    v = [_name(o) for o in node.operands]
    mask = _number(node.mask, node.width)
    wide = node.operands[0]
    match node.op:
        case "add" | "sub":
            return f"({v[0]} {'+' if node.op == 'add' else '-'} {v[1]}) & {mask}"
        case "and" | "or" | "xor":
            return f"{v[0]} {dict(zip(('and', 'or', 'xor'), '&|^', strict=True))[node.op]} {v[1]}"
        case "not":
            return f"~{v[0]} & {mask}"
        case "mul":
            return f"(({_type(node.width)}){v[0]} * {v[1]}) & {mask}"
        case "muls":
            signed = "int64_t" if node.width <= 64 else "__int128"
            a, b = (_signed(o) for o in node.operands)
            return f"({_type(node.width)})(({signed}){a} * {b}) & {mask}"
        case "eq":
            return f"{v[0]} == {v[1]}"
        case "ult":
            return f"{v[0]} < {v[1]}"
        case "slt":
            return f"{_signed(node.operands[0])} < {_signed(node.operands[1])}"
        case "any":
            return f"{v[0]} != 0"
        case "all":
            return f"{v[0]} == {_number(wide.mask, wide.width)}"
        case "mux":
            return f"{v[0]} ? {v[1]} : {v[2]}"
        case "extract":
            return f"({_type(node.width)})({v[0]} >> {node.attribute}) & {mask}"
        case "rep":
            return f"(({_type(node.width)})0 - {v[0]}) & {mask}"
        case "concat":
            parts, position = [], node.width
            for operand in node.operands:
                position -= operand.width
                parts.append(f"({_type(node.width)}){_name(operand)} << {position}")
            return " | ".join(parts)
        case "table" | "rom":
            contents = node.attribute
            assert isinstance(contents, tuple)
            symbol = f"{name}_table{node.index}"
            values = ", ".join(_number(c, node.width) for c in contents)
            tables.append(f"static const {_type(node.width)} {symbol}[] = {{{values}}};\n")
            return f"{symbol}[{v[0]}]"
    raise AssertionError(f"no operation {node.op}")
