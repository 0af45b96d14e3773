"""`python -m torch2hw.benchmarks.packages`: packages for every board, interface, width and format, and who takes them.

`torch2hw package` writes each of a small model. Verilator (`--lint-only -Wall`) and Yosys (`read_verilog -sv`,
`hierarchy -check`) take the files of the design, Verilator those of its FuseSoC bench too, gcc the C driver, for bare
metal and for Linux. A finding ends the run with an error. Writes packages.json and packages.md after each package;
those that are not made this time stay as they are.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch2hw.benchmarks.tables import table
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.explore.measure import Point, json_text, read_points
from torch2hw.fpga.boards import BOARDS
from torch2hw.fpga.package import package_files
from torch2hw.frontend.load_model import load
from torch2hw.sim.lint import WAIVED, lint_with_verilator
from torch2hw.tools import yosys
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
MODEL, INPUT = "Ffnn", "f32[3,7]"
FORMATS: dict[str, dict[str, Any]] = {"f32": {}, "bf16": {"dtype": "bf16"}, "int8": {"quantize": "int8"}}
WIDTHS = (32, 64, 128, 512)
STRICT = ("gcc", "-Wall", "-Wextra", "-Werror", "-std=c99", "-pedantic", "-fsyntax-only")
READ = "read_verilog -sv {files}\nhierarchy -check -top {top}\n"


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.packages", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--board", nargs="+", choices=BOARDS, default=list(BOARDS), help="these boards")
    parser.add_argument("--interface", nargs="+", choices=("axis", "axi"), default=["axis", "axi"], help="these")
    parser.add_argument("--format", nargs="+", choices=FORMATS, default=list(FORMATS), help="these formats")
    parser.add_argument("--data-bits", metavar="W,…", default=",".join(map(str, WIDTHS)), help="widths of a beat")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the results are")
    parsed = parser.parse_args(arguments)
    points = {_key(point): point for point in read_points(parsed.output / "packages.json")}
    for interface in parsed.interface:
        boards = [board for board in parsed.board if interface == "axi" or BOARDS[board].kind != "alveo"]
        for number_format in parsed.format:
            for bits in map(int, parsed.data_bits.split(",")) if boards else ():
                print(f"{interface} of {bits} bits, {number_format}", file=sys.stderr, flush=True)
                for point in packages(boards, interface, bits, number_format):
                    points[_key(point)] = point
                found = [points[key] for key in sorted(points, key=str)]
                record = {"packages.json": json_text(found), "packages.md": markdown(found)}
                write_files({parsed.output / name: text for name, text in record.items()})
    return 0


def _key(point: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(point[field] for field in ("board", "interface", "format", "data_bits"))


def packages(boards: Sequence[str], interface: str, data_bits: int, number_format: str) -> list[Point]:
    """One design's packages for the boards. Raises where a tool has a finding."""
    loaded = load(str(HERE / "models" / "small.py"), MODEL, [INPUT])
    options = Options.given({**FORMATS[number_format], "interface": interface, "data_bits": data_bits})
    compiled = compile_model(loaded, options)
    points, taken = [], set[tuple[str, ...]]()
    for board in boards:
        files = package_files(compiled, compiled.loaded.example_inputs, BOARDS[board])
        hardware = tuple(text for name, text in files.items() if name.endswith(".sv"))
        if hardware not in taken:  # that of another board is the same
            check_hardware(files, compiled.top)
            taken.add(hardware)
        check_driver(files, compiled.top)
        facts: Point = {"board": board, "interface": interface, "format": number_format, "data_bits": data_bits}
        points.append({**facts, "files": len(files)})
    return points


def check_hardware(files: Mapping[str, str], top: str) -> None:
    """Verilator and Yosys take the design, Verilator its bench. Raises AssertionError, or InternalError of Yosys."""
    design = {Path(name).name: text for name, text in files.items() if name.startswith("rtl/") and ".sv" in name}
    bench = {Path(name).name: text for name, text in files.items() if name.startswith("sim/") and ".sv" in name}
    with TemporaryDirectory(prefix="torch2hw-") as name:
        folder = Path(name)
        write_files({folder / name: text for name, text in {**design, **bench}.items()})
        sources = [folder / name for name in design]
        found = [each for each in lint_with_verilator(sources, top) if each.code not in WAIVED]
        sources += [folder / name for name in bench]
        found += [each for each in lint_with_verilator(sources, f"{top}_bench") if each.severity == "error"]
        assert not found, "\n".join(map(str, found))
        yosys.run_scripts(design, [READ.format(files=" ".join(design), top=top)], folder)


def check_driver(files: Mapping[str, str], top: str) -> None:
    """gcc takes the C driver. Raises CalledProcessError."""
    with TemporaryDirectory(prefix="torch2hw-") as name:
        folder = Path(name)
        write_files({folder / Path(name).name: text for name, text in files.items() if name[-2:] in (".c", ".h")})
        for way in ([], [f"-D{top}_UIO"]):
            subprocess.run([*STRICT, *way, folder / f"{top}_driver.c"], check=True)


def markdown(points: Sequence[Mapping[str, Any]]) -> str:
    """The table: the widths of what was taken."""
    rows = []
    for board, interface in sorted({(str(point["board"]), str(point["interface"])) for point in points}):
        cells = []
        for number_format in FORMATS:
            key = board, interface, number_format
            cells.append(", ".join(str(bits) for bits in sorted(p["data_bits"] for p in points if _key(p)[:3] == key)))
        rows.append((board, interface, *cells))
    parts = [
        "# Packages",
        "Written by `python -m torch2hw.benchmarks.packages`: packages of a small FFNN, by the bits of a beat. "
        "Verilator (`--lint-only -Wall`) and Yosys (`read_verilog -sv`, `hierarchy -check`) take every file of the "
        f"designs, Verilator the benches, gcc the C drivers: {len(points)} packages, no finding.",
        table(("board", "interface", *FORMATS), rows),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
