"""Which operations of an ExecuTorch program go to designs."""

from __future__ import annotations

import json
from typing import Any

from executorch.exir.backend.compile_spec_schema import CompileSpec
from executorch.exir.backend.partitioner import DelegationSpec, Partitioner, PartitionResult
from executorch.exir.backend.utils import tag_constant_data
from torch import fx
from torch.export import ExportedProgram
from torch.fx.passes.infra.partitioner import CapabilityBasedPartitioner
from torch.fx.passes.operator_support import OperatorSupportBase

from torch2hw.compiler.options import Options
from torch2hw.dynamo.supported import Supported
from torch2hw.executorch.edge import aten_copy, zeros_like
from torch2hw.executorch.preprocess import OPTIONS, Torch2HwBackend


class Torch2HwPartitioner(Partitioner):  # type: ignore[misc, unused-ignore]
    """Takes what has hardware, with its parameters; `options` are the fields of `Options` (`partition=2`)."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = Options.given(options)
        text = json.dumps(options, sort_keys=True).encode()
        self.delegation_spec = DelegationSpec(Torch2HwBackend.__name__, [CompileSpec(OPTIONS, text)])

    def partition(self, exported_program: ExportedProgram) -> PartitionResult:
        """Tags the nodes of each part."""
        graph = exported_program.graph_module
        support = _EdgeSupport(graph, self.options)
        tags = {}
        chosen = CapabilityBasedPartitioner(graph, support, allows_single_node_partition=True)
        for part in chosen.propose_partitions():
            tag = f"torch2hw{part.id}"
            for node in part.nodes:
                node.meta["delegation_tag"] = tag
            tags[tag] = self.delegation_spec
        tag_constant_data(exported_program)
        return PartitionResult(tagged_exported_program=exported_program, partition_tags=tags)


class _EdgeSupport(OperatorSupportBase):
    """`Supported` of the ATen operations that edge operations stand for."""

    def __init__(self, graph: fx.GraphModule, options: Options) -> None:
        _, self.nodes = aten_copy(graph.graph, graph)
        values = {made: zeros_like(node.meta.get("val")) for node, made in self.nodes.items()}
        self.supported = Supported(values, options)

    def is_node_supported(self, submodules: Any, node: fx.Node) -> bool:
        """Whether the node alone compiles."""
        return self.supported.is_node_supported(submodules, self.nodes[node])
