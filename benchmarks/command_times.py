"""What the timings of commands share: a model's case, and the run over all cases, with another version beside ours."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch2hw.explore.measure import Point, json_text, read_points
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Case:
    """A model's file, its partition factor, and the time that is wanted."""

    name: str
    file: str
    partition: int
    wanted: str


def time_cases(
    name: str,
    summary: str,
    cases: Sequence[Case],
    measured: Callable[[Path, int, Path], Point],
    markdown: Callable[[Sequence[Point]], str],
    arguments: list[str] | None,
) -> int:
    """The command of the module `name`: measures the cases, and writes NAME.json and NAME.md after each.

    `measured` has the figures of a model at a partition factor with the version of torch2hw in a folder. Cases that are
    not measured this time stay as they are. Returns 0.
    """
    parser = argparse.ArgumentParser(prog=f"python -m torch2hw.benchmarks.{name}", description=summary.split("\n")[0])
    parser.add_argument("--only", metavar="TEXT", default="", help="models whose name contains this")
    parser.add_argument("--before", type=Path, metavar="DIR", help="measure the version of torch2hw in DIR instead")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the results are")
    parsed = parser.parse_args(arguments)
    file = parsed.output / f"{name}.json"
    points = {(point["model"], point["partition"]): point for point in read_points(file)}
    for case in cases:
        if parsed.only.lower() not in case.name.lower():
            continue
        print(case.name, case.partition, file=sys.stderr, flush=True)
        found = measured(HERE / case.file, case.partition, parsed.before or HERE.parent)
        key = case.name, case.partition
        point = {"model": case.name, "partition": case.partition} | points.get(key, {})
        points[key] = point | {"before" if parsed.before else "now": found}
        known = [points[each.name, each.partition] for each in cases if (each.name, each.partition) in points]
        write_files({file: json_text(known), parsed.output / f"{name}.md": markdown(known)})
    return 0
