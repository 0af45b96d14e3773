"""Initial contents of memories: arrays beside the text of modules, which refers to them by name.

In CIRCT's text: sv.verbatim "$readmemh(\\22NAME\\22, {{0}});\\0A" (%memory) : …       (`reference`)
In SystemVerilog: $readmemh("NAME", memory);

NAME is not a file but a key of the table of contents that accompanies the text. `fill` and `fill_verilog` replace the
references by the words; compiler/memory_files.py replaces them by references to files.

Both edit text, not a tree: the words are kept out of CIRCT and slang, whose trees would take 670 bytes and 9 µs a word.
A reference is our own line, which CIRCT copies as it is (sv.verbatim), so its form is known to the character.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.unsignedinteger]

REFERENCE = re.compile(r'^( *)\$readmemh\("([^"]+)", (\w+)\);(?:\t//.*)?\n', re.MULTILINE)
"""A reference in SystemVerilog: its indentation, the name, the memory. A comment of CIRCT's may follow."""
_REFERENCE_IN_CIRCT = re.compile(r'sv\.verbatim "\$readmemh\(\\22([^"\\]+)\\22, \{\{0\}\}\);\\0A"')


@dataclass(frozen=True, eq=False)
class Contents:
    """One-dimensional `words`, unsigned and below 2**width_bits, from address 0 on; width_bits is at most 64."""

    width_bits: int
    words: Words

    @property
    def bytes(self) -> int:
        """Of all words, each in whole bytes."""
        return self.words.size * -(-self.width_bits // 8)

    def hexadecimal(self) -> str:
        """A line for each word, ceil(width_bits / 4) lowercase digits: a file for `$readmemh`."""
        size, digits = self.words.dtype.itemsize, (self.width_bits + 3) // 4
        raw = self.words.astype(f">u{size}").tobytes().hex().encode("ascii")
        lines = np.full((self.words.size, digits + 1), ord("\n"), np.uint8)
        lines[:, :digits] = np.frombuffer(raw, np.uint8).reshape(-1, 2 * size)[:, -digits:]
        return lines.tobytes().decode("ascii")

    def assignments(self, memory: str) -> list[str]:
        """`MEMORY[0] = 32'h3f800000;` …: a statement for each word."""
        return [f"{memory}[{i}] = {self.width_bits}'h{word};" for i, word in enumerate(self.hexadecimal().split())]


def unsigned_type(width_bits: int) -> np.dtype[np.unsignedinteger]:
    """The narrowest NumPy type of words of 1 to 64 bits."""
    assert 1 <= width_bits <= 64, width_bits
    return np.dtype(f"u{max(1, 1 << ((width_bits + 7) // 8 - 1).bit_length())}")


def contents(width_bits: int, words: Sequence[int] | NDArray[np.generic]) -> Contents:
    """`words` in their narrowest type. An AssertionError if one does not fit in width_bits."""
    array = np.asarray(words, np.uint64 if not isinstance(words, np.ndarray) else None)
    assert array.ndim == 1 and array.size, "a memory has at least one word"
    assert int(array.max()) >> width_bits == 0, f"a word has more than {width_bits} bits"
    return Contents(width_bits, array.astype(unsigned_type(width_bits), copy=False))


def reference(name: str) -> str:
    """The operation, without its operand, the memory."""
    return words_inside([rf"$readmemh(\22{name}\22, {{{{0}}}});"])


def words_inside(statements: Sequence[str]) -> str:
    """The operation, without its operand, that gives a memory its words itself: `{{0}}[0] = 32'h…;` …"""
    lines = "".join(statement + r"\0A" for statement in statements)
    return f'sv.verbatim "{lines}"'


def fill(circt: str, table: Mapping[str, Contents]) -> str:
    """CIRCT's text with the words themselves in the places of the references."""
    return _REFERENCE_IN_CIRCT.sub(lambda found: words_inside(table[found[1]].assignments("{{0}}")), circt)


def fill_verilog(verilog: str, table: Mapping[str, Contents]) -> str:
    """SystemVerilog with the words themselves in the places of the references."""
    return REFERENCE.sub(_assigned(table), verilog)


def _assigned(table: Mapping[str, Contents]) -> Callable[[re.Match[str]], str]:
    def assigned(found: re.Match[str]) -> str:
        indentation, name, memory = found.groups()
        return "".join(f"{indentation}{statement}\n" for statement in table[name].assignments(memory))

    return assigned
