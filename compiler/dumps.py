"""Files of programs between passes: dumps, and the reproducer of a fault. `stored_text` says what is in them.

A dump is `DIR/NN-pass-name.mlir` (`.sv` at the last level) with `DIR/weights.npz`, which all dumps of the folder share.
A reproducer is a temporary file with the program that the failing pass was given and the Python traceback; its arrays
are beside it, in a file of the same stem. `torch2hw replay` goes on from either.
"""

from __future__ import annotations

import secrets
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch2hw.compiler import array_file
from torch2hw.compiler.driver import Context, LevelProgram, Pass
from torch2hw.compiler.stored_programs import Arrays, manifest_of, sections_of
from torch2hw.compiler.stored_text import Heading, Section, stored_text
from torch2hw.tools.output import refusing, write_files
from torch2hw.tools.unfinished import lasting_folder, unfinished

WEIGHTS = "weights.npz"


@dataclass
class Dumps:
    """The files of one run of `passes`; `context` is the driver's. Without a `folder` there are no dumps. `manifest`:
    what the design's manifest says so far (`manifest_of`)."""

    folder: Path | None
    passes: Sequence[Pass]
    context: Context
    manifest: dict[str, Any] = field(default_factory=dict)
    last: list[Section] | None = None

    def accept(self, number: int, before: LevelProgram, after: LevelProgram) -> None:
        """Dumps the program `after` pass number `number`, if its text differs from that of the program before."""
        self.manifest = manifest_of(after) or self.manifest
        if self.folder is None:
            return
        arrays = Arrays()
        sections = sections_of(after, arrays)
        if self.last is None:
            self.last = sections_of(before, Arrays())
        if sections != self.last:
            step = self.passes[number - 1]
            with refusing(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
            array_file.add(self.folder / WEIGHTS, arrays.held)
            heading = self.heading(number, step.target, WEIGHTS if arrays.held else "")
            suffix = "sv" if step.target == "sv" else "mlir"
            text = stored_text(heading, sections)
            write_files({self.folder / f"{number:02}-{step.name}.{suffix}": text})
        self.last = sections

    def heading(self, number: int, level: str, weights: str) -> Heading:
        """The header of a program that pass number `number` left; 0 for the first program."""
        name = self.passes[number - 1].name if number else "start"
        following = self.passes[number].name if number < len(self.passes) else ""
        context = self.context
        return Heading(level, number, name, following, context.top, context.options, weights, self.manifest)

    def reproducer(self, number: int, program: LevelProgram | None, error: Exception) -> str:
        """A file with the program that pass number `number` failed on, if there is one; its name."""
        remarks = [line for part in traceback.format_exception(error) for line in part.rstrip().split("\n")]
        arrays, sections = Arrays(), list[Section]()
        name = self.passes[number - 1].name if number else "import-torch"
        try:
            sections = [] if program is None else sections_of(program, arrays)
        except Exception as unprintable:  # noqa: BLE001 - the fault that we report is the other one
            remarks.append(f"the program cannot be printed: {unprintable}")
        path = lasting_folder() / f"torch2hw-{name}-{secrets.token_hex(4)}.mlir"
        weights = path.with_suffix(".npz")
        with unfinished(weights, path):
            array_file.add(weights, arrays.held)
            level = self.passes[number - 1].source if number else "torch"
            heading = self.heading(max(number - 1, 0), level, weights.name if arrays.held else "")
            path.write_text(stored_text(heading, sections, remarks), encoding="utf-8", newline="\n")
        return str(path)
