"""One model with one set of options, measured: compiled, simulated (cycles, bit-exactness), synthesised (resources).

A point is a flat record whose keys are the columns of the CSV files; what was not measured is not in it. Latency in µs
and inferences a second are cycles at the target clock (`clock_ns`), which a design need not reach on every device.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.compiler.options import Options
from torch2hw.explore.accuracy import output_error
from torch2hw.explore.kernel_times import design_times
from torch2hw.frontend.load_model import load
from torch2hw.report import Report
from torch2hw.sim.check import simulate_design
from torch2hw.tools import nextpnr, yosys
from torch2hw.tools.errors import Torch2HWError

Point = dict[str, Any]
COLUMNS = (
    "model",
    "partition",
    "dtype",
    "quantize",
    "clock_ns",
    "schedule",
    "interface",
    "cycles",
    "predicted_cycles",
    "interval_cycles",
    "bit_exact",
    "macs",
    "mac_lanes",
    "mac_utilization",
    "io_words",
    "output_error",
    "lut",
    "ff",
    "dsp",
    "bram36",
    "uram",
    "ecp5_mhz",
    "latency_us",
    "inferences_per_s",
    "verilog_bytes",
    "error",
)
SIMULATED = ("cycles", "predicted_cycles", "interval_cycles", "bit_exact")


def measure(
    spec: str,
    options: Options,
    *,
    name: str | None = None,
    model: str | None = None,
    inputs: Sequence[str] = (),
    simulate: bool = True,
    synthesis: bool = True,
    parts: bool = False,
    fmax: bool = False,
    watch: Callable[[str], None] = lambda step: None,
) -> Point:
    """Measure one point. `model` and `inputs` are those of the command line. `parts`: resources of each kernel, too.

    `kernels` of a point of the static schedule, which the CSV leaves out, are those of `explore.kernel_times`.

    A refusal, or a fault, is the point's `error`, and what was measured before it stays.
    """
    title = name or Path(spec).stem
    point: Point = {"model": title, "partition": options.partition}
    try:
        watch(f"{title} at {options.partition}: compile")
        loaded = load(spec, model, inputs)
        compiled = compile_model(loaded, options)
        point["verilog_bytes"] = len(compiled.verilog())
        point |= _facts(compiled)
        if simulate:
            watch(f"{title} at {options.partition}: simulate")
            result = simulate_design(compiled, compiled.loaded.example_inputs)
            told = result.to_json()
            point |= {key: told[key] for key in SIMULATED if key in told}
            point |= output_error(loaded, compiled.manifest([], [])["outputs"], result.outputs)
        files = {f"{compiled.top}.sv": compiled.verilog()}
        if synthesis:
            watch(f"{title} at {options.partition}: synthesise")
            point |= _resources(files, compiled.top, point, parts)
        if fmax:
            watch(f"{title} at {options.partition}: place and route")
            point["ecp5_mhz"] = round(nextpnr.place_and_route(files, compiled.top).mhz, 1)
    except Torch2HWError as error:
        point["error"] = str(error).split("\n")[0]
    return point


def times(point: Mapping[str, Any], clock_ns: float) -> Point:
    """Latency and throughput of a point at a clock period; nothing where its cycles are not known."""
    if "cycles" not in point:
        return {}
    interval = point.get("interval_cycles", point["cycles"])
    return {
        "latency_us": round(point["cycles"] * clock_ns / 1000, 4),
        "inferences_per_s": round(1e9 / (interval * clock_ns), 2),
    }


def _facts(compiled: Compiled) -> Point:
    told = compiled.manifest([], [])
    words = sum(prod(port["shape"]) for port in (*told["inputs"], *told["outputs"]))
    point = {"cycles": told["latency_cycles"], "macs": told["macs"], "mac_lanes": told["mac_lanes"], "io_words": words}
    if compiled.options.schedule == "sequential":
        return point
    found = Report.of(compiled).to_json()
    times = design_times(compiled)
    kernels = {"kernels": [kernel.to_json() for kernel in times.kernels], "idle_cycles": times.idle_cycles}
    return point | {key: found[key] for key in ("mac_utilization",) if key in found} | kernels


def _resources(files: Mapping[str, str], top: str, point: Point, parts: bool) -> Point:
    """Of the design; `parts`: of each kernel, too, with its boundary kept, without shared units and memories."""
    if not parts:
        return yosys.resources(files, top).to_json()
    found = yosys.synthesise(files, top)
    of_kernels = {part.module: part.resources.to_json() for part in found.parts}
    kernels = [{**kernel, **of_kernels.get(kernel["name"], {})} for kernel in point.get("kernels", [])]
    total = found.total.to_json()
    return total | ({"kernels": kernels} if kernels else {})


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
