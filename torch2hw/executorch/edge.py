"""Programs of ExecuTorch's edge dialect as graphs of ATen."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram


def aten_target(target: Any) -> Any:
    """The ATen operation that an edge operation stands for; others as they are."""
    return getattr(target, "_op", target) if type(target).__name__ == "EdgeOpOverload" else target


def aten_copy(graph: fx.Graph, root: Any) -> tuple[fx.GraphModule, dict[fx.Node, fx.Node]]:
    """A copy in ATen's operations, and its nodes by those of `graph`."""
    made = fx.Graph()
    nodes: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        nodes[node] = made.node_copy(node, lambda each: nodes[each])
        nodes[node].target = aten_target(node.target)
    return fx.GraphModule(root, made), nodes


def as_model(program: ExportedProgram) -> fx.GraphModule:
    """A module in ATen's operations, with the program's parameters."""
    module: Any = program.module(check_guards=False)
    return aten_copy(module.graph, module)[0]


def zeros_like(value: Any) -> Any:
    """A tensor of the same type and shape as what is noted at a node; other values as they are."""
    if isinstance(value, torch.Tensor):
        return torch.zeros(tuple(int(size) for size in value.shape), dtype=value.dtype)
    return type(value)(zeros_like(each) for each in value) if isinstance(value, list | tuple) else value
