"""Synthesis with Yosys, as a process of its own: an error in Yosys ends the process it runs in.

The totals of a design are those of one flat synthesis for UltraScale+ (`synth_xilinx -family xcup`). In a flat netlist
LUTs belong to nobody, so the figures of a part (an instance in the top module: a kernel, a shared unit, a memory) are
measured in a second synthesis which keeps the boundaries of exactly those instances. What crosses a boundary is not
optimised there, so the parts, with `rest` for the top module itself, need not add up to the total.

Answers are kept in the cache, by the files, the script and the version of Yosys.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch2hw.tools.cache import digest, entry
from torch2hw.tools.errors import InternalError
from torch2hw.tools.processes import Command, run_all
from torch2hw.tools.resources import Resources

PROGRAM = "import os, sys; from pyosys import libyosys as ys; os.chdir(sys.argv[1]); ys.run_pass('script script.ys')"
SYNTHESIS = "synth_xilinx -family {family} -top {top} -noiopad -noclkbuf -flatten"
ULTRA = 'ram_style = "ultra"'
STATISTICS = "tee -q -o stat.json stat -json"


def tool() -> str:
    """Name and version, as reports say it."""
    return f"Yosys {version('pyosys')}, synth_xilinx -family xcup"


MAX_PARTS = 32  # each is synthesised by itself, which takes seconds
_INSTANCE = re.compile(r"^  \w+ \w+ \($", re.MULTILINE)


@dataclass(frozen=True)
class Part:
    """An instance in the top module, with all inside it."""

    instance: str
    module: str
    resources: Resources


@dataclass(frozen=True)
class Synthesis:
    """`total` of the flat design; `parts` in the order of their names, and `rest`, with boundaries kept."""

    total: Resources
    parts: tuple[Part, ...]
    rest: Resources


def flat_script(files: Mapping[str, str], top: str, family: str = "xcup") -> str:
    """Reads `files`, synthesises, and writes stat.json."""
    return script(read_command(files, top), _synthesis(files, family, top), STATISTICS)


def parts_script(files: Mapping[str, str], top: str) -> str:
    """The same with the boundaries of the top module's instances kept: of its kernels only, if there are many."""
    instances = sum(len(_INSTANCE.findall(text.partition(f"\nmodule {top}(")[2])) for text in files.values())
    kept = f"*${top}.*" if instances <= MAX_PARTS else f"{top}_*${top}.*"
    keep = f"setattr -mod -set keep_hierarchy 1 {kept} *${top}.*.* %d"
    read = f"{read_command(files, top)} --keep-hierarchy"
    return script(read, keep, _synthesis(files, "xcup", top), STATISTICS)


def _synthesis(files: Mapping[str, str], family: str, top: str) -> str:
    """The command; with UltraRAM where a memory asks for it."""
    asked = any(ULTRA in text for text in files.values())
    return SYNTHESIS.format(family=family, top=top) + (" -uram" if asked else "")


def resources(files: Mapping[str, str], top: str, family: str = "xcup") -> Resources:
    """Of a flat synthesis of `files` (name → text; those that end in .sv are read, the others are there for them)."""
    (statistics,) = _statistics(files, [flat_script(files, top, family)])
    return total_of(statistics)


def synthesise(files: Mapping[str, str], top: str) -> Synthesis:
    """Totals and parts of a design; the two syntheses run side by side."""
    flat, divided = _statistics(files, [flat_script(files, top), parts_script(files, top)])
    parts, rest = _parts(divided, top)
    return Synthesis(total_of(flat), parts, rest)


def run_scripts(files: Mapping[str, str], scripts: Sequence[str], folder: Path) -> list[Path]:
    """Run the scripts side by side, each in a folder of its own that gets the files; the folders.

    Raises InternalError with what Yosys said.
    """
    folders = [folder / str(number) for number in range(len(scripts))]
    commands: list[Command] = []
    for place, text_of_script in zip(folders, scripts, strict=True):
        for name, text in {**files, "script.ys": text_of_script}.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text)
        commands.append([sys.executable, "-c", PROGRAM, place])
    for status, output in run_all(commands, folder, len(commands)):
        if status != 0:
            raise InternalError(f"Yosys stopped: {_complaint(output)}")
    return folders


def total_of(statistics: Any) -> Resources:
    """Of everything in the design, from Yosys' `stat -json`."""
    return Resources.of_cells(statistics["design"].get("num_cells_by_type", {}))


def _statistics(files: Mapping[str, str], scripts: Sequence[str]) -> list[Any]:
    def make(place: Path) -> None:
        with TemporaryDirectory(prefix="torch2hw-") as temporary:
            for number, folder in enumerate(run_scripts(files, scripts, Path(temporary))):
                (place / f"{number}.json").write_bytes((folder / "stat.json").read_bytes())

    parts = [version("pyosys"), *scripts, *(text for item in sorted(files.items()) for text in item)]
    place = entry("yosys", digest(parts), make)
    return [json.loads((place / f"{number}.json").read_text()) for number in range(len(scripts))]


def _parts(statistics: Any, top: str) -> tuple[tuple[Part, ...], Resources]:
    """Modules are called MODULE$TOP.INSTANCE, or TOP."""
    parts: list[Part] = []
    rest = Resources()
    for name, module in statistics["modules"].items():
        found = Resources.of_cells(module.get("num_cells_by_type", {}))
        kind, _, path = name.removeprefix("\\").partition("$")
        if path:
            parts.append(Part(path.removeprefix(f"{top}."), kind, found))
        else:
            rest = found
    return tuple(sorted(parts, key=lambda part: part.instance)), rest


def read_command(files: Mapping[str, str], top: str) -> str:
    """Reads the SystemVerilog among `files`."""
    return f"read_slang {' '.join(name for name in files if name.endswith('.sv'))} --top {top}"


def script(*commands: str) -> str:
    """A command a line."""
    return "".join(f"{command}\n" for command in commands)


def _complaint(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\berror\b", line, re.IGNORECASE)]
    return errors[0] if errors else lines[-1] if lines else "it said nothing"
