"""The name of the top module, among those of a design's other modules."""

from __future__ import annotations

import re
from collections.abc import Collection

from torch2hw.dialects.program import Program
from torch2hw.frontend.refusals import CollidingModules

MODULE = re.compile(r"\bhw\.module(?:\.\w+)?(?: private)? @(\w+)")


def check_top(program: Program, definitions: Collection[str]) -> None:
    """Refuses a top module that is called like one that the texts define."""
    if any(program.name in MODULE.findall(text) for text in definitions):
        raise CollidingModules(
            f"the top module {program.name} would be called like a unit or memory in the design",
            location=location(program),
            why="every module of a design has a name of its own",
            fix="choose another --top",
        )


def location(program: Program) -> tuple[str, int] | None:
    """The file of the model, for refusals that concern no line of it."""
    files = [kernel.source.file for kernel in program.kernels if kernel.source is not None]
    return (files[0], 0) if files else None
