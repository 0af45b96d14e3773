"""`torch2hw replay`: go on from a file that `--dump` or a fault wrote."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from torch2hw.commands.argument_types import output_file
from torch2hw.commands.checking import print_checked
from torch2hw.commands.compile import EMIT, print_design, stop_level, write_emitted, written_design
from torch2hw.commands.model_arguments import report_steps
from torch2hw.tools.errors import UsageError

HELP = "go on from a file that --dump or a fault wrote; its header holds the options"


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser("replay", help=HELP, description=HELP[0].upper() + HELP[1:] + ".", allow_abbrev=False)
    parser.add_argument("file", metavar="FILE", type=Path, help="a file of --dump, or a reproducer")
    parser.add_argument("-o", "--output", metavar="OUT.sv", type=output_file, help="the file to write")
    parser.add_argument(
        "--emit", choices=EMIT, default="sv", metavar="LEVEL", help=f"stop at a level and write it: {' '.join(EMIT)}"
    )
    parser.add_argument("--stop-after", metavar="PASS", help="stop after a pass and write the program")
    parser.add_argument("--dump", type=Path, metavar="DIR", help="write the program after every pass that changed it")
    parser.add_argument(
        "--float-lib", metavar="hardfloat:DIR", help="the copy of HardFloat-1 that the file was made with"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="run the program after every pass; name the first pass that changed a value",
    )
    parser.add_argument("--time", action="store_true", help="say how long each pass took")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what each pass did")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only errors and requested output")


def run(parsed: argparse.Namespace) -> int:
    """Replay and write."""
    from torch2hw.progress import Progress
    from torch2hw.tools.output import check_folder, check_writable

    whole = parsed.emit == "sv" and parsed.stop_after is None
    if parsed.output is None and whole:
        raise UsageError("no output file", fix=f"add -o {parsed.file.stem}.sv")
    if parsed.output is not None:
        check_writable(parsed.output)
    if parsed.dump is not None:
        check_folder("--dump", parsed.dump)
    with Progress(parsed.quiet) as progress:
        progress.step("start the compiler")
        from torch2hw.replay import open_file, replay

        opened = open_file(parsed.file, parsed.float_lib)
        stop_at = stop_level(parsed, opened.options.schedule)
        _check_ahead(parsed, opened, stop_at)
        replayed = replay(
            opened,
            dump=parsed.dump,
            stop_at=stop_at,
            stop_after=parsed.stop_after,
            watch=progress.step,
            check=parsed.check,
        )
        report_steps(parsed, replayed.steps, replayed.seconds, "from the file on")
        manifest = written_design(parsed, replayed) if whole else None
    if parsed.check and not parsed.quiet:
        print_checked(replayed.checked, False)
    if manifest is None:
        write_emitted(parsed, replayed)
    else:
        print_design(parsed, manifest)
    return 0


def _check_ahead(parsed: argparse.Namespace, opened: Any, stop_at: str) -> None:
    """Refuse to stop at what the file is past."""
    from torch2hw.dialects.levels import LEVELS
    from torch2hw.replay import CHECKED_LEVELS

    if LEVELS.index(stop_at) < LEVELS.index(opened.level):
        raise UsageError(
            f"--emit {parsed.emit}: {parsed.file} is at level {opened.level}, past it", fix="replay an earlier file"
        )
    if parsed.check and opened.level not in CHECKED_LEVELS:
        raise UsageError(
            f"--check: {parsed.file} is at level {opened.level}, which does not run on the CPU alone",
            fix=f"leave it out, or replay a file of level {', '.join(CHECKED_LEVELS)}",
        )
    names = [step.name for step in opened.remaining]
    if parsed.stop_after is not None and parsed.stop_after not in names:
        fix = f"the passes that follow are {', '.join(names)}" if names else "no pass follows: leave it out"
        raise UsageError(f"--stop-after {parsed.stop_after}: no pass of that name follows {parsed.file}", fix=fix)
