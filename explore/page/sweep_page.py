"""The page of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch2hw.explore.kernel_times import KernelTime, bars
from torch2hw.explore.measure import COLUMNS, Point
from torch2hw.explore.page import plots
from torch2hw.explore.page.document import Section, Table, document
from torch2hw.tools import yosys

OURS = "torch2hw"
HEADS = {"partition": "N", "mac_utilization": "MAC use", "bram36": "BRAM36", "ecp5_mhz": "ECP5 MHz"}


def sweep_page(points: Sequence[Point], others: Sequence[Mapping[str, Any]] = ()) -> str:
    """Of the points, and of `others`: rows of other flows, which have a column `flow`."""
    rows = [*labelled(points), *others]
    factors = [row for row in rows if "cycles" in row or "latency_us" in row]
    plotted = (
        plots.over_factor(
            "latency", "Latency over N", factors, "latency_us", "latency, µs", "Ours at the target clock of a point."
        ),
        plots.over_factor("cycles", "Cycles over N", factors, "cycles", "cycles from go to done"),
        plots.resources(factors),
        plots.pareto(factors),
        plots.roofline(labelled(points)),
        plots.accuracy(labelled(points)),
    )
    sections: list[Section] = [plot for plot in plotted if plot is not None]
    sections += [*_kernels(labelled(points)), *_timelines(labelled(points)), _table(points), *_against(others)]
    about = (
        "Cycles are counted in simulation, from go to done, and every bit is compared with the reference. "
        "Latency in µs is cycles at the target clock.",
        f"Resources: {yosys.tool()}.",
    )
    return document(f"Sweep: {', '.join(dict.fromkeys(point['model'] for point in points))}", about, sections)


def labelled(points: Sequence[Point]) -> list[dict[str, Any]]:
    """The points with `flow`, `series` (the model, and the options in which points differ, but for N) and `label`."""
    differing = [
        axis
        for axis in ("format", "clock_ns", "schedule", "interface")
        if len({_value(point, axis) for point in points}) > 1
    ]
    rows = []
    for point in points:
        words = [f"{point[axis]} ns" if axis == "clock_ns" else str(_value(point, axis)) for axis in differing]
        series = " ".join([point["model"], *words])
        number_format = _value(point, "format")
        label = f"{series} N={point['partition']}"
        rows.append({**point, "flow": OURS, "series": series, "label": label, "format": number_format})
    return rows


def _value(point: Point, axis: str) -> Any:
    """Of a column; `format` is how the model is quantised, or the format of its floats."""
    return point.get("quantize") or point.get("dtype", "f32") if axis == "format" else point.get(axis)


def kernel_rows(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each kernel of each labelled point, and one for the cycles in which no kernel runs."""
    rows: list[dict[str, Any]] = []
    for point in points:
        kernels = point.get("kernels", [])
        rows += [{"point": point["label"], "kernel": kernel["name"], **kernel} for kernel in kernels]
        if point.get("idle_cycles"):
            rows.append({"point": point["label"], "kernel": "no kernel", "own_cycles": point["idle_cycles"]})
    return rows


KERNEL_COLUMNS = (
    ("point", "design"), ("kernel", "kernel"), ("source", "line"), ("own_cycles", "cycles"), ("floor_cycles", "floor"),
    ("macs", "MACs"), ("lanes", "lanes"), ("interval_cycles", "II"), ("depth_cycles", "depth"), ("lut", "LUT"),
    ("ff", "FF"), ("dsp", "DSP"), ("bram36", "BRAM36"),
)  # fmt: skip


def _kernels(points: Sequence[Mapping[str, Any]]) -> list[Section]:
    rows = kernel_rows(points)
    if not rows:
        return []
    found = [
        plots.stacked("kernel-cycles", "Cycles by kernel", rows, "own_cycles", "share of the cycles"),
        plots.stacked("kernel-luts", "LUTs by kernel", rows, "lut", "share of the LUTs of all kernels"),
    ]
    columns = [(key, head) for key, head in KERNEL_COLUMNS if any(row.get(key) is not None for row in rows)]
    note = "A cycle belongs to the kernel that runs in it; of several, to the one that started first."
    kept = [{key: row.get(key) for key, _ in columns} for row in rows]
    return [*(plot for plot in found if plot is not None), Table("kernels", "Kernels", columns, kept, note)]


def _timelines(points: Sequence[Mapping[str, Any]]) -> list[Section]:
    """Of the fastest design of each model."""
    sections: list[Section] = []
    for number, model in enumerate(dict.fromkeys(point["model"] for point in points), 1):
        mine = [point for point in points if point["model"] == model and point.get("kernels")]
        if mine:
            best = min(mine, key=lambda point: point["cycles"])
            rows = bars([KernelTime.of_json(kernel) for kernel in best["kernels"]])
            title = f"Timeline of {best['label']}"
            sections.append(plots.timeline(rows, best["cycles"], f"timeline-{number}", title))
    return sections


def _against(others: Sequence[Mapping[str, Any]]) -> list[Section]:
    if not others:
        return []
    columns = ("flow", "model", "partition", "cycles", "latency_us", "lut", "ff", "dsp", "bram36", "error", "note")
    shown = [(column, HEADS.get(column, column.replace("_", " "))) for column in columns]
    return [Table("against", "Other flows", [pair for pair in shown if any(pair[0] in row for row in others)], others)]


def _table(points: Sequence[Point]) -> Table:
    columns = [column for column in COLUMNS if any(column in point for point in points)]
    heads = [(column, HEADS.get(column, column.replace("_", " "))) for column in columns]
    return Table("points", "All points", heads, points)
