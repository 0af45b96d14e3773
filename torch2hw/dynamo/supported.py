"""Which operations of a graph have hardware."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import torch
from torch import fx
from torch.fx.passes.operator_support import OperatorSupportBase
from torch.utils._pytree import tree_leaves

from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.dynamo.graphs import changes_in_place, looks
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import Sources
from torch2hw.tools.errors import Torch2HWError


class Supported(OperatorSupportBase):
    """Whether a node alone can be compiled, tried once for each operation and types; `left` are not tried."""

    def __init__(self, values: dict[fx.Node, Any], options: Options, left: frozenset[fx.Node] = frozenset()) -> None:
        self.values, self.options, self.left = values, options, left
        self.answers: dict[Any, bool] = {}

    def is_node_supported(self, submodules: Any, node: fx.Node) -> bool:
        """Compile the node as a model of its own, up to loops."""
        if not node.op.startswith("call_") or node in self.left:
            return False
        if node.target is operator.getitem and not isinstance(self.values[node.all_input_nodes[0]], torch.Tensor):
            return self.is_node_supported(submodules, node.all_input_nodes[0])
        if not any(isinstance(each, torch.Tensor) for each in tree_leaves(self.values[node])):
            return False
        key = (node.op, str(node.target), str(fx.node.map_arg((node.args, dict(node.kwargs)), self._described)))
        if key not in self.answers:
            self.answers[key] = self._compiles(node)
        return self.answers[key]

    def _described(self, node: fx.Node) -> Any:
        return str(looks(self.values[node]))

    def _compiles(self, node: fx.Node) -> bool:
        graph = fx.Graph()
        inputs: dict[fx.Node, fx.Node] = {}
        given = []
        for each in node.all_input_nodes:
            value = self.values[each]
            if isinstance(value, torch.Tensor):
                inputs[each] = graph.placeholder(each.name)
                given.append(value.detach())
        if not given:
            return False
        constants = {each: self.values[each] for each in node.all_input_nodes if each not in inputs}
        copy = graph.node_copy(node, lambda each: inputs[each] if each in inputs else constants[each])
        graph.output(copy)
        root = node.graph.owning_module
        assert root is not None
        model = fx.GraphModule(root, graph)
        if changes_in_place(model, given):
            return False
        loaded = LoadedModel(model, tuple(given), "<torch.compile>", "node", Sources(Path.cwd(), Path.cwd()))
        try:
            with torch.random.fork_rng(devices=[]):
                compile_model(loaded, self.options, stop_at="affine")
        except Torch2HWError:
            return False
        return True
