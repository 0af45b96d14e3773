"""`torch2hw sweep`: models over partition factors."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from torch2hw.commands.model_arguments import model_command, options_of


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = model_command(
        commands, "sweep", "measure models over partition factors; writes CSV, plots and a page", several=True
    )
    parser.set_defaults(partition="1,2,4")
    parser.add_argument(
        "--no-synthesis", action="store_true", help="leave out resources, for which Yosys takes a minute"
    )
    parser.add_argument(
        "--fmax", action="store_true", help="place and route for ECP5, which takes minutes, for its clock"
    )
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="the directory to make")


def run(parsed: argparse.Namespace) -> int:
    """Measure every point, and print the table."""
    from torch2hw.benchmarks.measure import csv_text, json_text
    from torch2hw.benchmarks.sweep import partitions, sweep
    from torch2hw.progress import Progress

    factors = partitions(parsed.partition)
    parsed.partition = str(factors[0])
    options = options_of(parsed)
    with Progress(parsed.quiet) as progress:
        points = sweep(
            parsed.specs,
            factors,
            options,
            parsed.output,
            model=parsed.model,
            inputs=parsed.input,
            synthesis=not parsed.no_synthesis,
            fmax=parsed.fmax,
            watch=progress.step,
            counted=lambda done, total: progress.part(done, total, "points"),
        )
    if parsed.json:
        print(json_text(points), end="")
    elif not parsed.quiet:
        print(csv_text(points), end="")
    return 0
