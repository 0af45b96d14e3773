"""The files of a design for the native Calyx compiler: OUT.futil, and OUT.units.sv with the modules that it names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch2hw.compiler.design_files import Finished, check_quotable, with_contents, write_with_memories
from torch2hw.lowering.hardware import calyx_to_futil, hw_to_sv
from torch2hw.tools.isolate import run_native


@dataclass(frozen=True)
class NativeTexts:
    """`files` has the text of each file by its path beside OUT.futil, that file's too."""

    futil: str
    files: dict[str, str]
    memory_files: list[str]


def native_texts(compiled: Finished, name: str) -> NativeTexts:
    """The files of a design whose .futil is called `name`. Large weights are in OUT.mem/, as those of OUT.sv."""
    program, stem = compiled.at("calyx"), Path(name).stem
    units = f"{stem}.units.sv"
    native = run_native(calyx_to_futil.lower, program.text(), program.definitions, units)
    verilog, files = with_contents(run_native(hw_to_sv.export, native.units), program.contents, f"{stem}.mem")
    return NativeTexts(native.futil, {**files, units: verilog, name: native.futil}, sorted(files))


def write_native(compiled: Finished, path: Path, last: bool = False) -> None:
    """Write OUT.futil, OUT.units.sv and, for large weights, OUT.mem/*.hex: all or nothing.

    `last`: the command writes nothing after it.
    """
    check_quotable(path, "the modules go to a file whose name begins with that one", "Calyx names it")
    texts = native_texts(compiled, path.name)
    write_with_memories(path, texts.files, bool(texts.memory_files), last)
