"""Graphs that PyTorch traced of one run (`make_fx`): places of their nodes, names of their arguments."""

from __future__ import annotations

from collections.abc import Sequence

from torch import fx

from torch2hw.dialects.names import identifier


def locate(graph: fx.Graph) -> None:
    """Give every node a stack trace: one of the backward pass that of its forward node, which has the same sequence
    number; one without a line of its own that of the last node that it is computed from."""
    forward: dict[int, str] = {}
    for node in graph.nodes:
        trace = node.stack_trace
        number = node.meta.get("seq_nr", -1)
        if node.meta.get("autograd_backward"):
            trace = forward.get(number)
        elif trace:
            forward[number] = trace
        if not trace:
            trace = next((each.stack_trace for each in reversed(node.all_input_nodes) if each.stack_trace), None)
        if trace and node.op == "call_function":
            node.stack_trace = trace


def name_arguments(graph: fx.GraphModule, names: Sequence[str]) -> None:
    """Give the graph's arguments these names, made legal: the design's tensors are called after them."""
    for node, name in zip(graph.graph.find_nodes(op="placeholder"), names, strict=True):
        node.target = node.name = identifier(name, "p")
    graph.recompile()
