"""`torch2hw report`: cycles, use of the lanes and resources."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from torch2hw.commands.model_arguments import compile_given, model_command
from torch2hw.tools.errors import UsageError


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = model_command(commands, "report", "report cycles, lane utilisation and resources, per kernel and in total")
    parser.add_argument(
        "--no-synthesis", action="store_true", help="leave out resources, for which Yosys takes a minute"
    )
    parser.add_argument(
        "--fmax", action="store_true", help="place and route for ECP5, which takes minutes, for its clock"
    )


def run(parsed: argparse.Namespace) -> int:
    """Measure, and print the report."""
    from torch2hw.progress import Progress

    with Progress(parsed.quiet) as progress:
        if parsed.schedule == "sequential":
            raise UsageError("report: unsupported with --schedule sequential", fix="torch2hw simulate gives its cycles")
        measured = parsed.fmax or not parsed.no_synthesis
        compiled = compile_given(parsed, progress, None if measured else "calyx")
        from torch2hw.report import Report

        if measured:
            progress.step("synthesise" + (", place and route" if parsed.fmax else ""))
        report = Report.of(compiled, not parsed.no_synthesis, parsed.fmax)
    print(report.json_text() if parsed.json else report)
    if parsed.verbose:
        print(report.explanation(), file=sys.stderr)
    return 0
