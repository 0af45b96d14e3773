"""Plots of design points and of kernels, as Vega-Lite specifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch2hw.explore.page.document import Plot

Row = Mapping[str, Any]
RESOURCES = (("lut", "LUT"), ("ff", "FF"), ("dsp", "DSP"), ("bram36", "BRAM36"))
WIDTH, HEIGHT = 560, 320


def _field(name: str, title: str, kind: str = "quantitative", **more: Any) -> dict[str, Any]:
    return {"field": name, "type": kind, "title": title, **more}


def _log(name: str, title: str) -> dict[str, Any]:
    return _field(name, title, scale={"type": "log", "nice": True})


def _tooltip(names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"field": name, "title": name.replace("_", " ")} for name in names]


FLOW = _field("flow", "flow", "nominal")
SERIES = _field("series", "model and options", "nominal")
FACTOR = _field("partition", "partition factor N (N² lanes)", scale={"type": "log", "base": 2, "nice": False})
FACTOR |= {"axis": {"format": "d", "labelOverlap": True}}


def over_factor(name: str, title: str, rows: Sequence[Row], column: str, label: str, note: str = "") -> Plot | None:
    """A column over N, both axes logarithmic: a line for each model, options and flow; None without a figure."""
    shown = [row for row in rows if row.get(column) and row.get("partition")]
    if not shown:
        return None
    spec = {
        "width": WIDTH,
        "height": HEIGHT,
        "mark": {"type": "line", "point": {"size": 60}},
        "encoding": {
            "x": FACTOR,
            "y": _log(column, label),
            "color": SERIES,
            "strokeDash": {**FLOW, "sort": ["torch2hw"]},
            "tooltip": _tooltip(("series", "flow", "partition", column)),
        },
    }
    keys = ("series", "flow", "partition", column)
    return Plot(name, title, spec, [{key: row[key] for key in keys} for row in shown], note)


def resources(rows: Sequence[Row]) -> Plot | None:
    """LUT, FF, DSP and BRAM over N, side by side."""
    long = [
        {
            "series": row["series"],
            "flow": row["flow"],
            "partition": row["partition"],
            "resource": title,
            "used": row[column],
        }
        for row in rows
        for column, title in RESOURCES
        if row.get(column) and row.get("partition")
    ]
    if not long:
        return None
    spec = {
        "facet": {"field": "resource", "type": "nominal", "title": None, "sort": [title for _, title in RESOURCES]},
        "columns": 2,
        "resolve": {"scale": {"y": "independent"}},
        "spec": {
            "width": 300,
            "height": 220,
            "mark": {"type": "line", "point": {"size": 50}},
            "encoding": {
                "x": FACTOR,
                "y": _log("used", "used"),
                "color": SERIES,
                "strokeDash": {**FLOW, "sort": ["torch2hw"]},
                "tooltip": _tooltip(("series", "flow", "partition", "resource", "used")),
            },
        },
    }
    return Plot("resources", "Resources over N", spec, long)


def front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which points are not worse in both coordinates than another one (equal ones all stay)."""
    return [not any((c <= a and d < b) or (c < a and d <= b) for c, d in points) for a, b in points]


def pareto(rows: Sequence[Row]) -> Plot | None:
    """LUTs against latency; the points of a model that no other one of it beats are joined."""
    shown = [row for row in rows if row.get("lut") and row.get("latency_us")]
    if not shown:
        return None
    told = []
    for model in dict.fromkeys(row["model"] for row in shown):
        mine = [row for row in shown if row["model"] == model]
        best = front([(row["latency_us"], row["lut"]) for row in mine])
        told += [
            {
                "model": model,
                "flow": row["flow"],
                "point": row["label"],
                "latency_us": row["latency_us"],
                "lut": row["lut"],
                "front": is_best,
            }
            for row, is_best in zip(mine, best, strict=True)
        ]
    encoding = {"x": _log("latency_us", "latency, µs at the target clock"), "y": _log("lut", "LUT")}
    spec = {
        "width": WIDTH,
        "height": HEIGHT,
        "encoding": {**encoding, "color": _field("model", "model", "nominal")},
        "layer": [
            {
                "transform": [{"filter": "datum.front"}],
                "mark": {"type": "line", "interpolate": "step-after"},
                "encoding": {"order": {"field": "latency_us", "type": "quantitative"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70},
                "encoding": {
                    "shape": {**FLOW, "sort": ["torch2hw"]},
                    "opacity": {"condition": {"test": "datum.front", "value": 1}, "value": 0.45},
                    "tooltip": _tooltip(("model", "flow", "point", "latency_us", "lut")),
                },
            },
        ],
    }
    return Plot("pareto", "LUTs against latency", spec, told, "The line joins the designs that no other one beats.")


def roofline(rows: Sequence[Row]) -> Plot | None:
    """Multiply-accumulates a cycle over those for each word of input and output; the roofs are the lanes."""
    shown = [row for row in rows if row.get("macs") and row.get("mac_lanes") and row.get("io_words")]
    if not shown:
        return None
    told = [
        {
            "model": row["model"],
            "point": row["label"],
            "macs_a_word": round(row["macs"] / row["io_words"], 3),
            "macs_a_cycle": round(row["macs"] / row["cycles"], 4),
            "lanes": row["mac_lanes"],
            "mac_use": round(row["macs"] / row["cycles"] / row["mac_lanes"], 4),
        }
        for row in shown
    ]
    low = min(row["macs_a_word"] for row in told) / 2
    high = max(max(row["macs_a_word"] for row in told) * 2, max(row["lanes"] for row in told) * 2)
    roofs = [
        {"roof": f"{lanes} lanes", "x": x, "y": min(lanes, x)}
        for lanes in sorted({row["lanes"] for row in told})
        for x in sorted({low, lanes, high})
    ]
    spec = {
        "width": WIDTH,
        "height": HEIGHT,
        "layer": [
            {
                "data": {"values": roofs},
                "mark": {"type": "line", "opacity": 0.5, "color": "#888888"},
                "encoding": {
                    "x": {"field": "x", "type": "quantitative"},
                    "y": {"field": "y", "type": "quantitative"},
                    "detail": {"field": "roof"},
                    "tooltip": _tooltip(("roof",)),
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70},
                "encoding": {
                    "x": _log("macs_a_word", "MACs for each word of input and output"),
                    "y": _log("macs_a_cycle", "MACs a cycle"),
                    "color": _field("model", "model", "nominal"),
                    "tooltip": _tooltip(("model", "point", "macs_a_word", "macs_a_cycle", "lanes", "mac_use")),
                },
            },
        ],
    }
    note = "Grey: the lanes, or a host that moves one word a cycle. A point on its roof always uses every lane."
    return Plot("roofline", "Use of the lanes", spec, told, note)


def accuracy(rows: Sequence[Row]) -> Plot | None:
    """Distance from the model in float64 against LUTs, or against latency where there are none."""
    column, label = ("lut", "LUT") if any(row.get("lut") for row in rows) else ("latency_us", "latency, µs")
    shown = [row for row in rows if row.get("output_error") and row.get(column)]
    if not shown:
        return None
    keys = ("model", "label", "format", "output_error", column)
    spec = {
        "width": WIDTH,
        "height": HEIGHT,
        "mark": {"type": "point", "filled": True, "size": 70},
        "encoding": {
            "x": _log(column, label),
            "y": _log("output_error", "error of the outputs, relative"),
            "color": _field("format", "format", "nominal"),
            "shape": _field("model", "model", "nominal"),
            "tooltip": _tooltip(keys),
        },
    }
    note = (
        "Root mean square over all outputs, of the example inputs, from the model in float64 before any quantisation."
    )
    return Plot("accuracy", "Accuracy", spec, [{key: row[key] for key in keys} for row in shown], note)


def stacked(name: str, title: str, rows: Sequence[Row], column: str, label: str, piece: str = "kernel") -> Plot | None:
    """A bar for each point, a piece for each value of the column `piece`."""
    shown = [row for row in rows if row.get(column)]
    if not shown:
        return None
    keys = ("point", piece, "source", column)
    spec = {
        "width": WIDTH,
        "height": {"step": 26},
        "mark": "bar",
        "encoding": {
            "y": _field("point", "", "nominal", sort=None, axis={"labelLimit": 260}),
            "x": _field(column, label, stack="normalize", axis={"format": "%"}),
            "color": _field(piece, piece, "nominal", sort=None, legend={"symbolLimit": 40, "columns": 2}),
            "order": {"field": "number", "type": "quantitative"},
            "tooltip": _tooltip(keys),
        },
    }
    told = [{"number": number, **{key: row.get(key) for key in keys}} for number, row in enumerate(shown)]
    return Plot(name, title, spec, told)


def timeline(rows: Sequence[Row], cycles: int, name: str = "timeline", title: str = "Timeline of kernels") -> Plot:
    """A bar for each run of a kernel; the axis of cycles zooms."""
    kernels = list(dict.fromkeys(row["kernel"] for row in rows))
    spec = {
        "width": 760,
        "height": {"step": 24},
        "params": [{"name": "low", "value": 0}, {"name": "high", "value": cycles}],
        "mark": {"type": "bar", "clip": True, "height": {"band": 0.75}, "tooltip": True},
        "encoding": {
            "x": _field(
                "first", "cycle", scale={"domainMin": {"expr": "low"}, "domainMax": {"expr": "high"}, "nice": False}
            ),
            "x2": {"field": "end"},
            "y": _field("kernel", "", "nominal", sort=kernels, axis={"labelLimit": 260}),
            "color": _field("source", "line", "nominal", sort=None),
            "tooltip": _tooltip(("kernel", "source", "round", "first", "end", "cycles", "macs", "lanes")),
        },
    }
    told = [{**row, "cycles": row["end"] - row["first"]} for row in rows]
    note = "Exact: from the cycle in which a kernel starts to the one after its last store."
    return Plot(name, title, spec, told, note, (0, cycles))
