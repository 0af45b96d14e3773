"""A combinational netlist of Yosys (`write_json`, word-level cells) as a graph of `bits`.

Undefined bits become 0. A cell of another kind, a memory or a register is an AssertionError with its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .bits import Bits, Graph, cat, mul, muls, mux, table
from .shifts import shift_left, shift_right

ARITHMETIC = {"$add": "add", "$sub": "sub", "$and": "and", "$or": "or", "$xor": "xor"}


def graph_of(module: Mapping[str, Any], graph: Graph, inputs: Mapping[str, Bits], output: str) -> Bits:
    """The port `output` of a module, whose input ports are `inputs`."""
    return _Reader(module, graph, inputs).signal(module["ports"][output]["bits"])


class _Reader:
    def __init__(self, module: Mapping[str, Any], graph: Graph, inputs: Mapping[str, Bits]):
        self.graph = graph
        self.known: dict[int, Bits] = {}  # net bit -> one-bit value
        self.drivers: dict[int, Mapping[str, Any]] = {}
        for name, node in inputs.items():
            self.define(module["ports"][name]["bits"], node)
        for cell in module["cells"].values():
            for bit in cell["connections"]["Y"]:
                self.drivers[bit] = cell

    def define(self, bits: list[Any], value: Bits) -> None:
        for position, bit in enumerate(bits):
            self.known[bit] = value.bit(position)

    def signal(self, bits: list[Any]) -> Bits:
        """The value of net bits, given from the lowest up."""
        return cat(*(self.bit(bit) for bit in reversed(bits)))

    def bit(self, bit: Any) -> Bits:
        if isinstance(bit, str):
            return self.graph.const(int(bit == "1"), 1)
        if bit not in self.known:
            cell = self.drivers[bit]
            outputs = cell["connections"]["Y"]
            if cell["type"] in ("$shr", "$sshr") and all(isinstance(part, str) for part in cell["connections"]["A"]):
                self.known[bit] = self.of_constant(cell, outputs.index(bit))
                return self.known[bit]
            value = self.value(cell)
            self.define(outputs, value.zext(len(outputs)) if value.width < len(outputs) else value)
        return self.known[bit]

    def of_constant(self, cell: Mapping[str, Any], position: int) -> Bits:
        """One bit of a constant shifted right (HardFloat's masks shift constants of hundreds of bits)."""
        bits = [int(bit == "1") for bit in cell["connections"]["A"]]
        amount = self.signal(cell["connections"]["B"])
        fill = bits[-1] if cell["type"] == "$sshr" and int(cell["parameters"]["A_SIGNED"], 2) else 0
        values = [bits[position + by] if position + by < len(bits) else fill for by in range(1 << amount.width)]
        changes = [by for by in range(1, len(values)) if values[by] != values[by - 1]]
        if not changes:
            return self.graph.const(values[0], 1)
        if len(changes) == 1:
            below = amount.ult(self.graph.const(changes[0], amount.width))
            return below if values[0] else ~below
        return table(amount, 1, values)

    def value(self, cell: Mapping[str, Any]) -> Bits:
        """The output of a cell, or fewer bits of it where the others are 0."""
        kind, connections = cell["type"], cell["connections"]
        width = len(connections["Y"])
        numbers = {name: int(text, 2) for name, text in cell["parameters"].items()}
        a = self.signal(connections["A"])
        signed = bool(numbers.get("A_SIGNED", 0))
        b = self.signal(connections["B"]) if "B" in connections else a
        if kind in ("$shl", "$shr", "$sshl", "$sshr"):
            return _shifted(kind, _fit(a, max(a.width, width), signed), b, signed).bits(0, width)
        both = signed and bool(numbers.get("B_SIGNED", signed))
        if kind in ARITHMETIC:
            return self.graph.node(ARITHMETIC[kind], width, _fit(a, width, both), _fit(b, width, both))
        if kind in ("$eq", "$ne", "$lt", "$ge", "$gt", "$le"):
            wide = max(a.width, b.width)
            return _compared(kind, _fit(a, wide, both), _fit(b, wide, both), both)
        match kind:
            case "$mux":
                return mux(self.signal(connections["S"]), b, a)
            case "$not":
                return ~_fit(a, width, signed)
            case "$neg":
                return self.graph.const(0, width) - _fit(a, width, signed)
            case "$pos":
                return _fit(a, width, signed)
            case "$mul":
                product = muls(a, b) if both else mul(a, b)
                return _fit(product, width, both)
            case "$logic_not":
                return ~a.any()
            case "$logic_and":
                return a.any() & b.any()
            case "$logic_or":
                return a.any() | b.any()
            case "$reduce_or" | "$reduce_bool":
                return a.any()
            case "$reduce_and":
                return a.all()
            case "$reduce_xor":
                return _parity(a)
        raise AssertionError(f"no meaning for the cell {kind}")


def _fit(value: Bits, width: int, signed: bool) -> Bits:
    if value.width >= width:
        return value.bits(0, width)
    return value.sext(width) if signed else value.zext(width)


def _compared(kind: str, a: Bits, b: Bits, signed: bool) -> Bits:
    if kind in ("$eq", "$ne"):
        return a.eq(b) if kind == "$eq" else ~a.eq(b)
    if kind in ("$gt", "$le"):
        a, b = b, a
    less = a.slt(b) if signed else a.ult(b)
    return less if kind in ("$lt", "$gt") else ~less


def _shifted(kind: str, value: Bits, amount: Bits, signed: bool) -> Bits:
    if kind in ("$shl", "$sshl"):
        return shift_left(value, amount)
    return shift_right(value, amount, value.top(1) if kind == "$sshr" and signed else None)


def _parity(value: Bits) -> Bits:
    result = value.bit(0)
    for position in range(1, value.width):
        result = result ^ value.bit(position)
    return result
