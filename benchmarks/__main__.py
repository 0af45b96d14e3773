"""`python -m torch2hw.benchmarks`: the paper's models at N = 1, 2 and 4, measured; results.json, .csv and .md.

Points that are not measured this time (`--only`, `--partition`) stay as the results have them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from torch2hw.benchmarks.tables import markdown
from torch2hw.compiler.options import Options
from torch2hw.explore.measure import csv_text, json_text, measure, read_points
from torch2hw.explore.paper import BENCHMARKS
from torch2hw.tools import yosys
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples"


def main(arguments: list[str] | None = None) -> int:
    """Measure, and write after every point."""
    parser = argparse.ArgumentParser(prog="python -m torch2hw.benchmarks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", metavar="TEXT", default="", help="models whose name contains this")
    parser.add_argument("--partition", metavar="N,…", default="1,2,4", help="partition factors (1,2,4)")
    parser.add_argument("--no-synthesis", action="store_true", help="leave out resources")
    parser.add_argument("--fmax", action="store_true", help="the clock on ECP5 too, which takes minutes a design")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the results are")
    parsed = parser.parse_args(arguments)
    chosen = [int(n) for n in parsed.partition.split(",")]
    points = {(p["model"], p["partition"]): p for p in read_points(parsed.output / "results.json")}
    for benchmark in BENCHMARKS:
        for n in benchmark.cycles:
            if n not in chosen or parsed.only.lower() not in benchmark.name.lower():
                continue
            point = measure(
                str(EXAMPLES / benchmark.file),
                Options(partition=n),
                name=benchmark.name,
                synthesis=not parsed.no_synthesis,
                fmax=parsed.fmax,
                watch=lambda step: print(step, file=sys.stderr, flush=True),
            )
            points[benchmark.name, n] = point
            write(parsed.output, [points[key] for key in sorted(points, key=_order)])
    return 0


def write(folder: Path, points: list[dict[str, Any]]) -> None:
    """All three files."""
    tool = yosys.tool()
    write_files(
        {
            folder / "results.json": json_text(points, resource_tool=tool),
            folder / "results.csv": csv_text(points),
            folder / "results.md": markdown(points, tool),
        }
    )


def _order(key: tuple[str, int]) -> tuple[int, int]:
    return [benchmark.name for benchmark in BENCHMARKS].index(key[0]), key[1]


if __name__ == "__main__":
    sys.exit(main())
