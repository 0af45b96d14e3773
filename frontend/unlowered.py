"""Which operations of a program torch-mlir cannot lower: each is lowered alone.

torch-mlir's conversion ends at the first operation that it cannot lower, and sometimes names a constant beside it, or
what it left half-way (`tm_tensor.scatter`). Alone, an operation has nobody else to blame, and all of them are found.

Before:  func @main(%x) { %1 = torch.aten.lgamma %x ; %2 = torch.aten.digamma %1 }
After:   func @main(%x) { torch.aten.lgamma %x }, func @main(%1) { torch.aten.digamma %1 }, each lowered by itself
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch_mlir import ir

TENSOR = "!torch.vtensor"
BESIDE = ("torch.constant.", "torch.prim.ListConstruct")
"""What belongs to the operation that uses it."""


def unlowered(module: Any, lowers: Callable[[Any], bool]) -> Iterator[Any]:
    """The operations of `main` that `lowers`, which is given a module of one operation, says no to; in order."""
    function = next(op.operation for op in module.body.operations if op.operation.name == "func.func")
    for operation in [each.operation for each in function.regions[0].blocks[0].operations]:
        if operation.name.startswith("torch.") and not operation.name.startswith(("torch.constant.", "torch.prim.")):
            alone = _alone(operation)
            if alone is not None and not lowers(alone):
                yield operation


def name_of(operation: Any) -> str:
    """`aten.lgamma` of torch.aten.lgamma; of torch.operator, what it stands for."""
    if operation.name == "torch.operator":
        stood_for: str = ir.StringAttr(operation.attributes["name"]).value
        return stood_for.removeprefix("torch.")
    name: str = operation.name.removeprefix("torch.")
    return name


def _alone(operation: Any) -> Any | None:
    """A module whose `main` is this operation of its tensors; None if it takes or gives something else."""
    if any(not str(result.type).startswith(TENSOR) for result in operation.results):
        return None
    inputs: list[Any] = []
    if not all(_is_input(value, inputs) for value in operation.operands):
        return None
    with operation.location, operation.context:
        module = ir.Module.create()
        kinds = ", ".join(str(value.type) for value in inputs)
        results = ", ".join(str(result.type) for result in operation.results)
        kind = ir.Attribute.parse(f"({kinds}) -> ({results})")
        with ir.InsertionPoint(module.body):
            attributes = {"sym_name": ir.StringAttr.get("main"), "function_type": kind}
            function = ir.Operation.create("func.func", attributes=attributes, regions=1)
        types = [value.type for value in inputs]
        block = function.regions[0].blocks.append(*types, arg_locs=[operation.location] * len(types))
        known = dict(zip(inputs, block.arguments, strict=True))
        with ir.InsertionPoint(block):
            made = _clone(operation, known)
            ir.Operation.create("func.return", operands=list(made.results))
    return module


def _is_input(value: Any, inputs: list[Any]) -> bool:
    """Adds the tensors that `value` is made of to `inputs`; False if it is made of something else."""
    owner = value.owner
    if not isinstance(owner, ir.Block) and owner.operation.name.startswith(BESIDE):
        return all(_is_input(each, inputs) for each in owner.operands)
    if value not in inputs:
        inputs.append(value)
    return str(value.type).startswith(TENSOR)


def _clone(operation: Any, known: dict[Any, Any]) -> Any:
    """A copy at the insertion point, after copies of what belongs to it."""
    operands = []
    for value in operation.operands:
        if value not in known:
            known[value] = _clone(value.owner.operation, known).results[0]
        operands.append(known[value])
    made = operation.clone()
    for number, value in enumerate(operands):
        made.operands[number] = value
    return made
