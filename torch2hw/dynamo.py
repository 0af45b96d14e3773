"""`torch.compile(model, backend="torch2hw")`: what hardware can compute runs on it, the rest in PyTorch.

Dynamo hands over a graph, which is split into parts: those of supported operations are compiled and run on the design,
by its bit-identical reference on the CPU or, with `mode="simulate"`, by simulating the SystemVerilog. Options of a
compilation, and the mode, go into `options`:

    torch.compile(model, backend="torch2hw", options={"partition": 4, "mode": "simulate"})

A graph is compiled once for each set of shapes that it is called with, at the first call. Parameters are constants of
the design; where one has been changed since, they become inputs. In training the backward pass is a graph of its own.
Operations that draw random numbers stay in PyTorch, on its generator.

`reports()` says what ran where.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import fx
from torch.fx.passes.infra.partitioner import CapabilityBasedPartitioner
from torch.fx.passes.operator_support import OperatorSupportBase
from torch.utils._pytree import tree_leaves

from torch2hw.analysis.stored_arrays import from_torch, to_torch
from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.compiler.options import Options
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import Sources
from torch2hw.frontend.quiet import quiet
from torch2hw.tools.cache import digest
from torch2hw.tools.errors import Torch2HWError, UsageError

MODES = ("reference", "simulate")


@dataclass
class PartReport:
    """A part of a graph: `where` it runs (torch2hw or pytorch), its `operations`, how often it was run, the `cycles` of
    a run, `why` it is where it is, and the `design`, whose ports are the part's tensors that are no parameters."""

    where: str
    operations: tuple[str, ...]
    why: str = ""
    design: Any = None
    cycles: int | None = None
    runs: int = 0

    def __str__(self) -> str:
        cycles = "" if self.cycles is None else f", {self.cycles:,} cycles a run"
        why = f" ({self.why})" if self.why else ""
        return f"{self.where}: {', '.join(self.operations)}: {self.runs} runs{cycles}{why}"


@dataclass
class GraphReport:
    """What became of a graph for one set of shapes; `role` is inference, forward or backward."""

    role: str
    parts: list[PartReport] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join([f"{self.role} graph", *(f"  {part}" for part in self.parts)])


_reports: list[GraphReport] = []


def reset() -> None:
    """Forget the reports so far."""
    _reports.clear()


def reports() -> list[GraphReport]:
    """A report for each graph and set of shapes since `reset`, in the order of their first runs."""
    return list(_reports)


def last_report() -> GraphReport:
    """The latest of them."""
    return _reports[-1]


def backend(
    graph: fx.GraphModule, example_inputs: Sequence[Any], mode: str | None = None, options: Any = None
) -> Callable[..., Any]:
    """What torch.compile calls. Raises UsageError for options that do not exist."""
    given = dict(options or {})
    mode = given.pop("mode", mode) or MODES[0]
    if mode not in MODES:
        raise UsageError(f"torch.compile: mode {mode!r}", fix=f"the modes are {' and '.join(MODES)}")
    return _Runner(graph, Options.given(given), mode, "inference")


class _Runner:
    """A graph as a function of its flat inputs."""

    def __init__(self, graph: fx.GraphModule, options: Options, mode: str, role: str) -> None:
        self.graph, self.options, self.mode, self.role = graph, options, mode, role
        self.plans: dict[Any, _Plan] = {}
        self.backwards: dict[Any, _Runner] = {}

    def __call__(self, *inputs: Any) -> Any:
        tensors = [each for each in inputs if isinstance(each, torch.Tensor)]
        if self.role == "inference" and torch.is_grad_enabled() and any(each.requires_grad for each in tensors):
            return _Differentiable.apply(self, *inputs)  # type: ignore[no-untyped-call]
        return self.run(self.role, inputs)

    def run(self, role: str, inputs: Sequence[Any]) -> Any:
        """The results, from the plan for these shapes."""
        key = (role, *map(_looks, inputs))
        if key not in self.plans:
            self.plans[key] = _Plan(self.graph, inputs, self.options, self.mode, role)
        with torch.no_grad():
            return self.plans[key](inputs)

    def backward(self, inputs: Sequence[Any], cotangents: Sequence[torch.Tensor]) -> list[Any]:
        """The gradients of the inputs that want one, None for others."""
        wanted = [k for k, each in enumerate(inputs) if isinstance(each, torch.Tensor) and each.requires_grad]
        key = tuple(map(_looks, [*inputs, *cotangents]))
        if key not in self.backwards:
            self.backwards[key] = _Runner(
                self._gradients(inputs, wanted, cotangents), self.options, self.mode, "backward"
            )
        given = [each for each in (*inputs, *cotangents) if isinstance(each, torch.Tensor)]
        results = self.backwards[key].run("backward", _copies(given))  # the forward's changes in place happen once
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

        tensors = _copies([each for each in (*inputs, *cotangents) if isinstance(each, torch.Tensor)])
        with quiet(), torch.random.fork_rng(devices=[]):
            made: fx.GraphModule = make_fx(gradients)(*tensors)
        return made


class _Differentiable(torch.autograd.Function):
    """A graph with its backward pass."""

    @staticmethod
    def forward(context: Any, runner: _Runner, *inputs: Any) -> Any:
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


def _looks(value: Any) -> Any:
    return (tuple(value.shape), value.dtype) if isinstance(value, torch.Tensor) else value


class _Plan:
    """A graph for one set of shapes: parts on designs, and nodes between them."""

    def __init__(self, graph: fx.GraphModule, inputs: Sequence[Any], options: Options, mode: str, role: str) -> None:
        self.report = GraphReport(role)
        _reports.append(self.report)
        self.parts: dict[str, _Part] = {}
        copy = fx.GraphModule(graph, _copied(graph))
        self.left: PartReport | None = None
        self.whole: _Part | None = _Part(copy, inputs, options, mode, _parameters(inputs))
        if self.whole.compiled is not None or not _calls(copy):
            self.report.parts.append(self.whole.report)
            return
        self.whole = None
        values = _values(copy, inputs)
        partitioner = CapabilityBasedPartitioner(copy, _Supported(values, options), allows_single_node_partition=True)
        self.split = partitioner.fuse_partitions(partitioner.propose_partitions())
        self._compile_parts(inputs, options, mode)

    def _compile_parts(self, inputs: Sequence[Any], options: Options, mode: str) -> None:
        values = _values(self.split, inputs)
        parameters = _parameters(inputs)
        left: list[str] = []
        for node in self.split.graph.nodes:
            if node.op == "call_module" and str(node.target).startswith("fused_"):
                part = self.split.get_submodule(str(node.target))
                given = [values[each] if isinstance(each, fx.Node) else each for each in node.args]
                made = _Part(part, given, options, mode, parameters)  # type: ignore[arg-type]
                self.parts[str(node.target)] = made
                self.report.parts.append(made.report)
            elif _is_call(node):
                left.append(_operation(node))
        if left:
            self.left = PartReport("pytorch", tuple(left), "no hardware for these")
            self.report.parts.append(self.left)

    def __call__(self, inputs: Sequence[Any]) -> Any:
        if self.whole is not None:
            return self.whole.run(inputs)
        if self.left is not None:
            self.left.runs += 1
        return _Parts(self.split, self.parts).run(*inputs)


class _Parts(fx.Interpreter):
    """Runs a split graph with its compiled parts."""

    def __init__(self, split: fx.GraphModule, parts: dict[str, _Part]) -> None:
        super().__init__(split)
        self.parts = parts

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A part on its design; any other module as it is."""
        part = self.parts.get(str(target))
        return super().call_module(target, args, kwargs) if part is None else part.run(args)


class _Part:
    """A graph that is compiled where it can be. Tensors that are parameters are constants of the design, until one of
    them changes."""

    def __init__(
        self, graph: fx.GraphModule, inputs: Sequence[Any], options: Options, mode: str, parameters: set[int]
    ) -> None:
        self.graph, self.options, self.mode = graph, options, mode
        self.report = PartReport("pytorch", tuple(map(_operation, _calls(graph))))
        self.constant = {
            k for k, each in enumerate(inputs) if not isinstance(each, torch.Tensor) or id(each) in parameters
        }
        self.versions: dict[int, tuple[int, int]] = {}
        self.held: list[Any] = []  # so that no other tensor gets the memory of a constant
        self.compiled: Compiled | None = None
        self._compile(inputs)

    def _compile(self, inputs: Sequence[Any]) -> None:
        self.compiled, self.report.design, self.report.cycles, self.report.where = None, None, None, "pytorch"
        self.versions = {k: _version(inputs[k]) for k in self.constant if isinstance(inputs[k], torch.Tensor)}
        self.held = [inputs[k] for k in self.versions]
        given = [each.detach() for k, each in enumerate(inputs) if k not in self.constant]
        if not given or _changes(self.graph, inputs):
            self.report.why = "it changes a tensor in place" if given else "it has no input"
            return
        model = _with_constants(self.graph, inputs, self.constant)
        loaded = LoadedModel(model, tuple(given), "<torch.compile>", "graph", Sources(Path.cwd(), Path.cwd()))
        try:
            self.compiled = _compiled(loaded, self.options)
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
        if any(_version(inputs[k]) != version for k, version in self.versions.items()):
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


def _compiled(loaded: LoadedModel, options: Options) -> Compiled:
    """The design of a graph; the same one for what Dynamo hands over twice, once with sizes as inputs."""
    from torch.fx.experimental.proxy_tensor import make_fx

    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        with quiet(), torch.no_grad():
            code = make_fx(loaded.model)(*loaded.example_inputs).code
        constants = digest([from_torch(each).tobytes() for each in loaded.model.state_dict().values()])
        key = (code, tuple(map(_looks, loaded.example_inputs)), constants, options)
        if key not in _cache:
            while len(_cache) >= MAX_COMPILED:
                _cache.pop(next(iter(_cache)))
            _cache[key] = compile_model(loaded, options)
    return _cache[key]


def _changes(graph: fx.GraphModule, inputs: Sequence[Any]) -> bool:
    """Whether the graph changes one of its inputs in place, as batch norm does in training."""
    copies = _copies(inputs)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        graph(*copies)
    return any(each._version for each in copies if isinstance(each, torch.Tensor))


def _copies(inputs: Sequence[Any]) -> list[Any]:
    return [each.detach().clone() if isinstance(each, torch.Tensor) else each for each in inputs]


def _version(value: Any) -> tuple[int, int]:
    return (value.data_ptr(), value._version)


def _parameters(inputs: Sequence[Any]) -> set[int]:
    """The identities of the parameters among a graph's inputs."""
    return {id(each) for each in inputs if isinstance(each, torch.nn.Parameter)}


def _copied(graph: fx.GraphModule) -> fx.Graph:
    copy = fx.Graph()
    values: dict[fx.Node, fx.Node] = {}
    output = copy.graph_copy(graph.graph, values)
    copy.output(output)
    return copy


def _with_constants(graph: fx.GraphModule, inputs: Sequence[Any], constant: set[int]) -> fx.GraphModule:
    """The graph with some inputs as buffers and numbers."""
    made = fx.GraphModule(graph, _copied(graph))
    placeholders = [node for node in made.graph.nodes if node.op == "placeholder"]
    for k in sorted(constant):
        node, value = placeholders[k], inputs[k]
        if isinstance(value, torch.Tensor):
            made.register_buffer(f"constant{k}", value.detach().clone())
            with made.graph.inserting_before(node):
                node.replace_all_uses_with(made.graph.get_attr(f"constant{k}"))
        else:
            node.replace_all_uses_with(value)
        made.graph.erase_node(node)
    made.recompile()
    return made


def _calls(graph: fx.GraphModule) -> list[fx.Node]:
    return [node for node in graph.graph.nodes if _is_call(node)]


def _is_call(node: fx.Node) -> bool:
    return node.op.startswith("call_") and node.target is not operator.getitem


def _operation(node: fx.Node) -> str:
    return str(getattr(node.target, "__name__", node.target))


def _values(graph: fx.GraphModule, inputs: Sequence[Any]) -> dict[fx.Node, Any]:
    """What every node gives in PyTorch, whose random generator stays as it is, as do the inputs."""
    interpreter = fx.Interpreter(graph, garbage_collect_values=False)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        interpreter.run(*_copies(inputs))
    placeholders = [node for node in graph.graph.nodes if node.op == "placeholder"]
    return dict(interpreter.env) | dict(zip(placeholders, inputs, strict=True))


class _Supported(OperatorSupportBase):
    """Whether a node alone can be compiled, tried once for each operation and types."""

    def __init__(self, values: dict[fx.Node, Any], options: Options) -> None:
        self.values, self.options = values, options
        self.answers: dict[Any, bool] = {}

    def is_node_supported(self, submodules: Any, node: fx.Node) -> bool:
        """Compile the node as a model of its own, up to loops."""
        if not node.op.startswith("call_"):
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
        return str(_looks(self.values[node]))

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
        if _changes(model, given):
            return False
        loaded = LoadedModel(model, tuple(given), "<torch.compile>", "node", Sources(Path.cwd(), Path.cwd()))
        try:
            with torch.random.fork_rng(devices=[]):
                compile_model(loaded, self.options, stop_at="affine")
        except Torch2HWError:
            return False
        return True
