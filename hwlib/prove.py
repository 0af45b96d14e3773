"""Proof that pipelining keeps a unit's function: `python -m torch2hw.hwlib.prove --formats f8E4M3,f6E3M2`.

For every operation of a format, the SystemVerilog of the unit at every number of stages, from 1 to one operation a
stage, is compared with the combinational unit behind as many registers: `equivalence` proves that they never differ
once the pipeline is full, whatever went in and whatever the registers held at first.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from .catalogue import Listed, listing
from .equivalence import never
from .library import Library
from .unit import Unit

FASTEST_NS = 0.36  # the registers alone take almost that: every operation has a stage of its own
SMALL = ("f8E4M3", "f8E5M2", "f6E3M2")
PREDICATES = (None, "olt", "ueq")  # of comparisons: the others are made of the same parts


def proved(listed: Listed, library: Library, depths: Iterable[int]) -> dict[int, bool]:
    """For each number of stages whether the unit is proved to be the combinational one."""
    unit = _unit(listed, library, 0)
    pipelines = [(depth, _unit(listed, library, depth)) for depth in depths]
    return dict(zip(dict(pipelines), alike(unit, pipelines), strict=True)) if pipelines else {}


def alike(unit: Unit, pipelines: Sequence[tuple[int, Unit]]) -> list[bool]:
    """Whether each pipeline, of the stages given with it, is proved to be the combinational `unit` that much later."""
    deepest = max(depth for depth, _ in pipelines)
    ports = ", ".join(f"in %{p.name}: i{p.width_bits}" for p in unit.inputs)
    uses = ", ".join(f"{p.name}: %{p.name}: i{p.width_bits}" for p in unit.inputs)
    width = unit.output.width_bits
    modules = replace(unit, name="combinational").definition()
    lines = [f'%late0 = hw.instance "combinational" @combinational({uses}) -> (out: i{width})']
    lines += [f"%late{k + 1} = seq.compreg %late{k}, %clk : i{width}" for k in range(deepest)]
    for number, (depth, pipeline) in enumerate(pipelines):
        modules += replace(pipeline, name=f"pipeline{number}").definition()
        wires = f"{uses}, clk: %clk: !seq.clock" if pipeline.latency_cycles else uses
        lines.append(f'%out{number} = hw.instance "p{number}" @pipeline{number}({wires}) -> (out: i{width})')
        lines.append(f"%d{number} = comb.icmp ne %out{number}, %late{depth} : i{width}")
    names = ", ".join(f"%d{k}" for k in range(len(pipelines)))
    lines.append(f"hw.output {names} : {', '.join(['i1'] * len(pipelines))}")
    body = "".join(f"  {line}\n" for line in lines)
    outputs = ", ".join(f"out d{k}: i1" for k in range(len(pipelines)))
    header = f"hw.module @miter({ports}, in %clk: !seq.clock, {outputs})"
    return never(f"{modules}{header} {{\n{body}}}\n", "miter", deepest)


def deepest(listed: Listed, library: Library) -> int:
    """The stages of the unit when every operation has one."""
    fastest = Library(FASTEST_NS, library.subnormals)
    return fastest.unit(listed.operation, listed.types[:-1], listed.types[-1], listed.predicate).latency_cycles


def _usual(listed: Listed) -> bool:
    """Exact and correctly rounded operations. (Elementary functions are large; they are compared by simulation.)"""
    unit = listed.unit
    return unit.interval_cycles == 1 and unit.error_ulp in (0.0, 0.5) and listed.predicate in PREDICATES


def _unit(listed: Listed, library: Library, depth: int) -> Unit:
    return library.unit(listed.operation, listed.types[:-1], listed.types[-1], listed.predicate, depth)


def main(arguments: list[str] | None = None) -> int:
    """The command; exit code 1 if a pipeline could not be proved."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("units", nargs="*", help="such as f8E4M3_add (default: all of the formats)")
    parser.add_argument("--formats", default=",".join(SMALL), help="(%(default)s)")
    parser.add_argument("--subnormals", choices=("flush", "keep"), default="flush")
    parser.add_argument("--depths", help="such as 1,5,9 (default: every one)")
    options = parser.parse_args(arguments)
    library = Library(subnormals=options.subnormals)
    failed = False
    for dtype in options.formats.split(","):
        for listed in listing(library, dtype):
            wanted = listed.unit.name in options.units if options.units else _usual(listed)
            last = deepest(listed, library) if wanted else 0
            if last == 0:
                continue  # wires
            depths = range(1, last + 1) if options.depths is None else map(int, options.depths.split(","))
            start = time.monotonic()
            found = proved(listed, library, depths)
            open_ = [depth for depth, is_proved in found.items() if not is_proved]
            failed |= bool(open_)
            words = f"NOT PROVED at {open_}" if open_ else "proved"
            span = f"{min(found)} to {max(found)}"
            seconds = time.monotonic() - start
            print(f"{listed.unit.name} {options.subnormals}: {words}, stages {span} ({seconds:.0f} s)", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
