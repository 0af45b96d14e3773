"""The steps of an ONNX file: operations of the Torch dialect as plain data, by torch-mlir's conversion of ONNX.

torch-mlir knows what each ONNX operator of each version means in ATen's operations.

Before:  torch.operator "onnx.Gemm"(%x, %w, %b) {transB = 1}            of the file, node 1
After:   Step("torch.aten.transpose.int", …, node=1), Step("torch.aten.addmm", …, node=1)

Weights travel beside the text, as in `weights`.

Refuses: `unsupported-operation`, an operator that torch-mlir does not convert.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch_mlir import ir
from torch_mlir.dialects import torch as torch_dialect
from torch_mlir.extras import onnx_importer
from torch_mlir.passmanager import PassManager

from torch2hw.frontend.refusals import DataDependentControlFlow, UnsupportedOperation
from torch2hw.tools.errors import Torch2HWError, raise_all

TO_TORCH = "builtin.module(inline,symbol-dce,func.func(convert-torch-onnx-to-torch),canonicalize,cse)"
MIN_NAMED_ELEMENTS = 33
"""Tensors of fewer elements are written in the text: they may be shapes, axes, scales that are looked into."""


@dataclass(frozen=True)
class Step:
    """An operation of the Torch dialect as plain data: values by number, attributes as Python objects."""

    name: str
    operands: tuple[int, ...]
    results: tuple[int, ...]
    attribute: Any
    node: int
    """The ONNX node that it comes from, counted from 1; 0 if none."""
    kind: str = ""
    """The type of its first result."""
    regions: tuple[Region, ...] = ()


@dataclass(frozen=True)
class Region:
    """A block of steps; the last one ends it."""

    arguments: tuple[int, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Held:
    """A tensor that stays beside the text."""

    name: str


class _Importer(onnx_importer.NodeImporter):  # type: ignore[misc]
    """torch-mlir's importer, with large tensors by name."""

    def import_initializer(self, initializer: Any, extern_name: str | None = None) -> Any:
        name = extern_name or initializer.name
        if int(np.prod(initializer.dims)) < MIN_NAMED_ELEMENTS:
            return super().import_initializer(initializer, extern_name)
        kind = self._cc.tensor_proto_to_builtin_type(initializer)
        with ir.InsertionPoint(self._b), ir.Location.name(name):
            made = ir.Operation.create(
                "torch.operator",
                results=[self._cc.tensor_proto_to_type(initializer)],
                attributes={
                    "name": ir.StringAttr.get("onnx.Constant"),
                    "torch.onnx.value": ir.Attribute.parse(f"dense_resource<held_{name.encode().hex()}> : {kind}"),
                },
            )
        self._nv_map[name] = made.result
        return made.result


def steps_of(serialised: bytes) -> Region:
    """The steps of an ONNX model whose shapes are inferred. Raises UnsupportedOperation, without places."""
    import onnx

    model = onnx.load_from_string(serialised)
    for number, node in enumerate(model.graph.node, 1):
        node.name = f"node {number}"
    context = ir.Context()
    torch_dialect.register_dialect(context)
    info = onnx_importer.ModelInfo(model)
    module = info.create_module(context=context).operation
    importer = _Importer.define_function(info.main_graph, module)
    importer.import_all()
    with context:
        diagnostics: list[str] = []
        try:
            PassManager.parse(TO_TORCH).run(module)
        except ir.MLIRError as error:
            diagnostics = [str(each.location) for each in error.error_diagnostics]
            raise_all([unconverted(int(n)) for text in diagnostics for n in re.findall(r'"node (\d+)"', text)])
            raise
    (function,) = module.regions[0].blocks[0].operations
    return _region(function.regions[0].blocks[0], {})


def unconverted(number: int) -> Torch2HWError:
    """What to say of an operator of the ONNX node with this number, counted from 1."""
    return UnsupportedOperation(
        "is unsupported",
        location=("", number),
        why="torch-mlir has no conversion of this operator with these attributes and types",
        fix="express the model without it",
    )


def depends_on_values(number: int) -> Torch2HWError:
    """What to say of an If or a Loop, the ONNX node with this number, whose course depends on values."""
    return DataDependentControlFlow(
        "depends on the values of tensors",
        location=("", number),
        why="the schedule of the hardware is fixed when it is compiled",
        fix="compute both branches and choose with Where; give loops a constant number of rounds",
    )


def _region(block: Any, numbers: dict[Any, int]) -> Region:
    def number(value: Any) -> int:
        return numbers.setdefault(value, len(numbers))

    arguments = tuple(number(argument) for argument in block.arguments)
    steps = []
    for operation in block.operations:
        operation = operation.operation
        place = re.search(r'"node (\d+)"', str(operation.location))
        steps.append(
            Step(
                operation.name,
                tuple(number(operand) for operand in operation.operands),
                tuple(number(result) for result in operation.results),
                _attribute(operation),
                int(place.group(1)) if place else 0,
                str(operation.results[0].type) if len(operation.results) else "",
                tuple(_region(each.blocks[0], numbers) for each in operation.regions),
            )
        )
    return Region(arguments, tuple(steps))


def _attribute(operation: Any) -> Any:
    attributes = operation.attributes
    if operation.name == "torch.operator":
        return ir.StringAttr(attributes["name"]).value
    if "value" not in attributes:
        return None
    value = attributes["value"]
    if operation.name == "torch.vtensor.literal":
        return _tensor(value, str(operation.results[0].type))
    return value.value


def _tensor(value: Any, kind: str) -> Any:
    text = str(value)
    held = re.match(r"dense_resource<held_(\w+)>", text)
    if held is not None:
        return Held(bytes.fromhex(held.group(1)).decode())
    shape = ir.ShapedType(value.type).shape
    element = str(ir.ShapedType(value.type).element_type)
    splat = value.is_splat
    array = np.array(value.get_splat_value().value) if splat and element in ("i1", "ui8") else np.array(value)
    types = {"i1": np.bool_, "bf16": np.float32}
    return np.broadcast_to(array, shape).astype(types.get(element, array.dtype)).copy()
