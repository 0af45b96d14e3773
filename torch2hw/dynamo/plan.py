"""A graph for one set of shapes: its parts, on designs and in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import fx
from torch.fx.passes.infra.partitioner import CapabilityBasedPartitioner

from torch2hw.compiler.options import Options
from torch2hw.dynamo import records
from torch2hw.dynamo.effects import effects, put_in_order, within_segments
from torch2hw.dynamo.graphs import calls, copied, is_call, node_values, operation_name, parameters_among
from torch2hw.dynamo.part import Part
from torch2hw.dynamo.records import GraphReport, PartReport
from torch2hw.dynamo.supported import Supported


class Plan:
    """A graph for one set of shapes: parts on designs, and nodes between them. Of the inputs, parameters and those
    whose identities `constant` has are constants of the designs until they change."""

    def __init__(
        self, graph: fx.GraphModule, inputs: Sequence[Any], constant: set[int], options: Options, mode: str, role: str
    ) -> None:
        self.report = GraphReport(role)
        records.add(self.report)
        self.parts: dict[str, Part] = {}
        copy = fx.GraphModule(graph, copied(graph))
        self.left: PartReport | None = None
        constant = constant | parameters_among(inputs)
        found = effects(copy, inputs, seen_outside=role != "backward")
        left = found.changes | found.views
        self.whole: Part | None = None if left else Part(copy, inputs, options, mode, constant)
        if self.whole is not None and (self.whole.compiled is not None or not calls(copy)):
            self.report.parts.append(self.whole.report)
            return
        self.whole = None
        supported = Supported(node_values(copy, inputs), options, left)
        partitioner = CapabilityBasedPartitioner(copy, supported, allows_single_node_partition=True)
        self.split = partitioner.fuse_partitions(list(within_segments(partitioner.propose_partitions())))
        put_in_order(self.split)
        self._compile_parts(inputs, constant, options, mode)

    def _compile_parts(self, inputs: Sequence[Any], constant: set[int], options: Options, mode: str) -> None:
        values = node_values(self.split, inputs)
        left: list[str] = []
        for node in self.split.graph.nodes:
            if node.op == "call_module" and str(node.target).startswith("fused_"):
                part = self.split.get_submodule(str(node.target))
                given = [values[each] if isinstance(each, fx.Node) else each for each in node.args]
                made = Part(part, given, options, mode, constant)  # type: ignore[arg-type]
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
