"""`torch2hw sweep`: models × partition × format × clock × schedule × interface, measured side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch2hw.commands.argument_types import count
from torch2hw.commands.model_arguments import model_command, option_fields
from torch2hw.tools.errors import UsageError

if TYPE_CHECKING:
    from torch2hw.explore.execution import Workers
    from torch2hw.explore.grid import Grid

HELP = "measure models over partition factors, formats, clocks, schedules and interfaces; CSV, JSON and a page"
EPILOG = """
Options with several values, between commas: --partition 1,2,4 --dtype f32,bf16 --quantize none,int8 --clock-ns 3.33,5
--schedule static,sequential --interface mem,axis. An interrupted sweep that is run again goes on where it was.
"""


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = model_command(commands, "sweep", HELP, several=True)
    parser.description = f"{parser.description}{EPILOG}"
    parser.set_defaults(partition="1,2,4")
    parser.add_argument(
        "--no-synthesis", action="store_true", help="leave out resources, for which Yosys takes a minute"
    )
    parser.add_argument(
        "--fmax", action="store_true", help="place and route for ECP5, which takes minutes, for its clock"
    )
    parser.add_argument(
        "--kernel-resources", action="store_true", help="resources of each kernel, too, by a second synthesis"
    )
    parser.add_argument("--jobs", type=count, metavar="J", help="points measured at a time (default: one a processor)")
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="measure on the Dask cluster with this scheduler instead of here"
    )
    parser.add_argument(
        "--against",
        metavar="FLOW,…",
        help="other flows beside ours: vitis paper nngen sequential ideal stream-hls autosa",
    )
    parser.add_argument("--parquet", action="store_true", help="write sweep.parquet, too")
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="the directory to make")


def run(parsed: argparse.Namespace) -> int:
    """Measure every point, and print the table."""
    from torch2hw.explore.against import flows

    points, against = grid_of(parsed), () if parsed.against is None else flows(parsed.against)
    if parsed.scheduler is not None and parsed.jobs is not None:
        raise UsageError("--jobs with --scheduler", why="the cluster's workers decide", fix="leave one of the two out")
    from torch2hw.explore.measure import csv_text
    from torch2hw.explore.run_sweep import run_sweep
    from torch2hw.frontend.model_file import check_exists
    from torch2hw.progress import Progress

    for spec in parsed.specs:
        check_exists(spec)
    with Progress(parsed.quiet) as progress:
        written = run_sweep(
            points,
            parsed.output,
            workers=_workers(parsed),
            against=against,
            parquet_too=parsed.parquet,
            tell=progress.step,
            counted=lambda done, total: progress.part(done, total, "points"),
        )
    if parsed.json:
        print(written.json, end="")
    elif not parsed.quiet:
        print(csv_text(written.points), end="")
    return 0


def grid_of(parsed: argparse.Namespace) -> Grid:
    """The points that the arguments name."""
    from torch2hw.explore.grid import AXES, NONE, grid, values

    given = {axis: getattr(parsed, axis) for axis in AXES}
    for axis in AXES:
        setattr(parsed, axis, "0")  # its values stand in `given`
    others = {name: value for name, value in option_fields(parsed).items() if name not in AXES}
    return grid(
        parsed.specs,
        {axis: values(axis, given[axis] or NONE) for axis in AXES},
        others,
        model=parsed.model,
        inputs=tuple(parsed.input),
        synthesis=not parsed.no_synthesis,
        parts=parsed.kernel_resources and not parsed.no_synthesis,
        fmax=parsed.fmax,
    )


def _workers(parsed: argparse.Namespace) -> Workers:
    from torch2hw.explore.execution import cluster, here, processors

    if parsed.scheduler is not None:
        return cluster(parsed.scheduler)
    return here(parsed.jobs or processors())
