"""An `nn.Module` and its example inputs → a torch.export program of flat tensors, every node at the user's line.

The model is run once in PyTorch first: what it raises there is the model's own, and is shown as such. Then it is
exported, so what fails from there on is something that cannot become a static program. After that each node's
`stack_trace` holds the user's frames only, preceded by a frame for its layer (`LAYER_FRAME`); see `locations`.

Inputs that the model changes in place are copied first: the hardware keeps its inputs as they were written.

Refuses: what `check_tensors` lists; `model-raised`, `shape-mismatch`, `data-dependent`, `not-exportable`,
`stateful-model`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import io
import logging
import re
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
import torch.fx.traceback
from torch import fx, nn
from torch.nn.utils.rnn import PackedSequence

from torch2hw.dialects.names import UniqueNames, escaped
from torch2hw.frontend.check_tensors import (
    check_decomposed,
    check_graph,
    check_scripted,
    check_tensor,
    check_weights,
    operation_name,
)
from torch2hw.frontend.fake_quantisers import frozen, observing
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import SITE, Sources
from torch2hw.frontend.model_state import repeats, stateful, unchanged
from torch2hw.frontend.quiet import kept_apart
from torch2hw.frontend.refusals import (
    BadInputs,
    DataDependentControlFlow,
    DynamicShape,
    ModelRaised,
    NotExportable,
    ShapeMismatch,
    StatefulModel,
)
from torch2hw.frontend.signature import StateInfo, Structure, TensorInfo, input_infos, output_infos, state_infos
from torch2hw.tools.errors import Torch2HWError, raise_all
from torch2hw.tools.workarounds import take_any_attribute_name

NUMBERS = (bool, int, float, str)
"""What a model may return beside tensors; a constant of the design."""

LAYER_FRAME = "layer:"
"""Begins the file name of the frame that stands for a node's layer: `File "layer:encoder.0.norm", line 0`."""


_RUN_NODE = fx.Interpreter.run_node.__code__


@dataclass(frozen=True)
class ExportedModel:
    """A torch.export program of flat tensors, decomposed for torch-mlir; its border, and how to rebuild it."""

    program: Any
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    input_structure: Structure
    output_structure: Structure
    states: tuple[StateInfo, ...] = ()


class _Flat(nn.Module):
    """`model` with its tensor arguments side by side and its tensor results as a tuple; `returned` is the structure."""

    def __init__(self, model: nn.Module, arguments: Structure, copies: Sequence[int] = ()) -> None:
        super().__init__()
        self.model = model
        self.arguments = arguments
        self.copies = copies
        self.returned: Structure | None = None

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given = [tensor.clone() if i in self.copies else tensor for i, tensor in enumerate(tensors)]
        with unchanged(self.model) if torch.compiler.is_compiling() else contextlib.nullcontext():
            self.returned, results = Structure.of(self._run(self.arguments.build(given)))
        return tuple(results)

    def _run(self, arguments: Sequence[Any]) -> Any:
        """The model's result. Of a graph one node after the other, so that each keeps the place it came from."""
        if not isinstance(self.model, fx.GraphModule):
            return self.model(*arguments)
        with fx.traceback.preserve_node_meta():
            return fx.Interpreter(self.model).run(*arguments)


def export_model(loaded: LoadedModel, refused: list[Torch2HWError]) -> ExportedModel:
    """Run, check, export and decompose the model. `refused` gets the operations of its graph that are: what they become
    further down may be refused, too, before all of it is said."""
    sources, place = loaded.sources, (loaded.source_file, 0)
    arguments, tensors = Structure.of(loaded.example_inputs)
    tensors = [tensor.detach() for tensor in tensors]
    raise_all(list(check_scripted(loaded.model, sources, place)))
    take_any_attribute_name()
    errors = list(check_weights(loaded.model, sources, place))
    names = UniqueNames()
    inputs = input_infos(loaded.model, arguments, tensors, names)
    for info, tensor in zip(inputs, tensors, strict=True):
        errors += check_tensor(tensor, f"example input {info.name}", loaded.inputs_place or place)
    raise_all(errors)
    place = forward_place(loaded) or place
    raise_all(list(_check_keywords(loaded.model, place)))
    flat = _Flat(loaded.model, arguments)
    observers = observing(loaded.model, place)
    with torch.no_grad(), quiet_third_parties(sources), frozen(loaded.model):
        run = functools.partial(run_model, flat, loaded=loaded)
        results, kept = stateful(loaded.model, run, tensors, sources, place)
        raise_all([observers] if kept and observers else kept)
        returned = flat.returned  # torch.export puts back what it finds changed
        assert returned is not None
        program = _export(flat, tensors, sources, place)
        _locate(program, flat.model, sources)
        _note_operations(program, sources)
        refused += check_graph(program.graph, lambda node: _place(node, sources))
        if not refused:
            raise_all(list(_check_results(returned, results, place)))
        program = _decompose(program, place)
        changed = list(program.graph_signature.user_inputs_to_mutate.values())
        if changed:
            copies = [program.graph_signature.user_inputs.index(name) for name in changed]
            flat = _Flat(loaded.model, arguments, copies)
            program = _export(flat, tensors, sources, place)
            _locate(program, flat.model, sources)
            program = _decompose(program, place)
        places = {each.location for each in refused}
        later = list(check_decomposed(program.graph, lambda node: _place(node, sources)))
        refused += [each for each in later if each.location not in places]
        changes = list(_check_state(program, place))
        if not refused:
            changes = changes or [*repeats(loaded.model, run, tensors, results, place)]
    state = bool(changes) and not refused and all(isinstance(each, StatefulModel) for each in changes)
    raise_all([observers] if observers and state else changes)
    count = len(loaded.states)
    if not count:
        return ExportedModel(program, tuple(inputs), tuple(output_infos(returned, results, names)), arguments, returned)
    states = state_infos(loaded.states, inputs[-count:], tensors[-count:])
    outputs = output_infos(returned, results, names)[:-count]
    return ExportedModel(program, tuple(inputs[:-count]), tuple(outputs), arguments, returned, states)


def run_model(
    model: Callable[..., Any], tensors: Sequence[torch.Tensor], loaded: LoadedModel, which: str = "the example inputs"
) -> Any:
    """What the loaded model, as a function of flat tensors, gives in PyTorch; its exception as a refusal."""
    try:
        with kept_apart():
            return model(*(tensor.clone() for tensor in tensors))
    except (KeyboardInterrupt, Torch2HWError):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises
        frames = loaded.sources.frames(error.__traceback__) or _frames_of_graph(error.__traceback__)
        place = loaded.sources.place(*frames[-1]) if frames else forward_place(loaded) or (loaded.source_file, 0)
        text = traceback.format_exception_only(error)[-1].strip()
        given = ", ".join(f"{tuple(tensor.shape)}" for tensor in tensors)
        shapes = re.search(r"shape|size|dimension|channels|must match", text) and "out of bounds" not in text
        if isinstance(error, RuntimeError) and shapes:
            raise ShapeMismatch(
                f"shapes do not fit: {str(error).splitlines()[0]}",
                location=place,
                why=f"PyTorch itself cannot run the model on {which}, whose shapes are {given}",
                fix="correct the file, or the sizes that --input gives"
                if loaded.nodes
                else "give example inputs of the shapes that the model takes",
            ) from None
        raise ModelRaised(
            f"the model raised {text}",
            location=place,
            why=f"PyTorch itself cannot run the model on {which}, whose shapes are {given}",
            fix=f"make the model run in PyTorch on {which}",
        ) from None


def _frames_of_graph(trace: TracebackType | None) -> list[tuple[str, int]]:
    """The user's frames of the node that failed, where a graph was run."""
    nodes = [frame.f_locals["n"] for frame, _ in traceback.walk_tb(trace) if frame.f_code is _RUN_NODE]
    return _frames(nodes[0]) if nodes else []


def forward_place(loaded: LoadedModel) -> tuple[str, int] | None:
    """Where the user defines the model's `forward`; None where PyTorch does."""
    code = getattr(type(loaded.model).forward, "__code__", None)
    if code is None or not loaded.sources.owns(code.co_filename):
        return None
    return loaded.sources.place(code.co_filename, code.co_firstlineno)


def _check_keywords(model: nn.Module, place: tuple[str, int]) -> Iterator[Torch2HWError]:
    parameters = inspect.signature(model.forward).parameters.values()
    names = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY and each.default is each.empty]
    if names:
        yield BadInputs(
            f"forward takes {', '.join(names)} by keyword only",
            location=place,
            why="example inputs are given by position",
            fix="wrap the model in a module whose forward takes them by position and passes them on",
        )


def _check_results(
    returned: Structure, results: Sequence[torch.Tensor], place: tuple[str, int]
) -> Iterator[Torch2HWError]:
    objects = [each for each in returned.constants if each is not None and not isinstance(each, NUMBERS)]
    if not results and not objects:
        yield NotExportable("the model returns no tensor", location=place, fix="return the tensors to compute")
    for path, tensor in zip(returned.tensor_paths(), results, strict=True):
        yield from check_tensor(tensor, f"output {path}".rstrip(), place)
    for path, constant in zip(returned.paths, returned.constants, strict=True):
        if constant is not None and not isinstance(constant, NUMBERS):
            registered = f"; register the class: torch.export.register_dataclass({type(constant).__name__})"
            yield NotExportable(
                f"output {path} is a {type(constant).__name__}".replace("  ", " "),
                location=place,
                fix="return tensors, in tuples, lists and dictionaries"
                + (registered if dataclasses.is_dataclass(constant) else ""),
            )


def _has_packed_sequence(error: BaseException) -> bool:
    """Whether the code that raised it had a `PackedSequence` in its hands."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(isinstance(value, PackedSequence) for frame in frames for value in frame.f_locals.values())


def _export(flat: _Flat, tensors: Sequence[torch.Tensor], sources: Sources, place: tuple[str, int]) -> Any:
    from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

    try:
        return torch.export.export(flat, tuple(tensors))
    except KeyboardInterrupt:
        raise
    except GuardOnDataDependentSymNode as error:
        frames = sources.frames(error.__traceback__)
        raise DataDependentControlFlow(
            "control flow depends on the values of a tensor",
            location=sources.place(*frames[-1]) if frames else place,
            why="the schedule of the hardware is fixed when it is compiled",
            fix="compute every branch and select with torch.where; loop a fixed number of times",
        ) from None
    except Exception as error:  # noqa: BLE001 - torch.export raises many kinds
        frames = sources.frames(error.__traceback__)
        if _has_packed_sequence(error):
            raise DynamicShape(
                "packed sequences: how long each one is depends on the values of a tensor",
                location=sources.place(*frames[-1]) if frames else place,
                operation="pack_padded_sequence",
                why="memories and loops of the hardware have sizes that are fixed when it is compiled",
                fix="run the layer on the padded sequences, and select the steps that count with torch.where",
            ) from None
        raise NotExportable(
            f"torch.export cannot follow the model: {(str(error).strip() or type(error).__name__).splitlines()[0]}",
            location=sources.place(*frames[-1]) if frames else place,
            why="it must become a static graph of tensor operations",
            fix="use PyTorch operations on tensors only, without .numpy(), .tolist() and the like",
        ) from None


def _decompose(program: Any, place: tuple[str, int]) -> Any:
    from torch2hw.frontend.decompositions import decompositions

    try:
        program = program.run_decompositions(decompositions())
    except RuntimeError as error:
        if "torch.ops.higher_order." not in str(error):
            raise
        raise NotExportable(
            "torch.export cannot write out what the model computes inside torch.func or with gradients",
            location=place,
            why="it must become a graph of plain tensor operations",
            fix="write the derivative out as a formula",
        ) from None
    for name in program.graph_signature.inputs_to_buffers.values():
        if name not in program.state_dict:  # not persistent: torch-mlir's importer looks for all of them there
            program.state_dict[name] = program.constants[name]
    _copy_state_in_lists(program)
    return program


def _copy_state_in_lists(program: Any) -> None:
    """Give lists of tensors copies of the parameters, buffers and constants in them: torch-mlir's importer takes no
    others there (`torch.cat([self.token, x])`)."""
    signature, graph = program.graph_signature, program.graph
    names = set(signature.inputs_to_parameters) | set(signature.inputs_to_buffers)
    names |= set(signature.inputs_to_lifted_tensor_constants)
    first = next(node for node in graph.nodes if node.op != "placeholder")
    for node in [each for each in graph.nodes if each.name in names]:
        users = [user for user in node.users if any(isinstance(each, list | tuple) for each in user.args)]
        users = [user for user in users if user.op == "call_function"]
        if users:
            with graph.inserting_before(first):
                copy = graph.call_function(torch.ops.aten.clone.default, (node,))
            copy.meta = {"val": node.meta["val"], "stack_trace": users[0].meta.get("stack_trace")}
            for user in users:
                user.replace_input_with(node, copy)
    program.graph_module.recompile()


def _check_state(program: Any, place: tuple[str, int]) -> Iterator[Torch2HWError]:
    signature = program.graph_signature
    for kind, changed in (("buffer", signature.buffers_to_mutate), ("parameter", signature.parameters_to_mutate)):
        for name in changed.values():
            yield StatefulModel(
                f"the model changes its {kind} {name.removeprefix('model.')} while it runs",
                location=place,
                why="a design keeps nothing from one run to the next",
                fix="keep it in the design with --keep-state, or pass it as an input and return its new value",
            )


def _locate(program: Any, model: nn.Module, sources: Sources) -> None:
    """Rewrite each node's stack trace as the module docstring says."""
    sites = {path: module.__dict__.get(SITE) for path, module in model.named_modules()}
    for node in _all_nodes(program):
        frames = [(file, line) for file, line in _frames(node) if sources.owns(file)]
        stack = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
        layer = (stack[-1] if stack else "").removeprefix("model").removeprefix(".")
        if not frames and sites.get(layer) is not None:
            frames = [sites[layer]]
        lines = [f'File "{sources.short(file)}", line {line}, in forward' for file, line in frames]
        if layer:
            lines.append(f'File "{LAYER_FRAME}{escaped(layer)}", line 0, in forward')
        node.meta["stack_trace"] = "\n".join(lines)


def _all_nodes(program: Any) -> Iterator[Any]:
    """Those of the program's graph, and of the graphs in it."""
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            yield from module.graph.nodes


def _note_operations(program: Any, sources: Sources) -> None:
    """Which operations each line has, for messages."""
    found: dict[tuple[str, int], dict[str, None]] = {}
    for node in _all_nodes(program):
        frames = [frame for frame in _frames(node) if not frame[0].startswith(LAYER_FRAME)]
        if node.op == "call_function" and frames and "." in str(node.target):
            found.setdefault(frames[-1], {})[operation_name(node.target)] = None
    sources.operations.update({place: tuple(names) for place, names in found.items()})


def _frames(node: Any) -> list[tuple[str, int]]:
    frame = re.compile(r'^ *File "(.+?)", line (\d+)(?:, in |$)', re.MULTILINE | re.DOTALL)
    return [(file, int(line)) for file, line in frame.findall(node.meta.get("stack_trace") or "")]


def _place(node: Any, sources: Sources) -> tuple[str, int] | None:
    """Where a node whose trace was rewritten stands, for diagnostics."""
    frames = [(file, line) for file, line in _frames(node) if not file.startswith(LAYER_FRAME)]
    return (sources.shown(frames[-1][0]), frames[-1][1]) if frames else None


@contextlib.contextmanager
def _nowhere() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


@contextlib.contextmanager
def quiet_third_parties(sources: Sources) -> Iterator[None]:
    """Let through warnings that arise in the user's files, and nothing else that PyTorch or torch-mlir prints."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(record=True) as caught, _nowhere():
            warnings.simplefilter("always")
            yield
    finally:
        logging.disable(level)
    for warning in caught:
        if sources.owns(warning.filename):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
