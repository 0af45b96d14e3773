"""Which tensors of a model become int8, and how: the annotation that torchao's PT2E asks a quantizer for.

| tensor                                              | codes                                                      |
|-----------------------------------------------------|------------------------------------------------------------|
| weights of linear layers and convolutions           | -127 … 127, symmetric, a scale for each output channel     |
| what these, matrix products, sums and means read and give | -128 … 127, a scale and a zero point                 |
| what only moves values or takes the largest         | the codes of what it reads                                 |
| biases, and all other operations                    | floats                                                     |

A ReLU, ReLU6 or hardtanh behind a layer is part of it: only its result is quantised. Symmetric weights need no
correction for each input, and the zero point of activations is a constant of each output channel.
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

LAYERS: dict[Any, int] = {
    aten.linear.default: 0,
    aten.conv1d.default: 0,
    aten.conv2d.default: 0,
    aten.conv1d.padding: 0,
    aten.conv2d.padding: 0,
    aten.conv_transpose2d.input: 1,
}
"""Operations on an activation and a weight, by the dimension of the weight that is the output channel."""
PAIRS = frozenset((aten.matmul.default, aten.bmm.default, aten.mm.default, aten.add.Tensor, aten.add_.Tensor))
"""Operations on two activations."""
MEANS = frozenset((aten.avg_pool2d.default, aten.adaptive_avg_pool2d.default, aten.mean.dim, aten.mean.default))
MOVING = frozenset(
    (aten.flatten.using_ints, aten.reshape.default, aten.view.default, aten.permute.default, aten.transpose.int)
    + (aten.squeeze.dim, aten.unsqueeze.default, aten.max_pool2d.default, aten.dropout.default, aten.clone.default)
    + (aten.contiguous.default, aten.slice.Tensor, aten.select.int)
)
"""Operations whose results are values that they read, so that both have the same codes."""
RECTIFIERS = frozenset(
    (aten.relu.default, aten.relu_.default, aten.hardtanh.default, aten.hardtanh_.default, aten.relu6.default)
)


@dataclass
class Int8Quantizer(Quantizer):  # type: ignore[misc]
    """`per_tensor`: one scale for all output channels of a weight. `kept` are names of layers that stay in floats, with
    all inside them."""

    per_tensor: bool = False
    kept: Sequence[str] = ()

    def annotate(self, model: fx.GraphModule) -> fx.GraphModule:
        """Annotates every node that is to be quantised."""
        for node in model.graph.nodes:
            if node.op == "call_function" and ANNOTATION not in node.meta and not self._is_kept(node):
                self._annotate(node)
        return model

    def validate(self, model: fx.GraphModule) -> None:
        """All that is annotated can be quantised."""

    def _annotate(self, node: fx.Node) -> None:
        if node.target in LAYERS:
            reads = {node.args[0]: activation(), node.args[1]: self._weight(LAYERS[node.target])}
            self._with_rectifier(node, reads)
        elif node.target in PAIRS and all(isinstance(arg, fx.Node) for arg in node.args[:2]):
            if all(_is_float(arg) for arg in node.args[:2]):
                self._with_rectifier(node, {arg: activation() for arg in node.args[:2]})
        elif node.target in MEANS:
            self._with_rectifier(node, {node.args[0]: activation()})
        elif node.target in MOVING and _is_float(node.args[0]):
            first: Any = node.args[0]
            shared = SharedQuantizationSpec((first, node))
            node.meta[ANNOTATION] = QuantizationAnnotation({first: activation()}, shared, _annotated=True)

    def _with_rectifier(self, node: fx.Node, reads: dict[Any, QuantizationSpec]) -> None:
        """`node` reads these; what it gives is quantised behind the rectifier that alone reads it."""
        users = list(node.users)
        last = users[0] if len(users) == 1 and users[0].target in RECTIFIERS else node
        node.meta[ANNOTATION] = QuantizationAnnotation(reads, activation() if last is node else None, _annotated=True)
        if last is not node:
            last.meta[ANNOTATION] = QuantizationAnnotation({}, activation(), _annotated=True)

    def _weight(self, axis: int) -> QuantizationSpec:
        observer, scheme = PerChannelMinMaxObserver, torch.per_channel_symmetric
        if self.per_tensor:
            observer, scheme = MinMaxObserver, torch.per_tensor_symmetric
        return QuantizationSpec(
            torch.int8,
            observer.with_args(eps=SMALLEST_SCALE),
            -127,
            127,
            scheme,
            None if self.per_tensor else axis,
        )

    def _is_kept(self, node: fx.Node) -> bool:
        """Whether the node is in a layer that stays in floats."""
        paths = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
        layers = [path.removeprefix("L['self'].").removeprefix("model.") for path in paths]
        return any(layer == name or layer.startswith(f"{name}.") for layer in layers for name in self.kept)


def activation() -> QuantizationSpec:
    """Codes of a whole tensor; the observer looks for the range that loses least."""
    observer = HistogramObserver.with_args(eps=SMALLEST_SCALE)
    return QuantizationSpec(torch.int8, observer, -128, 127, torch.per_tensor_affine)


def _is_float(node: Any) -> bool:
    value = node.meta.get("val") if isinstance(node, fx.Node) else None
    return isinstance(value, torch.Tensor) and value.is_floating_point()
