"""A part of a graph on a design, compiled where it can be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import fx

from torch2hw.analysis.stored_arrays import from_torch, to_torch
from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.compiler.options import Options
from torch2hw.dynamo.graphs import calls, changes_in_place, looks, operation_name, version, with_constants
from torch2hw.dynamo.records import PartReport
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import Sources
from torch2hw.frontend.quiet import quiet
from torch2hw.tools.cache import digest
from torch2hw.tools.errors import Torch2HWError


class Part:
    """A graph that is compiled where it can be. Tensors that are parameters are constants of the design, until one of
    them changes."""

    def __init__(
        self, graph: fx.GraphModule, inputs: Sequence[Any], options: Options, mode: str, parameters: set[int]
    ) -> None:
        self.graph, self.options, self.mode = graph, options, mode
        self.report = PartReport("pytorch", tuple(map(operation_name, calls(graph))))
        self.constant = {
            k for k, each in enumerate(inputs) if not isinstance(each, torch.Tensor) or id(each) in parameters
        }
        self.versions: dict[int, tuple[int, int]] = {}
        self.held: list[Any] = []  # so that no other tensor gets the memory of a constant
        self.compiled: Compiled | None = None
        self._compile(inputs)

    def _compile(self, inputs: Sequence[Any]) -> None:
        self.compiled, self.report.design, self.report.cycles, self.report.where = None, None, None, "pytorch"
        self.versions = {k: version(inputs[k]) for k in self.constant if isinstance(inputs[k], torch.Tensor)}
        self.held = [inputs[k] for k in self.versions]
        given = [each.detach() for k, each in enumerate(inputs) if k not in self.constant]
        if not given or changes_in_place(self.graph, inputs):
            self.report.why = "it changes a tensor in place" if given else "it has no input"
            return
        model = with_constants(self.graph, inputs, self.constant)
        loaded = LoadedModel(model, tuple(given), "<torch.compile>", "graph", Sources(Path.cwd(), Path.cwd()))
        try:
            self.compiled = compiled_graph(loaded, self.options)
        except Torch2HWError as error:
            self.report.why = str(error).splitlines()[0]
            return
        from torch2hw.design import Design

        self.report.where, self.report.why = "torch2hw", ""
        self.report.design = Design(self.compiled)
        self.report.cycles = self.report.design.manifest["latency_cycles"]

    def run(self, inputs: Sequence[Any]) -> Any:
        """The results, flat or nested as the graph gives them."""
        self.report.runs += 1
        if any(version(inputs[k]) != before for k, before in self.versions.items()):
            self.constant -= set(self.versions)  # they change: from now on they are inputs
            self._compile(inputs)
        if self.compiled is None:
            return self.graph(*inputs)
        given = [each.detach() for k, each in enumerate(inputs) if k not in self.constant]
        if self.mode == "simulate":
            result = self.report.design.simulate(*given)
            result.check()
            return result.outputs
        from torch2hw.sim.check import references

        (answers,) = references(self.compiled, [[from_torch(each) for each in given]])
        ports = self.compiled.imported.outputs
        flat = [to_torch(answer, port.dtype) for answer, port in zip(answers, ports, strict=True)]
        return self.compiled.imported.output_structure.build(flat)


MAX_COMPILED = 64
_cache: dict[Any, Compiled] = {}


def compiled_graph(loaded: LoadedModel, options: Options) -> Compiled:
    """The design of a graph; the same one for what Dynamo hands over twice, once with sizes as inputs."""
    from torch.fx.experimental.proxy_tensor import make_fx

    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        with quiet(), torch.no_grad():
            code = make_fx(loaded.model)(*loaded.example_inputs).code
        constants = digest([from_torch(each).tobytes() for each in loaded.model.state_dict().values()])
        key = (code, tuple(map(looks, loaded.example_inputs)), constants, options)
        if key not in _cache:
            while len(_cache) >= MAX_COMPILED:
                _cache.pop(next(iter(_cache)))
            _cache[key] = compile_model(loaded, options)
    return _cache[key]
