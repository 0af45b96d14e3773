"""`torch2hw units`: the hardware library as a list, and one unit of it as files that need nothing of ours.

Latency, II and error bound are the library's own figures, exact for the format, period and policy. LUT, FF, DSP and
BRAM are measured by Yosys on the unit alone, or absent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch2hw.compiler.options import SUBNORMALS
from torch2hw.hwlib.catalogue import TYPES, Listed, NoSuchUnit, find, is_type, listing
from torch2hw.hwlib.formats import float_format
from torch2hw.hwlib.library import Library
from torch2hw.hwlib.unit_testbench import testbench
from torch2hw.hwlib.vectors import vectors
from torch2hw.tools import yosys
from torch2hw.tools.errors import UsageError
from torch2hw.tools.output import check_writable, write_files
from torch2hw.tools.resources import Resources

VECTORS = 2000


@dataclass(frozen=True)
class Row:
    """A unit and, if it was measured, what it takes."""

    listed: Listed
    resources: Resources | None

    def to_json(self) -> dict[str, Any]:
        """The fields for `--json`: `error` holds the bound in words where it is no number of ULPs."""
        unit, types = self.listed.unit, self.listed.types
        fields: dict[str, Any] = {"operation": self.listed.operation}
        if self.listed.predicate:
            fields["predicate"] = self.listed.predicate
        fields |= {"name": unit.name, "operands": list(types[:-1]), "result": types[-1]}
        fields |= {"latency_cycles": unit.latency_cycles, "interval_cycles": unit.interval_cycles}
        fields |= {"error_ulp": unit.error_ulp} if math.isfinite(unit.error_ulp) else {"error": self.listed.bound}
        if self.resources is not None:
            fields |= {k: v for k, v in self.resources.to_json().items() if k != "uram"}
        return fields


@dataclass(frozen=True)
class Listing:
    """What `torch2hw units` prints."""

    dtype: str
    clock_ns: float
    subnormals: str
    rows: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        """The fields for `--json`; `resource_tool` only with resources."""
        fields: dict[str, Any] = {"dtype": self.dtype, "clock_ns": self.clock_ns, "subnormals": self.subnormals}
        if any(row.resources is not None for row in self.rows):
            fields["resource_tool"] = yosys.tool()
        return fields | {"units": [row.to_json() for row in self.rows]}

    def __str__(self) -> str:
        measured = any(row.resources is not None for row in self.rows)
        table = [("operation", "unit", "latency", "II", *(("LUT", "FF", "DSP", "BRAM36") if measured else ()), "error")]
        for row in self.rows:
            unit, r = row.listed.unit, row.resources
            figures = () if r is None else (f"{r.lut:,}", f"{r.ff:,}", str(r.dsp), f"{r.bram36:g}")
            timing = (str(unit.latency_cycles), str(unit.interval_cycles))
            table.append((row.listed.what, unit.name, *timing, *figures, row.listed.bound))
        widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
        lines = [
            "  ".join(
                cell.ljust(width) if column < 2 or column == len(line) - 1 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in table
        ]
        lines.append(f"{self.dtype}, {self.clock_ns:g} ns, subnormals: {self.subnormals}; latency and II in cycles")
        if measured:
            lines.append(f"resources: {yosys.tool()}, of the unit alone")
        return "\n".join(lines)


def library_of(dtype: str, clock_ns: float, subnormals: str) -> Library:
    """The library, or a UsageError that names the option."""
    if not is_type(dtype):
        raise UsageError(f"--dtype {dtype}: unknown", fix=f"use {' '.join(TYPES)}, or f12E5M6 and the like")
    if subnormals not in SUBNORMALS:
        raise UsageError(f"--subnormals {subnormals}: unknown", fix=f"{' and '.join(SUBNORMALS)} are the choices")
    if not (isinstance(clock_ns, int | float) and math.isfinite(clock_ns) and clock_ns > 0):
        fix = "use a number above 0, such as --clock-ns 3.33 for 300 MHz"
        raise UsageError(f"--clock-ns {clock_ns!s}: not a period in nanoseconds", fix=fix)
    return Library(clock_ns, subnormals)


def units(
    library: Library, dtype: str, name: str | None, measure: bool, watch: Callable[[str], None] = lambda what: None
) -> Listing:
    """The units of `dtype`, or the one called `name`; `measure` runs Yosys, or takes its old answers."""
    found = listing(library, dtype) if name is None else [named(library, name, dtype)]
    rows = []
    for number, listed in enumerate(found, 1):
        if measure:
            watch(f"synthesise {listed.unit.name} ({number} of {len(found)})")
        rows.append(Row(listed, measured(listed) if measure else None))
    shown = dtype if name is None or found[0].types[0] == "i1" else found[0].types[0]
    return Listing(shown, library.clock_ns, library.subnormals, tuple(rows))


def named(library: Library, name: str, dtype: str) -> Listed:
    """The unit called `name`."""
    try:
        return find(library, name, dtype)
    except NoSuchUnit as missing:
        near = f"did you mean {' or '.join(missing.near)}? " if missing.near else ""
        raise UsageError(str(missing), fix=f"{near}torch2hw units --dtype {dtype} lists them") from None


def write_unit(listed: Listed, library: Library, path: Path) -> Path:
    """Write the unit to `path` and its testbench beside it, or nothing; the testbench's path."""
    bench = path.with_name(f"{path.stem}_tb.sv")
    if path.suffix != ".sv":
        raise UsageError(f"-o {path}: not a SystemVerilog file", fix=f"use -o {path.with_suffix('.sv')}")
    check_writable(path)
    check_writable(bench)
    flush = library.subnormals == "flush"
    note = f"{listed.what} ({', '.join(listed.types[:-1])}) -> {listed.types[-1]}"
    if any(float_format(t) is not None for t in listed.types):
        note += f", subnormals {'flushed' if flush else 'kept'}"
    found = vectors(listed, flush, VECTORS)
    text = testbench(listed.unit, found, (path.name, bench.name), note)
    write_files({path: _header(listed, library, note) + verilog(listed), bench: text})
    return bench


def measured(listed: Listed) -> Resources:
    """The resources of a unit alone, synthesised by Yosys."""
    return yosys.resources({f"{listed.unit.name}.sv": verilog(listed)}, listed.unit.name)


def verilog(listed: Listed) -> str:
    """One module, with the comments that its lint needs."""
    from torch2hw.lowering.hardware.hw_to_sv import export

    return export(listed.unit.definition())


def _header(listed: Listed, library: Library, note: str) -> str:
    unit = listed.unit
    interval = unit.interval_cycles
    operands = "operands every cycle" if interval == 1 else f"operands with start, every {interval} cycles or later"
    timing = (
        f"Pipelined for {library.clock_ns:g} ns: {operands}, the result {unit.latency_cycles} cycles later."
        if unit.latency_cycles
        else "Combinational."
    )
    return f"// {unit.name}: {note}.\n// {timing} Error: {listed.bound}.\n"
