"""Reads loop text, which `loop_text.py` prints, back to a `Program`. One line is one thing; indentation and blank lines
do not matter, `//` starts a comment line.

    program   := "program" @name "level" name "{" share* buffer* function+ model* "}"
    share     := "share" name ":" number
    buffer    := "buffer" @name ":" [size "x"]* type storage ["banks" factor ["x" factor]*] [codes] ["=" contents]
                 ["called" string] [loc]
    codes     := "codes" scale zero
    contents  := "[" hex ["," hex]* "]" | "weights" string
    function  := "function" @name "(" [@name ["," @name]*] ")" "->" "(" … ")" ["keeps" "(" … ")"] [start] "{" node* "}"
    node      := "seq" [start] "{" node* "}"
               | "par" @name [start] "{" node* "}"
               | "rounds" number [start] ["period" number] "{" node* "}"
               | "kernel" @name "(" loops ")" [start] ["interval" number "depth" number] ["lanes" number]
                 ["macs" number] [loc] "{" ["where" "(" indices ")"] stage* timing* "}"
    loops     := [%name ":" extent ["reduces" stage] ["in rounds"] ["," …]*]
    stage     := "stage" number "{" (statement | carry | store)* "}"
    carry     := "carry" %name "=" %first "next" %next ":" type [cycles]
    statement := %name "=" "constant" hex ":" type [cycles]
               | %name "=" "index" index ":" type [cycles]
               | %name "=" "load" access ["else" hex] ":" type [cycles] [loc]
               | %name "=" operation [predicate] %operands ":" types ["model" @name] ["iterative" [n]] [cycles] [loc]
    store     := "store" %name "to" access [cycles] [loc]
    access    := @name "[" indices "]" ["where" "(" indices ")"]
    types     := type | "(" type ["," type]* ")" "->" type
    timing    := "timing" %name cycles
    cycles    := "{" ["cycle" "=" number] ["," "ready" "=" number] "}"
    start     := "start" number
    model     := "model" "{" ("|" upstream MLIR)* "}"
    index     := see `index_parser.py`
    loc       := "loc(" string ":" line ")"

leaves: a program equal to the printed one in every field: index expressions have the terms that stand in the text.
The control tree is read here, kernels by `kernel_parser.py`, lines and words by `loop_cursor.py`.

refuses: any other text, as `LoopTextError` at its line. What the text says is not checked: `verify` does that.

why: a reader by lines, not a parser generator: FFNN at N = 16 (124 KB) takes it 0.04 s, lark's LALR parser 0.35 s for
    the tree alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from torch2hw.dialects import loop_lines
from torch2hw.dialects.kernel_parser import KernelParser, buffer_named
from torch2hw.dialects.loop_cursor import LoopCursor, LoopTextError, items, shown
from torch2hw.dialects.loops import Buffer, PortCodes
from torch2hw.dialects.number_types import NumberType
from torch2hw.dialects.program import Function, Node, Par, Program, Rounds, Seq
from torch2hw.dialects.storage import CLASSES

__all__ = ["LoopTextError", "parse_loop_text"]

Arrays = Callable[[str], NDArray[np.generic]]
"""Gives the array of a name in the text. KeyError where there is none."""


def parse_loop_text(text: str, arrays: Arrays, first_line: int = 1) -> Program:
    """The program. `first_line` is the number of the text's first line in its file, for errors."""
    return _ProgramParser(LoopCursor(text, first_line), arrays).program()


class _ProgramParser:
    def __init__(self, cursor: LoopCursor, arrays: Arrays) -> None:
        self.cursor, self.arrays = cursor, arrays
        self.buffers: dict[str, Buffer] = {}

    def program(self) -> Program:
        name, level = self.cursor.match(loop_lines.PROGRAM, self.cursor.next(), "beginning of a program").groups()
        if level not in ("affine", "scheduled"):
            self.cursor.fail(f"level {level} is not affine or scheduled")
        shared: dict[str, int] = {}
        functions: list[Function] = []
        models: list[str] = []
        for line in self.cursor.until_end():
            word = line.split(" ", 1)[0]
            if word == "share":
                unit, count = self.cursor.match(loop_lines.SHARE, line, "number of shared units").groups()
                shared[unit] = int(count)
            elif word == "buffer":
                self.buffer(line)
            elif word == "function":
                functions.append(self.function(line))
            elif line == "model {":
                models.append(self.model())
            else:
                self.cursor.fail(f"`{shown(line)}` is no share, buffer, function or model")
        if not functions:
            self.cursor.fail("the program has no function")
        for line in self.cursor.rest():
            self.cursor.fail(f"`{shown(line)}` stands after the end of the program")
        return Program(name, tuple(functions), tuple(models), level, shared)

    def buffer(self, line: str) -> None:
        found = self.cursor.match(loop_lines.BUFFER, line, "buffer")
        name, shape = found["name"], _sizes(found["shape"].rstrip("x"))
        if name in self.buffers:
            self.cursor.fail(f"there are two buffers @{name}")
        kind, storage = self.cursor.number_type(found["dtype"]), CLASSES.get(found["storage"])
        if storage is None:
            self.cursor.fail(f"{found['storage']} is no storage class: there are {', '.join(CLASSES)}")
        data = None
        if found["words"] is not None:
            words = [self.cursor.bits(word.strip(), kind) for word in found["words"].split(",")]
            data = self.shaped(np.array(words, dtype=kind.patterns), name, shape, kind)
        elif found["weights"] is not None:
            data = self.weights(json.loads(found["weights"]), name, shape, kind)
        if (data is not None) != storage.has_contents:
            self.cursor.fail(
                f"@{name} is of storage {storage.name}, which has {'no ' if data is not None else ''}contents"
            )
        factors = _sizes(found["factors"] or "")
        if factors and len(factors) != len(shape):
            self.cursor.fail(f"@{name} has {len(shape)} dimensions and {len(factors)} bank factors")
        codes = None if found["scale"] is None else PortCodes(float.fromhex(found["scale"]), int(found["zero"]))
        label = json.loads(found["label"] or '""')
        source = self.cursor.source(found)
        self.buffers[name] = Buffer(name, shape, kind.name, storage, data, source, factors, codes, label)

    def weights(self, key: str, name: str, shape: tuple[int, ...], kind: NumberType) -> NDArray[np.generic]:
        try:
            array = self.arrays(key)
        except KeyError:
            self.cursor.fail(f'the weights have no array "{key}", which @{name} holds')
        return self.shaped(array, name, shape, kind)

    def shaped(
        self, array: NDArray[np.generic], name: str, shape: tuple[int, ...], kind: NumberType
    ) -> NDArray[np.generic]:
        elements = int(np.prod(shape, dtype=np.int64))
        if array.size != elements or array.dtype != kind.patterns:
            held = f"its contents {array.size} of {array.dtype}"
            self.cursor.fail(f"@{name} has {elements} elements of {kind.patterns}, and {held}")
        return array.reshape(shape)

    def function(self, line: str) -> Function:
        found = self.cursor.match(loop_lines.FUNCTION, line, "beginning of a function")
        inputs, outputs, states = (
            tuple(buffer_named(self.cursor, self.buffers, name.removeprefix("@")) for name in items(found[ports] or ""))
            for ports in ("inputs", "outputs", "states")
        )
        return Function(found["name"], inputs, outputs, Seq(self.nodes(), int(found["start"] or 0)), states)

    def model(self) -> str:
        lines: list[str] = []
        for line in self.cursor.raw():
            if line.strip() == "}":
                return "\n".join(lines)
            if not line.lstrip().startswith("|"):
                self.cursor.fail("a line of a model begins with `|`")
            lines.append(line.split("|", 1)[1])
        return self.cursor.fail("the text ends inside a model")

    # -- the control tree ----------------------------------------------------------------------------------------------
    def nodes(self) -> tuple[Node, ...]:
        return tuple(self.node(line) for line in self.cursor.until_end())

    def node(self, line: str) -> Node:
        word = line.split(" ", 1)[0]
        if word == "kernel":
            return KernelParser(self.cursor, self.buffers, line).kernel()
        if word == "seq":
            found = self.cursor.match(loop_lines.SEQ, line, "beginning of a seq")
            return Seq(self.nodes(), int(found["start"] or 0))
        if word == "par":
            found = self.cursor.match(loop_lines.PAR, line, "beginning of a par")
            return Par(found["name"], self.nodes(), int(found["start"] or 0))
        if word == "rounds":
            found = self.cursor.match(loop_lines.ROUNDS, line, "beginning of rounds")
            return Rounds(int(found["count"]), self.nodes(), int(found["start"] or 0), int(found["period"] or 0))
        return self.cursor.fail(f"`{shown(line)}` is no kernel, seq, par or rounds")


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("x"))) if text else ()
