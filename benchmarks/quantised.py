"""`python -m torch2hw.benchmarks.quantised`: examples in int8 and int4, simulated and synthesised.

Writes quantised.json and quantised.md.
Points that are not measured this time (`--only`, `--format`, `--partition`) stay as they are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from torch2hw.benchmarks.tables import number, table
from torch2hw.compiler.options import Options
from torch2hw.explore.measure import Point, json_text, measure, read_points
from torch2hw.tools import yosys
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples"
MODELS = {"ffnn": "FFNN, batch 64", "cnn": "CNN"}
TITLES = ("model", "weights", "N", "lanes", "cycles", "use", "LUT", "LUT a lane", "FF", "DSP", "BRAM36")


def main(arguments: list[str] | None = None) -> int:
    """Measure, and write after every point."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.quantised", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="models whose name contains this")
    parser.add_argument("--partition", metavar="N,…", default="1,4", help="partition factors (1,4)")
    parser.add_argument("--format", metavar="F,…", default="int8", help="int8 or int4 (int8)")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the results are")
    parsed = parser.parse_args(arguments)
    file = parsed.output / "quantised.json"
    points: dict[tuple[str, str, int], Point] = {key_of(p): p for p in read_points(file)}
    for model in (name for name in MODELS if parsed.only in name):
        for form, n in product(parsed.format.split(","), map(int, parsed.partition.split(","))):
            print(f"{model}, {form}, N = {n}", file=sys.stderr, flush=True)
            options = Options(partition=n, quantize=form)
            point = measure(str(EXAMPLES / f"{model}.py"), options, name=model)
            point.pop("kernels", None)
            points[model, form, n] = {"model": model, "format": form, **point}
            found = [points[key] for key in sorted(points, key=_order)]
            tool = yosys.tool()
            text = {file: json_text(found, resource_tool=tool), file.with_suffix(".md"): markdown(found, tool)}
            write_files(text)
    return 0


def key_of(point: Mapping[str, Any]) -> tuple[str, str, int]:
    """The model, the format of its weights and the partition factor."""
    return point["model"], point["format"], point["partition"]


def _order(key: tuple[str, str, int]) -> tuple[int, bool, int]:
    return list(MODELS).index(key[0]), key[1] == "int4", key[2]


def markdown(points: Sequence[Mapping[str, Any]], resource_tool: str) -> str:
    """The table."""
    rows = [
        (
            MODELS[point["model"]],
            point["format"],
            str(point["partition"]),
            str(point["mac_lanes"]),
            number(point["cycles"]),
            f"{point['mac_utilization']:.1%}",
            number(point["lut"]),
            f"{point['lut'] / point['mac_lanes']:.0f}",
            number(point["ff"]),
            number(point["dsp"]),
            f"{point['bram36']:g}",
        )
        for point in points
        if "error" not in point
    ]
    wrong = [f"{MODELS[p['model']]} at N = {p['partition']}: {p['error']}" for p in points if "error" in p]
    parts = [
        "# Quantised models",
        "Written by `python -m torch2hw.benchmarks.quantised`: `--quantize int8` or `int4` with codes at the "
        f"ports, bit-exact in simulation with its reference in the predicted cycles ({resource_tool}).",
        table(TITLES, rows),
        *wrong,
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
