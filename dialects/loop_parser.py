"""Reads loop text, which `loop_text.py` prints, back to a `Program`. One line is one thing; indentation and blank lines
do not matter, `//` starts a comment line.

    program   := "program" @name "level" name "{" share* buffer* function+ model* "}"
    share     := "share" name ":" number
    buffer    := "buffer" @name ":" [size "x"]* type storage ["banks" factor ["x" factor]*] ["=" contents] [loc]
    contents  := "[" hex ["," hex]* "]" | "weights" string
    function  := "function" @name "(" [@name ["," @name]*] ")" "->" "(" … ")" [start] "{" node* "}"
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
               | %name "=" operation [predicate] %operands ":" types ["model" @name] ["iterative"] [cycles] [loc]
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
refuses: any other text, as `LoopTextError` at its line. What the text says is not checked: `verify` does that.

why: a reader by lines, not a parser generator: FFNN at N = 16 (124 KB) takes it 0.04 s, lark's LALR parser 0.35 s for
    the tree alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from torch2hw.dialects import loop_lines
from torch2hw.dialects.index_parser import IndexTextError, parse_index
from torch2hw.dialects.loops import (
    Buffer,
    Carried,
    Constant,
    IndexValue,
    Kernel,
    Load,
    Loop,
    Operation,
    Source,
    Stage,
    Statement,
    Store,
)
from torch2hw.dialects.number_types import NUMBER_TYPES, NumberType
from torch2hw.dialects.program import Function, Node, Par, Program, Rounds, Seq
from torch2hw.dialects.quasi_affine import Index, Variable
from torch2hw.dialects.schedule import Schedule
from torch2hw.dialects.storage import CLASSES

Arrays = Callable[[str], NDArray[np.generic]]
"""Gives the array of a name in the text. KeyError where there is none."""


class LoopTextError(ValueError):
    """The text cannot be read: `what` is wrong in line number `line` of it, counted from 1."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(f"line {line}: {what}")
        self.what, self.line = what, line


def parse_loop_text(text: str, arrays: Arrays, first_line: int = 1) -> Program:
    """The program. `first_line` is the number of the text's first line in its file, for errors."""
    return _Reader(text, arrays, first_line).program()


@dataclass
class _Kernel:
    """What is known of a kernel while its lines are read."""

    loops: dict[str, Variable]
    stages: list[Stage] = field(default_factory=list)
    start: dict[str, int] = field(default_factory=dict)
    ready: dict[str, int] = field(default_factory=dict)
    store_cycles: list[int] = field(default_factory=list)
    indices: dict[str, Index] = field(default_factory=dict)  # those read before, by their text


class _Reader:
    def __init__(self, text: str, arrays: Arrays, first_line: int) -> None:
        self.arrays, self.number = arrays, first_line - 1
        self.lines = iter(text.split("\n"))
        self.buffers: dict[str, Buffer] = {}
        self.sources: dict[tuple[str, str], Source] = {}

    # -- lines ---------------------------------------------------------------------------------------------------------
    def next(self) -> str:
        """The next line with something on it, without its indentation."""
        for line in self.lines:
            self.number += 1
            stripped = line.strip()
            if stripped and not stripped.startswith("//"):
                return stripped
        return self.fail("the text ends before the program does")

    def until_end(self) -> Iterator[str]:
        """The lines up to the `}` that ends what has been opened."""
        while (line := self.next()) != "}":
            yield line

    def fail(self, what: str) -> NoReturn:
        raise LoopTextError(what, self.number)

    def match(self, pattern: re.Pattern[str], line: str, what: str) -> re.Match[str]:
        found = pattern.fullmatch(line)
        return self.fail(f"`{_shown(line)}` is no {what}") if found is None else found

    # -- the program ---------------------------------------------------------------------------------------------------
    def program(self) -> Program:
        name, level = self.match(loop_lines.PROGRAM, self.next(), "beginning of a program").groups()
        if level not in ("affine", "scheduled"):
            self.fail(f"level {level} is not affine or scheduled")
        shared: dict[str, int] = {}
        functions: list[Function] = []
        models: list[str] = []
        for line in self.until_end():
            word = line.split(" ", 1)[0]
            if word == "share":
                unit, count = self.match(loop_lines.SHARE, line, "number of shared units").groups()
                shared[unit] = int(count)
            elif word == "buffer":
                self.buffer(line)
            elif word == "function":
                functions.append(self.function(line))
            elif line == "model {":
                models.append(self.model())
            else:
                self.fail(f"`{_shown(line)}` is no share, buffer, function or model")
        if not functions:
            self.fail("the program has no function")
        for line in self.lines:
            self.number += 1
            if line.strip() and not line.strip().startswith("//"):
                self.fail(f"`{_shown(line.strip())}` stands after the end of the program")
        return Program(name, tuple(functions), tuple(models), level, shared)

    def buffer(self, line: str) -> None:
        found = self.match(loop_lines.BUFFER, line, "buffer")
        name, shape = found["name"], _sizes(found["shape"].rstrip("x"))
        if name in self.buffers:
            self.fail(f"there are two buffers @{name}")
        kind, storage = self.number_type(found["dtype"]), CLASSES.get(found["storage"])
        if storage is None:
            self.fail(f"{found['storage']} is no storage class: there are {', '.join(CLASSES)}")
        data = None
        if found["words"] is not None:
            words = [self.bits(word.strip(), kind) for word in found["words"].split(",")]
            data = self.shaped(np.array(words, dtype=kind.patterns), name, shape, kind)
        elif found["weights"] is not None:
            data = self.weights(json.loads(found["weights"]), name, shape, kind)
        if (data is not None) != storage.has_contents:
            self.fail(f"@{name} is of storage {storage.name}, which has {'no ' if data is not None else ''}contents")
        factors = _sizes(found["factors"] or "")
        if factors and len(factors) != len(shape):
            self.fail(f"@{name} has {len(shape)} dimensions and {len(factors)} bank factors")
        self.buffers[name] = Buffer(name, shape, kind.name, storage, data, self.source(found), factors)

    def weights(self, key: str, name: str, shape: tuple[int, ...], kind: NumberType) -> NDArray[np.generic]:
        try:
            array = self.arrays(key)
        except KeyError:
            self.fail(f'the weights have no array "{key}", which @{name} holds')
        return self.shaped(array, name, shape, kind)

    def shaped(
        self, array: NDArray[np.generic], name: str, shape: tuple[int, ...], kind: NumberType
    ) -> NDArray[np.generic]:
        elements = int(np.prod(shape, dtype=np.int64))
        if array.size != elements or array.dtype != kind.patterns:
            held = f"its contents {array.size} of {array.dtype}"
            self.fail(f"@{name} has {elements} elements of {kind.patterns}, and {held}")
        return array.reshape(shape)

    def function(self, line: str) -> Function:
        found = self.match(loop_lines.FUNCTION, line, "beginning of a function")
        inputs, outputs = (
            tuple(self.buffer_named(name.removeprefix("@")) for name in _items(found[ports]))
            for ports in ("inputs", "outputs")
        )
        return Function(found["name"], inputs, outputs, Seq(self.nodes(), int(found["start"] or 0)))

    def model(self) -> str:
        lines: list[str] = []
        for line in self.lines:
            self.number += 1
            if line.strip() == "}":
                return "\n".join(lines)
            if not line.lstrip().startswith("|"):
                self.fail("a line of a model begins with `|`")
            lines.append(line.split("|", 1)[1])
        return self.fail("the text ends inside a model")

    # -- the control tree ----------------------------------------------------------------------------------------------
    def nodes(self) -> tuple[Node, ...]:
        return tuple(self.node(line) for line in self.until_end())

    def node(self, line: str) -> Node:
        word = line.split(" ", 1)[0]
        if word == "kernel":
            return self.kernel(line)
        if word == "seq":
            found = self.match(loop_lines.SEQ, line, "beginning of a seq")
            return Seq(self.nodes(), int(found["start"] or 0))
        if word == "par":
            found = self.match(loop_lines.PAR, line, "beginning of a par")
            return Par(found["name"], self.nodes(), int(found["start"] or 0))
        if word == "rounds":
            found = self.match(loop_lines.ROUNDS, line, "beginning of rounds")
            return Rounds(int(found["count"]), self.nodes(), int(found["start"] or 0), int(found["period"] or 0))
        return self.fail(f"`{_shown(line)}` is no kernel, seq, par or rounds")

    def kernel(self, line: str) -> Kernel:
        head = self.match(loop_lines.KERNEL, line, "beginning of a kernel")
        loops = []
        for item in _items(head["loops"]):
            found = self.match(loop_lines.LOOP, item, "loop")
            reduced_by = None if found["stage"] is None else int(found["stage"])
            loops.append(Loop(Variable(found["name"], int(found["extent"])), reduced_by, found["rounds"] is not None))
        source = self.source(head)
        kernel = _Kernel({loop.variable.name: loop.variable for loop in loops})
        domain: tuple[Index, ...] = ()
        for inner in self.until_end():
            word = inner.split(" ", 1)[0]
            if word == "stage":
                number = int(self.match(loop_lines.STAGE, inner, "beginning of a stage")[1])
                if number != len(kernel.stages):
                    self.fail(f"stage {number} stands where stage {len(kernel.stages)} does")
                kernel.stages.append(self.stage(kernel))
            elif word == "where":
                domain = self.indices(self.match(loop_lines.WHERE, inner, "list of indices")[1], kernel)
            elif word == "timing":
                found = self.match(loop_lines.TIMING, inner, "timing")
                self.cycles(found["name"], found, kernel)
            else:
                self.fail(f"`{_shown(inner)}` is no stage, where or timing")
        schedule = None
        if head["interval"] is not None:
            schedule = Schedule(
                int(head["interval"]), kernel.start, kernel.ready, kernel.store_cycles, int(head["depth"])
            )
        elif kernel.start or kernel.ready or kernel.store_cycles:
            self.fail(f"kernel @{head['name']} has cycles, but no interval and depth")
        return Kernel(
            head["name"],
            tuple(loops),
            tuple(kernel.stages),
            domain,
            source,
            int(head["macs"] or 0),
            int(head["lanes"] or 1),
            schedule,
            int(head["start"] or 0),
        )

    def stage(self, kernel: _Kernel) -> Stage:
        carried: list[Carried] = []
        statements: list[Statement] = []
        stores: list[Store] = []
        for line in self.until_end():
            if line.startswith("store "):
                stores.append(self.store(line, kernel))
            elif line.startswith("carry "):
                found = self.match(loop_lines.CARRY, line, "carried value")
                kind = self.number_type(found["type"]).name
                carried.append(Carried(found["name"], kind, found["init"], found["next"]))
                self.cycles(found["name"], found, kernel)
            else:
                statements.append(self.statement(line, kernel))
        return Stage(tuple(carried), tuple(statements), tuple(stores))

    # -- statements ----------------------------------------------------------------------------------------------------
    def statement(self, line: str, kernel: _Kernel) -> Statement:
        found = loop_lines.LOAD.fullmatch(line)
        if found is not None:
            kind = self.number_type(found["type"])
            made: Statement = Load(
                found["name"],
                kind.name,
                self.buffer_named(found["buffer"]),
                self.indices(found["indices"], kernel),
                self.indices(found["guard"] or "", kernel),
                self.bits(found["bits"], kind) if found["bits"] else 0,
                self.source(found),
            )
        elif (found := loop_lines.CONSTANT.fullmatch(line)) is not None:
            kind = self.number_type(found["type"])
            made = Constant(found["name"], kind.name, self.bits(found["bits"], kind))
        elif (found := loop_lines.INDEX.fullmatch(line)) is not None:
            made = IndexValue(found["name"], self.index(found["index"], kernel), self.number_type(found["type"]).name)
        else:
            found = self.match(loop_lines.OPERATION, line, "statement, carry or store")
            made = self.operation(found)
        self.cycles(found["name"], found, kernel)
        return made

    def operation(self, found: re.Match[str]) -> Operation:
        operands = tuple(item.removeprefix("%") for item in _items(found["operands"] or ""))
        kind = self.number_type(found["type"]).name
        types = (kind,) * len(operands)
        if found["types"] is not None:
            types = tuple(self.number_type(each).name for each in _items(found["types"]))
        return Operation(
            found["name"],
            kind,
            found["operation"],
            operands,
            types,
            found["predicate"],
            found["model"],
            self.source(found),
            found["iterative"] is not None,
        )

    def store(self, line: str, kernel: _Kernel) -> Store:
        found = self.match(loop_lines.STORE, line, "store")
        if found["cycle"] is not None:
            kernel.store_cycles.append(int(found["cycle"]))
        return Store(
            self.buffer_named(found["buffer"]),
            self.indices(found["indices"], kernel),
            found["value"],
            self.indices(found["guard"] or "", kernel),
            self.source(found),
        )

    def cycles(self, name: str, found: re.Match[str], kernel: _Kernel) -> None:
        if found["cycle"] is not None:
            kernel.start[name] = int(found["cycle"])
        if found["ready"] is not None:
            kernel.ready[name] = int(found["ready"])

    def buffer_named(self, name: str) -> Buffer:
        found = self.buffers.get(name)
        return self.fail(f"there is no buffer @{name} above") if found is None else found

    def number_type(self, name: str) -> NumberType:
        found = NUMBER_TYPES.get(name)
        return self.fail(f"{name} is no number type: there are {', '.join(NUMBER_TYPES)}") if found is None else found

    def bits(self, text: str, kind: NumberType) -> int:
        if not re.fullmatch(r"0x[0-9a-f]+", text) or int(text, 16) > kind.mask:
            self.fail(f"{text} is no bit pattern of {kind.name}, such as 0x{0:0{-(-kind.bits // 4)}x}")
        return int(text, 16)

    def source(self, found: re.Match[str]) -> Source | None:
        if found["file"] is None:
            return None
        key = found["file"], found["line"]
        if key not in self.sources:
            self.sources[key] = Source(json.loads(key[0]), int(key[1]))
        return self.sources[key]

    # -- index expressions ---------------------------------------------------------------------------------------------
    def indices(self, text: str, kernel: _Kernel) -> tuple[Index, ...]:
        return tuple(self.index(item, kernel) for item in _items(text))

    def index(self, text: str, kernel: _Kernel) -> Index:
        known = kernel.indices.get(text)
        if known is None:
            try:
                known = kernel.indices[text] = parse_index(text, kernel.loops)
            except IndexTextError as wrong:
                self.fail(str(wrong))
        return known


def _items(text: str) -> list[str]:
    """Of a list with commas; none of an empty one."""
    return [item.strip() for item in text.split(",")] if text.strip() else []


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("x"))) if text else ()


def _shown(line: str) -> str:
    return line if len(line) <= 80 else f"{line[:77]}…"
