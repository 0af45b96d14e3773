"""`python -m torch2hw.benchmarks.searches`: what `torch2hw search` finds, beside the best of an exhaustive sweep.

Of each model all designs that the search may try are synthesised. Then the search is asked for three budgets of LUTs:
halfway, in ratio, between neighbours in size among the designs that are the fastest of their size. Its answer must hold
the budget in synthesis, and is compared with the fastest design that holds it. Writes searches.json and searches.md;
models that are not searched this time stay. The exit status is 3 where an answer is more than 10 % slower.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch2hw.benchmarks.tables import number, table
from torch2hw.compiler.options import Options
from torch2hw.explore.execution import here, processors
from torch2hw.explore.goal import Goal
from torch2hw.explore.grid import Job
from torch2hw.explore.measure import Point, json_text, read_points
from torch2hw.explore.records import Records
from torch2hw.explore.search import candidates, search
from torch2hw.explore.sweep import measure_all
from torch2hw.tools import yosys
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
MODELS = ("ffnn", "cnn", "mha16")
BUDGETS, SYNTHESISED, FARTHEST = 3, 6, 1.1
COLUMNS = ("model", "budget, LUT", "found", "LUT", "cycles", "best cycles", "designs", "synthesised", "slower by")


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.searches", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="models whose name contains this")
    parser.add_argument("--factors", metavar="N,…", default="1,2,3", help="partition factors (1,2,3)")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the results are")
    parsed = parser.parse_args(arguments)
    file = parsed.output / "searches.json"
    points = read_points(file)
    for model in (name for name in MODELS if parsed.only in name):
        points = [point for point in points if point["model"] != model]
        points += searched(model, [int(word) for word in parsed.factors.split(",")])
        points.sort(key=lambda point: (MODELS.index(point["model"]), point["budget"]))
        tool = yosys.tool()
        write_files({file: json_text(points, resource_tool=tool), file.with_suffix(".md"): markdown(points, tool)})
    return 3 if any(point["cycles"] > FARTHEST * point["best_cycles"] for point in points) else 0


def searched(model: str, factors: Sequence[int]) -> list[Point]:
    """The searches of one model."""
    job = Job(model, str(HERE.parent / "examples" / f"{model}.py"), str(HERE.parent), Options())
    workers, records = here(processors()), Records(None)
    every = candidates(job, factors, ["f32"])

    def tell(text: str) -> None:
        print(f"{model}: {text}", file=sys.stderr, flush=True)

    tell(f"{len(every)} designs")
    known = [
        each.point for each in measure_all([replace(each.job, simulate=False) for each in every], workers, records)
    ]
    known = [point for point in known if "lut" in point]
    points = []
    for budget in budgets(known):
        tried = candidates(job, factors, ["f32"])
        best = search(tried, Goal({"lut": budget}), workers, records, most=SYNTHESISED, tell=tell)
        assert best.measured["lut"] <= budget and best.measured["bit_exact"] is True
        points.append(
            {
                "model": model,
                "budget": budget,
                "found": best.words,
                "lut": best.measured["lut"],
                "cycles": best.measured["cycles"],
                "best_cycles": min(point["cycles"] for point in known if point["lut"] <= budget),
                "designs": len(known),
                "synthesised": sum(bool(each.measured) for each in tried),
            }
        )
    return points


def budgets(points: Sequence[Mapping[str, Any]]) -> list[int]:
    """LUTs between the sizes of neighbours among designs that are faster than all smaller ones; the largest three."""
    front: list[int] = []
    cycles = float("inf")
    for point in sorted(points, key=lambda point: (point["lut"], point["cycles"])):
        if point["cycles"] < cycles:
            front.append(point["lut"])
            cycles = point["cycles"]
    between = [round((low * high) ** 0.5) for low, high in zip(front, [*front[1:], 2 * front[-1]], strict=True)]
    return between[-BUDGETS:]


def markdown(points: Sequence[Mapping[str, Any]], resource_tool: str) -> str:
    """The page."""
    rows = [
        (
            point["model"],
            number(point["budget"]),
            f"`{point['found']}`",
            *(number(point[key]) for key in ("lut", "cycles", "best_cycles", "designs", "synthesised")),
            f"{point['cycles'] / point['best_cycles'] - 1:.1%}",
        )
        for point in points
    ]
    return f"# Searches ({resource_tool})\n\n{(__doc__ or '').strip()}\n\n{table(COLUMNS, rows)}\n"


if __name__ == "__main__":
    sys.exit(main())
