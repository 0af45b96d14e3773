"""Weights outside the SystemVerilog: initial contents of memories as files for `$readmemh`, where they exceed 1 MiB.

Before:  initial begin memory[0] = 32'h3f800000; … end
After:   initial begin $readmemh("OUT.mem/MODULE_memory.hex", memory); end

The file names are relative to OUT.sv's folder. A simulator is to be started there.
"""

from __future__ import annotations

import re

LIMIT_BYTES = 1 << 20
_MODULE = re.compile(r"^module (\w+)", re.MULTILINE)
_CONTENTS = re.compile(r"^( *)initial begin\n((?: *\w+\[\d+\] = \d+'h[0-9a-f]+;\n)+) *end // initial\n", re.MULTILINE)
_WORD = re.compile(r"(\w+)\[\d+\] = (\d+)'h([0-9a-f]+);")


def contents_bytes(verilog: str) -> int:
    """How many bytes of initial contents the memories of a design have."""
    contents = "".join(found[2] for found in _CONTENTS.finditer(verilog))
    return sum(-(-int(word[2]) // 8) for word in _WORD.finditer(contents))


def move_contents(verilog: str, folder: str) -> tuple[str, dict[str, str]]:
    """The design with its memories' contents in files of `folder`, and the files (name → text)."""
    starts = [(found.start(), found[1]) for found in _MODULE.finditer(verilog)]
    files: dict[str, str] = {}
    position = 0

    def moved(found: re.Match[str]) -> str:
        nonlocal position
        while position + 1 < len(starts) and starts[position + 1][0] < found.start():
            position += 1
        words: dict[str, list[str]] = {}  # a block may fill several memories
        for word in _WORD.finditer(found[2]):
            words.setdefault(word[1], []).append(word[3])
        lines = [f"{found[1]}initial begin\n"]
        for memory, contents in words.items():
            name = f"{folder}/{starts[position][1]}_{memory}.hex"
            files[name] = "\n".join(contents) + "\n"
            lines.append(f'{found[1]}  $readmemh("{name}", {memory});\n')
        return "".join([*lines, f"{found[1]}end\n"])

    return _CONTENTS.sub(moved, verilog), files
