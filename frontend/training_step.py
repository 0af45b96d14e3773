"""A model, a loss and an optimizer → one training step as a graph: forward, backward and update.

Before:  an nn.Module with parameters w, called with x
After:   (x, y, w, s) -> (loss, w', s'), where s is the optimizer's state: w and s are states of the design

The step is traced in PyTorch with its autograd (`make_fx`). Parameters that need no gradient, and buffers that the
model does not change, are constants. Buffers that it changes (running means of a batch norm) are states too. The model
is in train mode. An operation of the backward pass stands at the line of its forward operation.

Refuses: `untrainable-model` (no parameters, no single output, an output that does not depend on them, dropout),
`stateful-model`, and what the model itself raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from torch2hw.frontend.export_model import forward_place, quiet_third_parties, run_model
from torch2hw.frontend.gradient_functions import COMPOSITE
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.losses import Loss
from torch2hw.frontend.optimizers import Optimizer
from torch2hw.frontend.quiet import copied
from torch2hw.frontend.refusals import UntrainableModel
from torch2hw.frontend.signature import Structure, input_names
from torch2hw.frontend.traced_step import locate, name_arguments
from torch2hw.tools.errors import raise_all

TARGET = "y"
"""The input that holds the targets, and their array in a file of data."""


HIDDEN_WRITES = (torch.ops.aten.native_batch_norm.default,)
"""Operations that change arguments without saying so; traced, they are written out."""


@dataclass(frozen=True)
class TrainingStep:
    """`loaded` is the step as a model, its example inputs the flat x, y and first states. `original` is the model in
    train mode, `parameters` and `buffers` the names of its tensors among the states, in order; the optimizer's follow.
    `classes`: the size of dimension 1 of its output, 0 where there is none.
    """

    loaded: LoadedModel
    original: nn.Module
    arguments: Structure
    inputs: tuple[str, ...]
    target: Tensor
    parameters: tuple[str, ...]
    buffers: tuple[str, ...]
    loss: Loss
    optimizer: Optimizer
    classes: int

    def scores(self, model: nn.Module, inputs: Sequence[Tensor]) -> Tensor:
        """The output of a copy of `original`."""
        found: Tensor = model(*self.arguments.build(list(inputs)))
        return found


def training_step(loaded: LoadedModel, loss: Loss, optimizer: Optimizer) -> TrainingStep:
    """The training step of the loaded model."""
    place = forward_place(loaded) or (loaded.source_file, 0)
    model = copied(loaded.model).train()
    arguments, inputs = Structure.of(loaded.example_inputs)
    inputs = [tensor.detach() for tensor in inputs]
    names = input_names(loaded.model, arguments, inputs)
    parameters = {name: each for name, each in model.named_parameters() if each.requires_grad}
    if not parameters:
        raise UntrainableModel(
            "the model has no parameters to train",
            location=place,
            why="training changes the parameters that need a gradient",
            fix="give it a layer with parameters, or set requires_grad",
        )
    _check_dropout(model, place)
    flat = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    output, changed = _run(loaded, model, arguments, inputs, flat)
    if not isinstance(output, Tensor):
        raise UntrainableModel(
            f"the model returns a {type(output).__name__}, not one tensor",
            location=place,
            why="the loss is computed of one output",
            fix="return the output that is compared with the target",
        )
    target = loss.target(output, place)
    first = {**parameters, **{name: flat[name] for name in changed}}
    shared = {f"optimizer.{name}": torch.zeros(()) for name in optimizer.shared_names}
    own = {
        f"optimizer.{parameter}.{name}": torch.zeros_like(tensor)
        for parameter, tensor in parameters.items()
        for name in optimizer.names
    }
    states = {name: tensor.detach().clone() for name, tensor in (first | shared | own).items()}
    step = _Step(model, arguments, len(inputs), tuple(parameters), tuple(changed), loss, optimizer, flat)
    example = (*inputs, target, *states.values())
    graph = _traced(step, example, loaded)
    if not step.depends:
        raise UntrainableModel(
            "the output does not depend on the parameters",
            location=place,
            why="their gradients are all zero",
            fix="compute the output from them, without detach() and no_grad()",
        )
    name_arguments(graph, [*names, TARGET, *states])
    made = replace(loaded, model=graph, example_inputs=example, states=tuple(states), ports={})
    classes = output.shape[1] if output.dim() > 1 else 0
    return TrainingStep(
        made, model, arguments, tuple(names), target, tuple(parameters), tuple(changed), loss, optimizer, classes
    )


def _check_dropout(model: nn.Module, place: tuple[str, int]) -> None:
    """Raises UntrainableModel for each layer that draws random numbers in train mode."""
    raise_all(
        [
            UntrainableModel(
                f"layer {name or 'model'} ({type(layer).__name__}) draws random numbers in train mode",
                location=place,
                why="the same inputs must give the same outputs, bit for bit",
                fix="set its p to 0, or leave the layer out",
            )
            for name, layer in model.named_modules()
            if isinstance(layer, nn.modules.dropout._DropoutNd) and layer.p > 0
        ]
    )


@dataclass
class _Step:
    """The step as a function of flat tensors. `depends`: whether the loss has a gradient, known once it has run."""

    model: nn.Module
    arguments: Structure
    inputs: int
    parameters: tuple[str, ...]
    buffers: tuple[str, ...]
    loss: Loss
    optimizer: Optimizer
    flat: dict[str, Tensor]
    depends: bool = False

    @property
    def trained(self) -> set[str]:
        """The names of the model's tensors that are states."""
        return {*self.parameters, *self.buffers}

    def __call__(self, *tensors: Tensor) -> dict[str, Tensor]:
        rest = iter(tensors)
        inputs = [next(rest) for _ in range(self.inputs)]
        target = next(rest)
        old = [next(rest) for _ in self.parameters]
        buffers = [next(rest) for _ in self.buffers]
        shared = self.optimizer.begun([next(rest) for _ in self.optimizer.shared_names])
        with torch.enable_grad():
            own = [parameter.detach().requires_grad_() for parameter in old]
            held = {name: each.detach() for name, each in self.flat.items() if name not in self.trained}
            held |= dict(zip(self.parameters, own, strict=True))
            held |= {name: tensor.clone() for name, tensor in zip(self.buffers, buffers, strict=True)}
            output = torch.func.functional_call(self.model, held, tuple(self.arguments.build(inputs)))
            value = self.loss.value(output, target)
            self.depends = value.requires_grad
            gradients = _gradients(value, own)
        results = {"loss": value.detach()}
        news, olds = [], []
        for parameter, gradient in zip(old, gradients, strict=True):
            mine = [next(rest) for _ in self.optimizer.names]
            new, kept = self.optimizer.update(parameter, gradient, mine, shared)
            news.append(new)
            olds += kept
        for tensor in (*news, *(held[name].detach() for name in self.buffers), *shared, *olds):
            results[f"state{len(results)}"] = tensor
        return results


def _gradients(value: Tensor, parameters: Sequence[Tensor]) -> Sequence[Tensor]:
    """The gradients of a scalar; while they are traced, nodes get the sequence numbers of their forward operations."""
    from torch._functorch._aot_autograd.logging_utils import setup_stacktrace_preservation_hooks

    if value.grad_fn is None:
        return [torch.zeros_like(each) for each in parameters]
    setup_stacktrace_preservation_hooks([value.grad_fn])
    return torch.autograd.grad(value, list(parameters), allow_unused=True, materialize_grads=True)


def _run(
    loaded: LoadedModel, model: nn.Module, arguments: Structure, inputs: Sequence[Tensor], flat: dict[str, Tensor]
) -> tuple[Any, list[str]]:
    """The model's output, and the names of the buffers that it changes."""
    given = {name: tensor.detach().clone() for name, tensor in flat.items()}
    held = dict(given)  # what the model assigns is then here
    with torch.no_grad():
        output = run_model(
            lambda *tensors: torch.func.functional_call(model, held, tuple(arguments.build(tensors))), inputs, loaded
        )
    buffers = dict(model.named_buffers())
    return output, [name for name in buffers if not torch.equal(held[name], flat[name])]


def _traced(step: _Step, example: Sequence[Tensor], loaded: LoadedModel) -> fx.GraphModule:
    from torch._decomp import get_decompositions
    from torch.fx.experimental.proxy_tensor import make_fx
    from torch.nn.attention import SDPBackend, sdpa_kernel

    plain = sdpa_kernel(SDPBackend.MATH)  # fused attention has no gradient in plain operations
    unfused = torch.backends.mkldnn.flags(enabled=False)  # nor have oneDNN's recurrent layers
    with quiet_third_parties(loaded.sources), fx.traceback.preserve_node_meta(), plain, unfused:
        written_out: Any = {**get_decompositions(HIDDEN_WRITES), **COMPOSITE}
        graph: fx.GraphModule = make_fx(step, written_out, record_stack_traces=True)(*example)
    locate(graph.graph)
    graph.graph.eliminate_dead_code()
    return graph
