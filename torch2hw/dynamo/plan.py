"""A graph for one set of shapes: its parts, on designs and in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import fx
from torch.fx.passes.infra.partitioner import CapabilityBasedPartitioner

from torch2hw.compiler.options import Options
from torch2hw.dynamo import records
from torch2hw.dynamo.graphs import calls, copied, is_call, node_values, operation_name, parameters_among
from torch2hw.dynamo.part import Part
from torch2hw.dynamo.records import GraphReport, PartReport
from torch2hw.dynamo.supported import Supported


class Plan:
    """A graph for one set of shapes: parts on designs, and nodes between them."""

    def __init__(self, graph: fx.GraphModule, inputs: Sequence[Any], options: Options, mode: str, role: str) -> None:
        self.report = GraphReport(role)
        records.add(self.report)
        self.parts: dict[str, Part] = {}
        copy = fx.GraphModule(graph, copied(graph))
        self.left: PartReport | None = None
        self.whole: Part | None = Part(copy, inputs, options, mode, parameters_among(inputs))
        if self.whole.compiled is not None or not calls(copy):
            self.report.parts.append(self.whole.report)
            return
        self.whole = None
        values = node_values(copy, inputs)
        partitioner = CapabilityBasedPartitioner(copy, Supported(values, options), allows_single_node_partition=True)
        self.split = partitioner.fuse_partitions(partitioner.propose_partitions())
        self._compile_parts(inputs, options, mode)

    def _compile_parts(self, inputs: Sequence[Any], options: Options, mode: str) -> None:
        values = node_values(self.split, inputs)
        parameters = parameters_among(inputs)
        left: list[str] = []
        for node in self.split.graph.nodes:
            if node.op == "call_module" and str(node.target).startswith("fused_"):
                part = self.split.get_submodule(str(node.target))
                given = [values[each] if isinstance(each, fx.Node) else each for each in node.args]
                made = Part(part, given, options, mode, parameters)  # type: ignore[arg-type]
                self.parts[str(node.target)] = made
                self.report.parts.append(made.report)
            elif is_call(node):
                left.append(operation_name(node))
        if left:
            self.left = PartReport("pytorch", tuple(left), "no hardware for these")
            self.report.parts.append(self.left)

    def __call__(self, inputs: Sequence[Any]) -> Any:
        """The results for these inputs, each part where it runs."""
        if self.whole is not None:
            return self.whole.run(inputs)
        if self.left is not None:
            self.left.runs += 1
        return Parts(self.split, self.parts).run(*inputs)


class Parts(fx.Interpreter):
    """Runs a split graph with its compiled parts."""

    def __init__(self, split: fx.GraphModule, parts: dict[str, Part]) -> None:
        super().__init__(split)
        self.parts = parts

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A part on its design; any other module as it is."""
        part = self.parts.get(str(target))
        return super().call_module(target, args, kwargs) if part is None else part.run(args)
