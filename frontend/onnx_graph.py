"""An ONNX graph → a graph of ATen operations, by torch-mlir's conversion of ONNX.

torch-mlir knows what each ONNX operator of each version means in ATen's operations. Its result, in the Torch dialect,
is built again as an FX graph: from there on an ONNX file is a model like any other, decomposed, exported and lowered by
the same code.

Before:  torch.operator "onnx.Gemm"(%x, %w, %b) {transB = 1}            of the file, node 1
After:   %t = aten.transpose.int(%w, 0, 1) ; aten.addmm …               as FX nodes at "model.onnx":1

Weights travel beside the text, as in `weights`. Loops of a fixed number of rounds are unrolled, branches on constants
decided; arithmetic on sizes is done here.

Refuses: `unsupported-operation`, an operator that torch-mlir does not convert.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.ao.quantization.fx._decomposed  # quantized_decomposed
from torch import fx
from torch_mlir import ir
from torch_mlir.dialects import torch as torch_dialect
from torch_mlir.extras import onnx_importer
from torch_mlir.passmanager import PassManager

from torch2hw.frontend.onnx_functions import average_pool
from torch2hw.frontend.refusals import UnsupportedOperation
from torch2hw.tools.errors import Torch2HWError, raise_all
from torch2hw.tools.isolate import run_native

TO_TORCH = "builtin.module(inline,symbol-dce,func.func(convert-torch-onnx-to-torch),canonicalize,cse)"
MIN_NAMED_ELEMENTS = 33
"""Tensors of fewer elements are written in the text: they may be shapes, axes, scales that are looked into."""

SCALAR_TYPES = {
    0: torch.uint8, 1: torch.int8, 2: torch.int16, 3: torch.int32, 4: torch.int64, 5: torch.float16, 6: torch.float32,
    7: torch.float64, 11: torch.bool, 12: torch.qint8, 13: torch.quint8, 14: torch.qint32, 15: torch.bfloat16,
}  # fmt: skip
"""PyTorch's numbers of its types, which the Torch dialect writes."""

ON_CONSTANTS: dict[str, Callable[..., Any]] = {
    "prim.tolist": lambda tensor: tensor.tolist(),
    "prim.NumToTensor.Scalar": torch.tensor,
    "aten.Int.Tensor": int,
    "aten.Float.Tensor": float,
    "aten.Bool.Tensor": bool,
    "aten.item": lambda tensor: tensor.item(),
    "aten.__getitem__.t": operator.getitem,
    "aten.len.t": len,
}
"""What has no operation of PyTorch's dispatcher."""

aten = torch.ops.aten
ATEN = {
    "squeeze": aten.squeeze.dims,
    "convert_element_type": aten.to.dtype,
    "sqrt": aten.sqrt.default,
    "collapse": aten.flatten.using_ints,
}
"""What torch.export takes in the place of `prims`."""
POOLS = (aten.avg_pool1d.default, aten.avg_pool2d.default, aten.avg_pool3d.default)

quantized = torch.ops.quantized_decomposed
QUANTISED = (
    "aten.quantize_per_tensor",
    "aten.int_repr",
    "aten._make_per_tensor_quantized_tensor",
    "aten._make_per_channel_quantized_tensor",
    "aten.dequantize.self",
)
QUANTISED_TYPES = {torch.qint8: "qint8", torch.quint8: "quint8", torch.qint32: "qint32"}
INTEGERS = {"qint8": torch.int8, "quint8": torch.uint8, "qint32": torch.int32}
"""Of the Torch dialect's names for quantised types."""

Value = Any
"""Of the FX graph: a node, a Python constant, or a list of them."""


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
class Codes:
    """A quantised tensor: its integers, and the scale and zero point of all, or of each index of dimension `axis`."""

    integers: Value
    scale: Value
    zero_point: Value
    dtype: torch.dtype
    axis: int | None = None


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
            raise_all([_unconverted(int(n)) for text in diagnostics for n in re.findall(r'"node (\d+)"', text)])
            raise
    (function,) = module.regions[0].blocks[0].operations
    return _region(function.regions[0].blocks[0], {})


def _unconverted(number: int) -> Torch2HWError:
    return UnsupportedOperation(
        "is unsupported",
        location=("", number),
        why="torch-mlir has no conversion of this operator with these attributes and types",
        fix="express the model without it",
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


@dataclass
class _Builder:
    """Builds the FX graph of a region. `held` are the file's tensors by name; `place` gives a node's `stack_trace`
    and layer by the number of the ONNX node."""

    held: Mapping[str, torch.Tensor]
    place: Callable[[int], dict[str, Any]]
    graph: fx.Graph = field(default_factory=fx.Graph)
    root: torch.nn.Module = field(default_factory=torch.nn.Module)
    buffers: dict[int, fx.Node] = field(default_factory=dict)

    def in_graph(self, value: Value) -> Value:
        """A constant tensor as a buffer's node; what else there is as it is."""
        if isinstance(value, list):
            return [self.in_graph(each) for each in value]
        if not isinstance(value, torch.Tensor):
            return value
        if id(value) not in self.buffers:
            name = f"tensor{len(self.buffers)}"
            self.root.register_buffer(name, value)  # which keeps its id from another tensor
            self.buffers[id(value)] = self.graph.get_attr(name)
        return self.buffers[id(value)]

    def run(self, region: Region, values: dict[int, Value]) -> list[Value]:
        """Add the region's steps; what its last one passes on."""
        for step in region.steps[:-1]:
            given = [values[operand] for operand in step.operands]
            results = self._step(step, given, values)
            values.update(zip(step.results, results, strict=True))
        return [values[operand] for operand in region.steps[-1].operands]

    def _step(self, step: Step, given: list[Value], values: dict[int, Value]) -> Sequence[Value]:
        name = step.name.removeprefix("torch.")
        if name.startswith("constant."):
            return [step.attribute]
        if name == "vtensor.literal":
            value = step.attribute
            return [self.held[value.name] if isinstance(value, Held) else torch.from_numpy(value)]
        if name in ("prim.ListConstruct", "prim.TupleConstruct"):
            return [given]
        if name in ("prim.ListUnpack", "prim.TupleUnpack"):
            return self._parts(given[0], step) if isinstance(given[0], fx.Node) else list(given[0])
        if name in ("tensor_static_info_cast", "copy.to_vtensor", "copy.to_tensor", "derefine"):
            return given[:1]
        if name == "prim.Loop":
            return self._loop(step, given, values)
        if name == "prim.If" and not isinstance(given[0], fx.Node):
            return self.run(step.regions[0 if given[0] else 1], values)
        if name in QUANTISED:
            return [self._quantised(step, name, given)]
        if any(isinstance(each, Codes) for each in given):
            raise _unconverted(step.node)
        if name in ON_CONSTANTS and not any(isinstance(each, fx.Node) for each in _leaves(given)):
            return [ON_CONSTANTS[name](*given)]
        return self._call(step, name, given)

    def _quantised(self, step: Step, name: str, given: list[Value]) -> Value:
        """Quantised tensors as integers, with the operations that models of PT2E have."""
        if name == "aten.quantize_per_tensor":
            x, scale, zero, number = given
            dtype = INTEGERS[QUANTISED_TYPES[SCALAR_TYPES[number]]]
            integers = self._node(step, quantized.quantize_per_tensor.default, (x, scale, zero, *_limits(dtype), dtype))
            return Codes(integers, scale, zero, dtype)
        if name.startswith("aten._make_per"):
            match = re.search(r"qu?int\d+", step.kind)
            assert match is not None, step.kind
            integers, scale, zero, *axis = given
            return Codes(integers, scale, zero, INTEGERS[match.group(0)], axis[0] if axis else None)
        codes = given[0]
        if not isinstance(codes, Codes):
            raise _unconverted(step.node)
        if name == "aten.int_repr":
            return codes.integers
        if isinstance(codes.integers, torch.Tensor) and codes.dtype == torch.int32:  # biases, whose sums are floats
            return _floats(codes)
        arguments = (codes.integers, codes.scale, codes.zero_point)
        if codes.axis is None:
            target = quantized.dequantize_per_tensor.default
            return self._node(step, target, (*arguments, *_limits(codes.dtype), codes.dtype))
        target = quantized.dequantize_per_channel.default
        return self._node(step, target, (*arguments, codes.axis, *_limits(codes.dtype), codes.dtype))

    def _node(self, step: Step, target: Any, arguments: Sequence[Value]) -> fx.Node:
        node = self.graph.call_function(target, tuple(self.in_graph(each) for each in arguments))
        node.meta.update(self.place(step.node))
        return node

    def _loop(self, step: Step, given: list[Value], values: dict[int, Value]) -> list[Value]:
        rounds, going, *carried = given
        if isinstance(rounds, fx.Node) or going is not True:
            raise _unconverted(step.node)
        (body,) = step.regions
        for number in range(rounds):
            inside = dict(values) | dict(zip(body.arguments, (number, *carried), strict=True))
            going, *carried = self.run(body, inside)
            if going is not True:
                raise _unconverted(step.node)
        return carried

    def _call(self, step: Step, name: str, given: list[Value]) -> Sequence[Value]:
        namespace, _, rest = name.partition(".")
        packet_name, _, overload = rest.partition(".")
        packet = getattr(getattr(torch.ops, namespace), packet_name, None)
        target = ATEN.get(rest) if namespace == "prims" else getattr(packet, overload or "default", None)
        if target is None or not isinstance(target, torch._ops.OpOverload):
            raise _unconverted(step.node)
        called = _by_schema(target, given)
        if called is None:
            raise _unconverted(step.node)
        target, arguments, keywords = called
        if not any(isinstance(each, fx.Node) for each in _leaves(given)):
            found = target(*arguments, **keywords)
            return [found] if len(step.results) == 1 else list(found)
        arguments = [self.in_graph(each) for each in arguments]
        keywords = {key: self.in_graph(each) for key, each in keywords.items()}
        node = self.graph.call_function(target, tuple(arguments), keywords)
        node.meta.update(self.place(step.node))
        return [node] if len(step.results) == 1 else self._parts(node, step)

    def _parts(self, node: fx.Node, step: Step) -> list[fx.Node]:
        """The elements of a node that gives several."""
        parts = []
        for number in range(len(step.results)):
            part = self.graph.call_function(operator.getitem, (node, number))
            part.meta.update(self.place(step.node))
            parts.append(part)
        return parts


def _limits(dtype: torch.dtype) -> tuple[int, int]:
    return torch.iinfo(dtype).min, torch.iinfo(dtype).max


def _floats(codes: Codes) -> torch.Tensor:
    """What constant codes stand for."""
    shape = [1] * codes.integers.dim()
    if codes.axis is not None:
        shape[codes.axis] = -1
    scale, zero = (torch.as_tensor(each) for each in (codes.scale, codes.zero_point))
    if codes.axis is not None:
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    found: torch.Tensor = (codes.integers - zero).to(torch.float32) * scale.to(torch.float32)
    return found


def _leaves(values: Sequence[Value]) -> Iterator[Value]:
    for each in values:
        if isinstance(each, list):
            yield from _leaves(each)
        else:
            yield each


def _by_schema(target: Any, given: Sequence[Value]) -> tuple[Any, list[Value], dict[str, Value]] | None:
    """The function to call, arguments in the order of the schema as positional ones, and keywords; types as PyTorch's
    objects. None where PyTorch has no such arguments."""
    arguments: list[Value] = []
    keywords: dict[str, Value] = {}
    for formal, value in zip(target._schema.arguments, given, strict=False):
        if formal.name.endswith("dtype") and isinstance(value, int) and not isinstance(value, bool):
            value = SCALAR_TYPES[value]
        if formal.name in ("layout", "memory_format", "device"):
            value = None
        if not formal.kwarg_only:
            arguments.append(value)
        elif value is not None:
            keywords[formal.name] = value
    if target is aten.convolution.default and not arguments[6]:
        arguments[7] = [0] * len(arguments[3])  # torch-mlir writes two for any number of dimensions
    if target in POOLS:  # torch-mlir appends dilations to the strides
        count = len(arguments[1])
        if any(each != 1 for each in arguments[2][count:]):
            return None
        arguments[2], padding = arguments[2][:count], arguments[3]
        if len(padding) == 2 * count and padding[:count] == padding[count:]:
            arguments[3] = padding[:count]
        elif len(padding) == 2 * count:
            return (average_pool, arguments[:6], {}) if count > 1 else None
    if target is aten.constant_pad_nd.default and abs(arguments[2]) > torch.finfo(torch.float32).max:
        arguments[2] = math.copysign(math.inf, arguments[2])  # torch-mlir pads maxima with float64's smallest number
    if target is aten.pad.default and arguments[2] != "constant":
        while arguments[1][-2:] == [0, 0]:  # PyTorch takes no dimensions that are not padded
            arguments[1] = arguments[1][:-2]
    return target, arguments, keywords


def graph_of(
    serialised: bytes,
    inputs: Sequence[str],
    outputs: Sequence[str],
    held: Mapping[str, torch.Tensor],
    place: Callable[[int], dict[str, Any]],
) -> fx.GraphModule:
    """The model as a module that takes the inputs in order and returns a dictionary of the outputs."""
    region = run_native(steps_of, serialised)
    builder = _Builder(held, place)
    nodes = [builder.graph.placeholder(name) for name in inputs]
    results = builder.run(region, dict(zip(region.arguments, nodes, strict=True)))
    builder.graph.output(dict(zip(outputs, map(builder.in_graph, results), strict=True)))
    builder.graph.eliminate_dead_code()
    return fx.GraphModule(builder.root, builder.graph)
