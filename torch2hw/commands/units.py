"""`torch2hw units`: the hardware library for a format and period; one unit as a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from torch2hw.commands.argument_types import number
from torch2hw.compiler.options import SUBNORMALS
from torch2hw.tools.errors import UsageError


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser(
        "units",
        help="list the hardware library for a format and clock period; with NAME and -o, write one unit",
        allow_abbrev=False,
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="a unit, such as f32_add")
    parser.add_argument("-o", "--output", metavar="UNIT.sv", type=Path, help="write it, and UNIT_tb.sv beside it")
    parser.add_argument("--measure", action="store_true", help="LUT, FF, DSP and BRAM by Yosys, seconds for each unit")
    parser.add_argument("--dtype", default="f32", metavar="TYPE", help="type of the operands (default f32)")
    parser.add_argument(
        "--clock-ns", metavar="T", default="3.33", help="target clock period in nanoseconds (default 3.33)"
    )
    parser.add_argument(
        "--subnormals", default="flush", metavar="HOW", help=f"{' or '.join(SUBNORMALS)} (default flush)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only errors and requested output")


def run(parsed: argparse.Namespace) -> int:
    """List the units, or write one."""
    from torch2hw import unit_listing
    from torch2hw.progress import Progress

    library = unit_listing.library_of(parsed.dtype, number(parsed.clock_ns, float), parsed.subnormals)
    if parsed.output is not None:
        if parsed.name is None:
            raise UsageError("units: -o without NAME", fix="name one unit, such as f32_add; torch2hw units lists them")
        bench = unit_listing.write_unit(unit_listing.named(library, parsed.name, parsed.dtype), library, parsed.output)
        if not parsed.quiet and not parsed.json:
            print(f"{parsed.output}, {bench}: the unit and its testbench, which says how to run it")
    with Progress(parsed.quiet) as progress:
        listing = unit_listing.units(library, parsed.dtype, parsed.name, parsed.measure, progress.step)
    if parsed.json:
        import json

        print(json.dumps(listing.to_json(), indent=2))
    elif parsed.output is None or (parsed.measure and not parsed.quiet):
        print(listing)
    return 0
