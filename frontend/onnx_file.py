"""An ONNX file as a model.

Its inputs are the graph's inputs that are no initialisers, in order, its outputs the graph's; names are made legal.
Sizes of open dimensions come from --input (`graph_inputs`). A place in the file is the number of a node; messages name
the node, or its outputs if it has no name.

What the model computes is what onnxruntime computes, with its own optimisations off; results are compared with that.
torch-mlir converts operators of version 17 best: other files are converted first, where ONNX's own converter can.

Refuses: `model-file` (no valid ONNX file), `unsupported-operation` (`onnx_steps`, `onnx_graph`), and what
`graph_inputs`, `onnx_doubles` and `onnx_runtime` do.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from torch2hw.dialects.names import UniqueNames
from torch2hw.frontend.graph_inputs import GraphInput, example_values, shapes, texts_by_name
from torch2hw.frontend.load_model import LoadedModel, top_name
from torch2hw.frontend.locations import Sources
from torch2hw.frontend.onnx_doubles import NODE_NUMBER, check_single_precision, to_single_precision
from torch2hw.frontend.onnx_runtime import onnxruntime_of
from torch2hw.frontend.quiet import quiet
from torch2hw.frontend.refusals import ModelFileError, UnsupportedDtype
from torch2hw.tools.errors import UsageError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

OPSET = 17
INSTALL = "pip install onnx==1.23.2 onnxruntime==1.32.0"


def check_installed(what: str) -> None:
    """UsageError where the packages that read ONNX are missing."""
    if importlib.util.find_spec("onnx") is None or importlib.util.find_spec("onnxruntime") is None:
        raise UsageError(f"{what}: onnx and onnxruntime are not installed", why="they read ONNX files", fix=INSTALL)


def load_onnx(spec: str, given: Sequence[str] = ()) -> LoadedModel:
    """The model of an `.onnx` file."""
    check_installed(spec)
    import onnx

    try:
        model = onnx.load(spec)
        onnx.checker.check_model(model)
    except KeyboardInterrupt:
        raise
    except Exception as error:  # noqa: BLE001 - whatever protobuf raises of a file
        raise ModelFileError(
            "not a valid ONNX file",
            location=(spec, 0),
            why=(str(error).strip() or type(error).__name__).splitlines()[0],
            fix="write it with torch.onnx.export or onnx.save, and try onnx.checker.check_model on it",
        ) from None
    path = Path(spec)
    return of_model(model, spec, top_name(path.stem), Sources(path.absolute().parent, path.parent), given)


def of_model(model: ModelProto, shown: str, top: str, sources: Sources, given: Sequence[str] = ()) -> LoadedModel:
    """The model of a graph in memory; `shown` is what messages call its file."""
    import onnx
    from onnx import numpy_helper

    newest = onnx.defs.onnx_opset_version()
    if _version(model) > newest:
        raise ModelFileError(
            f"written in version {_version(model)} of ONNX's operators",
            location=(shown, 0),
            why=f"what they compute is known up to version {newest}, by onnx {onnx.__version__}",
            fix=f"export the model for version {newest} or an older one",
        )
    model = onnx.ModelProto.FromString(model.SerializeToString())  # the caller's stays as it is
    held = {each.name for each in model.graph.initializer}
    wanted = [each for each in model.graph.input if each.name not in held]
    inputs = [_input(each, shown) for each in wanted]
    if to_single_precision(model, shown, inputs, texts_by_name(shown, inputs, given)):
        inputs = [_input(each, shown) for each in wanted]
    sizes = shapes(shown, inputs, given)
    for each, size in zip(wanted, sizes, strict=True):
        _set_shape(each, size)
    names = UniqueNames()
    ports = [names.take(each.name) for each in inputs]
    results = [names.take(each.name) for each in model.graph.output]
    _shape_slopes(model)
    converted = _at_opset(model)
    oracle = onnxruntime_of((model, converted), [each.name for each in inputs], results, shown)
    nodes = list(converted.graph.node)
    file = str(sources.folder / Path(shown).name)

    def place(number: int) -> dict[str, Any]:
        if number == 0:
            return {}
        path = nodes[number - 1].name or "_".join(nodes[number - 1].output)
        return {
            "stack_trace": f'File "{file}", line {number}, in forward',
            "nn_module_stack": {path: (f"model.{path}", "onnx")},
            NODE_NUMBER: number,
        }

    from torch2hw.frontend.onnx_graph import graph_of

    tensors = {each.name: _torch(numpy_helper.to_array(each)) for each in converted.graph.initializer}
    for node in nodes:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                tensors[node.output[0]] = _torch(numpy_helper.to_array(attribute.t))
    shown_nodes = {number: _described(node) for number, node in enumerate(nodes, 1)}
    loaded = LoadedModel(nn.Identity(), (), shown, top, sources, (shown, 0), oracle=oracle, nodes=shown_nodes)
    with loaded.naming_nodes():
        graph = graph_of(converted.SerializeToString(), ports, results, tensors, place)
        check_single_precision(graph, shown, nodes, tensors)
    values = example_values(graph, [GraphInput(p, i.dtype, i.shape) for p, i in zip(ports, inputs, strict=True)], sizes)
    renamed = {each.name: port for each, port in zip(inputs, ports, strict=True) if each.name != port}
    return replace(loaded, model=graph, example_inputs=tuple(values), ports=renamed)


def _torch(array: Any) -> torch.Tensor:
    return torch.from_numpy(array.copy())


def _described(node: NodeProto) -> str:
    name = f"'{node.name}'" if node.name else f"of {', '.join(each for each in node.output if each)}"
    return f"node {name} ({node.op_type})"


def _input(value: Any, shown: str) -> GraphInput:
    import onnx

    kind = value.type.tensor_type
    if value.type.WhichOneof("value") != "tensor_type" or not kind.HasField("shape"):
        raise UnsupportedDtype(
            f"input {value.name} is no tensor of a known rank",
            location=(shown, 0),
            fix="give the graph inputs that are tensors",
        )
    try:
        dtype = _torch(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).type([0])).dtype
    except (TypeError, KeyError):
        dtype = {onnx.TensorProto.BFLOAT16: torch.bfloat16}.get(kind.elem_type)  # type: ignore[assignment]
    if dtype is None:
        raise UnsupportedDtype(
            f"input {value.name} has elements of type {onnx.TensorProto.DataType.Name(kind.elem_type)}",
            location=(shown, 0),
            fix="use numbers",
        )
    return GraphInput(
        value.name,
        dtype,
        tuple(map(_dimension, kind.shape.dim)),
    )


def _dimension(given: Any) -> int | str:
    """A size, or the name of an open dimension: some exporters write -1 for it."""
    return int(given.dim_value) if given.HasField("dim_value") and given.dim_value >= 0 else str(given.dim_param)


def _set_shape(value: Any, size: Sequence[int]) -> None:
    for dimension, given in zip(value.type.tensor_type.shape.dim, size, strict=True):
        dimension.dim_value = given


def _version(model: ModelProto) -> int:
    """The version of ONNX's own operators that the model is written in."""
    return next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), OPSET)


def _shape_slopes(model: ModelProto) -> None:
    """Slopes of PRelu, one for each channel: before version 7 they have no other dimensions; onnxruntime and the
    converter take them for slopes of the last one."""
    import onnx

    if _version(model) >= 7:
        return
    with quiet():
        inferred = onnx.shape_inference.infer_shapes(model).graph
    ranks = {each.name: len(each.type.tensor_type.shape.dim) for each in (*inferred.input, *inferred.value_info)}
    held = {each.name: each for each in model.graph.initializer}
    declared = {each.name: each for each in model.graph.input}
    for node in model.graph.node:
        slope = held.get(node.input[1]) if node.op_type == "PRelu" else None
        if slope is not None and len(slope.dims) == 1 and slope.dims[0] > 1:
            more = [1] * (ranks.get(node.input[0], 2) - 2)
            slope.dims.extend(more)
            if slope.name in declared:
                for _ in more:
                    declared[slope.name].type.tensor_type.shape.dim.add().dim_value = 1


def _at_opset(model: ModelProto) -> ModelProto:
    """The model with the operators of version `OPSET` where it can be converted, and with the shapes of all results."""
    import onnx
    from onnx import version_converter

    for output in model.graph.output:
        if output.type.WhichOneof("value") == "tensor_type":
            output.type.tensor_type.ClearField("shape")  # of open dimensions; it is inferred
    del model.graph.value_info[:]
    with quiet():
        if _version(model) != OPSET:
            with contextlib.suppress(Exception):  # what it cannot convert, torch-mlir may take as it is
                model = version_converter.convert_version(model, OPSET)
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
