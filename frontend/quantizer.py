"""Which tensors of a model become int8, and how: the annotation that torchao's PT2E asks a quantizer for.

| tensor                                              | codes                                                      |
|-----------------------------------------------------|------------------------------------------------------------|
| weights of linear layers, convolutions and products | -127 … 127, symmetric, a scale for each output channel;    |
|                                                     | -7 … 7 in 4 bits                                           |
| what these, matrix products, sums and means read and give | -128 … 127, a scale and a zero point                 |
| what only moves values or takes the largest         | the codes of what it reads                                 |
| biases, and all other operations                    | floats                                                     |

A constant added behind a product, and a ReLU, ReLU6 or hardtanh behind a layer, are part of it: only the last result is
quantised. A product with a constant matrix is a linear layer, as ONNX writes it. What reads or gives infinities or
numbers of LARGEST or more on the example inputs stays in floats: a mask that is added has no codes beside the rest.
Symmetric weights need no correction for each input, and the zero point of activations is a constant of each output
channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torchao.quantization.pt2e import HistogramObserver, MinMaxObserver, PerChannelMinMaxObserver
from torchao.quantization.pt2e.quantizer import (
    QuantizationAnnotation,
    QuantizationSpec,
    Quantizer,
    SharedQuantizationSpec,
)

aten = torch.ops.aten
ANNOTATION = "quantization_annotation"
SMALLEST_SCALE = 2.0**-24
LARGEST = 1e4
"""No number of a quantised tensor is that large; masks are -1e4, -1e9 or infinite."""

LAYERS: dict[Any, int] = {
    aten.linear.default: 0,
    aten.conv1d.default: 0,
    aten.conv2d.default: 0,
    aten.conv1d.padding: 0,
    aten.conv2d.padding: 0,
    aten.conv_transpose2d.input: 1,
    aten.convolution.default: 0,
}
"""Operations on an activation and a weight, by the dimension of the weight that is the output channel."""
PRODUCTS = frozenset((aten.mm.default, aten.matmul.default))
"""Linear layers, if the second operand is a constant matrix: its last dimension is the output channel."""
SUMS = frozenset((aten.add.Tensor, aten.add_.Tensor))
PAIRS = frozenset((aten.matmul.default, aten.bmm.default, aten.mm.default, aten.add.Tensor, aten.add_.Tensor))
"""Operations on two activations."""
MEANS = frozenset((aten.avg_pool2d.default, aten.adaptive_avg_pool2d.default, aten.mean.dim, aten.mean.default))
MOVING = frozenset(
    (aten.flatten.using_ints, aten.reshape.default, aten.view.default, aten.permute.default, aten.transpose.int)
    + (aten.squeeze.dim, aten.unsqueeze.default, aten.max_pool2d.default, aten.dropout.default, aten.clone.default)
    + (aten.contiguous.default, aten.slice.Tensor, aten.select.int, aten.unflatten.int)
)
"""Operations whose results are values that they read, so that both have the same codes."""
RECTIFIERS = frozenset(
    (aten.relu.default, aten.relu_.default, aten.hardtanh.default, aten.hardtanh_.default, aten.relu6.default)
)


@dataclass
class Int8Quantizer(Quantizer):  # type: ignore[misc]
    """`per_tensor`: one scale for all output channels of a weight. `kept` are names of layers that stay in floats, with
    all inside them. `example` are arguments of the model. `weight_bits`: 8 or 4."""

    example: tuple[Any, ...]
    per_tensor: bool = False
    kept: Sequence[str] = ()
    weight_bits: int = 8

    def annotate(self, model: fx.GraphModule) -> fx.GraphModule:
        """Annotates every node that is to be quantised."""
        masks = _Masks(model)
        masks.run(*self.example)
        for node in model.graph.nodes:
            if node.op != "call_function" or ANNOTATION in node.meta or self._is_kept(node):
                continue
            if masks.found.isdisjoint((node, *node.all_input_nodes)):
                self._annotate(node)
        return model

    def validate(self, model: fx.GraphModule) -> None:
        """All that is annotated can be quantised."""

    def _annotate(self, node: fx.Node) -> None:
        if node.target in LAYERS:
            transposed = node.target is aten.convolution.default and node.args[6]
            axis = 1 if transposed else LAYERS[node.target]
            self._with_rectifier(node, {node.args[0]: activation(), node.args[1]: self._weight(axis)})
        elif node.target is aten.addmm.default and _is_matrix(node.args[2]):
            self._with_rectifier(node, {node.args[1]: activation(), node.args[2]: self._weight(1)})
        elif node.target in PRODUCTS and _is_float(node.args[0]) and _is_matrix(node.args[1]):
            self._with_rectifier(node, {node.args[0]: activation(), node.args[1]: self._weight(1)}, biased=True)
        elif node.target in PAIRS and all(isinstance(arg, fx.Node) for arg in node.args[:2]):
            if all(_is_float(arg) for arg in node.args[:2]):
                self._with_rectifier(node, {arg: activation() for arg in node.args[:2]})
        elif node.target in MEANS:
            self._with_rectifier(node, {node.args[0]: activation()})
        elif node.target in MOVING and _is_float(node.args[0]):
            first: Any = node.args[0]
            shared = SharedQuantizationSpec((first, node))
            node.meta[ANNOTATION] = QuantizationAnnotation({first: activation()}, shared, _annotated=True)

    def _with_rectifier(self, node: fx.Node, reads: dict[Any, QuantizationSpec], biased: bool = False) -> None:
        """`node` reads these; what it gives is quantised behind the rectifier that alone reads it, and `biased`, behind
        the constant that is added before."""
        parts, follows = [node], [_adds_constant] if biased else []
        for follow in (*follows, _is_rectifier):
            users = list(parts[-1].users)
            if len(users) == 1 and follow(users[0]) and not self._is_kept(users[0]):
                parts.append(users[0])
        for part in parts:
            output = activation() if part is parts[-1] else None
            inputs = reads if part is node else {}
            part.meta[ANNOTATION] = QuantizationAnnotation(inputs, output, _annotated=True)

    def _weight(self, axis: int) -> QuantizationSpec:
        observer, scheme = PerChannelMinMaxObserver, torch.per_channel_symmetric
        if self.per_tensor:
            observer, scheme = MinMaxObserver, torch.per_tensor_symmetric
        most = (1 << (self.weight_bits - 1)) - 1
        return QuantizationSpec(
            torch.int8,
            observer.with_args(eps=SMALLEST_SCALE),
            -most,
            most,
            scheme,
            None if self.per_tensor else axis,
        )

    def _is_kept(self, node: fx.Node) -> bool:
        """Whether the node is in a layer that stays in floats."""
        paths = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
        layers = [path.removeprefix("L['self'].").removeprefix("model.") for path in paths]
        return any(layer == name or layer.startswith(f"{name}.") for layer in layers for name in self.kept)


class _Masks(fx.Interpreter):
    """Finds the nodes whose numbers have no codes."""

    def __init__(self, model: fx.GraphModule) -> None:
        super().__init__(model)
        self.found: set[fx.Node] = set()

    def run_node(self, n: fx.Node) -> Any:
        """Its value; it is one of `found` if that has infinities, NaNs or numbers of LARGEST or more."""
        value = super().run_node(n)
        if isinstance(value, torch.Tensor) and value.is_floating_point() and not bool((value.abs() < LARGEST).all()):
            self.found.add(n)
        return value


def activation() -> QuantizationSpec:
    """Codes of a whole tensor; the observer looks for the range that loses least."""
    observer = HistogramObserver.with_args(eps=SMALLEST_SCALE)
    return QuantizationSpec(torch.int8, observer, -128, 127, torch.per_tensor_affine)


def _is_rectifier(node: fx.Node) -> bool:
    return node.target in RECTIFIERS


def _adds_constant(node: fx.Node) -> bool:
    operands = [arg for arg in node.args[:2] if isinstance(arg, fx.Node)]
    return node.target in SUMS and len(operands) == 2 and any(arg.op == "get_attr" for arg in operands)


def _is_matrix(node: Any) -> bool:
    """Whether it is a constant matrix."""
    return isinstance(node, fx.Node) and node.op == "get_attr" and _is_float(node) and node.meta["val"].dim() == 2


def _is_float(node: Any) -> bool:
    value = node.meta.get("val") if isinstance(node, fx.Node) else None
    return isinstance(value, torch.Tensor) and value.is_floating_point()
