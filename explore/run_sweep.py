"""`torch2hw sweep`, once its arguments are understood: checks its folder, measures the points, writes the files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch2hw.explore.against import rows, sequential_jobs
from torch2hw.explore.execution import Workers
from torch2hw.explore.files import check_parquet, costs_csv, parquet, sweep_json
from torch2hw.explore.grid import Grid
from torch2hw.explore.measure import Point, csv_text
from torch2hw.explore.page.document import check
from torch2hw.explore.page.sweep_page import sweep_page
from torch2hw.explore.records import REPORT, Records
from torch2hw.explore.sweep import cost_rows, measure_all
from torch2hw.tools.output import write_files


@dataclass(frozen=True)
class Written:
    """The points, and the text of sweep.json."""

    points: list[Point]
    json: str


def run_sweep(
    grid: Grid,
    folder: Path,
    *,
    workers: Workers,
    parquet_too: bool = False,
    against: Sequence[str] = (),
    tell: Callable[[str], None] = lambda text: None,
    counted: Callable[[int, int], None] = lambda done, total: None,
) -> Written:
    """Measure a grid and write its folder."""
    records = Records(folder)
    records.check()
    check()
    if parquet_too:
        check_parquet()
    measured = measure_all(grid.jobs, workers, records, tell=tell, counted=counted)
    points = [each.point for each in measured]
    extra = [each for each in sequential_jobs(grid.jobs) if each not in grid.jobs] if "sequential" in against else []
    more = measure_all(extra, workers, records, tell=tell, counted=counted) if extra else []
    measured += more
    others = rows(against, points, grid.jobs, workers, _sequential(points, [each.point for each in more], against))
    axes = [job.axes for job in (*grid.jobs, *extra)]
    text = sweep_json(points, grid.left_out, **({"against": others} if against else {}))
    files: dict[Path, str | bytes] = {
        folder / REPORT: text,
        folder / "sweep.csv": csv_text(points),
        folder / "index.html": sweep_page(points, others),
        folder / "times.csv": costs_csv(list(cost_rows(measured, axes))),
    }
    if parquet_too:
        files[folder / "sweep.parquet"] = parquet(points)
    write_files(files, last=True)
    return Written(points, text)


def _sequential(points: Sequence[Point], more: Sequence[Point], against: Sequence[str]) -> list[Point]:
    """The points of the sequential schedule: those of the grid, and those that were measured for the comparison."""
    mine = [point for point in points if point["schedule"] == "sequential"] if "sequential" in against else []
    return [point for point in (*mine, *more) if "cycles" in point]
