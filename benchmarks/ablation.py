"""`python -m torch2hw.benchmarks.ablation`: the paper's techniques, one by one, in the sequential schedule.

Every model at N = 1 (CIRCT's control as it is) and at each factor with naive banking, with the bank in a dimension
(technique 1), and with one controller for all arms (technique 2): cycles counted in simulation, LUT, FF, DSP and BRAM36
by Yosys. Writes ablation.json and ablation.md; points that are not measured this time stay as they are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch2hw.benchmarks.tables import number, table
from torch2hw.compiler.options import Options
from torch2hw.explore.measure import Point, json_text, measure, read_points
from torch2hw.tools import yosys
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
MODELS = {
    "FFNN batch 1": "examples/ffnn_batch1.py",
    "FFNN batch 64": "examples/ffnn.py",
    "small CNN": "benchmarks/models/small_cnn.py",
    "small attention": "benchmarks/models/small_attention.py",
}
VARIANTS = {
    "naive banking": ("naive", "arms"),
    "naive banking, shared control": ("naive", "shared"),
    "technique 1": ("dimension", "arms"),
    "techniques 1 and 2": ("dimension", "shared"),
}
BASE = "no arms"
TITLES = ("model", "N", "variant", "arms", "cycles", "speed-up", "LUT", "FF", "DSP", "BRAM36", "bit-exact", "predicted")


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.ablation", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="models whose name contains this")
    parser.add_argument("--partition", metavar="N,…", default="1,2", help="partition factors (1,2)")
    parser.add_argument("--variant", metavar="TEXT", default="", help="variants whose name contains this")
    parser.add_argument("--no-synthesis", action="store_true", help="leave out resources")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the results are")
    parsed = parser.parse_args(arguments)
    file = parsed.output / "ablation.json"
    points: dict[tuple[str, int, str], Point] = {key_of(point): point for point in read_points(file)}
    for name, model in MODELS.items():
        if parsed.only.lower() not in name.lower():
            continue
        for n in map(int, parsed.partition.split(",")):
            for variant, (banking, control) in VARIANTS.items() if n > 1 else ((BASE, ("dimension", "shared")),):
                if parsed.variant not in variant:
                    continue
                print(f"{name} at {n}, {variant}", file=sys.stderr, flush=True)
                options = Options(
                    partition=n, schedule="sequential", sequential_banking=banking, sequential_control=control
                )
                point = measure(str(HERE.parent / model), options, name=name, synthesis=not parsed.no_synthesis)
                point["variant"] = variant
                points[key_of(point)] = points.get(key_of(point), {}) | point
                write(parsed.output, [points[key] for key in sorted(points, key=order)])
    return 0


def key_of(point: Mapping[str, Any]) -> tuple[str, int, str]:
    """What identifies a point: model, N, variant."""
    return point["model"], point["partition"], point["variant"]


def order(key: tuple[str, int, str]) -> tuple[int, int, int]:
    """Where a key stands in the table."""
    model, n, variant = key
    return list(MODELS).index(model), n, [BASE, *VARIANTS].index(variant)


def write(folder: Path, points: Sequence[Point]) -> None:
    """Writes the points as JSON and as a table."""
    tool = yosys.tool()
    write_files(
        {
            folder / "ablation.json": json_text(points, resource_tool=tool),
            folder / "ablation.md": markdown(points, tool),
        }
    )


def markdown(points: Sequence[Mapping[str, Any]], resource_tool: str) -> str:
    """The table; a speed-up is over the same model without arms."""
    base = {point["model"]: point.get("cycles") for point in points if point["variant"] == BASE}
    rows = []
    for point in points:
        cycles, before = point.get("cycles"), base.get(point["model"])
        gain = f"{before / cycles:.2f}" if cycles and before else "–"
        areas = [number(point.get(key)) for key in ("lut", "ff", "dsp", "bram36")]
        exact = "yes" if point.get("bit_exact") else "**no**" if "bit_exact" in point else "–"
        same = "–" if "predicted_cycles" not in point else "yes" if point["predicted_cycles"] == cycles else "**no**"
        name = (point["model"], str(point["partition"]), point["variant"], number(point.get("mac_lanes")))
        rows.append((*name, number(cycles), gain, *areas, exact, same))
    errors = [f"- {p['model']}, N={p['partition']}, {p['variant']}: {p['error']}" for p in points if "error" in p]
    parts = [
        "# The paper's techniques one by one, in the sequential schedule",
        "Written by `python -m torch2hw.benchmarks.ablation`. Cycles are those of the simulation, `go` to `done`, "
        "fp32; "
        f"areas: {resource_tool}. `{BASE}` is the control that CIRCT makes; with arms, steps of straight-line code "
        "that touch different things are packed (`pack_steps`), hence speed-ups beyond the number of arms. "
        "Naive banking with one controller cannot tell the banks of two chains apart: accesses of one memory follow "
        "each other.",
        table(TITLES, rows),
        *(["## Not measured", "\n".join(errors)] if errors else []),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
