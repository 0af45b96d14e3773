"""`python -m torch2hw.benchmarks.lane_use`: use of the multiply-accumulate lanes beside the goals, as predicted.

A design is compiled as far as its schedule, whose cycles `torch2hw simulate` confirms. Writes lane_use.json and
lane_use.md; rows that are not measured this time (`--only`) stay as they are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch2hw.benchmarks.tables import number, table
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.explore.measure import Point, json_text, read_points
from torch2hw.frontend.load_model import load
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
FILE = "lane_use.json"
TITLES = ("model", "N", "MACs", "lanes", "cycles", "MAC use", "goal", "distance", "cycles too many")


@dataclass(frozen=True)
class Case:
    """A design and the use that is wanted of it; `file` from the root of the repository."""

    name: str
    file: str
    partition: int
    goal: float


CASES = (
    Case("attention L=100", "examples/mha100.py", 4, 0.96),
    Case("attention L=16", "examples/mha16.py", 4, 0.97),
    Case("transformer layer", "examples/transformer_layer.py", 4, 0.92),
    Case("GPT block d=128, 64 tokens", "benchmarks/models/gpt_block.py", 4, 0.97),
    Case("MobileNetV2 32×32", "benchmarks/models/mobilenet_v2.py", 4, 0.93),
    Case("LSTM", "examples/lstm.py", 4, 0.70),
    Case("FFNN batch 1", "examples/ffnn_batch1.py", 4, 0.82),
    Case("attention L=100", "examples/mha100.py", 8, 0.94),
    Case("transformer layer", "examples/transformer_layer.py", 8, 0.90),
    Case("LeNet-5", "examples/lenet5.py", 8, 0.95),
    Case("CNN", "examples/cnn.py", 8, 0.97),
    Case("CNN", "examples/cnn.py", 16, 0.92),
)


def main(arguments: list[str] | None = None) -> int:
    """Measure, and write after every design."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.lane_use", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="designs whose `NAME N=…` contains this")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the record is")
    parsed = parser.parse_args(arguments)
    points = {(point["model"], point["partition"]): point for point in read_points(parsed.output / FILE)}
    for case in CASES:
        if parsed.only in f"{case.name} N={case.partition}":
            print(f"{case.name} N={case.partition}", file=sys.stderr, flush=True)
            points[case.name, case.partition] = measured(case)
            known = [points[each.name, each.partition] for each in CASES if (each.name, each.partition) in points]
            write_files({parsed.output / FILE: json_text(known), parsed.output / "lane_use.md": markdown(known)})
    return 0


def measured(case: Case) -> Point:
    """Multiply-accumulates and predicted cycles."""
    options = Options(partition=case.partition)
    program = compile_model(load(str(HERE.parent / case.file)), options, stop_at="scheduled").at("scheduled")
    macs = sum(kernel.macs for kernel in program.kernels)
    return {"model": case.name, "partition": case.partition, "macs": macs, "cycles": program.latency_cycles}


def markdown(points: Sequence[Point]) -> str:
    """The table; a use below its goal is bold."""
    goals = {(case.name, case.partition): case.goal for case in CASES}
    rows = []
    for point in points:
        goal, lanes = goals[point["model"], point["partition"]], point["partition"] ** 2
        use = point["macs"] / (lanes * point["cycles"])
        above = point["cycles"] - int(point["macs"] / (lanes * goal))
        shown = f"{use:.1%}" if use >= goal else f"**{use:.1%}**"
        figures = map(number, (point["partition"], point["macs"], lanes, point["cycles"]))
        distance = f"{100 * (use - goal):+.1f}"
        rows.append((point["model"], *figures, shown, f"{goal:.0%}", distance, number(max(0, above))))
    head = "# Use of the lanes beside the goals\n\n"
    about = (
        "Written by `python -m torch2hw.benchmarks.lane_use`: cycles as predicted; the distance is in per cent of all "
        "lane-cycles. **Bold** is below the goal."
    )
    return f"{head}{about}\n\n{table(TITLES, rows)}\n"


if __name__ == "__main__":
    sys.exit(main())
