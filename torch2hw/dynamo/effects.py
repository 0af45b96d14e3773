"""What the nodes of a graph change in place, and which of them must give views.

Nodes between two changes are a *segment*. A design reads its inputs when it runs and gives new tensors: it may hold
nodes of one segment only, and no view that others see change.

Before:  root = v.sqrt() ; v.mul_(0.9) ; next = v.sqrt()      both roots read v
After:   segment 0: root ; the change ; segment 1: next
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import fx
from torch.fx.passes.infra.partitioner import Partition
from torch.utils._pytree import tree_leaves

from torch2hw.dynamo.graphs import copies, is_call

SEGMENT = "torch2hw_segment"
"""In a node's meta: twice the number of changes before it, one more for a change."""


@dataclass(frozen=True)
class Effects:
    """The nodes that change a tensor in place, and those that give views which are changed, or are seen outside."""

    changes: frozenset[fx.Node]
    views: frozenset[fx.Node]


class _Watching(fx.Interpreter):
    """Runs a graph, and notes the changes and the memory that they change."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self.changes: set[fx.Node] = set()
        self.changed: set[int] = set()

    def run_node(self, n: fx.Node) -> Any:
        """The node's value."""
        given = [each for source in n.all_input_nodes for each in _tensors(self.env[source])]
        before = [each._version for each in given]
        result = super().run_node(n)
        changed = {_memory(each) for each, version in zip(given, before, strict=True) if each._version != version}
        if changed and is_call(n):
            self.changes.add(n)
            self.changed |= changed
        return result


def effects(graph: fx.GraphModule, inputs: Sequence[Any], seen_outside: bool) -> Effects:
    """The effects of a run, on copies of the inputs; writes each node's segment into its meta. `seen_outside`: results
    that are views of inputs or of each other must be."""
    watching = _Watching(graph)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        watching.run(*copies(inputs))
    memories = {node: {_memory(each) for each in _tensors(value)} for node, value in watching.env.items()}
    shared = set(watching.changed)
    if seen_outside:
        shared |= _shared_results(graph, memories)
    views = set()
    for node in graph.graph.nodes:
        given = set().union(*(memories[each] for each in node.all_input_nodes))
        if node.op.startswith("call_") and not shared.isdisjoint(memories[node] & given):
            views.add(node)
    _mark_segments(graph, watching)
    return Effects(frozenset(watching.changes), frozenset(views))


def _shared_results(graph: fx.GraphModule, memories: Mapping[fx.Node, set[int]]) -> set[int]:
    """The memory that results share with inputs or with each other."""
    (end,) = (node for node in graph.graph.nodes if node.op == "output")
    results = [each for each in end.all_input_nodes if each.op.startswith("call_")]
    counts = Counter(memory for node in results for memory in memories[node])
    held = {memory for node in graph.graph.nodes if node.op == "placeholder" for memory in memories[node]}
    return {memory for memory, count in counts.items() if count > 1 or memory in held}


def _mark_segments(graph: fx.GraphModule, watched: _Watching) -> None:
    number = 0
    for node in graph.graph.nodes:
        change = node in watched.changes
        source = node.all_input_nodes[0] if node.target is operator.getitem else node
        of_several = source is not node and not isinstance(watched.env[source], torch.Tensor)
        node.meta[SEGMENT] = source.meta[SEGMENT] if of_several else number + change
        number += 2 * change


def within_segments(partitions: Sequence[Partition]) -> Iterator[Partition]:
    """The partitions, each cut at the borders of segments."""
    number = 0
    for partition in partitions:
        found: dict[int, list[fx.Node]] = {}
        for node in partition.nodes:
            found.setdefault(node.meta[SEGMENT], []).append(node)
        for nodes in found.values():
            yield Partition(number, nodes)
            number += 1


def put_in_order(split: fx.GraphModule) -> None:
    """Order the nodes of a split graph by segments: sorting by data alone forgets what is changed in place."""
    ends = {"placeholder": -1, "output": float("inf")}

    def segment(node: fx.Node) -> float:
        if node.op in ends:
            return ends[node.op]
        if SEGMENT in node.meta:
            return float(node.meta[SEGMENT])
        if node.target is operator.getitem:  # of a part's results
            return segment(node.all_input_nodes[0])
        part: Any = split.get_submodule(str(node.target))
        return float(next(each.meta[SEGMENT] for each in part.graph.nodes if each.op.startswith("call_")))

    for before, after in pairwise(sorted(split.graph.nodes, key=segment)):
        before.append(after)
    split.graph.lint()
    split.recompile()


def _tensors(value: Any) -> list[torch.Tensor]:
    return [each for each in tree_leaves(value) if isinstance(each, torch.Tensor)]


def _memory(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
