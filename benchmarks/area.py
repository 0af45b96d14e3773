"""`python -m torch2hw.benchmarks.area`: LUTs a lane, and LUTs of all that is no arithmetic unit, over the lanes.

FFNN at batch 64 with N² lanes. The total is a flat synthesis of the design. Control and addressing (with memories,
delay lines and multiplexers) are a second one in which the library's units are black boxes. Cycles are predicted, not
simulated. Writes area.json and area.md; points that are not measured this time stay as they are.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from math import exp, log
from pathlib import Path
from statistics import linear_regression
from typing import Any

from torch2hw.analysis.unit_binding import unit_of
from torch2hw.benchmarks.tables import number, table
from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.compiler.options import Options
from torch2hw.dialects.loops import Operation
from torch2hw.explore.measure import Point, json_text, read_points
from torch2hw.frontend.load_model import load
from torch2hw.tools import yosys
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
MODEL = HERE.parent / "examples" / "ffnn.py"
MAX_LUTS_A_LANE = 560
TITLES = (
    "N",
    "lanes",
    "cycles, predicted",
    "LUT",
    "LUT a lane",
    "not units",
    "not units, a lane",
    "grows as lanes to the",
)


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.area", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--partition", metavar="N,…", default="1,2,3,4,5,8", help="partition factors (1,2,3,4,5,8)")
    parser.add_argument("--rest-only", action="store_true", help="only what is no unit, which is quick")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the results are")
    parsed = parser.parse_args(arguments)
    file = parsed.output / "area.json"
    points: dict[int, Point] = {point["partition"]: point for point in read_points(file)}
    for n in map(int, parsed.partition.split(",")):
        print(f"N = {n}", file=sys.stderr, flush=True)
        points[n] = points.get(n, {}) | measured(n, not parsed.rest_only)
        found = [points[n] for n in sorted(points)]
        tool = yosys.tool()
        data = json_text(found, resource_tool=tool)
        write_files({parsed.output / "area.json": data, parsed.output / "area.md": markdown(found, tool)})
    return 0


def measured(n: int, whole: bool) -> Point:
    """A point at factor `n`. `whole`: the whole design too, not only what is no unit."""
    compiled = compile_model(load(str(MODEL)), Options(partition=n))
    manifest = compiled.manifest([], [])
    text, top = compiled.verilog(), compiled.top
    rest = yosys.resources({f"{top}.sv": without_bodies(text, unit_names(compiled))}, top)
    point: Point = {"partition": n, "lanes": manifest["mac_lanes"], "predicted_cycles": manifest["latency_cycles"]}
    point["rest_lut"] = rest.lut
    if whole:
        total = yosys.resources({f"{top}.sv": text}, top)
        point |= {"lut": total.lut, "ff": total.ff, "dsp": total.dsp, "bram36": total.bram36}
    return point


def unit_names(compiled: Compiled) -> set[str]:
    """The library's units that the design uses."""
    return {
        unit_of(statement, compiled.library).name
        for kernel in compiled.at("scheduled").kernels
        for statement in kernel.statements()
        if isinstance(statement, Operation)
    }


def without_bodies(verilog: str, names: Collection[str]) -> str:
    """The modules `names` as black boxes."""
    for name in names:
        verilog = re.sub(
            rf"^module {name}\b(.*?\);)\n.*?^endmodule",
            rf"(* blackbox *) module {name}\1\nendmodule",
            verilog,
            flags=re.MULTILINE | re.DOTALL,
        )
    return verilog


def markdown(points: Sequence[Mapping[str, Any]], resource_tool: str) -> str:
    """The table; the exponent is that of the growth since the row before, and below it one of all rows."""
    rows = []
    before: Mapping[str, Any] | None = None
    for point in points:
        lanes, rest, lut = point["lanes"], point["rest_lut"], point.get("lut")
        growth = "–"
        if before is not None and lanes > before["lanes"]:
            growth = f"{log(rest / before['rest_lut']) / log(lanes / before['lanes']):.2f}"
        a_lane = "–" if lut is None else f"{lut / lanes:.0f}"
        if lut is not None and lut / lanes > MAX_LUTS_A_LANE and lanes > 1:
            a_lane = f"**{a_lane}**"
        cycles = number(point["predicted_cycles"])
        rows.append(
            (
                str(point["partition"]),
                str(lanes),
                cycles,
                number(lut),
                a_lane,
                number(rest),
                f"{rest / lanes:.0f}",
                growth,
            )
        )
        before = point
    parts = [
        "# LUTs over lanes",
        f"Written by `python -m torch2hw.benchmarks.area`: FFNN, batch 64, fp32 ({resource_tool}). `not units` is what "
        "is left with the arithmetic units as black boxes: control, addresses, memories, delay lines, multiplexers. "
        f"**Bold** is above {MAX_LUTS_A_LANE} LUTs a lane. – is not measured.",
        table(TITLES, rows),
        *fit(points),
    ]
    return "\n\n".join(parts) + "\n"


def fit(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """The exponent of all that is no unit over all points, by least squares of the logarithms."""
    if len(points) < 3:
        return []
    lanes, rest = [log(p["lanes"]) for p in points], [log(p["rest_lut"]) for p in points]
    slope, height = linear_regression(lanes, rest)
    told = "slower" if slope < 1 else "**not slower**"
    return [
        f"All points together: `not units` = {exp(height):.0f} × lanes^{slope:.2f}: control and addressing grow {told} "
        "than the lanes. They jump where a lane's outputs are no multiple of the adder's latency, so that sums wait in "
        "delay lines, and where two layers' lanes are joined in different ways: both cost multiplexers in front of "
        "shared units."
    ]


if __name__ == "__main__":
    sys.exit(main())
