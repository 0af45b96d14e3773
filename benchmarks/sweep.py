"""`torch2hw sweep MODEL… --partition 1,2,4 -o DIR`: every model at every factor, as CSV, JSON, plots and a page.

The plots are drawn by matplotlib, the extra `plots`; without it there is a MissingTool before anything is measured.
Files are the same for the same figures: no date is in them, and SVG identifiers are derived from a fixed salt.
"""

from __future__ import annotations

import html
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch2hw.benchmarks.measure import COLUMNS, Point, csv_text, json_text, measure
from torch2hw.compiler.options import Options
from torch2hw.dialects.names import escaped, readable
from torch2hw.tools import yosys
from torch2hw.tools.errors import MissingTool, Torch2HWError, UsageError
from torch2hw.tools.output import check_free, write_folder

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>torch2hw sweep</title>
<style>body {{ font-family: sans-serif; max-width: 60em; margin: 2em auto; }}
td, th {{ padding: 0.2em 0.8em; text-align: right; }} td:first-child {{ text-align: left; }}
tr:nth-child(even) {{ background: #eee; }}</style></head>
<body>
<h1>Sweep over partition factors</h1>
<p>Cycles are counted in simulation from go to done. Resources: {tool}.</p>
{figures}
<table><tr>{head}</tr>
{rows}
</table>
</body>
</html>
"""


class NothingMeasured(Torch2HWError):
    """Every point of a sweep was refused."""

    code = "nothing-measured"


@dataclass(frozen=True)
class Plot:
    """A figure: a column of the points over the partition factor, both axes logarithmic; `ideal` is its power of N."""

    file: str
    column: str
    label: str
    ideal: int | None = None


PLOTS = (
    Plot("cycles.svg", "cycles", "cycles from go to done", -2),
    Plot("lut.svg", "lut", "LUTs", 2),
    Plot("lut_per_lane.svg", "lut_per_lane", "LUTs a lane", 0),
    Plot("bram36.svg", "bram36", "BRAM36"),
)


def partitions(text: str) -> list[int]:
    """`1,2,4` as numbers, each once, in order."""
    words = text.split(",")
    if not all(word.strip().isdigit() and int(word) >= 1 for word in words):
        raise UsageError(f"--partition {text}: not whole numbers of 1 or more", fix="write --partition 1,2,4")
    return sorted({int(word) for word in words})


def sweep(
    specs: Sequence[str],
    factors: Sequence[int],
    options: Options,
    folder: Path,
    *,
    model: str | None = None,
    inputs: Sequence[str] = (),
    synthesis: bool = True,
    fmax: bool = False,
    watch: Callable[[str], None] = lambda step: None,
    counted: Callable[[int, int], None] = lambda done, total: None,
) -> list[Point]:
    """Measure every point and write `folder`. A refused point stays, with its error; equal stems are numbered.

    `counted` is told how many points are measured, and of how many.
    """
    check_free(folder)
    if find_spec("matplotlib") is None:
        raise MissingTool(
            "the plots of a sweep need matplotlib, which is not installed", fix="pip install torch2hw[plots]"
        )
    stems = [readable(escaped(Path(spec).stem)) for spec in specs]
    names = [stem if stems.count(stem) == 1 else f"{stem} {k}" for k, stem in enumerate(stems, 1)]
    points: list[Point] = []
    for spec, name in zip(specs, names, strict=True):
        for factor in factors:
            at = replace(options, partition=factor)
            counted(len(points), len(specs) * len(factors))
            points.append(
                measure(spec, at, name=name, model=model, inputs=inputs, synthesis=synthesis, fmax=fmax, watch=watch)
            )
    if all("error" in point for point in points):
        raise NothingMeasured(points[0]["error"], fix="compile the model with torch2hw MODEL, which says more")
    watch("draw the plots")
    figures = {plot.file: svg for plot in PLOTS if (svg := draw(plot, points))}
    files = {
        "sweep.csv": csv_text(points),
        "sweep.json": json_text(points, resource_tool=yosys.tool()),
        "index.html": page(points, list(figures)),
        **figures,
    }
    write_folder(folder, files, last=True)
    return points


def draw(plot: Plot, points: Sequence[Mapping[str, Any]]) -> str:
    """The plot as SVG; nothing where no point has the column."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    lines: dict[str, list[tuple[int, float]]] = {}
    for point in map(_with_ratio, points):
        if point.get(plot.column):  # a logarithmic axis has no place for zero
            lines.setdefault(point["model"], []).append((point["partition"], point[plot.column]))
    if not lines:
        return ""
    with (
        rc_context({"svg.hashsalt": "torch2hw", "svg.fonttype": "none", "text.parse_math": False}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # the reader's font has it
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        drawn: list[Any] = []
        for number, line in enumerate(lines.values()):
            factors, values = zip(*line, strict=True)
            drawn += axes.plot(factors, values, marker="o", color=f"C{number}")
            if plot.ideal is not None:
                ideal = [values[0] * (n / factors[0]) ** plot.ideal for n in factors]
                axes.plot(factors, ideal, linestyle=":", color=f"C{number}")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(sorted({n for line in lines.values() for n, _ in line}), minor=False)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("partition factor N (N² lanes)" + ("; dotted: ideal" if plot.ideal is not None else ""))
        axes.set_ylabel(plot.label)
        axes.legend(drawn, list(lines))
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def page(points: Sequence[Mapping[str, Any]], figures: Sequence[str]) -> str:
    """The plots and the table."""
    columns = [column for column in COLUMNS if any(column in point for point in points)]
    rows = []
    for point in points:
        cells = "".join(f"<td>{html.escape(_shown(point.get(column)))}</td>" for column in columns)
        rows.append(f"<tr>{cells}</tr>")
    return PAGE.format(
        tool=html.escape(yosys.tool()),
        figures="\n".join(f'<img src="{name}" alt="{name.removesuffix(".svg")}">' for name in figures),
        head="".join(f"<th>{column.replace('_', ' ')}</th>" for column in columns),
        rows="\n".join(rows),
    )


def _with_ratio(point: Mapping[str, Any]) -> dict[str, Any]:
    if "lut" in point and point.get("mac_lanes"):
        return {**point, "lut_per_lane": point["lut"] / point["mac_lanes"]}
    return dict(point)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
