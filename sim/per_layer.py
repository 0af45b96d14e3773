"""How far each layer of a model is from PyTorch: our reference and PyTorch, compared at what every layer gives.

The model is compiled once more, with the results of its layers as outputs, and the reference of that program runs on
the CPU. Its arithmetic is the design's; results between layers are stored that the design may hold in registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from torch2hw.analysis.stored_arrays import from_torch, to_float64
from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.frontend.in_format import rounded
from torch2hw.frontend.quiet import copied
from torch2hw.frontend.signature import Structure
from torch2hw.sim import execution, pytorch
from torch2hw.sim.compare import Distance, distance
from torch2hw.tools.errors import UsageError


class WithLayers(nn.Module):
    """`model`, which gives what each of its layers gives, in the order in which they end: `names` are theirs."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = copied(model)
        self.names: list[str] = []
        self.found: list[torch.Tensor] = []
        for path, layer in self.model.named_modules():
            if path:
                layer.register_forward_hook(lambda _, given, result, path=path: self._keep(path, result))

    def _keep(self, path: str, result: Any) -> None:
        _, tensors = Structure.of(result)
        for number, tensor in enumerate(tensors):
            name = path if len(tensors) == 1 else f"{path}[{number}]"
            calls = sum(each == name or each.startswith(f"{name} (") for each in self.names)
            self.names.append(f"{name} ({calls + 1})" if calls else name)
            self.found.append(tensor)

    def forward(self, *args: Any) -> list[torch.Tensor]:
        """The layers' results."""
        self.names, self.found = [], []
        self.model(*args)
        found, self.found = self.found, []
        return found


class WithGraphLayers(nn.Module):
    """The same of a graph that was read from a file. What a layer gives is the last tensor that was computed in it; of
    an ONNX file, each node is a layer."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__()
        self.graph = graph
        self.names: list[str] = []

    def forward(self, *args: Any) -> list[torch.Tensor]:
        """The layers' results."""
        run = _Watched(self.graph)
        run.run(*args)
        self.names = []
        for path in (each.rpartition("@")[0] or each for each in run.found):
            calls = sum(each == path or each.startswith(f"{path} (") for each in self.names)
            self.names.append(f"{path} ({calls + 1})" if calls else path)
        return list(run.found.values())


class _Watched(fx.Interpreter):
    """Runs a graph; `found` has the last tensor of each call of a layer, by its path, and `@1` at its second call."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.found: dict[str, torch.Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        """The node's result."""
        result = super().run_node(n)
        if n.op == "call_function" and isinstance(result, torch.Tensor):
            for path in _calls(n):
                self.found.pop(path, None)  # in the order in which layers end
                self.found[path] = result
        return result


def _calls(node: fx.Node) -> list[str]:
    """The layers that a node is in, from the inside."""
    stack = (node.meta.get("nn_module_stack") or {}).items()
    found = []
    for key, (path, _) in reversed(stack):
        call = key.rpartition("@")[2] if "@" in key else ""
        name = path.removeprefix("model").removeprefix(".") if path.startswith("model.") else path
        found += [f"{name}@{call}"] if name else []
    return found


@dataclass(frozen=True)
class LayerDistance:
    """How far a layer's results are from PyTorch's; `relative` is the largest distance over the largest value."""

    layer: str
    distance: Distance
    relative: float

    def to_json(self) -> dict[str, Any]:
        """An entry of `layers` in `simulate --json`."""
        told = self.distance
        figures = {"max_abs_err": told.max_abs, "max_rel_err": told.max_rel, "max_ulp": told.max_ulp}
        return {
            "layer": self.layer,
            "pcc": told.pcc,
            **{k: v if v < float("inf") else None for k, v in figures.items()},
        }

    def __str__(self) -> str:
        told = self.distance
        pcc = "" if told.pcc is None else f", correlation {told.pcc:.9f}"
        return f"{self.layer}: max abs {told.max_abs:.3g}, max rel {told.max_rel:.3g}, {told.max_ulp:.0f} ulp{pcc}"


def per_layer(compiled: Compiled, arguments: Sequence[Any]) -> list[LayerDistance]:
    """Each layer's distance on these arguments, the worst first. UsageError where the model has no layers."""
    loaded, options = compiled.loaded, compiled.options
    graph = loaded.model if isinstance(loaded.model, fx.GraphModule) else None
    layers = [path for path, _ in loaded.model.named_modules()][1:]
    if graph is not None:
        layers = [path for node in graph.graph.nodes for path in _calls(node)]
    if options.quantize:
        raise UsageError(
            "--per-layer with --quantize", why="codes are compared as codes", fix="leave one of the two out"
        )
    if loaded.program is not None or not layers:
        raise UsageError(
            f"--per-layer: {loaded.source_file} has no layers",
            why="they are the modules in a model",
            fix="leave it out",
        )
    model = WithLayers(loaded.model) if graph is None else WithGraphLayers(graph)
    level = "scheduled" if options.schedule == "static" else "affine"
    watched = replace(loaded, model=model, example_inputs=tuple(arguments), oracle=None)
    other = compile_model(watched, replace(options, interface="mem", data_bits=None), stop_at=level)
    _, tensors = Structure.of(tuple(rounded(tuple(arguments), options.dtype)))
    stored = [from_torch(tensor) for tensor in tensors]
    program = other.reference
    ours = execution.loop_outputs(program, program.text(), [stored], options.subnormals)[0]
    theirs = [from_torch(tensor) for tensor in pytorch.run(model, execution.arguments(other.imported, stored))]
    found = []
    for name, info, mine, wanted in zip(model.names, other.imported.outputs, ours, theirs, strict=True):
        told = distance([(mine, wanted, info.dtype)])
        largest = float(np.abs(np.nan_to_num(to_float64(wanted, info.dtype), posinf=0, neginf=0)).max(initial=0))
        found.append(LayerDistance(name, told, told.max_abs / (largest or 1.0)))
    return sorted(found, key=lambda each: -each.relative)
