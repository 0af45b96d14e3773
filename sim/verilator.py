"""Builds a design and its bench (bench.cpp unless said) into a program, with Verilator and the machine's C++ compiler.

Only a C++ compiler is needed: Verilator's binary is called directly (no perl), and so is the compiler (no make). The
C++ of a design is one file with the code that runs in each cycle and one with the code that runs once (-O0); a fast
build does not separate them. They are split only if they are long, because reading Verilator's headers takes as long as
compiling a small design. A module with several instances, such as a unit, becomes a class of its own (`no_inline`)
whose functions are those of all its instances (`SHARED_FUNCTIONS`): a fraction of the C++, which runs as fast. The
runtime is compiled at the same time as the design (`verilator_runtime`). Programs are kept in the cache (`cache`). The
state before the first reset is chosen when the program runs.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from torch2hw.sim.bench_header import design_header
from torch2hw.sim.verilator_runtime import (
    FAST,
    ROOT,
    Trace,
    checked,
    compile_all,
    compiler,
    flags,
    headers,
    require_fst,
    runtime,
    toolchain,
)
from torch2hw.tools.cache import digest, entry
from torch2hw.tools.errors import InternalError
from torch2hw.tools.processes import Command, run_all

PROGRAM = ROOT / "bin" / "verilator_bin"
HERE = Path(__file__).resolve().parent
OURS = tuple(HERE / name for name in ("bench.h", "bench_header.py", "verilator.py", "verilator_runtime.py"))
INITIAL = ("--x-initial", "unique", "--x-assign", "unique")
SHARED_FUNCTIONS = ("-fno-gate", "-fno-dfg")  # without: what a parent computes moves into its units' functions
OPTIONS = (
    "--cc",
    "--assert",
    "-fno-reorder",
    *SHARED_FUNCTIONS,
    "--prefix",
    "Vdesign",
    *INITIAL,
    "-Wno-fatal",
    "-Wno-lint",
)
OPTIMISATION = {"fast": "-O1", "slow": "-O0"}
FAST_BUILD_OPTIMISATION = {"all": FAST}
SPLIT_BYTES = 2_000_000
FAST_BUILD_SPLIT_BYTES = 500_000
LARGE_MODULE_CHARACTERS = 1500
_MODULE = re.compile(r"^module (\w+)\(.*?^endmodule", re.MULTILINE | re.DOTALL)
_INSTANCE = re.compile(r"^  (\w+) \w+ \((?:\t//.*)?$", re.MULTILINE)  # a comment tells the line of the model


class Built(Protocol):
    """What is built: a manifest, of any interface."""

    @property
    def top(self) -> str:
        """The name of the top module."""

    @property
    def files(self) -> tuple[str, ...]:
        """Its sources."""


@dataclass(frozen=True)
class BenchKind:
    """A bench: its C++; the text of its design.h from Verilator's header and the manifest; the files that make that."""

    source: Path
    header: Callable[[str, Any], str]
    makers: tuple[Path, ...] = ()


MEMORY_BENCH = BenchKind(HERE / "bench.cpp", design_header)


def build(
    directory: Path,
    manifest: Built,
    trace: Trace = "none",
    fast_build: bool = False,
    beside: str = "",
    trace_depth: int = 0,
    bench: BenchKind = MEMORY_BENCH,
) -> Path:
    """The program that simulates the design whose files are in `directory`; a fast one is built faster, runs slower.

    `beside` is further SystemVerilog. A trace is `trace_depth` levels of modules deep, the top one being the first (0:
    all).

    Raises MissingTool without a C++ compiler or, for FST, without its libraries; InternalError where Verilator refuses
    the SystemVerilog or a port is not what the manifest says.
    """
    program = compiler()
    if trace == "fst":
        require_fst(program)
    sources = [directory / file for file in manifest.files]
    traced = ["--trace-depth", str(trace_depth)] if trace_depth else []
    parts: list[str | bytes] = [trace, *traced, str(fast_build), beside, repr(manifest), *toolchain(program), *OPTIONS]
    name = digest([*parts, *(file.read_bytes() for file in [bench.source, *bench.makers, *OURS, *sources])])
    make = partial(
        _make,
        sources=sources,
        manifest=manifest,
        trace=trace,
        traced=traced,
        fast_build=fast_build,
        program=program,
        beside=beside,
        bench=bench,
    )
    return entry("verilator", name, make) / "bench"


def _make(
    place: Path,
    sources: Sequence[Path],
    manifest: Built,
    trace: Trace,
    traced: Sequence[str],
    fast_build: bool,
    program: str,
    beside: str,
    bench: BenchKind,
) -> None:
    with ThreadPoolExecutor(1) as meanwhile, tempfile.TemporaryDirectory(prefix="torch2hw-") as temporary:
        work = Path(temporary)
        precompiled = meanwhile.submit(headers, program, trace) if fast_build else None
        shared = meanwhile.submit(runtime, program, trace, fast_build)
        _verilate(work, sources, manifest, trace, traced, beside)
        (work / "design.h").write_text(bench.header((work / "Vdesign.h").read_text(), manifest))
        options = [*flags(trace), f"-I{work}", f"-I{bench.source.parent}"]
        if precompiled is not None:
            options += ["-include", str(precompiled.result())]
        objects = compile_all(program, options, _units(work, fast_build, bench.source), work)
        libraries = ["-pthread", *(["-llz4", "-lz"] if trace == "fst" else [])]
        linked = [*objects, *sorted(shared.result().glob("*.o"))]
        checked([[program, *linked, *libraries, "-o", place / "bench"]], work)


def _verilate(
    work: Path, sources: Sequence[Path], manifest: Built, trace: Trace, traced: Sequence[str], beside: str
) -> None:
    """Verilator's C++, in `work`."""
    options = [*OPTIONS, "--Mdir", ".", "--top-module", manifest.top]
    if trace != "none":
        options += [f"--trace-{trace}", *traced]
    files = [source.resolve() for source in sources]
    if beside:
        files.append(work / "beside.sv")
        files[-1].write_text(beside)
    modules = repeated_modules(source.read_text() for source in files if source.suffix in (".sv", ".v"))
    configuration = work / "modules.vlt"
    configuration.write_text("`verilator_config\n" + "".join(f'no_inline -module "{name}"\n' for name in modules))
    command: Command = [PROGRAM, *options, configuration, *files]
    ((status, output),) = run_all([command], work, 1, {"VERILATOR_ROOT": str(ROOT)})
    if status != 0:
        raise InternalError(f"Verilator refused the generated SystemVerilog:\n{output}")


def repeated_modules(texts: Iterable[str]) -> list[str]:
    """The modules that are long and stand in a design twice or more."""
    text = "\n".join(texts)
    instances = Counter(_INSTANCE.findall(text))
    return [
        found[1]
        for found in _MODULE.finditer(text)
        if instances[found[1]] > 1 and len(found[0]) > LARGE_MODULE_CHARACTERS
    ]


def _units(work: Path, fast_build: bool, bench: Path = MEMORY_BENCH.source) -> dict[str, str]:
    """Name → optimisation of the translation units, each including several of the files that Verilator wrote."""
    units: dict[str, str] = {}
    for kind, optimisation in (FAST_BUILD_OPTIMISATION if fast_build else OPTIMISATION).items():
        every = sorted(work.glob("V*.cpp"))
        files = [file for file in every if kind == "all" or file.stem.endswith("Slow") == (kind == "slow")]
        groups = _groups(files, fast_build)
        if kind != "slow":
            groups[-1].append(bench)
        for index, group in enumerate(groups):
            text = "".join(f'#include "{file.name}"\n' for file in group)
            (work / f"{kind}{index}.cpp").write_text(text)
            units[f"{kind}{index}"] = optimisation
    return units


def _groups(files: Sequence[Path], fast_build: bool) -> list[list[Path]]:
    """The files in groups of about one size: for a fast build one for each core, if that is worth it."""
    total = sum(file.stat().st_size for file in files)
    if fast_build:
        number = max(1, min(os.cpu_count() or 1, total // FAST_BUILD_SPLIT_BYTES))
    else:
        number = 1 + total // SPLIT_BYTES
    groups: list[list[Path]] = [[] for _ in range(number)]
    sizes = [0] * number
    for file in sorted(files, key=lambda file: (-file.stat().st_size, file.name)):
        smallest = sizes.index(min(sizes))
        groups[smallest].append(file)
        sizes[smallest] += file.stat().st_size
    return groups
