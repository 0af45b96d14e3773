"""`--keep-state`: what a model keeps in its attributes and buffers comes to hardware as states.

Before:  forward(x): self.mem = 0.9 * self.mem + x; return self.mem > 1
After:   (x, mem) -> (out, mem'), where mem is a state of the design, with the model's value as its first contents

The model is run first, to find what it changes; if no result depends on that, nothing is kept. Then it is traced with
the changed tensors as arguments (`make_fx`).

Refuses: `stateful-model`, where something changes that is no tensor, or a tensor changes its shape or type.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from torch2hw.frontend.export_model import forward_place, quiet_third_parties, run_model
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.model_state import Snapshot, depends
from torch2hw.frontend.quiet import copied
from torch2hw.frontend.refusals import StatefulModel
from torch2hw.frontend.signature import Structure, input_names
from torch2hw.frontend.traced_step import locate, name_arguments
from torch2hw.tools.errors import Torch2HWError, raise_all


@dataclass(frozen=True)
class Kept:
    """An attribute or buffer of a module: `label` is the model's name of it, `first` its value before any run."""

    module: nn.Module
    name: str
    label: str
    first: Tensor

    def get(self) -> Any:
        """The value that it has now."""
        buffers = self.module._buffers
        return buffers[self.name] if self.name in buffers else vars(self.module).get(self.name)

    def put(self, value: Tensor) -> None:
        """Assign a value."""
        if self.name in self.module._buffers:
            self.module._buffers[self.name] = value
        else:
            vars(self.module)[self.name] = value


def with_kept_state(loaded: LoadedModel) -> LoadedModel:
    """The model with its state as arguments and results; `loaded` itself where its results depend on none."""
    model = copied(loaded.model)
    arguments, tensors = Structure.of(loaded.example_inputs)
    inputs = [tensor.detach() for tensor in tensors]
    place = forward_place(loaded) or (loaded.source_file, 0)
    states = _states(model, loaded, arguments, inputs, place)
    if not states:
        return loaded
    names = input_names(loaded.model, arguments, inputs)
    step = _Step(model, arguments, len(inputs), states)
    example = (*inputs, *(each.first.clone() for each in states))
    graph = _traced(step, example, loaded)
    name_arguments(graph, [*names, *(each.label for each in states)])
    own = OwnRuns(copied(loaded.model), arguments, len(inputs), tuple(each.label for each in states))
    labels = tuple(each.label for each in states)
    return replace(loaded, model=graph, example_inputs=example, states=labels, ports={}, oracle=own)


class OwnRuns(nn.Module):
    """The model itself, which keeps its state between calls: what the design is compared with. It is called with inputs
    and states, and takes no notice of the states."""

    name = "pytorch"

    def __init__(self, model: nn.Module, arguments: Structure, inputs: int, labels: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.arguments, self.inputs, self.labels = model, arguments, inputs, labels

    def __deepcopy__(self, memo: dict[int, Any]) -> OwnRuns:
        return OwnRuns(copy.deepcopy(self.model, memo), self.arguments, self.inputs, self.labels)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The model's results, then its state."""
        _, results = Structure.of(self.model(*self.arguments.build(list(tensors[: self.inputs]))))
        kept = []
        for label in self.labels:
            path, _, name = label.rpartition(".")
            module = self.model.get_submodule(path)
            kept.append(module._buffers[name] if name in module._buffers else vars(module)[name])
        return tuple(tensor.clone() for tensor in (*results, *kept))


@dataclass(frozen=True)
class _Step:
    """The model as a function of flat inputs and states."""

    model: nn.Module
    arguments: Structure
    inputs: int
    states: Sequence[Kept]

    def __call__(self, *tensors: Tensor) -> dict[str, Tensor]:
        old = [each.get() for each in self.states]
        try:
            for state, tensor in zip(self.states, tensors[self.inputs :], strict=True):
                state.put(tensor.clone())
            inputs = [tensor.clone() for tensor in tensors[: self.inputs]]
            structure, results = Structure.of(self.model(*self.arguments.build(inputs)))
            found = {path or "out": tensor for path, tensor in zip(structure.tensor_paths(), results, strict=True)}
            return found | {f"kept {number}": state.get() for number, state in enumerate(self.states)}
        finally:
            for state, value in zip(self.states, old, strict=True):
                state.put(value)


def _states(
    model: nn.Module, loaded: LoadedModel, arguments: Structure, inputs: Sequence[Tensor], place: tuple[str, int]
) -> list[Kept]:
    """What the model changes, if its results depend on it."""

    def run(tensors: Sequence[Tensor]) -> list[Tensor]:
        return Structure.of(run_model(lambda *given: model(*arguments.build(given)), tensors, loaded))[1]

    with torch.no_grad():
        before = Snapshot(model)
        firsts = {(id(each.module), each.name): (each.value, each.contents) for each in before.held}
        results = run(inputs)
        changed = before.changed(model)
        after = {(id(module), name): Kept(module, name, "", torch.empty(0)).get() for module, _, name, _ in changed}
        keeps = bool(changed) and depends(before, run, inputs, results)
        before.restore()
    if not keeps:
        return []
    found: list[Kept] = []
    errors: list[Torch2HWError] = []
    for module, path, name, kind in changed:
        label = f"{path}.{name}" if path else name
        value, contents = firsts.get((id(module), name), (None, None))
        faults = list(_faults(label, kind, value, after[id(module), name], place))
        errors += faults
        if not faults:
            found.append(Kept(module, name, label, contents))
    raise_all(errors)
    return found


def _faults(label: str, kind: str, first: Any, later: Any, place: tuple[str, int]) -> Iterator[Torch2HWError]:
    why = "a state of the design is a memory of fixed size and type"
    if not isinstance(first, Tensor) or not isinstance(later, Tensor):
        held = type(first if not isinstance(first, Tensor) else later).__name__
        yield StatefulModel(
            f"the model changes its {kind} {label}, which "
            + ("holds nothing at first" if first is None else f"is of type {held}"),
            location=place,
            why=why,
            fix="keep a tensor there, from __init__ on",
        )
    elif first.shape != later.shape or first.dtype != later.dtype:
        yield StatefulModel(
            f"the model changes its {kind} {label} from {tuple(first.shape)}, {first.dtype} "
            f"to {tuple(later.shape)}, {later.dtype}",
            location=place,
            why=why,
            fix="keep a tensor of the final shape and type there, from __init__ on",
        )


def _traced(step: _Step, example: Sequence[Tensor], loaded: LoadedModel) -> fx.GraphModule:
    from torch.fx.experimental.proxy_tensor import make_fx

    with quiet_third_parties(loaded.sources), fx.traceback.preserve_node_meta(), torch.no_grad():
        graph: fx.GraphModule = make_fx(step, record_stack_traces=True)(*example)
    locate(graph.graph)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph
