"""PyTorch → linalg on tensors, by torch.export and torch-mlir.

`import_torch` gives the model in torch-mlir's Torch dialect (level `torch`), `lower` takes it to linalg on tensors
(level `linalg`), `export` does both.

leaves: one function `main` of tensors with static shapes; weights as constants; every operation at the user's line and
    layer (`locations`); no f64 (`demote_f64`), no run-time assertions; canonicalised, common subexpressions shared;
    elementwise operations not fused.
refuses: what `export_model` refuses; operations that torch-mlir cannot lower, and what `supported` lists.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch_mlir import fx, ir
from torch_mlir.dialects import torch as torch_dialect
from torch_mlir.passmanager import PassManager

from torch2hw.dialects.loops import PortCodes, Source
from torch2hw.frontend.demote_f64 import demote_f64, with_f32
from torch2hw.frontend.export_model import LAYER_FRAME, export_model, quiet_third_parties
from torch2hw.frontend.extremes import rewrite_extremes
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import Sources, source_of
from torch2hw.frontend.mlir_memories import loops
from torch2hw.frontend.quiet import kept_apart
from torch2hw.frontend.refusals import UnsupportedOperation
from torch2hw.frontend.scans import rewrite_scans
from torch2hw.frontend.signature import StateInfo, Structure, TensorInfo
from torch2hw.frontend.supported import check_supported
from torch2hw.frontend.unlowered import name_of, unlowered
from torch2hw.frontend.weights import Weights, WeightsByName, with_weights
from torch2hw.tools.errors import SeveralErrors, Torch2HWError, raise_all
from torch2hw.tools.isolate import run_native
from torch2hw.tools.walking import operations_named

TO_BACKEND = (
    "builtin.module(func.func(torch-match-quantized-custom-ops),torchdynamo-export-to-torch-backend-pipeline{})"
)
TO_LINALG = "builtin.module(torch-backend-to-linalg-on-tensors-backend-pipeline{allow-non-finites=true})"
CLEAN_UP = "builtin.module(canonicalize,cse)"
# It forgets the step of the insertion: a padded tensor under a transposed convolution ends up in the wrong places.
WRONG_PATTERN = "{anonymous}::FoldInsertPadIntoFill"


@dataclass(frozen=True)
class TorchProgram:
    """A torch-mlir module with function `main`, and what its arguments and results are, in order. `main` takes the
    values of `states` after the inputs, and gives their new values after the outputs.

    `input_structure` and `output_structure` rebuild the model's nested arguments and results from flat tensors.
    The module refers to `weights` by name. `places`, of a `main` that takes memories: the positions among its arguments
    of the inputs, then of the outputs that are arguments; other outputs are its results.
    """

    module: Any
    weights: Weights
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    input_structure: Structure
    output_structure: Structure
    sources: Sources
    states: tuple[StateInfo, ...] = ()
    places: tuple[int, ...] | None = None

    @property
    def arguments(self) -> tuple[TensorInfo, ...]:
        """What `main` takes: inputs, then states."""
        return (*self.inputs, *self.states)

    @property
    def results(self) -> tuple[TensorInfo, ...]:
        """What `main` gives: outputs, then the new values of states."""
        return (*self.outputs, *self.states)

    def with_codes(self, inputs: Sequence[PortCodes | None], outputs: Sequence[PortCodes | None]) -> TorchProgram:
        """The program with what the integers of its ports stand for; empty where none are codes."""

        def coded(infos: tuple[TensorInfo, ...], codes: Sequence[PortCodes | None]) -> tuple[TensorInfo, ...]:
            pairs = zip(infos, codes or [None] * len(infos), strict=True)
            return tuple(replace(info, codes=each) for info, each in pairs)

        return replace(self, inputs=coded(self.inputs, inputs), outputs=coded(self.outputs, outputs))

    def text(self, weights: bool = True) -> str:
        """MLIR, with locations; weights in full, or referred to."""
        text: str = self.module.operation.get_asm(enable_debug_info=True)
        return with_weights(text, self.weights) if weights else text


def export(loaded: LoadedModel) -> TorchProgram:
    """The model at linalg on tensors."""
    return lower(import_torch(loaded))


def import_torch(loaded: LoadedModel) -> TorchProgram:
    """The model in the Torch dialect, value semantics, static shapes; what a file holds below it, as it is."""
    if loaded.program is not None:
        program: TorchProgram = loaded.program
        return program
    refused: list[Torch2HWError] = []
    with _together(refused), kept_apart():
        return _imported(loaded, refused)


@contextlib.contextmanager
def _together(refused: Sequence[Torch2HWError]) -> Iterator[None]:
    """Raises what is `refused` of the graph together with what its conversion is, one cause for each line."""
    try:
        yield
    except Torch2HWError as error:
        places = {each.location for each in refused}
        found = error.errors if isinstance(error, SeveralErrors) else (error,)
        if places:  # a fault of ours may follow from what is refused
            found = tuple(each for each in found if each.exit_status == 1 and each.location not in places)
        raise_all([*refused, *found])
    except Exception:
        raise_all(refused)
        raise


def _imported(loaded: LoadedModel, refused: list[Torch2HWError]) -> TorchProgram:
    exported = export_model(loaded, refused)
    weights = WeightsByName()
    with quiet_third_parties(loaded.sources):
        module = fx.export_and_import(
            exported.program, output_type="raw", func_name="main", decomposition_table={}, hooks=weights
        )
    _rebuild_locations(module)
    try:
        text = run_native(_to_backend, _text(module))
        if refused:
            run_native(_to_linalg, text)
    except Torch2HWError as error:
        loaded.sources.show(error)
        raise
    raise_all(refused)
    return TorchProgram(
        parse_module(text),
        weights.arrays(),
        exported.inputs,
        exported.outputs,
        exported.input_structure,
        exported.output_structure,
        loaded.sources,
        exported.states,
    )


def lower(program: TorchProgram) -> TorchProgram:
    """The Torch dialect lowered to linalg on tensors, or linalg on memories to loops; `program` is left as it was."""
    if program.places is not None:
        return replace(program, module=parse_module(run_native(loops, _text(program.module))))
    text = run_native(_to_linalg, _text(program.module))
    return replace(program, module=parse_module(text), weights=with_f32(text, program.weights))


def _to_backend(text: str) -> str:
    module = parse_module(text)
    with _all_unlowered(text, lambda alone: _lowers(alone, TO_BACKEND)):
        _run(module, TO_BACKEND)
    return _text(module)


def _to_linalg(text: str) -> str:
    with _all_unlowered(text, _lowers):
        return _text(_linalg(parse_module(text)))


@contextlib.contextmanager
def _all_unlowered(text: str, lowers: Callable[[Any], bool]) -> Iterator[None]:
    """Where one operation of the program is unsupported, all that are."""
    try:
        yield
    except UnsupportedOperation:
        raise_all([_refusal(name_of(each), source_of(each.location)) for each in unlowered(parse_module(text), lowers)])
        raise


def _linalg(module: Any) -> Any:
    """The module on tensors, in place."""
    _run(module, TO_LINALG)
    _drop_assertions(module)
    rewrite_scans(module)
    rewrite_extremes(module)
    demote_f64(module)
    _run(module, CLEAN_UP)
    errors = list(check_supported(module))
    raise_all([error for error in errors if not isinstance(error, UnsupportedOperation)])
    raise_all(errors[:1])  # `unlowered` finds the others
    return module


def _lowers(module: Any, before: str | None = None) -> bool:
    """Whether the module of one operation can be lowered, after the pipeline `before`."""
    try:
        if before is not None:
            _run(module, before)
        _linalg(module)
    except (UnsupportedOperation, ir.MLIRError):
        return False
    except Torch2HWError:  # refused for something else
        return True
    return True


def parse_module(text: str) -> Any:
    """The module of torch-mlir's text, at level torch or linalg. Raises torch_mlir.ir.MLIRError."""
    context = ir.Context()
    torch_dialect.register_dialect(context)
    return ir.Module.parse(text, context)


def _text(module: Any) -> str:
    """The module's text with locations, in generic form, which parses fastest."""
    text: str = module.operation.get_asm(enable_debug_info=True, print_generic_op_form=True)
    return text


def _run(module: Any, pipeline: str) -> None:
    with module.context:
        try:
            passes = str(PassManager.parse(pipeline))
            passes = passes.replace("canonicalize{", f"canonicalize{{disable-patterns={WRONG_PATTERN} ")
            PassManager.parse(passes).run(module.operation)
        except ir.MLIRError as error:
            raise_all(_refusals(error)[:1])  # `unlowered` finds the others
            raise


def _refusals(error: Any) -> list[Torch2HWError]:
    """What torch-mlir could not lower, at the user's lines."""
    found: list[Torch2HWError] = []
    for diagnostic in error.error_diagnostics:
        text = " ".join([diagnostic.message, *(note.message for note in diagnostic.notes)])
        operation = re.search(r"torch\.((?:aten|prims|operator|quantized)[\w.]*)", re.sub(r"torch\.operator", "", text))
        if operation is not None or "failed to legalize" in text:
            found.append(_refusal(operation.group(1) if operation else None, source_of(diagnostic.location)))
    return found


def _refusal(name: str | None, source: Source | None) -> UnsupportedOperation:
    return UnsupportedOperation(
        f"{name or 'an operation of this line'} is unsupported",
        location=None if source is None else (source.file, source.line),
        operation=name,
        why="torch-mlir has no lowering of it to loops",
        fix="express the model without it",
    )


def _drop_assertions(module: Any) -> None:
    """Remove checks of index bounds: hardware has nobody to tell."""
    for operation in operations_named(module, "cf.assert"):
        operation.erase()


def _rebuild_locations(module: Any) -> None:
    """Turn the frame that stands for a layer into a named location: see `export_model.LAYER_FRAME`."""
    location = functools.cache(_location)

    def visit(operation: Any) -> Any:
        operation.location = location(str(operation.location))
        for argument in (a for region in operation.regions for block in region for a in block.arguments):
            argument.set_location(location(str(argument.location)))
        return ir.WalkResult.ADVANCE

    with module.context:
        module.operation.walk(visit)


def _location(text: str) -> Any:
    frames = re.findall(r'"((?:[^"\\]|\\.)*)":(\d+):\d+', text)
    layer = frames.pop(0)[0].removeprefix(LAYER_FRAME) if frames and frames[0][0].startswith(LAYER_FRAME) else None
    places = [ir.Location.file(file, int(line), 0) for file, line in frames]
    place = ir.Location.unknown()
    if places:
        place = ir.Location.callsite(places[0], places[1:]) if len(places) > 1 else places[0]
    return place if layer is None else ir.Location.name(layer, place)
