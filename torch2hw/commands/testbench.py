"""`torch2hw testbench`: cocotb testbenches for every module."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from torch2hw.commands.argument_types import whole
from torch2hw.commands.model_arguments import compile_given, model_command
from torch2hw.tools.errors import UsageError


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = model_command(commands, "testbench", "write cocotb testbenches for the design, its kernels and its units")
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="the directory to make")
    parser.add_argument("--seed", type=whole, default=1, metavar="N", help="seed of the random stimulus (default 1)")


def run(parsed: argparse.Namespace) -> int:
    """Write the directory."""
    from torch2hw.progress import Progress
    from torch2hw.sim.testbench import write_testbench
    from torch2hw.tools.output import check_free

    check_free(parsed.output)
    if parsed.keep_state:
        why = "its benches reset and repeat runs, which begin with the same state there"
        raise UsageError("testbench: unsupported with --keep-state", why=why, fix="leave it out")
    with Progress(parsed.quiet) as progress:
        compiled = compile_given(parsed, progress)
        progress.step("compute what the benches expect")
        write_testbench(compiled, compiled.loaded.example_inputs, parsed.output, parsed.seed)
    if not parsed.quiet:
        print(f"{parsed.output}: run pytest or make there; README.md says what is in it")
    return 0
