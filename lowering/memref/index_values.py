"""MLIR values that are known functions of the loops: indices, integers cast from them, and conditions on them."""

from __future__ import annotations

import re
from typing import Any

from torch_mlir import ir

from torch2hw.dialects.number_types import find_number_type
from torch2hw.dialects.quasi_affine import Index, constant
from torch2hw.lowering.linalg.mlir_attributes import affine_result, predicate_of, type_name
from torch2hw.lowering.memref.steps import Condition

_CASTS = ("arith.index_cast", "arith.extsi", "arith.trunci")


def affine_results(mapping: Any, operands: list[Index]) -> list[Index]:
    """The results of an affine map for its dimensions, then its symbols."""
    count = mapping.n_dims
    return [affine_result(result, operands[:count], operands[count:]) for result in mapping.results]


class IndexValues:
    """`known` has the indices of loops; others follow."""

    def __init__(self) -> None:
        self.known: dict[Any, Index] = {}

    def of(self, value: Any) -> Index | None:
        """The value as a function of the loops; None if it is none that index arithmetic has."""
        if value in self.known:
            return self.known[value]
        if isinstance(value.owner, ir.Block):
            return None
        found = self._computed(value.owner.operation)
        if found is None:
            return None
        kind = find_number_type(type_name(value.type))
        if kind is None or kind.is_float or kind.kind == "boolean":
            return None
        low, high = found.bounds()
        if kind.kind != "index" and not -(1 << (kind.bits - 1)) <= low <= high < 1 << (kind.bits - 1):
            return None
        self.known[value] = found
        return found

    def _computed(self, op: Any) -> Index | None:
        if op.name == "arith.constant":
            text = str(op.attributes["value"]).split(" : ")[0]
            return constant(int(text)) if text.lstrip("-").isdigit() else None
        if op.name not in (*_CASTS, "arith.addi", "arith.subi", "arith.muli", "affine.apply"):
            return None
        operands = [self.of(value) for value in op.operands]
        known = [each for each in operands if each is not None]
        if len(known) != len(operands):
            return None
        if op.name == "affine.apply":
            return affine_results(op.attributes["map"].value, known)[0]
        if op.name in _CASTS:
            return known[0]
        if op.name == "arith.muli":
            left, right = known
            return left * right.constant if right.is_constant else right * left.constant if left.is_constant else None
        return known[0] + known[1] if op.name == "arith.addi" else known[0] - known[1]

    def condition(self, value: Any) -> Condition:
        """A flag as a condition."""
        op = None if isinstance(value.owner, ir.Block) else value.owner.operation
        if op is not None and op.name == "arith.cmpi":
            left, right = (self.of(each) for each in op.operands)
            predicate = str(predicate_of(op))
            if left is not None and right is not None and not predicate.startswith("u"):
                return _compared(left, right, predicate)
        if op is not None and op.name == "arith.andi":
            both = [self.condition(each) for each in op.operands]
            guards = [each.guard for each in both]
            if all(guard is not None for guard in guards):
                return Condition(tuple(index for guard in guards for index in guard or ()))
        return Condition((), value)

    def affine_condition(self, op: Any) -> Condition | None:
        """The condition of an affine.if; None if a value decides."""
        operands = [self.of(value) for value in op.operands]
        known = [each for each in operands if each is not None]
        if len(known) != len(operands):
            return None
        text = str(op.attributes["condition"])
        equal = [sign == "==" for sign in re.findall(r"(>=|==) 0", text)]
        mapping = ir.AffineMapAttr.parse(
            re.sub(r" (>=|==) 0", "", text).replace("affine_set", "affine_map").replace(" : ", " -> "), op.context
        ).value
        indices: list[Index] = []
        for index, is_equal in zip(affine_results(mapping, known), equal, strict=True):
            indices += [index, index * -1] if is_equal else [index]
        return Condition(tuple(indices))


def _compared(left: Index, right: Index, predicate: str) -> Condition:
    difference = left - right
    return {
        "eq": Condition((difference, difference * -1)),
        "ne": Condition((difference, difference * -1), None, True),
        "slt": Condition((difference * -1 - 1,)),
        "sle": Condition((difference * -1,)),
        "sgt": Condition((difference - 1,)),
        "sge": Condition((difference,)),
    }[predicate]
