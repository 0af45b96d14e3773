"""Double precision that only torch-mlir asked for becomes single precision.

Before:  %7 = linalg.generic ins(%5 : tensor<2x8xf32>) outs(%6 : tensor<2x8xf64>) { arith.extf %in : f32 to f64 }
         … mean and variance in f64 …  arith.truncf %in : f64 to f32
After:   the same computation in f32, without the conversions; of constants that are resources, the type: their values
         are beside the module (`weights`), where `with_f32` rounds them

needs: a linalg module whose arguments and results hold no f64; the user's own f64 was refused before.
leaves: no f64 anywhere.
why: torch-mlir computes variances (of LayerNorm, GroupNorm, `var`) in f64, where PyTorch's own kernels use f32, and
    writes Python numbers as f64. Hardware for f64 would cost several times the rest of the model.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from torch_mlir import ir

from torch2hw.frontend.weights import Weights


def demote_f64(module: Any) -> int:
    """Rewrite `module` in place; the number of values that became f32."""
    changed = 0
    conversions: list[Any] = []

    def visit(operation: Any) -> Any:
        nonlocal changed
        values = [*operation.results, *(a for region in operation.regions for block in region for a in block.arguments)]
        for value in values:
            narrow = _narrow(value.type)
            if narrow is not None:
                value.set_type(narrow)
                changed += 1
        if operation.name == "arith.constant" and "f64" in str(operation.attributes["value"].type):
            operation.attributes["value"] = _narrow_constant(operation.attributes["value"])
        if operation.name in ("arith.extf", "arith.truncf"):
            conversions.append(operation)
        return ir.WalkResult.ADVANCE

    with module.context, ir.Location.unknown():
        module.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
        for operation in conversions:
            if operation.operands[0].type == operation.results[0].type:
                operation.results[0].replace_all_uses_with(operation.operands[0])
                operation.erase()
    return changed


def with_f32(text: str, weights: Weights) -> Weights:
    """The weights, and those in f32 that the text has as resources of other names (`tensor0_1` of `tensor0`: MLIR makes
    a name of its own for what has another type); more than f32 holds is infinity."""
    made = {name: name.rpartition("_")[0] for name in re.findall(r"dense_resource<(\w+)> : tensor<[\dx]*f32>", text)}
    found = dict(weights)
    for name, wide in made.items():
        if name not in weights and wide in weights:
            with np.errstate(over="ignore"):
                found[name] = weights[wide].view(np.float64).astype(np.float32).view(np.uint32)
    return found


def _narrow(kind: Any) -> Any | None:
    if isinstance(kind, ir.F64Type):
        return ir.F32Type.get()
    if isinstance(kind, ir.RankedTensorType) and isinstance(kind.element_type, ir.F64Type):
        return ir.RankedTensorType.get(kind.shape, ir.F32Type.get(), kind.encoding)
    return None


def _narrow_constant(value: Any) -> Any:
    if isinstance(value, ir.FloatAttr):
        return ir.FloatAttr.get(ir.F32Type.get(), value.value)
    kind = _narrow(value.type)
    resource = re.match(r"dense_resource<\w+>", str(value))
    if resource is not None:
        return ir.Attribute.parse(f"{resource.group()} : {kind}")
    dense = ir.DenseFPElementsAttr(value)
    if dense.is_splat:
        return ir.DenseElementsAttr.get_splat(kind, ir.FloatAttr.get(ir.F32Type.get(), dense.get_splat_value().value))
    with np.errstate(over="ignore"):  # beyond the range of f32 is infinity
        return ir.DenseElementsAttr.get(np.array(dense, dtype=np.float64).astype(np.float32), type=kind)
