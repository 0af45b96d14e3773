"""An ONNX graph → a graph of ATen operations, from what torch-mlir made of the file (`onnx_steps`).

The operations of the Torch dialect become an FX graph: from there on an ONNX file is a model like any other,
decomposed, exported and lowered by the same code. Loops of a fixed number of rounds are unrolled, branches on constants
decided; arithmetic on sizes is done here.

Before:  %t = torch.aten.transpose.int %w, 0, 1 ; torch.aten.addmm …    the steps of node 1
After:   aten.transpose.int(w, 0, 1) ; aten.addmm …                     as FX nodes at "model.onnx":1

Refuses: `unsupported-operation`, an operation that PyTorch does not have in this form; `data-dependent`, branches and
loops whose course depends on values.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.ao.quantization.fx._decomposed  # quantized_decomposed
from torch import fx

from torch2hw.frontend.onnx_functions import average_pool, prelu, resize
from torch2hw.frontend.onnx_steps import Held, Region, Step, depends_on_values, steps_of, unconverted
from torch2hw.tools.isolate import run_native

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
class Codes:
    """A quantised tensor: its integers, and the scale and zero point of all, or of each index of dimension `axis`."""

    integers: Value
    scale: Value
    zero_point: Value
    dtype: torch.dtype
    axis: int | None = None


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
        if name == "prim.If":
            if isinstance(given[0], fx.Node):
                raise depends_on_values(step.node)
            return self.run(step.regions[0 if given[0] else 1], values)
        if name in QUANTISED:
            return [self._quantised(step, name, given)]
        if any(isinstance(each, Codes) for each in given):
            raise unconverted(step.node)
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
            raise unconverted(step.node)
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
            raise depends_on_values(step.node)
        (body,) = step.regions
        for number in range(rounds):
            inside = dict(values) | dict(zip(body.arguments, (number, *carried), strict=True))
            going, *carried = self.run(body, inside)
            if going is not True:
                raise depends_on_values(step.node)
        return carried

    def _call(self, step: Step, name: str, given: list[Value]) -> Sequence[Value]:
        namespace, _, rest = name.partition(".")
        packet_name, _, overload = rest.partition(".")
        packet = getattr(getattr(torch.ops, namespace), packet_name, None)
        target = ATEN.get(rest) if namespace == "prims" else getattr(packet, overload or "default", None)
        if target is None or not isinstance(target, torch._ops.OpOverload):
            raise unconverted(step.node)
        called = _by_schema(target, given)
        if called is None:
            raise unconverted(step.node)
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
    if target is aten.prelu.default and not (isinstance(arguments[1], torch.Tensor) and arguments[1].numel() == 1):
        return prelu, arguments, {}  # PyTorch's takes a slope for each channel, and no other shape
    if target is aten.__interpolate.size_list_scale_list:
        handled = arguments[3].startswith(("nearest", "linear", "bilinear", "trilinear"))
        return (resize, arguments[:5], {}) if handled else None
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
