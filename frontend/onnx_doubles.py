"""An ONNX graph of double precision in single precision, where --input asks for it.

Before:  graph (double[2,3] x) { one = Constant <value = double {1}> ; sum = Add (x, one) }, --input x=f32[2,3]
After:   graph (float[2,3] x) { one = Constant <value = float {1}> ; sum = Add (x, one) }

leaves:  no double in the graph, its subgraphs, tensors and casts; a number that float cannot hold is infinity.
refuses: `unsupported-dtype`, an input of double precision for which no --input gives f32. In a graph of single
         precision: an operand, a cast's result or an output in double precision that depends on no constants alone,
         at its node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from torch2hw.frontend.graph_inputs import GraphInput, input_text
from torch2hw.frontend.refusals import UnsupportedDtype
from torch2hw.tools.errors import raise_all

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto
    from torch import fx

NODE_NUMBER = "onnx_node"


def to_single_precision(model: ModelProto, file: str, inputs: Sequence[GraphInput], texts: Mapping[str, str]) -> bool:
    """Whether the model was changed, in place. `texts`: what --input says of an input, by its name in the file."""
    doubles = [each for each in inputs if each.dtype == torch.float64]
    raise_all([_refusal(each, file) for each in doubles if not texts.get(each.name, "").strip().startswith("f32[")])
    if doubles:
        _narrow(model.graph)
    return bool(doubles)


def _refusal(given: GraphInput, file: str) -> UnsupportedDtype:
    sizes = [1 if isinstance(size, str) else size for size in given.shape]
    return UnsupportedDtype(
        f"input {given.name} is float64",
        location=(file, 0),
        why="there are no double-precision units",
        fix=f"--input {given.name}={input_text(torch.float32, sizes)} computes in single precision what the file has in"
        " double",
    )


def check_single_precision(
    graph: fx.GraphModule, file: str, nodes: Sequence[NodeProto], held: Mapping[str, torch.Tensor]
) -> None:
    """Refuse casts to double precision, and constants and outputs in it, by the names that the file has.

    `meta[NODE_NUMBER]` of a node of `graph` is the number of its ONNX node in `nodes`, from 1; `held` are the file's
    tensors by name. Constants that others are computed from are not in the graph any more.
    """
    wide = {
        node
        for node in graph.graph.nodes
        if node.op == "get_attr" and graph.get_buffer(str(node.target)).dtype == torch.float64
    }
    found: dict[tuple[int, str], None] = {}
    for node in graph.graph.nodes:
        number = node.meta.get(NODE_NUMBER, 0)
        if node.op == "output":
            found |= {(0, f"output {name} is float64"): None for name, value in node.args[0].items() if value in wide}
        elif node.target is torch.ops.aten.to.dtype and node.args[1] == torch.float64:
            found[number, "casts to float64"] = None
        elif not wide.isdisjoint(node.all_input_nodes):
            names = [each for each in nodes[number - 1].input if each in held and held[each].dtype == torch.float64]
            found[number, f"takes {' and '.join(names) or 'a constant'} in float64"] = None
    raise_all([_left(what, (file, number)) for number, what in found])


def _left(what: str, location: tuple[str, int]) -> UnsupportedDtype:
    return UnsupportedDtype(
        what,
        location=location,
        why="there are no double-precision units, and the inputs are in single precision",
        fix="write FLOAT for DOUBLE there, or Cast what is constant to FLOAT before it is used",
    )


def _narrow(graph: GraphProto) -> None:
    from onnx import TensorProto

    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type == TensorProto.DOUBLE:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    for tensor in graph.initializer:
        _narrow_tensor(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            for tensor in (attribute.t, *attribute.tensors):
                _narrow_tensor(tensor)
            for inner in (attribute.g, *attribute.graphs):
                _narrow(inner)
            if attribute.name in ("to", "dtype") and attribute.i == TensorProto.DOUBLE:
                attribute.i = TensorProto.FLOAT


def _narrow_tensor(tensor: Any) -> None:
    from onnx import TensorProto, numpy_helper

    if tensor.data_type == TensorProto.DOUBLE:
        with np.errstate(over="ignore"):
            values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
