"""`python -m torch2hw.benchmarks.regression`: whether a slice of the benchmarks got worse.

Exit status 3 where a figure is more than 2 % above that of regression.json; a test runs it. `--record` writes what is
measured now, with the versions, after you have seen why it changed. `--all` measures the LUTs of every design of the
slice, which takes minutes; otherwise only of those that are quick to synthesise.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch2hw.compiler.options import Options
from torch2hw.explore.measure import Point, json_text, measure, read_points
from torch2hw.tools import yosys
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples"
FILE = "regression.json"
WORSE = 1.02
FIGURES = ("cycles", "lut")


@dataclass(frozen=True)
class Case:
    """A design of the slice; `quick`: its synthesis takes seconds."""

    file: str
    partition: int
    quick: bool = False

    @property
    def name(self) -> str:
        """As the record has it."""
        return f"{Path(self.file).stem} N={self.partition}"


SLICE = (Case("ffnn_batch1.py", 1, quick=True), Case("ffnn.py", 4), Case("cnn.py", 1), Case("mha16.py", 4))


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.regression", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--record", action="store_true", help="write what is measured")
    parser.add_argument("--all", action="store_true", help="LUTs of every design, which takes minutes")
    parser.add_argument("--only", metavar="TEXT", default="", help="designs whose name contains this")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the record is")
    parsed = parser.parse_args(arguments)
    known = {point["model"]: point for point in read_points(parsed.output / FILE)}
    found = {case.name: measured(case, parsed.all or case.quick) for case in SLICE if parsed.only in case.name}
    failed = [line for name, point in found.items() for line in worse(point, known.get(name, {}))]
    print("\n".join(failed or [f"{len(found)} designs: no figure is more than 2 % worse than recorded"]))
    if parsed.record:
        merged = {name: known.get(name, {}) | point for name, point in found.items()}
        points = [({**known, **merged})[case.name] for case in SLICE if case.name in {**known, **merged}]
        write_files({parsed.output / FILE: json_text(points, resource_tool=yosys.tool())})
        return 0
    return 3 if failed else 0


def measured(case: Case, synthesis: bool) -> Point:
    """Cycles, which are exact without a simulation, and LUTs if asked."""
    options = Options(partition=case.partition)
    point = measure(str(EXAMPLES / case.file), options, name=case.name, simulate=False, synthesis=synthesis)
    return {key: point[key] for key in ("model", *FIGURES, "error") if key in point}


def worse(point: Mapping[str, Any], recorded: Mapping[str, Any]) -> Sequence[str]:
    """A line for each figure that got worse, and for a design that is not compiled any more."""
    if "error" in point:
        return [f"{point['model']}: {point['error']}"]
    return [
        f"{point['model']}: {point[figure]:,} {figure}, {recorded[figure]:,} recorded"
        for figure in FIGURES
        if figure in point and figure in recorded and point[figure] > recorded[figure] * WORSE
    ]


if __name__ == "__main__":
    sys.exit(main())
