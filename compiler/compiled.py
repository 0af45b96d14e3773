"""From a loaded model to a compiled design: the front end, then the passes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

from torch2hw.compiler.driver import Context, Driver, LevelProgram, Step, answering_for
from torch2hw.compiler.dumps import Dumps
from torch2hw.compiler.options import Options
from torch2hw.compiler.pipeline import passes_for
from torch2hw.compiler.version import __version__
from torch2hw.frontend.in_format import in_format
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.quantise_model import quantised
from torch2hw.frontend.torch_to_linalg import TorchProgram, import_torch
from torch2hw.hwlib import Library
from torch2hw.passes.bind_units import BindUnits
from torch2hw.tools.errors import UsageError


class Checker(Protocol):
    """Checks the program after every pass that changed it. `checked` has its findings."""

    checked: list[Any]

    def check(self, name: str, level: str, program: LevelProgram, report: dict[str, Any]) -> None:
        """Raises CheckError where pass `name` changed a value."""


@dataclass(frozen=True)
class Compiled:
    """A model, and its program after every pass that was run. `imported` is the first program, at level torch.
    `checked` has the findings of `--check` for each pass; it is empty without that option."""

    loaded: LoadedModel
    options: Options
    top: str
    library: Library
    imported: TorchProgram
    steps: tuple[Step, ...]
    seconds: float
    checked: tuple[Any, ...] = ()

    def at(self, level: str) -> Any:
        """The last program at a level that was reached."""
        if level == "torch":
            return self.imported
        return [step.program for step in self.steps if step.level == level][-1]

    @property
    def result(self) -> LevelProgram:
        """The program that the last pass left."""
        return self.steps[-1].program if self.steps else self.imported

    def verilog(self) -> str:
        """The SystemVerilog."""
        text: str = self.at("sv").text()
        return text

    @property
    def reference(self) -> Any:
        """The loop program whose values on the CPU are the design's, bit for bit."""
        if self.options.schedule == "static":
            return self.at("scheduled")
        context = Context(self.options, self.library, self.top)
        return BindUnits().run(self.at("affine"), context)[0]

    def manifest(self, files: list[str], memory_files: list[str]) -> dict[str, Any]:
        """The manifest (contract section 4) of the design written as these files."""
        from torch2hw.lowering.manifest import manifest, sequential_manifest

        generator = f"torch2hw {__version__}"
        if self.options.schedule == "static":
            return manifest(self.at("calyx"), generator, files, memory_files)
        return sequential_manifest(self.at("calyx"), generator, files, memory_files)


_library = lru_cache(maxsize=8)(Library)  # a process that compiles often makes each unit once


def library_of(options: Options) -> Library:
    """The hardware library for these options; its units are those of earlier compilations."""
    if options.float_lib is None:
        return _library(clock_ns=options.clock_ns, subnormals=options.subnormals)
    from torch2hw.hwlib.hardfloat import HardFloatLibrary, read

    return HardFloatLibrary(options.clock_ns, options.subnormals, copy=read(options.float_lib))


def compile_model(
    loaded: LoadedModel,
    options: Options,
    *,
    dump: Path | None = None,
    stop_at: str | None = None,
    stop_after: str | None = None,
    watch: Callable[[str], None] = lambda name: None,
    checker: Callable[[LoadedModel, TorchProgram, Options], Checker] | None = None,
) -> Compiled:
    """Run the front end and the passes; `dump`, `stop_at`, `stop_after` and `watch` are the driver's.

    `checker` makes what looks at the program after every pass: `PassChecker.of` (sim/pass_checker.py) runs it on the
    CPU, and raises CheckError where a pass changed a value.
    """
    started = time.monotonic()
    if loaded.program is not None and (options.dtype != "f32" or options.quantize):
        other = f"--dtype {options.dtype}" if options.dtype != "f32" else f"--quantize {options.quantize}"
        raise UsageError(
            f"{other}: {loaded.source_file} says itself what types it computes in",
            fix="leave it out, or change the file",
        )
    passes = passes_for(options)
    top = options.top or loaded.top
    context = Context(options, library_of(options), top)
    watch("import-torch")
    with answering_for("import-torch", partial(Dumps(None, passes, context).reproducer, 0, None), None):
        if options.keep_state:
            from torch2hw.frontend.kept_state import with_kept_state

            loaded = with_kept_state(loaded)
        found = quantised(loaded, options)
        loaded = in_format(loaded, options.dtype) if found is None else found.loaded
        with loaded.naming_nodes():
            imported = import_torch(loaded)
        if found is not None:
            imported = imported.with_codes(found.inputs, found.outputs)
    made = None if checker is None else checker(loaded, imported, options)
    driver = Driver(passes, dump, stop_at, stop_after, watch, None if made is None else made.check)
    with loaded.naming_nodes():
        steps = driver.run(imported, "torch", context, loaded.sources)
    checked = () if made is None else tuple(made.checked)
    return Compiled(loaded, options, top, context.library, imported, tuple(steps), time.monotonic() - started, checked)
