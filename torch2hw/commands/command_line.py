"""All commands, and the parser of the whole command line.

Only the standard library and the options are imported before the arguments are understood, so `--help` and a mistyped
option answer at once.
"""

from __future__ import annotations

import argparse
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, Protocol

from torch2hw.commands import (
    cache,
    check,
    fpga,
    fuzz,
    package,
    passes,
    replay,
    report,
    search,
    simulate,
    sweep,
    testbench,
    train,
    units,
)
from torch2hw.commands import compile as compile_command
from torch2hw.commands.model_arguments import MODEL_HELP
from torch2hw.compiler.version import __version__
from torch2hw.tools.errors import UsageError


class Command(Protocol):
    """A file of `commands/`."""

    def add(self, commands: Any) -> None:
        """Gives the parser the command's arguments."""

    def run(self, parsed: argparse.Namespace) -> int:
        """Does it; the exit status."""


COMMANDS: dict[str, Command] = {
    "compile": compile_command,
    "simulate": simulate,
    "train": train,
    "check": check,
    "report": report,
    "testbench": testbench,
    "fpga": fpga,
    "package": package,
    "sweep": sweep,
    "search": search,
    "units": units,
    "fuzz": fuzz,
    "passes": passes,
    "replay": replay,
    "cache": cache,
}


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are `UsageError`s."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, fix="see torch2hw --help, or torch2hw COMMAND --help")


def parsed_arguments(arguments: list[str]) -> argparse.Namespace:
    """What the arguments mean; `compile` where they begin with no command. Raises UsageError."""
    if not arguments or arguments[0] not in (*COMMANDS, "-h", "--help", "--version"):
        if arguments:
            _check_mistyped(arguments[0])
        arguments = ["compile", *arguments]
    return command_parser().parse_args(arguments)


def _check_mistyped(word: str) -> None:
    """Raises UsageError for a word that is no command and cannot mean a model."""
    if word.startswith("-") or set(word) & set(".:/") or Path(word).exists():
        return
    near = get_close_matches(word, COMMANDS, 1)
    fix = f"did you mean torch2hw {near[0]}?" if near else "see torch2hw --help"
    raise UsageError(f"{word}: no such command, and no such file", fix=fix)


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
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, prog="torch2hw")
    for command in COMMANDS.values():
        command.add(commands)
    return parser
