"""The command `torch2hw`: arguments in, files and reports out, an exit status that means something.

Only the standard library and the options are imported before the arguments are understood, so `--help` and a mistyped
option answer at once.
"""

from __future__ import annotations

import argparse
import errno
import gc
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, Protocol

from torch2hw.commands import compile as compile_command
from torch2hw.commands import fpga, fuzz, passes, replay, report, simulate, sweep, testbench, units
from torch2hw.commands.model_arguments import MODEL_HELP
from torch2hw.compiler.version import __version__
from torch2hw.tools.errors import Torch2HWError, UsageError


class Command(Protocol):
    """A file of `commands/`."""

    def add(self, commands: Any) -> None:
        """Gives the parser the command's arguments."""

    def run(self, parsed: argparse.Namespace) -> int:
        """Does it; the exit status."""


COMMANDS: dict[str, Command] = {
    "compile": compile_command,
    "simulate": simulate,
    "report": report,
    "testbench": testbench,
    "fpga": fpga,
    "sweep": sweep,
    "units": units,
    "fuzz": fuzz,
    "passes": passes,
    "replay": replay,
}


COLLECTED_AFTER = (200_000, 20, 20)  # objects: with Python's 700 a fifth of a compilation goes into looking for garbage


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are `UsageError`s."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, fix="see torch2hw --help, or torch2hw COMMAND --help")


class Terminated(KeyboardInterrupt):
    """SIGTERM, which `timeout` and batch systems send: it ends what runs as Ctrl-C does."""


def _terminated(number: int, frame: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: what is being cleaned up stays so
    raise Terminated


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    if arguments is None:  # the process is ours
        gc.set_threshold(*COLLECTED_AFTER)
        signal.signal(signal.SIGTERM, _terminated)
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except Torch2HWError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    except Terminated:
        print("torch2hw: terminated; nothing was written", file=sys.stderr)
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        print("torch2hw: interrupted; nothing was written", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - a fault of ours outside any pass
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            full = UsageError(f"{error.filename or 'a file'}: cannot write: no space left on device", fix="make room")
            print(full, file=sys.stderr)
            return full.exit_status
        from torch2hw.tools.errors import InternalError

        print(InternalError(f"{type(error).__name__}: {error}", reproducer=_traceback_file(error)), file=sys.stderr)
        return InternalError.exit_status


def _traceback_file(error: Exception) -> str:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="torch2hw-", suffix=".txt", delete=False) as file:
        file.write("".join(traceback.format_exception(error)))
    return file.name


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in (*COMMANDS, "-h", "--help", "--version"):
        arguments = ["compile", *arguments]
    parsed = command_parser().parse_args(arguments)
    return COMMANDS[parsed.command].run(parsed)


def command_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; the documentation is made of it too."""
    parser = _Parser(
        prog="torch2hw",
        usage="torch2hw MODEL [options] -o OUT.sv\n       torch2hw COMMAND …",
        description="A PyTorch model becomes verified, statically scheduled SystemVerilog.",
        epilog=MODEL_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"torch2hw {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS.values():
        command.add(commands)
    return parser
