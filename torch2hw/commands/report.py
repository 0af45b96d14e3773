"""`torch2hw report`: cycles, use of the lanes and resources."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
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
    parser.add_argument(
        "--html",
        metavar="FILE",
        type=Path,
        help="write a page, too: timeline, memory banks, cycles on source lines, what other options would give",
    )


def run(parsed: argparse.Namespace) -> int:
    """Measure, and print the report."""
    from torch2hw.progress import Progress

    with Progress(parsed.quiet) as progress:
        if parsed.html is not None:
            _check_page(parsed)
        if parsed.schedule == "sequential":
            raise UsageError("report: unsupported with --schedule sequential", fix="torch2hw simulate gives its cycles")
        measured = parsed.fmax or not parsed.no_synthesis
        compiled = compile_given(parsed, progress, None if measured or parsed.html is not None else "calyx")
        from torch2hw.report import Report

        if measured:
            progress.step("synthesise" + (", place and route" if parsed.fmax else ""))
        report = Report.of(compiled, not parsed.no_synthesis, parsed.fmax)
        if parsed.html is not None:
            _write_page(parsed, compiled, report, progress)
    print(report.json_text() if parsed.json else report)
    if parsed.verbose:
        print(report.explanation(), file=sys.stderr)
    return 0


def _check_page(parsed: argparse.Namespace) -> None:
    """Refuse a page that cannot be made, before any work."""
    from torch2hw.explore.page.document import check
    from torch2hw.tools.output import check_writable

    check()
    check_writable(parsed.html)


def _write_page(parsed: argparse.Namespace, compiled: Any, report: Any, progress: Any) -> None:
    from torch2hw.explore.page.design_page import design_page
    from torch2hw.explore.what_if import what_ifs
    from torch2hw.tools.output import write_files

    tried = what_ifs(compiled, progress.step)
    write_files({parsed.html: design_page(compiled, report, tried)}, last=True)
