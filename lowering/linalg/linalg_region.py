"""The region of a linalg operation → the statements of one loop iteration."""

from __future__ import annotations

from typing import Any

from torch2hw.analysis.refusals import unsupported
from torch2hw.dialects.loops import IndexValue
from torch2hw.dialects.quasi_affine import Index, Variable, constant, variable
from torch2hw.lowering.linalg.mlir_attributes import predicate_of, scalar_bits, source_at, type_name
from torch2hw.lowering.linalg.scalar_body import ScalarBody
from torch2hw.lowering.linalg.tensor_values import TensorValues


def translate(block: Any, body: ScalarBody, at: list[Index], values: TensorValues) -> list[str]:
    """Adds the operations of `block` to `body`, whose loop indices are `at`; the names of what it yields."""
    for inner in block.operations:
        operation = inner.operation
        if operation.name.endswith(".yield"):
            return [operand(value, body, values) for value in operation.operands]
        if operation.name == "cf.assert":
            continue
        result = operation.results[0]
        if operation.name == "linalg.index":
            index = at[int(operation.attributes["dim"].value)]
            body.values[result] = (
                body.constant(index.constant, "index")
                if index.is_constant
                else body.add(IndexValue(body.fresh("n"), index))
            )
        elif operation.name == "tensor.extract":
            body.values[result] = _extract(operation, body, values)
        elif operation.name == "arith.constant":
            kind = type_name(result.type)
            body.values[result] = body.constant(scalar_bits(operation.attributes["value"], kind), kind)
        elif operation.name.startswith(("arith.", "math.")):
            operands = tuple(operand(value, body, values) for value in operation.operands)
            body.values[result] = body.operation(
                operation.name, operands, type_name(result.type), predicate_of(operation), source_at(operation)
            )
        else:
            raise unsupported(operation.name, source_at(operation))
    raise AssertionError("a region that yields nothing")


def operand(value: Any, body: ScalarBody, values: TensorValues) -> str:
    """The name in `body` of an MLIR scalar, a constant of the function among them."""
    if value in body.values:
        return body.values[value]
    return body.constant(*values.scalars[value])


def _extract(operation: Any, body: ScalarBody, values: TensorValues) -> str:
    """tensor.extract: a load at an index computed at run time (embedding look-ups). Hardware neither divides nor
    compares such an index, so a view that would need it is stored first."""
    view = values.tensors[operation.operands[0]]
    at: list[Index] = []
    run_time: set[Variable] = set()
    for value, size in zip(list(operation.operands)[1:], view.shape, strict=True):
        name = operand(value, body, values)
        if name in body.known:
            at.append(constant(body.known[name]))
            continue
        made = next((s for s in body.statements if s.result == name), None)
        if not isinstance(made, IndexValue):
            run_time.add(Variable(name, size))
        at.append(made.index if isinstance(made, IndexValue) else variable(Variable(name, size)))
    element = view.element(at)
    if run_time and (element.guard or any(not i.is_affine and i.variables() & run_time for i in element.indices)):
        view = values.materialise(view, operation)
    return values.read(body, view, at, operation)
