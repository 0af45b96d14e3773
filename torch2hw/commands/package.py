"""`torch2hw package`: a design as IP, with its system and its drivers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from torch2hw.commands.model_arguments import compile_given, model_command


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = model_command(commands, "package", "write the design as IP, with a system for a board, and drivers")
    parser.set_defaults(interface="axi")
    parser.add_argument("--board", metavar="NAME", required=True, help="pynq-z2, kv260, zcu104 or u50")
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="the directory to make")


def run(parsed: argparse.Namespace) -> int:
    """Write the directory."""
    from torch2hw.fpga.boards import board_of
    from torch2hw.progress import Progress
    from torch2hw.tools.output import check_free

    board = board_of(parsed.board, parsed.interface)
    check_free(parsed.output)
    with Progress(parsed.quiet) as progress:
        compiled = compile_given(parsed, progress)
        progress.step("write the package")
        from torch2hw.fpga.package import write_package

        write_package(compiled, compiled.loaded.example_inputs, board, parsed.output)
    if not parsed.quiet:
        print(f"{parsed.output}: README says how a system is made of it")
    return 0
