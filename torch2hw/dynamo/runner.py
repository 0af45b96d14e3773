"""A graph of Dynamo as a function: a plan for each set of shapes, and a backward graph in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx
from torch.utils._pytree import tree_leaves

from torch2hw.compiler.options import Options
from torch2hw.dynamo.graphs import copies, looks, with_held_as_inputs
from torch2hw.dynamo.plan import Plan
from torch2hw.frontend.quiet import quiet


class Runner:
    """A graph as a function of its flat inputs. `held` are the tensors that stand in Dynamo's graph: further inputs of
    `graph`."""

    def __init__(self, graph: fx.GraphModule, options: Options, mode: str, role: str) -> None:
        self.graph, self.held = with_held_as_inputs(graph)
        self.options, self.mode, self.role = options, mode, role
        self.plans: dict[Any, Plan] = {}
        self.backwards: dict[Any, Runner] = {}

    def __call__(self, *inputs: Any) -> Any:
        """The results, with a backward pass where an input wants a gradient."""
        inputs = (*inputs, *self.held)
        tensors = [each for each in inputs if isinstance(each, torch.Tensor)]
        if self.role == "inference" and torch.is_grad_enabled() and any(each.requires_grad for each in tensors):
            return Differentiable.apply(self, *inputs)  # type: ignore[no-untyped-call]
        return self.run(self.role, inputs)

    def run(self, role: str, inputs: Sequence[Any]) -> Any:
        """The results, from the plan for these shapes."""
        key = (role, *map(looks, inputs))
        if key not in self.plans:
            self.plans[key] = Plan(self.graph, inputs, set(map(id, self.held)), self.options, self.mode, role)
        with torch.no_grad():
            return self.plans[key](inputs)

    def backward(self, inputs: Sequence[Any], cotangents: Sequence[torch.Tensor]) -> list[Any]:
        """The gradients of the inputs that want one, None for others."""
        wanted = [k for k, each in enumerate(inputs) if isinstance(each, torch.Tensor) and each.requires_grad]
        key = tuple(map(looks, [*inputs, *cotangents]))
        if key not in self.backwards:
            self.backwards[key] = Runner(
                self._gradients(inputs, wanted, cotangents), self.options, self.mode, "backward"
            )
        given = [each for each in (*inputs, *cotangents) if isinstance(each, torch.Tensor)]
        runner = self.backwards[key]
        results = runner.run("backward", (*copies(given), *runner.held))  # the forward's changes in place happen once
        found: list[Any] = [None] * len(inputs)
        for k, gradient in zip(wanted, results, strict=True):
            found[k] = gradient
        return found

    def _gradients(
        self, inputs: Sequence[Any], wanted: Sequence[int], cotangents: Sequence[torch.Tensor]
    ) -> fx.GraphModule:
        """The graph of the gradients of `wanted` inputs, of the tensors among inputs and cotangents."""
        from torch.fx.experimental.proxy_tensor import make_fx

        places = [k for k, each in enumerate(inputs) if isinstance(each, torch.Tensor)]

        def gradients(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
            filled = list(inputs)
            for k, tensor in zip(places, tensors, strict=False):
                filled[k] = tensor.detach().requires_grad_(k in wanted)
            with torch.enable_grad():
                results = self.graph(*filled)
            ends = [each for each in tree_leaves(results) if isinstance(each, torch.Tensor)]
            pairs = [p for p in zip(ends, tensors[len(places) :], strict=True) if p[0].requires_grad]
            starts = [filled[k] for k in wanted]
            found = torch.autograd.grad([p[0] for p in pairs], starts, [p[1] for p in pairs], allow_unused=True)
            return tuple(
                torch.zeros_like(start) if each is None else each for each, start in zip(found, starts, strict=True)
            )

        tensors = copies([each for each in (*inputs, *cotangents) if isinstance(each, torch.Tensor)])
        with quiet(), torch.random.fork_rng(devices=[]):
            made: fx.GraphModule = make_fx(gradients)(*tensors)
        return made


class Differentiable(torch.autograd.Function):
    """A graph with its backward pass."""

    @staticmethod
    def forward(context: Any, runner: Runner, *inputs: Any) -> Any:
        """The results of the forward graph."""
        context.runner, context.inputs, context.random = runner, inputs, torch.get_rng_state()
        results = runner.run("forward", inputs)
        return tuple(results) if isinstance(results, list | tuple) else results

    @staticmethod
    def backward(context: Any, *cotangents: Any) -> Any:
        """The gradients of the graph's inputs."""
        with torch.random.fork_rng(devices=[]):  # the backward graph draws the forward's random numbers again
            torch.set_rng_state(context.random)
            return None, *context.runner.backward(context.inputs, [each.contiguous() for each in cotangents])
