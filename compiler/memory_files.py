"""Weights in the SystemVerilog: as words inside it, or as files for `$readmemh` beside it where they exceed 1 MiB.

Before:  initial begin $readmemh("weights.memory", memory); end // a reference (hwlib/contents.py)
Inside:  initial begin memory[0] = 32'h3f800000; … end         // by `hwlib.contents.fill_verilog`
Beside:  initial begin $readmemh("OUT.mem/MODULE_memory.hex", memory); end

The file names are relative to the folder of OUT.sv, where simulators must be started. Where weights go to files, so do
the tables of units, whose words stand in the text from the start.

Blocks are found as text, for the reason in hwlib/contents.py: their lines are ours, copied by CIRCT as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch2hw.hwlib.contents import REFERENCE, Contents

LIMIT_BYTES = 1 << 20
_MODULE = re.compile(r"^module (\w+)", re.MULTILINE)
_STATEMENT = r"""(?:\w+\[\d+\] = \d+'h[0-9a-f]+;|\$readmemh\("[^"]+", \w+\);)"""
_BLOCK = re.compile(rf"^( *)initial begin\n((?: *{_STATEMENT}\n)+) *end // initial\n", re.MULTILINE)
_WORD = re.compile(r"(\w+)\[\d+\] = (\d+)'h([0-9a-f]+);")


def contents_bytes(verilog: str, table: Mapping[str, Contents]) -> int:
    """The size in bytes of the initial contents of a design's memories."""
    inside = (word for block in _BLOCK.finditer(verilog) for word in _WORD.finditer(block[2]))
    beside = sum(table[found[2]].bytes for found in REFERENCE.finditer(verilog))
    return beside + sum(-(-int(word[2]) // 8) for word in inside)


def move_contents(verilog: str, table: Mapping[str, Contents], folder: str) -> tuple[str, dict[str, str]]:
    """The design with its memories' contents in files of `folder`, and the files (name → text)."""
    starts = [(found.start(), found[1]) for found in _MODULE.finditer(verilog)]
    files: dict[str, str] = {}
    position = 0

    def moved(found: re.Match[str]) -> str:
        nonlocal position
        while position + 1 < len(starts) and starts[position + 1][0] < found.start():
            position += 1
        lines = [f"{found[1]}initial begin\n"]
        for memory, contents in _block_contents(found[2], table).items():  # a block may fill several memories
            name = f"{folder}/{starts[position][1]}_{memory}.hex"
            files[name] = contents
            lines.append(f'{found[1]}  $readmemh("{name}", {memory});\n')
        return "".join([*lines, f"{found[1]}end\n"])

    return _BLOCK.sub(moved, verilog), files


def _block_contents(block: str, table: Mapping[str, Contents]) -> dict[str, str]:
    """The contents of each memory of an initial block, as the text of a file."""
    found: dict[str, str] = {}
    for line in block.splitlines(keepends=True):
        reference, word = REFERENCE.match(line), _WORD.search(line)
        if reference is not None:
            found[reference[3]] = table[reference[2]].hexadecimal()
        elif word is not None:
            found[word[1]] = f"{found.get(word[1], '')}{word[3]}\n"
    return found
