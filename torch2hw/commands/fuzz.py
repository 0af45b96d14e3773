"""`torch2hw fuzz`: random models with random options, compared bit for bit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from torch2hw.commands.argument_types import count
from torch2hw.tools.errors import UsageError


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser(
        "fuzz",
        help="compile and simulate random models with random options; failures are shrunk and written",
        description="Compile, lint and simulate random models with random options, and compare every bit.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--seeds", default="0..19", metavar="A..B", help="seeds, both ends included; one model per seed (default 0..19)"
    )
    parser.add_argument("--jobs", type=count, default=1, metavar="J", help="processes on this machine (default 1)")
    parser.add_argument("--seconds", type=count, metavar="S", help="start no further model after S seconds")
    parser.add_argument("--dask", metavar="ADDRESS", help="run on the Dask cluster with this scheduler instead")
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        default=Path("fuzz"),
        help="directory for outcomes.csv and failing models (default fuzz)",
    )
    parser.add_argument("--grammar", action="store_true", help="print what the models are made of, and stop")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only errors and requested output")


def run(parsed: argparse.Namespace) -> int:
    """Run the seeds, and print what they found."""
    import re

    from torch2hw.sim import fuzz_models

    if parsed.grammar:
        print((fuzz_models.__doc__ or "").strip())
        return 0
    span = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", parsed.seeds)
    seeds = range(int(span[1]), int(span[2] or span[1]) + 1) if span else range(0)
    if not seeds:
        raise UsageError(f"--seeds {parsed.seeds}: not a range of whole numbers", fix="use --seeds 0..99")
    from torch2hw.progress import Progress
    from torch2hw.sim import fuzz_run
    from torch2hw.sim.fuzz import run_seed

    executor, width, task = fuzz_run.processes(parsed.jobs), parsed.jobs, run_seed
    if parsed.dask is not None:
        executor, width = fuzz_run.dask_cluster(parsed.dask)
        task = fuzz_run.in_a_process

    with Progress(parsed.quiet) as progress:
        progress.step("compile and simulate random models", parsed.seconds)
        summary = fuzz_run.fuzz(
            seeds,
            executor,
            width,
            parsed.output,
            task=task,
            seconds=parsed.seconds,
            tell=lambda text: None if parsed.quiet else progress.tell(text),
            counted=lambda done: progress.part(done, len(seeds), "models"),
        )
    if parsed.json:
        import json

        print(json.dumps(summary.to_json(), indent=2))
    elif not parsed.quiet:
        print(summary)
    return 3 if summary.verdicts["failed"] else 0
