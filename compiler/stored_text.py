"""The file of a program at some level, as `--dump` and reproducers write it and `replay` reads it: header and sections.

    // torch2hw 0.1.0
    // level: affine
    // pass: 13 bank-memories
    // next: 14 share-memories
    // top: ffnn
    // options: {"partition": 2}
    // weights: weights.npz
    // ----- program
    program @ffnn level affine {
      …
    }
    // ----- end

| field     | meaning                                                                                       |
|-----------|-----------------------------------------------------------------------------------------------|
| torch2hw  | the version that wrote the file, the only one that reads it                                   |
| level     | of the program                                                                                |
| pass      | the pass that left the program, and its number; of a program that no pass has left: 0 start    |
| next      | the pass that comes next, and its number; after the last pass it is left out                   |
| top       | name of the top module where the options do not say one                                       |
| options   | those that are not the defaults, by their names in the Python interface, as a JSON object      |
| weights   | the file beside this one that holds the arrays (`array_file`); left out where there are none  |
| manifest  | from calyx on: the manifest without the names of files, as a JSON object                      |
| digest    | of the sections: `Stored.edited` says whether somebody changed them since                      |

A line `// ----- TITLE` starts a section, `// ----- end` ends the file. Other comment lines of the header (`// | …`, a
traceback) say nothing to `replay`. Nothing in the file depends on where it lies.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from torch2hw.compiler.options import Options
from torch2hw.compiler.version import __version__
from torch2hw.tools.errors import Torch2HWError

RULE = "// ----- "
END = f"{RULE}end"
_FIELD = re.compile(r"// (\w+): (.*)")
_VERSION = re.compile(r"// torch2hw (\S+)")


class NotReplayable(Torch2HWError):
    """A file that `replay` cannot use. The location is its line, or 0 for the file as a whole."""

    code = "not-replayable"


@dataclass(frozen=True)
class Section:
    """A part of the file. `line` is the number of its first line in the file."""

    title: str
    text: str
    line: int = 0


@dataclass(frozen=True)
class Heading:
    """The header's fields. Passes are numbered from 1 in their schedule's order; `next_pass` is "" after the last."""

    level: str
    number: int
    pass_name: str
    next_pass: str
    top: str
    options: Options
    weights: str = ""
    manifest: dict[str, Any] = field(default_factory=dict)
    version: str = __version__

    def lines(self) -> list[str]:
        """The header's lines."""
        defaults = Options()
        given = {
            name: value for name, value in dataclasses.asdict(self.options).items() if value != getattr(defaults, name)
        }
        given.pop("calibrate", None)  # a path of the user's, and read by now
        if "float_lib" in given:  # a path of the user's
            given["float_lib"] = given["float_lib"].partition(":")[0]
        found = [f"// torch2hw {self.version}", f"// level: {self.level}", f"// pass: {self.number} {self.pass_name}"]
        found += [f"// next: {self.number + 1} {self.next_pass}"] if self.next_pass else []
        found += [f"// top: {self.top}", f"// options: {json.dumps(given)}"]
        found += [f"// weights: {self.weights}"] if self.weights else []
        found += [f"// manifest: {json.dumps(self.manifest)}"] if self.manifest else []
        return found


def stored_text(heading: Heading, sections: Sequence[Section], remarks: Sequence[str] = ()) -> str:
    """The file's text; `remarks` are lines for people to read."""
    body = "".join([*(f"{RULE}{section.title}\n{section.text}\n" for section in sections), END, "\n"])
    lines = [*heading.lines(), f"// digest: {_digest(body)}", *(f"// | {line}" for line in remarks)]
    return "\n".join([*lines, body])


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Stored:
    """A file that was read: `fields` are those of its header, each with the number of its line; `edited` if the text of
    its sections is not what was written."""

    fields: dict[str, tuple[str, int]]
    sections: tuple[Section, ...]
    edited: bool

    def named(self, title: str) -> Section | None:
        """The first section of that title."""
        return next((section for section in self.sections if section.title == title), None)


def read_stored(text: str, file: str) -> Stored:
    """The parts of a file's text. Refuses files of other kinds or of other versions, and truncated ones."""
    lines = text.split("\n")
    version = _VERSION.fullmatch(lines[0])
    if version is None:
        raise NotReplayable(
            "this file has no header of torch2hw",
            location=(file, 1),
            why="replay goes on from files that --dump and reproducers write",
            fix="write one with torch2hw MODEL --dump DIR -o OUT.sv",
        )
    if version[1] != __version__:
        raise NotReplayable(
            f"torch2hw {version[1]} wrote this file, and this is torch2hw {__version__}",
            location=(file, 1),
            why="passes and text change from version to version",
            fix=f"write it again with this version, or replay it with torch2hw {version[1]}",
        )
    starts = [number for number, line in enumerate(lines) if line.startswith(RULE)]
    if not starts or lines[starts[-1]] != END:
        raise NotReplayable(
            f"the file does not end with `{END}`",
            location=(file, len(lines)),
            why="it is truncated, or not whole for another reason",
            fix="write it again",
        )
    fields = {}
    for number, line in enumerate(lines[: starts[0]], 1):
        found = _FIELD.fullmatch(line)
        if found is not None:
            fields[found[1]] = found[2], number
    sections = [
        Section(lines[start].removeprefix(RULE), "\n".join(lines[start + 1 : end]), start + 2)
        for start, end in pairwise(starts)
    ]
    edited = fields.get("digest", ("", 0))[0] != _digest("\n".join(lines[starts[0] :]))
    return Stored(fields, tuple(sections), edited)
