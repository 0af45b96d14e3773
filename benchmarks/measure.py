"""One model at one partition factor, measured: compiled, simulated (cycles, bit-exactness), synthesised (resources).

A point is a flat record whose keys are the columns of the CSV files; what was not measured is not in it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.compiler.options import Options
from torch2hw.frontend.load_model import load
from torch2hw.report import Report
from torch2hw.sim.check import simulate_design
from torch2hw.tools import nextpnr, yosys
from torch2hw.tools.errors import Torch2HWError

Point = dict[str, Any]
COLUMNS = (
    "model",
    "partition",
    "cycles",
    "predicted_cycles",
    "bit_exact",
    "macs",
    "mac_lanes",
    "mac_utilization",
    "lut",
    "ff",
    "dsp",
    "bram36",
    "uram",
    "ecp5_mhz",
    "verilog_bytes",
    "error",
)


def measure(
    spec: str,
    options: Options,
    *,
    name: str | None = None,
    model: str | None = None,
    inputs: Sequence[str] = (),
    simulate: bool = True,
    synthesis: bool = True,
    fmax: bool = False,
    watch: Callable[[str], None] = lambda step: None,
) -> Point:
    """Measure one point. `model` and `inputs` are those of the command line.

    A refusal, or a fault, is the point's `error`, and what was measured before it stays.
    """
    title = name or Path(spec).stem
    point: Point = {"model": title, "partition": options.partition}
    try:
        watch(f"{title} at {options.partition}: compile")
        compiled = compile_model(load(spec, model, inputs), options)
        point["verilog_bytes"] = len(compiled.verilog())
        point |= _facts(compiled)
        if simulate:
            watch(f"{title} at {options.partition}: simulate")
            result = simulate_design(compiled, compiled.loaded.example_inputs).to_json()
            point |= {key: result[key] for key in ("cycles", "predicted_cycles", "bit_exact")}
        files = {f"{compiled.top}.sv": compiled.verilog()}
        if synthesis:
            watch(f"{title} at {options.partition}: synthesise")
            point |= yosys.resources(files, compiled.top).to_json()
        if fmax:
            watch(f"{title} at {options.partition}: place and route")
            point["ecp5_mhz"] = round(nextpnr.place_and_route(files, compiled.top).mhz, 1)
    except Torch2HWError as error:
        point["error"] = str(error).split("\n")[0]
    return point


def _facts(compiled: Compiled) -> Point:
    if compiled.options.schedule == "sequential":
        told = compiled.manifest([], [])
        return {"cycles": told["latency_cycles"], "macs": told["macs"], "mac_lanes": told["mac_lanes"]}
    found = Report.of(compiled).to_json()
    return {key: found[key] for key in ("cycles", "macs", "mac_lanes", "mac_utilization") if key in found}


def csv_text(points: Sequence[Mapping[str, Any]]) -> str:
    """The points as CSV, columns that no point has left out."""
    columns = [column for column in COLUMNS if any(column in point for point in points)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(points)
    return text.getvalue()


def read_points(file: Path) -> list[Point]:
    """The points that `json_text` wrote, none where there is no file."""
    return json.loads(file.read_text())["points"] if file.is_file() else []


def json_text(points: Sequence[Mapping[str, Any]], **facts: Any) -> str:
    """The points, and what is true of all of them, as JSON."""
    return json.dumps({**facts, "points": list(points)}, indent=2) + "\n"
