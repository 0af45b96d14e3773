"""Maxima, minima and clamps give NaN where an operand is NaN, as in PyTorch; torch-mlir's give the other operand.

Before:  %c = arith.cmpf ogt, %x, %y ; %z = arith.select %c, %x, %y           torch.maximum
         %c = arith.cmpf ult, %x, %low ; %z = arith.select %c, %low, %x       torch.clamp
After:   %z = arith.maximumf %x, %y
         %c = arith.cmpf olt, %x, %low ; %z = arith.select %c, %low, %x       %low a constant

needs: elementwise operations not fused: a user's torch.where(x > y, x, y) is two operations, and stays as it is.
leaves: the sign of a zero beside a constant zero (clamp keeps it); elsewhere +0 is greater than -0.
"""

from __future__ import annotations

import math
from typing import Any

from torch_mlir import ir

from torch2hw.frontend.walking import operations_named

ORDERED = {2: "gt", 3: "ge", 4: "lt", 5: "le"}
UNORDERED = 7
"""arith.cmpf's numbers of predicates: those that are true of a NaN are so much higher."""


def rewrite_extremes(module: Any) -> None:
    """Rewrite `module` in place."""
    for select in operations_named(module, "arith.select"):
        _rewrite(select)


def _rewrite(select: Any) -> None:
    condition, chosen, other = select.operands
    compare = condition.owner
    if isinstance(compare, ir.Block) or compare.name != "arith.cmpf":
        return
    predicate = ir.IntegerAttr(compare.attributes["predicate"]).value
    relation = ORDERED.get(predicate) or ORDERED.get(predicate - UNORDERED)
    left, right = compare.operands
    if relation is None or (left, right) not in ((chosen, other), (other, chosen)):
        return
    with ir.InsertionPoint(select), select.location:
        if not _is_number(left) and not _is_number(right):
            name = "maximumf" if (relation[0] == "g") == (left == chosen) else "minimumf"
            made = ir.Operation.create(f"arith.{name}", [select.results[0].type], [left, right])
            select.results[0].replace_all_uses_with(made.results[0])
            select.erase()
            return
        ordered = predicate if predicate in ORDERED else predicate - UNORDERED
        wanted = ordered if _is_number(chosen) else ordered + UNORDERED
        kind = ir.IntegerType.get_signless(64)
        made = compare.clone()
        made.attributes["predicate"] = ir.IntegerAttr.get(kind, wanted)
        select.operands[0] = made.results[0]


def _is_number(value: Any) -> bool:
    """Whether it is a constant, and no NaN."""
    operation = value.owner
    if isinstance(operation, ir.Block) or operation.name != "arith.constant":
        return False
    attribute = operation.attributes["value"]
    return isinstance(attribute, ir.FloatAttr) and not math.isnan(attribute.value)
