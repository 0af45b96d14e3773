"""Compare units with independent oracles: `python -m torch2hw.hwlib.verify arith.addf f32 --vectors 100000000 --rtl`.

The bench (unit_bench.cpp) runs either the graph as C (fast) or the exported SystemVerilog under Verilator. Its
vectors mix uniform bits, boundary exponents and significands, near exponents, products at the ends of the range,
near-cancellation, subnormals and signed zeros.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import emit_c
from .export import verilog
from .formats import Format, float_format, integer_width
from .library import ENTRIES, Library
from .unit import Unit

OPERATIONS = {
    "arith.addf": "ADD", "arith.subf": "SUB", "arith.mulf": "MUL", "arith.divf": "DIV", "math.sqrt": "SQRT",
    "math.fma": "FMA", "hwlib.rounded_reciprocal": "RECIPROCAL",
    "arith.cmpf": "COMPARE", "arith.maximumf": "MAXIMUM", "arith.minimumf": "MINIMUM",
    "arith.maxnumf": "MAXNUM", "arith.minnumf": "MINNUM",
    "arith.sitofp": "FROM_SIGNED", "arith.uitofp": "FROM_UNSIGNED",
    "arith.fptosi": "TO_SIGNED", "arith.fptoui": "TO_UNSIGNED", "arith.truncf": "CONVERT", "arith.extf": "CONVERT",
    "math.floor": "FLOOR", "math.ceil": "CEIL", "math.trunc": "TRUNC", "math.round": "ROUND",
    "math.roundeven": "ROUNDEVEN", "arith.negf": "NEG", "math.absf": "ABS", "arith.remf": "REMAINDER",
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """`passed`, and the bench's own words."""

    passed: bool
    text: str


def check(
    unit: Unit,
    operation: str,
    flush: bool,
    vectors: int,
    folder: Path,
    predicate: str = "",
    rtl: bool = False,
    seed: int = 0,
) -> Outcome:
    """Build and run the bench in `folder`; vectors = 0 means every input."""
    binary = build(unit, operation, flush, folder, predicate, rtl)
    run = subprocess.run([str(binary), str(vectors), str(seed)], capture_output=True, text=True, check=False)
    return Outcome(run.returncode == 0, run.stdout + run.stderr)


def build(
    unit: Unit,
    operation: str,
    flush: bool,
    folder: Path,
    predicate: str = "",
    rtl: bool = False,
    graph: str | None = None,
) -> Path:
    """The bench's executable, around the unit's RTL or its graph in C (`graph`, where it is not the unit's own)."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "bench.cpp"
    source.write_text((Path(__file__).parent / "unit_bench.cpp").read_text())
    header = _header(unit, operation, flush, predicate)
    (folder / "unit.h").write_text(header + (_rtl(unit) if rtl else _software(unit, graph)))
    if not rtl:
        binary = folder / "bench"
        run_tool(
            ["g++", "-O2", "-std=c++17", "-march=native", "-ffp-contract=off", "-w", "-o", str(binary), str(source)]
        )
        return binary
    design = folder / f"{unit.name}.sv"
    design.write_text(verilog(unit.definition()))
    return verilate(design, unit.name, source, folder)


def verilate(design: Path, top: str, bench: Path, folder: Path) -> Path:
    """The executable of a C++ bench around the Verilated module `top`, whose class is Vunit."""
    from torch2hw.tools.verilator_tool import command, environment

    objects = folder / "obj"
    flags = ["-Wno-fatal", "--cc", "-O3", "--x-assign", "fast"]
    arguments = ["--top-module", top, "--prefix", "Vunit", "-Mdir", str(objects), str(design)]
    run_tool([*command(), *flags, *arguments], environment())
    sources = [*sorted(objects.glob("Vunit*.cpp")), bench.resolve()]
    everything = objects / "everything.cpp"
    everything.write_text("".join(f'#include "{source}"\n' for source in sources))
    includes = [f"-I{objects}", f"-I{folder.resolve()}"]
    binary = objects / "Vunit"
    run_tool([*_compiler(), *includes, str(everything), *_runtime(), "-pthread", "-o", str(binary)])
    return binary


def _compiler() -> list[str]:
    """The C++ compiler and what every part of a bench is compiled with."""
    from torch2hw.tools.verilator_tool import include_folder

    include = include_folder()
    return ["g++", "-O2", "-std=gnu++20", "-fcoroutines", "-march=native", "-ffp-contract=off", "-w",
            f"-I{include}", f"-I{include / 'vltstd'}"]  # fmt: skip


def _runtime() -> list[str]:
    """Verilator's runtime as objects, compiled once."""
    from torch2hw.tools.cache import digest, entry

    names = ("verilated", "verilated_threads")
    compiler = _compiler()

    def make(place: Path) -> None:
        for name in names:
            (place / f"{name}.cc").write_text(f'#include "{name}.cpp"\n')
            run_tool([*compiler, "-c", str(place / f"{name}.cc"), "-o", str(place / f"{name}.o")])

    folder = entry("verilator-unit-runtime", digest([*compiler, run_tool(["g++", "--version"])]), make)
    return [str(folder / f"{name}.o") for name in names]


def run_tool(arguments: list[str], environment: dict[str, str] | None = None) -> str:
    """What a program prints; it has to succeed."""
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _header(unit: Unit, operation: str, flush: bool, predicate: str) -> str:
    default = Format("", 8, 24)
    source = float_format(unit.operand_types[0]) or float_format(unit.result_type) or default
    target = float_format(unit.result_type) or source
    widths = [w for w in map(integer_width, (unit.operand_types[0], unit.result_type)) if w is not None]
    values = {
        "FINITE": int(source.finite), "TFINITE": int(target.finite),
        "E": source.exponent_bits, "S": source.significand_bits, "TE": target.exponent_bits,
        "TS": target.significand_bits, "OPERATION": OPERATIONS[operation], "FLUSH": int(flush),
        "OPERANDS": len(unit.operands), "WIDTH": widths[0] if widths else 32, "PREDICATE": f'"{predicate or "oeq"}"',
    }  # fmt: skip
    # constants, not macros: E and S are short names that the system's headers use too
    texts = {k: f"static const char* const {k} = {v};" for k, v in values.items() if k == "PREDICATE"}
    lines = [texts.get(k, f"static const int {k} = {v};") for k, v in values.items()]
    return "\n".join(lines) + "\n"


def _software(unit: Unit, graph: str | None) -> str:
    body = graph or emit_c.emit("graph", list(unit.operands), unit.schedule.output)
    call = ", ".join("abc"[i] for i in range(len(unit.operands)))
    return f"{body}static inline uint64_t unit(uint64_t a, uint64_t b, uint64_t c) {{ return graph({call}); }}\n"


def _rtl(unit: Unit) -> str:
    puts = "".join(f" top->{p.name} = {'abc'[i]};" for i, p in enumerate(unit.inputs))
    tick = " top->clk = 0; top->eval(); top->clk = 1;" if unit.latency_cycles else ""
    return (
        '#include "Vunit.h"\n#include "verilated.h"\nstatic Vunit* const top = new Vunit;\n'
        f"#define UNIT_LATENCY {unit.latency_cycles}\n"
        f"static inline void unit_put(uint64_t a, uint64_t b, uint64_t c) {{{puts}{tick} top->eval(); }}\n"
        "static inline uint64_t unit_get() { return top->out; }\n"
    )


def main(arguments: list[str] | None = None) -> int:
    """The command; exit code 1 if a result differs from the oracle's."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("operation")
    parser.add_argument("types", nargs="+", help="operand types, then the result type; one type stands for all")
    parser.add_argument("--predicate", default="")
    parser.add_argument("--vectors", type=int, default=1_000_000, help="0: every input")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clock-ns", type=float, default=3.33)
    parser.add_argument("--subnormals", choices=("flush", "keep"), default="flush")
    parser.add_argument("--depth", type=int)
    parser.add_argument("--rtl", action="store_true", help="the SystemVerilog under Verilator, not the graph in C")
    options = parser.parse_args(arguments)
    library = Library(options.clock_ns, options.subnormals)
    types = tuple(options.types)
    if len(types) == 1:
        count = next(len(e.kinds) - 1 for n, e in ENTRIES.items() if n == options.operation)
        types = types * count + ("i1" if options.operation == "arith.cmpf" else types[0],)
    unit = library.unit(options.operation, types[:-1], types[-1], options.predicate or None, options.depth)
    with tempfile.TemporaryDirectory() as folder:
        flush = options.subnormals == "flush"
        arguments_ = (unit, options.operation, flush, options.vectors, Path(folder), options.predicate, options.rtl)
        outcome = check(*arguments_, seed=options.seed)
    print(f"{unit.name} {options.subnormals} {unit.latency_cycles} stages: {outcome.text.strip()}")
    return 0 if outcome.passed else 1


if __name__ == "__main__":
    sys.exit(main())
