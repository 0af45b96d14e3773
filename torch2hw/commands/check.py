"""`torch2hw check`: what becomes of each line of a model, and all that is refused, before anything is compiled."""

from __future__ import annotations

import argparse
import json
from typing import Any

from torch2hw.commands.model_arguments import model_command, options_of


def add(commands: Any) -> None:
    """The command's arguments."""
    model_command(commands, "check", "say what of a model is supported, decomposed, expensive and refused, by line")


def run(parsed: argparse.Namespace) -> int:
    """Print the lines and the refusals; 1 if there is one."""
    from torch2hw.progress import Progress

    with Progress(parsed.quiet) as progress:
        progress.step("start PyTorch")
        from torch2hw.compiler.model_check import check_model
        from torch2hw.frontend.load_model import load

        loaded = load(parsed.spec, parsed.model, parsed.input, parsed.top_function)
        progress.step("check")
        found = check_model(loaded, options_of(parsed))
    print(json.dumps(found.to_json(), indent=2) if parsed.json else found)
    return 1 if found.refused else 0
