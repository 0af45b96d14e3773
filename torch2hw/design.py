"""The Python interface: `compile(model, (x,), partition=4).write("out.sv")`."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch2hw.compiler.options import Options

if TYPE_CHECKING:
    from torch2hw.compiler.compiled import Compiled
    from torch2hw.frontend.load_model import LoadedModel
    from torch2hw.report import Report
    from torch2hw.sim.check import SimulationResult


@dataclass(frozen=True)
class Design:
    """A compiled design."""

    compiled: Compiled

    @property
    def verilog(self) -> str:
        """The SystemVerilog of every module."""
        return self.compiled.verilog()

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest, of a design written to TOP.sv."""
        return self.compiled.manifest([f"{self.compiled.top}.sv"], [])

    def write(self, path: str | Path) -> None:
        """Write SystemVerilog to `path`, and the manifest beside it."""
        from torch2hw.compiler.design_files import write_design

        write_design(self.compiled, Path(path))

    def simulate(self, *inputs: Any, runs: int = 1) -> SimulationResult:
        """Build the RTL with Verilator and run it on `inputs`, or on the example inputs; then on random ones."""
        from torch2hw.sim.check import simulate_design

        return simulate_design(self.compiled, inputs or self.compiled.loaded.example_inputs, runs=runs)

    def report(self, synthesis: bool = True, fmax: bool = False) -> Report:
        """Cycles and the use of the lanes, for each kernel and in total.

        `synthesis` adds resources, for which Yosys takes up to minutes; `fmax` the clock on ECP5, which takes longer.
        """
        from torch2hw.report import Report

        return Report.of(self.compiled, synthesis, fmax)


def compile(model: Any, example_inputs: Any = None, **options: Any) -> Design:
    """Compile a model for the shapes of its example inputs. `options` are the fields of `Options`.

    `model` is an `nn.Module`, which is put in eval mode; an ExportedProgram or an `onnx.ModelProto`, which need example
    inputs only where they have dynamic dimensions; or the path of a file, as the command line takes it.
    Raises a `Torch2HWError` where it is refused.
    """
    from torch2hw.compiler.compiled import compile_model

    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    file, place = _caller(frame.f_back.f_code.co_filename, frame.f_back.f_lineno)
    loaded, checked = _loaded(model, example_inputs, file, place), Options.given(options)
    return Design(compile_model(loaded, checked))


def _loaded(model: Any, example_inputs: Any, file: Path, place: tuple[str, int]) -> LoadedModel:
    """What `compile` is given, called from `file`."""
    from torch import nn
    from torch.export import ExportedProgram

    from torch2hw.frontend.load_model import LoadedModel, in_eval_mode, load, top_name
    from torch2hw.frontend.locations import Sources
    from torch2hw.frontend.model_definitions import as_arguments
    from torch2hw.frontend.refusals import NotAModule

    inputs = None if example_inputs is None else as_arguments(example_inputs, place)
    if isinstance(model, str | Path):
        loaded = load(str(model), inputs=() if inputs is None else _as_texts(inputs))
        return loaded if inputs is None else replace(loaded, example_inputs=inputs)
    sources = Sources(file.parent, file.parent)
    texts = () if inputs is None else _as_texts(inputs)
    if isinstance(model, ExportedProgram):
        from torch2hw.frontend import exported_file

        loaded = exported_file.of_program(model, str(file), "model", sources, texts)
    elif type(model).__name__ == "ModelProto":
        from torch2hw.frontend import onnx_file

        onnx_file.check_installed(str(file))
        loaded = onnx_file.of_model(model, str(file), top_name(model.graph.name.lower()), sources, texts)
    elif isinstance(model, nn.Module):
        inputs = as_arguments(example_inputs, place) if inputs is None else inputs
        model = in_eval_mode(model)
        return LoadedModel(model, inputs, str(file), top_name(type(model).__name__.lower()), sources, place)
    else:
        raise NotAModule(
            f"the model is of type {type(model).__name__}, not an nn.Module",
            location=place,
            fix="give an instance of a class that derives from torch.nn.Module, an ExportedProgram, an onnx.ModelProto "
            "or the path of a file",
        )
    return loaded if inputs is None else replace(loaded, example_inputs=inputs)


def _as_texts(inputs: tuple[Any, ...]) -> list[str]:
    """Example inputs as --input writes their shapes."""
    from torch2hw.frontend.graph_inputs import input_text
    from torch2hw.frontend.signature import Structure

    return [input_text(tensor.dtype, tensor.shape) for tensor in Structure.of(inputs)[1]]


def _caller(file: str, line: int) -> tuple[Path, tuple[str, int]]:
    """The caller's file; a folder stands in for the file of an interactive session."""
    path = Path(file).absolute() if not file.startswith("<") else Path.cwd() / file.strip("<>")
    return path, (str(path), line)
