"""cumsum and cumprod: torch-mlir's tm_tensor.scan becomes a linalg.generic that stores its running value everywhere.

Before:  %y, %last = tm_tensor.scan dimension(1) ins(%x) outs(%y0, %init) { ^bb0(%in, %acc): yield %in + %acc }
After:   %y, %last = linalg.generic {maps = [(d0, d1), (d0, d1), (d0)], iterators = [parallel, reduction]}
                     ins(%x) outs(%y0, %init) { ^bb0(%in, %out, %acc): %s = %in + %acc; yield %s, %s }

why: linalg runs the iterations of a reduction in order, so this generic is the scan, in a dialect that every tool
    reads. The order of the operations is that of PyTorch's CPU kernel, which however accumulates in double precision.
leaves: exclusive scans, which PyTorch does not have, unchanged.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from torch2hw.tools.walking import operations_named


def rewrite_scans(module: Any) -> None:
    """Rewrite `module` in place."""
    for operation in operations_named(module, "tm_tensor.scan"):
        if not ir.BoolAttr(operation.attributes["inclusive"]).value:
            continue
        with ir.InsertionPoint(operation), operation.location:
            generic = _generic(operation)
        for old, new in zip(operation.results, generic.results, strict=True):
            old.replace_all_uses_with(new)
        operation.erase()


def _generic(scan: Any) -> Any:
    source, output, init = scan.operands
    rank = ir.RankedTensorType(source.type).rank
    along = ir.IntegerAttr(scan.attributes["dimension"]).value
    everywhere = ir.AffineMap.get_identity(rank)
    others = [ir.AffineDimExpr.get(d) for d in range(rank) if d != along]
    maps = [everywhere, everywhere, ir.AffineMap.get(rank, 0, others)]
    kinds = [
        ir.Attribute.parse(f"#linalg.iterator_type<{'reduction' if d == along else 'parallel'}>") for d in range(rank)
    ]
    generic = ir.Operation.create(
        "linalg.generic",
        results=[output.type, init.type],
        operands=[source, output, init],
        attributes={
            "indexing_maps": ir.ArrayAttr.get([ir.AffineMapAttr.get(each) for each in maps]),
            "iterator_types": ir.ArrayAttr.get(kinds),
            "operandSegmentSizes": ir.DenseI32ArrayAttr.get([1, 2]),
        },
        regions=1,
    )
    types = [ir.RankedTensorType(each.type).element_type for each in (source, output, init)]
    block = generic.regions[0].blocks.append(*types, arg_locs=[scan.location] * 3)
    body = scan.regions[0].blocks[0]
    value, _, running = block.arguments
    names = dict(zip(body.arguments, (value, running), strict=True))
    with ir.InsertionPoint(block):
        for each in body.operations:
            operands = [names.get(operand, operand) for operand in each.operation.operands]
            if each.operation.name == "tm_tensor.yield":
                ir.Operation.create("linalg.yield", operands=operands * 2)
                continue
            made = each.operation.clone()
            for number, operand in enumerate(operands):
                made.operands[number] = operand
            names |= dict(zip(each.operation.results, made.results, strict=True))
    return generic
