"""`torch2hw units`: the hardware library for a format and period; one unit as a file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch2hw.commands.argument_types import number, output_file
from torch2hw.compiler.options import SUBNORMALS
from torch2hw.tools.errors import UsageError

if TYPE_CHECKING:
    from torch2hw.hwlib.library import Library
    from torch2hw.progress import Progress


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser(
        "units",
        help="list the hardware library for a format and clock period; with NAME and -o, write one unit",
        allow_abbrev=False,
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="a unit, such as f32_add")
    parser.add_argument(
        "-o", "--output", metavar="UNIT.sv", type=output_file, help="write it, and UNIT_tb.sv beside it"
    )
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
    from torch2hw.progress import Progress

    with Progress(parsed.quiet) as progress:
        if parsed.output is not None:
            _write(parsed)
        if parsed.output is None or parsed.json or parsed.measure:
            progress.step("make the units")
            listing = _made(parsed, progress) if parsed.measure else _listed(parsed)
    if parsed.json:
        print(json.dumps(listing["json"], indent=2))
    elif parsed.output is None or (parsed.measure and not parsed.quiet):
        print(listing["text"])
    return 0


def _write(parsed: argparse.Namespace) -> None:
    from torch2hw import unit_listing

    library = _library(parsed)
    if parsed.name is None:
        raise UsageError("units: -o without NAME", fix="name one unit, such as f32_add; torch2hw units lists them")
    bench = unit_listing.write_unit(unit_listing.named(library, parsed.name, parsed.dtype), library, parsed.output)
    if not parsed.quiet and not parsed.json:
        print(f"{parsed.output}, {bench}: the unit and its testbench, which says how to run it")


def _library(parsed: argparse.Namespace) -> Library:
    from torch2hw import unit_listing

    return unit_listing.library_of(parsed.dtype, number(parsed.clock_ns, float), parsed.subnormals)


def _made(parsed: argparse.Namespace, progress: Progress | None = None) -> dict[str, Any]:
    """The listing as text and JSON."""
    from torch2hw import unit_listing

    watch = (lambda what: None) if progress is None else progress.step
    listing = unit_listing.units(_library(parsed), parsed.dtype, parsed.name, parsed.measure, watch)
    return {"text": str(listing), "json": listing.to_json()}


def _listed(parsed: argparse.Namespace) -> dict[str, Any]:
    """The same without measurements, made once for a library: it takes seconds to make all units."""
    from torch2hw.tools import cache

    def make(place: Path) -> None:
        (place / "listing.json").write_text(json.dumps(_made(parsed)))

    root = Path(__file__).resolve().parents[1]
    sources = sorted([*(root / "hwlib").glob("*.py"), root / "unit_listing.py"])
    options = [repr((parsed.name, parsed.dtype, parsed.clock_ns, parsed.subnormals))]
    place = cache.entry("units", cache.digest([*options, *(source.read_bytes() for source in sources)]), make)
    answer: dict[str, Any] = json.loads((place / "listing.json").read_text())
    return answer
