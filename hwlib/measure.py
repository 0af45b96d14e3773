"""Measure a unit: `python -m torch2hw.hwlib.measure arith.addf f32` prints LUT, FF, DSP, BRAM36 and, with --ecp5, MHz.

Resources are Yosys' `synth_xilinx -family xcup` (LUTs without inverters); the clock is nextpnr-ecp5's (85k, speed 8,
out of context, one seed) with registers around the unit, as its neighbours in a design have them.
"""

from __future__ import annotations

import argparse
import sys

from torch2hw.tools.nextpnr import place_and_route
from torch2hw.tools.yosys import resources

from .export import verilog
from .library import ENTRIES, SHAPES, Library
from .unit import Unit


def registered(unit: Unit) -> str:
    """The unit between registers: `hw.module @measured` around its definition."""
    inputs = (*unit.inputs, *unit.controls)
    ports = ", ".join(f"in %{p.name}: i{p.width_bits}" for p in inputs)
    lines = [f"  %{p.name}_r = seq.compreg %{p.name}, %clk : i{p.width_bits}" for p in inputs]
    uses = [f"{p.name}: %{p.name}_r: i{p.width_bits}" for p in inputs]
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


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("operation")
    parser.add_argument("types", nargs="+", help="operand types, then the result type; one type stands for all")
    parser.add_argument("--predicate")
    parser.add_argument("--clock-ns", type=float, default=3.33)
    parser.add_argument("--subnormals", choices=("flush", "keep"), default="flush")
    parser.add_argument("--depth", type=int)
    parser.add_argument("--lanes", type=int, default=8, help="of hwlib.sum and hwlib.dot")
    parser.add_argument("--shape", choices=SHAPES, default="pipelined")
    parser.add_argument("--ecp5", action="store_true", help="place and route for the clock (slower)")
    options = parser.parse_args(arguments)
    types = tuple(options.types)
    each = ENTRIES[options.operation].each
    if each:
        types = (types[0],) * (each * options.lanes) + (types[-1],)
    elif len(types) == 1:
        types = types * (len(ENTRIES[options.operation].kinds) - 1) + (
            "i1" if options.operation == "arith.cmpf" else types[0],
        )
    library = Library(options.clock_ns, options.subnormals)
    unit = library.unit(options.operation, types[:-1], types[-1], options.predicate, options.depth, options.shape)
    found = resources({"unit.sv": verilog(unit.definition())}, unit.name)
    line = f"{unit.name} {options.subnormals}: {unit.latency_cycles} stages, {found}"
    if unit.interval_cycles > 1:
        line = line.replace("stages", f"cycles, operands every {unit.interval_cycles}")
    if options.ecp5:
        timing = place_and_route({"unit.sv": verilog(registered(unit))}, "measured")
        line += f", {timing.mhz:.0f} MHz ECP5"
    print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
