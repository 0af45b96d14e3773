"""The lines of a loop text one after another, and what is read inside them: types, bit patterns, source locations.

Every fault is a `LoopTextError` at the line that was read last. `loop_parser.py` has the grammar.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NoReturn

from torch2hw.dialects.loops import Source
from torch2hw.dialects.number_types import NUMBER_TYPES, NumberType, find_number_type


class LoopTextError(ValueError):
    """The text cannot be read: `what` is wrong in line number `line` of it, counted from 1."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(f"line {line}: {what}")
        self.what, self.line = what, line


class LoopCursor:
    """A position in a text; `first_line` is the number of its first line. Blank lines and comments are skipped."""

    def __init__(self, text: str, first_line: int) -> None:
        self.number = first_line - 1
        self.lines = iter(text.split("\n"))
        self.sources: dict[tuple[str, str], Source] = {}

    # -- lines ---------------------------------------------------------------------------------------------------------
    def next(self) -> str:
        """The next line with something on it, without its indentation."""
        line = next(self.rest(), None)
        return self.fail("the text ends before the program does") if line is None else line

    def rest(self) -> Iterator[str]:
        """All lines to come with something on them, without their indentation."""
        for line in self.raw():
            stripped = line.strip()
            if stripped and not stripped.startswith("//"):
                yield stripped

    def raw(self) -> Iterator[str]:
        """All lines to come as they are, blank ones and comments too."""
        for line in self.lines:
            self.number += 1
            yield line

    def until_end(self) -> Iterator[str]:
        """The lines up to the `}` that ends what has been opened."""
        while (line := self.next()) != "}":
            yield line

    def fail(self, what: str) -> NoReturn:
        """Refuse the line that was read last."""
        raise LoopTextError(what, self.number)

    def match(self, pattern: re.Pattern[str], line: str, what: str) -> re.Match[str]:
        """The parts of a line; refused as no `what` where it is none."""
        found = pattern.fullmatch(line)
        return self.fail(f"`{shown(line)}` is no {what}") if found is None else found

    # -- words ---------------------------------------------------------------------------------------------------------
    def number_type(self, name: str) -> NumberType:
        """The number type of that name."""
        found = find_number_type(name)
        return self.fail(f"{name} is no number type: there are {', '.join(NUMBER_TYPES)}") if found is None else found

    def bits(self, text: str, kind: NumberType) -> int:
        """A bit pattern in hexadecimal, which must fit the type."""
        if not re.fullmatch(r"0x[0-9a-f]+", text) or int(text, 16) > kind.mask:
            self.fail(f"{text} is no bit pattern of {kind.name}, such as 0x{0:0{-(-kind.bits // 4)}x}")
        return int(text, 16)

    def source(self, found: re.Match[str]) -> Source | None:
        """The source location that a line names with `loc`; equal ones are one object. None without `loc`."""
        if found["file"] is None:
            return None
        key = found["file"], found["line"]
        if key not in self.sources:
            self.sources[key] = Source(json.loads(key[0]), int(key[1]))
        return self.sources[key]


def items(text: str) -> list[str]:
    """The items of a list with commas; none of an empty one."""
    return [item.strip() for item in text.split(",")] if text.strip() else []


def shown(line: str) -> str:
    """A line as messages quote it, cut where it is long."""
    return line if len(line) <= 80 else f"{line[:77]}…"
