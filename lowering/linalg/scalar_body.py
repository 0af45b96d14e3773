"""Builds the scalar computation of one loop iteration: statements in order, and the values that are constant.

Equal constants and equal loads are one statement. Operations on constants are folded at once (`folding`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from torch2hw.dialects.loops import Constant, Load, Operation, Source, Statement
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.operations import fold
from torch2hw.lowering.linalg.tensor_views import Element


@dataclass
class ScalarBody:
    """`values` gives the name of an MLIR value, `known` the bits of a constant's name, `types` the type of any name."""

    statements: list[Statement] = field(default_factory=list)
    values: dict[Any, str] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)

    def fresh(self, hint: str) -> str:
        """A value name that is not taken."""
        return f"{hint}{len(self.types)}"

    def add(self, statement: Statement) -> str:
        """Appends a statement; gives the name of its result."""
        self.statements.append(statement)
        self.types[statement.result] = statement.type
        return statement.result

    def carried(self, dtype: str) -> str:
        """A name for a value that a reduction carries."""
        name = self.fresh("acc")
        self.types[name] = dtype
        return name

    def constant(self, bits: int, dtype: str) -> str:
        """The name of a constant by its bits; one statement for equal constants of a type."""
        for known, value in self.known.items():
            if value == bits and self.types[known] == dtype:
                return known
        result = self.add(Constant(self.fresh("c"), dtype, bits))
        self.known[result] = bits
        return result

    def read(self, element: Element, dtype: str, source: Source | None) -> str:
        """The value of one element of a tensor."""
        if element.buffer is None:
            return self.constant(element.otherwise_bits, dtype)
        load = Load("", dtype, element.buffer, element.indices, element.guard, element.otherwise_bits, source)
        for statement in self.statements:
            if isinstance(statement, Load) and statement.place == load.place:
                return statement.result
        return self.add(replace(load, result=self.fresh("v")))

    def operation(
        self, name: str, operands: tuple[str, ...], kind: str, predicate: str | None, source: Source | None
    ) -> str:
        """The value of an arith or math operation."""
        types = tuple(self.types[operand] for operand in operands)
        if all(operand in self.known for operand in operands):
            arrays = [number_type(t).values_of(self.known[operand]) for operand, t in zip(operands, types, strict=True)]
            folded = fold(name, arrays, types, kind, predicate)
            if folded is not None:
                return self.constant(int(number_type(kind).bits_of(folded)[0]), kind)
        return self.add(Operation(self.fresh("v"), kind, name, operands, types, predicate, None, source))
