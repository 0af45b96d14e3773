"""Makes maxima, minima and clamps give NaN where an operand is NaN, as PyTorch's do, and `argmax` and the like give the
index of the first NaN. torch-mlir's give the other operand, and the index of the largest number.

Before:  %c = arith.cmpf ogt, %x, %y ; %z = arith.select %c, %x, %y           torch.maximum
         %c = arith.cmpf ult, %x, %low ; %z = arith.select %c, %low, %x       torch.clamp
After:   %z = arith.maximumf %x, %y
         %c = arith.cmpf olt, %x, %low ; %z = arith.select %c, %low, %x       %low a constant

Before:  %m = arith.maximumf %x, %best ; %c = arith.cmpf ogt, %x, %best       torch.argmax
After:   %m = arith.maximumf %x, %best ; %c = (arith.cmpf ugt, %x, %best) and (arith.cmpf ord, %best, %best)

needs: elementwise operations that are not fused: then a user's torch.where(x > y, x, y) is two operations, and stays.
leaves: the sign of a zero beside a constant zero (clamp keeps it); elsewhere +0 is greater than -0.
"""

from __future__ import annotations

import math
from typing import Any

from torch_mlir import ir

from torch2hw.tools.walking import operations_named

ORDERED = {2: "gt", 3: "ge", 4: "lt", 5: "le"}
UNORDERED = 7
"""arith.cmpf's numbers of predicates: those that are true of a NaN are so much higher."""
BOTH_NUMBERS = 7
"""The number of predicate `ord`."""


def rewrite_extremes(module: Any) -> None:
    """Rewrite `module` in place."""
    for select in operations_named(module, "arith.select"):
        _rewrite(select)
    for name, predicate in (("maximumf", "gt"), ("minimumf", "lt")):
        for extreme in operations_named(module, f"arith.{name}"):
            _rewrite_place(extreme, predicate)


def _rewrite_place(extreme: Any, relation: str) -> None:
    """Comparisons of what `extreme` is taken of decide its place."""
    taken = tuple(extreme.operands)
    for compare in [each.operation for each in extreme.block.operations]:
        if compare.name != "arith.cmpf" or tuple(compare.operands) != taken:
            continue
        predicate = ir.IntegerAttr(compare.attributes["predicate"]).value
        if ORDERED.get(predicate) != relation:
            continue
        with ir.InsertionPoint(compare), compare.location:
            kind, (x, best) = ir.IntegerType.get_signless(64), taken
            beyond, known = (
                ir.Operation.create("arith.cmpf", [compare.results[0].type], operands, {"predicate": number})
                for operands, number in (
                    ([x, best], ir.IntegerAttr.get(kind, predicate + UNORDERED)),
                    ([best, best], ir.IntegerAttr.get(kind, BOTH_NUMBERS)),
                )
            )
            both = ir.Operation.create("arith.andi", [compare.results[0].type], [beyond.result, known.result])
        compare.results[0].replace_all_uses_with(both.result)
        compare.erase()


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
