"""`torch2hw fpga`: synthesis projects, and their reports where the tools are free."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from torch2hw.commands.model_arguments import compile_given, model_command
from torch2hw.tools.errors import UsageError

PART = "xcu50-fsvh2104-2-e"


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = model_command(commands, "fpga", "write a synthesis project; the yosys and ecp5 flows are also run")
    parser.add_argument(
        "--flow",
        choices=("vivado", "yosys", "ecp5", "vitis-hls"),
        required=True,
        help="tools: Vivado; Yosys; Yosys and nextpnr for ECP5; or Vitis HLS, for the same loops in C++",
    )
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="the directory to make")
    parser.add_argument("--part", default=PART, metavar="PART", help=f"vivado, vitis-hls: the device (default {PART})")
    parser.add_argument("--run", action="store_true", help="vivado, vitis-hls: run it too")


def run(parsed: argparse.Namespace) -> int:
    """Write the directory, and run the flow."""
    from torch2hw.fpga import flows
    from torch2hw.progress import Progress
    from torch2hw.tools.output import check_free

    check_free(parsed.output)
    if parsed.flow == "vitis-hls" and (parsed.schedule == "sequential" or parsed.sums == "block"):
        other = "--schedule sequential" if parsed.schedule == "sequential" else "--sums block"
        raise UsageError(f"--flow vitis-hls: unsupported with {other}", fix="leave one of the two out")
    with Progress(parsed.quiet) as progress:
        compiled = compile_given(parsed, progress, "scheduled" if parsed.flow == "vitis-hls" else None)
        progress.step(f"run the {parsed.flow} flow")
        answer = flows.write_flow(compiled, parsed.flow, parsed.output, parsed.part, parsed.run)
    if not parsed.quiet:
        print(answer)
    return 0
