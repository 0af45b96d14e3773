"""Graphs of torch.fx: their calls, their values in PyTorch, copies with some inputs fixed."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx


def looks(value: Any) -> Any:
    """What two inputs of one compiled graph have in common: shape and type of a tensor, the value of anything else."""
    return (tuple(value.shape), value.dtype) if isinstance(value, torch.Tensor) else value


def changes_in_place(graph: fx.GraphModule, inputs: Sequence[Any]) -> bool:
    """Whether the graph changes one of its inputs in place, as batch norm does in training."""
    given = copies(inputs)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        graph(*given)
    return any(each._version for each in given if isinstance(each, torch.Tensor))


def copies(inputs: Sequence[Any]) -> list[Any]:
    """The inputs, tensors with memory of their own and without gradients."""
    return [each.detach().clone() if isinstance(each, torch.Tensor) else each for each in inputs]


def version(value: torch.Tensor) -> tuple[int, int]:
    """The place of a tensor in memory and the number of its changes: another pair means another value."""
    return (value.data_ptr(), value._version)


def parameters_among(inputs: Sequence[Any]) -> set[int]:
    """The identities of the parameters among a graph's inputs."""
    return {id(each) for each in inputs if isinstance(each, torch.nn.Parameter)}


def copied(graph: fx.GraphModule) -> fx.Graph:
    """The graph with nodes of its own."""
    copy = fx.Graph()
    values: dict[fx.Node, fx.Node] = {}
    output = copy.graph_copy(graph.graph, values)
    copy.output(output)
    return copy


def with_held_as_inputs(graph: fx.GraphModule) -> tuple[fx.GraphModule, list[torch.Tensor]]:
    """The graph with the tensors that it holds as further inputs, and these tensors. Dynamo leaves what an optimiser
    changes in the graph."""
    made, held = fx.GraphModule(graph, copied(graph)), dict[str, torch.Tensor]()
    border = next(node for node in made.graph.nodes if node.op != "placeholder")
    inputs: dict[str, fx.Node] = {}
    for node in list(made.graph.nodes):
        value = operator.attrgetter(str(node.target))(graph) if node.op == "get_attr" else None
        if isinstance(value, torch.Tensor):
            name = str(node.target)
            if name not in inputs:
                with made.graph.inserting_before(border):
                    inputs[name] = made.graph.placeholder(f"held{len(held)}")
                held[name] = value
            node.replace_all_uses_with(inputs[name])
            border = border if node is not border else node.next
            made.graph.erase_node(node)
    made.recompile()
    return made, list(held.values())


def with_constants(graph: fx.GraphModule, inputs: Sequence[Any], constant: set[int]) -> fx.GraphModule:
    """The graph with some inputs as buffers and numbers."""
    made = fx.GraphModule(graph, copied(graph))
    placeholders = [node for node in made.graph.nodes if node.op == "placeholder"]
    for k in sorted(constant):
        node, value = placeholders[k], inputs[k]
        if isinstance(value, torch.Tensor):
            made.register_buffer(f"constant{k}", value.detach().clone())
            with made.graph.inserting_before(node):
                node.replace_all_uses_with(made.graph.get_attr(f"constant{k}"))
        else:
            node.replace_all_uses_with(value)
        made.graph.erase_node(node)
    made.recompile()
    return made


def calls(graph: fx.GraphModule) -> list[fx.Node]:
    """The operations of a graph."""
    return [node for node in graph.graph.nodes if is_call(node)]


def is_call(node: fx.Node) -> bool:
    """Whether a node is an operation; taking a result out of several is none."""
    return node.op.startswith("call_") and node.target is not operator.getitem


def operation_name(node: fx.Node) -> str:
    """The operation as reports call it."""
    return str(getattr(node.target, "__name__", node.target))


def node_values(graph: fx.GraphModule, inputs: Sequence[Any]) -> dict[fx.Node, Any]:
    """What every node gives in PyTorch, whose random generator stays as it is, as do the inputs."""
    interpreter = fx.Interpreter(graph, garbage_collect_values=False)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        interpreter.run(*copies(inputs))
    placeholders = [node for node in graph.graph.nodes if node.op == "placeholder"]
    return dict(interpreter.env) | dict(zip(placeholders, inputs, strict=True))
