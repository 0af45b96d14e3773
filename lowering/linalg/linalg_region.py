"""The region of a linalg operation → the statements of one loop iteration."""

from __future__ import annotations

from typing import Any

from torch2hw.analysis.refusals import unsupported
from torch2hw.dialects.loops import IndexValue
from torch2hw.dialects.quasi_affine import Index, Variable, constant, variable
from torch2hw.lowering.linalg.mlir_attributes import (
    DYNAMIC,
    predicate_of,
    scalar_bits,
    shape_of,
    source_at,
    static_slice,
    type_name,
)
from torch2hw.lowering.linalg.scalar_body import ScalarBody
from torch2hw.lowering.linalg.tensor_values import TensorValues
from torch2hw.lowering.linalg.tensor_views import View, slice_indices


def translate(block: Any, body: ScalarBody, at: list[Index], values: TensorValues) -> list[str]:
    """Adds the operations of `block` to `body`, whose loop indices are `at`; the names of what it yields."""
    for inner in block.operations:
        operation = inner.operation
        if operation.name.endswith(".yield"):
            return [operand(value, body, values) for value in operation.operands]
        if operation.name != "cf.assert":
            body.values[operation.results[0]] = _translated(operation, body, at, values)
    raise AssertionError("a region that yields nothing")


def _translated(operation: Any, body: ScalarBody, at: list[Index], values: TensorValues) -> str:
    """The name in `body` of the result of one operation on scalars."""
    result = operation.results[0]
    if operation.name == "linalg.index":
        index = at[int(operation.attributes["dim"].value)]
        return (
            body.constant(index.constant, "index")
            if index.is_constant
            else body.add(IndexValue(body.fresh("n"), index))
        )
    if operation.name == "tensor.extract":
        return _extract(operation, body, values)
    if operation.name == "arith.constant":
        kind = type_name(result.type)
        return body.constant(scalar_bits(operation.attributes["value"], kind), kind)
    if operation.name.startswith(("arith.", "math.")):
        operands = tuple(operand(value, body, values) for value in operation.operands)
        return body.operation(
            operation.name, operands, type_name(result.type), predicate_of(operation), source_at(operation)
        )
    raise unsupported(operation.name, source_at(operation))


def operand(value: Any, body: ScalarBody, values: TensorValues) -> str:
    """The name in `body` of an MLIR scalar: of the region, a constant of the function, or what the function computes
    at run time (`x[0].item()`), which each kernel that uses it computes for itself."""
    if value not in body.values:
        body.values[value] = (
            body.constant(*values.scalars[value])
            if value in values.scalars
            else _translated(value.owner, body, [], values)
        )
    return body.values[value]


def _extract(operation: Any, body: ScalarBody, values: TensorValues) -> str:
    """tensor.extract: a load at an index computed at run time (embedding look-ups). Hardware neither divides nor
    compares such an index, so a view that would need it is stored first."""
    view = values.tensors[operation.operands[0]]
    pairs = zip(list(operation.operands)[1:], view.shape, strict=True)
    return _read(body, view, [_index(value, size, body, values) for value, size in pairs], operation, values)


def _index(value: Any, size: int, body: ScalarBody, values: TensorValues) -> Index:
    """An MLIR index below `size` as an index expression."""
    name = operand(value, body, values)
    if name in body.known:
        return constant(body.known[name])
    made = next((s for s in body.statements if s.result == name), None)
    return made.index if isinstance(made, IndexValue) else variable(Variable(name, size))


def _read(body: ScalarBody, view: View, at: list[Index], operation: Any, values: TensorValues) -> str:
    loops = {v for s in body.statements if isinstance(s, IndexValue) for v in s.index.variables()}
    run_time = {v for index in at for v in index.variables() if v.name in body.types} - loops
    element = view.element(at)
    if run_time and (element.guard or any(not i.is_affine and i.variables() & run_time for i in element.indices)):
        view = values.materialise(view, operation)
    return values.read(body, view, at, operation)


def slice_at_run_time(operation: Any, values: TensorValues) -> View:
    """tensor.extract_slice whose offsets are computed at run time (`x[i]` of an index of shape ()): stored."""
    shape, dtype = shape_of(operation.results[0].type)
    view = values.tensors[operation.operands[0]]
    offsets, sizes, strides = static_slice(operation)
    computed = iter(list(operation.operands)[1:])
    given = [next(computed) if offset == DYNAMIC else offset for offset in offsets]

    def element(body: ScalarBody, at: list[Index]) -> str:
        inside = slice_indices(shape, [0] * len(offsets), sizes, strides)(at)
        reach = [size - (taken - 1) * stride for size, taken, stride in zip(view.shape, sizes, strides, strict=True)]
        first = [
            constant(offset) if isinstance(offset, int) else _index(offset, size, body, values)
            for offset, size in zip(given, reach, strict=True)
        ]
        return _read(body, view, [a + b for a, b in zip(first, inside, strict=True)], operation, values)

    return values.computed(shape, dtype, element, operation)
