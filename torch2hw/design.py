"""The Python interface: `compile(model, (x,), partition=4).write("out.sv")`."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch2hw.compiler.options import Options

if TYPE_CHECKING:
    from torch import nn

    from torch2hw.compiler.compiled import Compiled
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


def compile(model: nn.Module, example_inputs: Any, **options: Any) -> Design:
    """Compile a model for the shapes of its example inputs. `options` are the fields of `Options`.

    The model is put in eval mode. Raises a `Torch2HWError` where it is refused.
    """
    from torch import nn

    from torch2hw.compiler.compiled import compile_model
    from torch2hw.frontend.load_model import LoadedModel, in_eval_mode, top_name
    from torch2hw.frontend.locations import Sources
    from torch2hw.frontend.model_definitions import as_arguments
    from torch2hw.frontend.refusals import NotAModule

    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    file, place = _caller(frame.f_back.f_code.co_filename, frame.f_back.f_lineno)
    if not isinstance(model, nn.Module):
        raise NotAModule(
            f"the model is of type {type(model).__name__}, not an nn.Module",
            location=place,
            fix="give an instance of a class that derives from torch.nn.Module",
        )
    model, checked = in_eval_mode(model), Options.given(options)
    sources = Sources(file.parent, file.parent)
    inputs = as_arguments(example_inputs, place)
    top = top_name(type(model).__name__.lower())
    return Design(compile_model(LoadedModel(model, inputs, str(file), top, sources, place), checked))


def _caller(file: str, line: int) -> tuple[Path, tuple[str, int]]:
    """The caller's file; a folder stands in for the file of an interactive session."""
    path = Path(file).absolute() if not file.startswith("<") else Path.cwd() / file.strip("<>")
    return path, (str(path), line)
