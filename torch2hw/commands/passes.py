"""`torch2hw passes`: the passes in order; the contract of one."""

from __future__ import annotations

import argparse
from typing import Any

from torch2hw.tools.errors import UsageError


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser(
        "passes", help="list the passes in order; with NAME, print the contract of a pass", allow_abbrev=False
    )
    parser.add_argument("name", metavar="NAME", nargs="?")


def run(parsed: argparse.Namespace) -> int:
    """Print the list, or the contract."""
    from torch2hw.compiler.pipeline import SCHEDULES, contract_of

    if parsed.name is None:
        for schedule, passes in SCHEDULES.items():
            print(f"--schedule {schedule}")
            for number, step in enumerate(passes, 1):
                levels = step.source if step.source == step.target else f"{step.source} → {step.target}"
                print(f"{number:4}  {step.name:24}{levels}")
        return 0
    print(contract_of(pass_named(parsed.name)))
    return 0


def pass_named(name: str) -> Any:
    """The pass of that name in either schedule; UsageError if there is none."""
    from torch2hw.compiler.pipeline import SCHEDULES

    found = [step for passes in SCHEDULES.values() for step in passes if step.name == name]
    if not found:
        raise UsageError(f"no pass is called {name}", fix="torch2hw passes lists them")
    return found[0]
