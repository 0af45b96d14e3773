"""`torch2hw compile`, which no command means: write SystemVerilog and its manifest, or an intermediate form."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from torch2hw.commands.argument_types import output_file
from torch2hw.commands.checking import CHECK_HELP, check_hardware, print_checked
from torch2hw.commands.model_arguments import compile_given, model_command
from torch2hw.commands.passes import pass_named
from torch2hw.tools.errors import UsageError

EMIT = ("torch", "linalg", "affine", "scheduled", "scf", "calyx", "futil", "hw", "sv", "hls")


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = model_command(commands, "compile", "write SystemVerilog and its manifest (the default command)")
    parser.add_argument("-o", "--output", metavar="OUT.sv", type=output_file, help="the file to write")
    parser.add_argument(
        "--emit", choices=EMIT, default="sv", metavar="LEVEL", help=f"stop at a level and write it: {' '.join(EMIT)}"
    )
    parser.add_argument("--stop-after", metavar="PASS", help="stop after a pass and write the program")
    parser.add_argument("--check", action="store_true", help=CHECK_HELP)


def run(parsed: argparse.Namespace) -> int:
    """Compile and write."""
    from torch2hw.progress import Progress
    from torch2hw.tools.output import check_writable

    whole = parsed.emit == "sv" and parsed.stop_after is None
    if parsed.output is None and whole:
        raise UsageError("no output file", fix=f"add -o {Path(parsed.spec).stem.split(':')[-1]}.sv")
    if parsed.output is not None:
        check_writable(parsed.output)
    if parsed.stop_after is not None:
        pass_named(parsed.stop_after)
    if parsed.emit == "futil" and parsed.stop_after:
        raise UsageError("--emit futil: unsupported with --stop-after", fix="leave one of the two out")
    if parsed.emit == "hls" and (parsed.schedule == "sequential" or parsed.sums == "block" or parsed.stop_after):
        other = "--schedule sequential" if parsed.schedule == "sequential" else "--sums block"
        other = "--stop-after" if parsed.stop_after else other
        raise UsageError(f"--emit hls: unsupported with {other}", fix="leave one of the two out")
    if parsed.emit == "hls" and parsed.keep_state:
        raise UsageError("--emit hls: unsupported with --keep-state", fix="leave one of the two out")
    with Progress(parsed.quiet) as progress:
        compiled = compile_given(parsed, progress, stop_level(parsed, parsed.schedule), parsed.stop_after)
        if whole and parsed.check:
            check_hardware(compiled, progress)
        manifest = written_design(parsed, compiled) if whole else None
    if parsed.check and not parsed.quiet:
        print_checked(compiled.checked, whole)
    if manifest is None:
        write_emitted(parsed, compiled)
    else:
        print_design(parsed, manifest)
    return 0


def stop_level(parsed: argparse.Namespace, schedule: str) -> str:
    """The level of the passes that `--emit` needs."""
    if parsed.emit == "scf" and schedule == "static":
        return "scheduled"  # scf is a level of the sequential schedule
    level: str = {"futil": "calyx", "hls": "scheduled"}.get(parsed.emit, parsed.emit)
    return level


def written_design(parsed: argparse.Namespace, design: Any) -> dict[str, Any]:
    """Write the SystemVerilog and what goes with it; the manifest."""
    from torch2hw.compiler.design_files import write_design

    return write_design(design, parsed.output, last=True)


def print_design(parsed: argparse.Namespace, manifest: dict[str, Any]) -> None:
    """Say what was written."""
    import json

    if parsed.json:
        print(json.dumps(manifest, indent=2))
    elif not parsed.quiet:
        cycles, macs = f"{manifest['latency_cycles']:,}", f"{manifest['macs']:,}"
        print(f"{parsed.output}: {manifest['top']}, {cycles} cycles, multiply-accumulates: {macs}")


def write_emitted(parsed: argparse.Namespace, design: Any) -> None:
    """Write the program at the level of `--emit`, or after the pass of `--stop-after`; without -o, print it."""
    from torch2hw.tools.output import write_files

    if parsed.emit == "futil":
        from torch2hw.compiler.native_calyx import native_texts, write_native

        if parsed.output is None:
            sys.stdout.write(native_texts(design, f"{design.top}.futil").futil)
        else:
            write_native(design, parsed.output, last=True)
        return
    if parsed.emit == "scf" and design.options.schedule == "static" and parsed.stop_after is None:
        from torch2hw.lowering.static import scheduled_to_scf

        text = scheduled_to_scf.emit(design.at("scheduled"))
    else:
        text = design.result.text()
    if parsed.emit == "hls":
        from torch2hw.lowering.static import affine_to_hls

        text = affine_to_hls.emit(design.at("scheduled"))
    if parsed.output is None:
        sys.stdout.write(text)
    else:
        write_files({parsed.output: text}, last=True)
