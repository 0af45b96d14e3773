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
    index     := number | term ["+" term]* [("+" | "-") number]
    term      := atom ["*" number]
    atom      := %loop | %value ":" extent | "(" index ")" ("floordiv" | "mod") number | "(" atom ")"
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

from torch2hw.dialects.loops import (
    Buffer,
    Carried,
    Constant,
    IndexValue,
    Load,
    Loop,
    Nest,
    Operation,
    Source,
    Stage,
    Statement,
    Store,
)
from torch2hw.dialects.number_types import NUMBER_TYPES, NumberType
from torch2hw.dialects.program import Function, Node, Par, Program, Rounds, Seq
from torch2hw.dialects.quasi_affine import Atom, FloorDiv, Index, Remainder, Variable
from torch2hw.dialects.schedule import Schedule
from torch2hw.dialects.storage import CLASSES

Arrays = Callable[[str], NDArray[np.generic]]
"""Gives the array of a name in the text. KeyError where there is none."""


class LoopTextError(ValueError):
    """The text cannot be read: `what` is wrong in line number `line` of it, counted from 1."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(f"line {line}: {what}")
        self.what, self.line = what, line


_LOC = r'(?: loc\((?P<file>"(?:[^"\\]|\\.)*"):(?P<line>\d+)\))?'
_CYCLES = r"(?: \{(?:cycle = (?P<cycle>-?\d+))?(?:, )?(?:ready = (?P<ready>-?\d+))?\})?"
_START = r"(?: start (?P<start>-?\d+))?"
_ACCESS = r"@(?P<buffer>\w+)\[(?P<indices>[^\]]*)\](?: where \((?P<guard>.*?)\))?"


def _line(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


_PROGRAM = _line(r"program @(\w+) level (\w+) \{")
_SHARE = _line(r"share (\w+): (\d+)")
_BUFFER = _line(
    r"buffer @(?P<name>\w+): (?P<shape>(?:\d+x)*)(?P<dtype>\w+) (?P<storage>\w+)(?: banks (?P<factors>\d+(?:x\d+)*))?"
    rf'(?: = (?:\[(?P<words>[^\]]*)\]|weights (?P<weights>"[^"]*")))?{_LOC}'
)
_FUNCTION = _line(rf"function @(?P<name>\w+)\((?P<inputs>[^)]*)\) -> \((?P<outputs>[^)]*)\){_START} \{{")
_SEQ = _line(rf"seq{_START} \{{")
_PAR = _line(rf"par @(?P<name>\w+){_START} \{{")
_ROUNDS = _line(rf"rounds (?P<count>\d+){_START}(?: period (?P<period>-?\d+))? \{{")
_KERNEL = _line(
    rf"kernel @(?P<name>\w+)\((?P<loops>[^)]*)\){_START}(?: interval (?P<interval>\d+) depth (?P<depth>\d+))?"
    rf"(?: lanes (?P<lanes>\d+))?(?: macs (?P<macs>\d+))?{_LOC} \{{"
)
_LOOP = _line(r"%(?P<name>\w+): (?P<extent>\d+)(?: reduces (?P<stage>\d+))?(?P<rounds> in rounds)?")
_WHERE = _line(r"where \((.*)\)")
_STAGE = _line(r"stage (\d+) \{")
_TIMING = _line(rf"timing %(?P<name>\w+){_CYCLES}")
_CARRY = _line(rf"carry %(?P<name>\w+) = %(?P<init>\w+) next %(?P<next>\w+) : (?P<type>\w+){_CYCLES}")
_CONSTANT = _line(rf"%(?P<name>\w+) = constant (?P<bits>0x[0-9a-f]+) : (?P<type>\w+){_CYCLES}")
_INDEX = _line(rf"%(?P<name>\w+) = index (?P<index>.*?) : (?P<type>\w+){_CYCLES}")
_LOAD = _line(rf"%(?P<name>\w+) = load {_ACCESS}(?: else (?P<bits>0x[0-9a-f]+))? : (?P<type>\w+){_CYCLES}{_LOC}")
_OPERATION = _line(
    r"%(?P<name>\w+) = (?P<operation>[\w.]+)(?: (?P<predicate>\w+))?(?: (?P<operands>%\w+(?:, %\w+)*)?)? : "
    r"(?:\((?P<types>[^)]*)\) -> )?(?P<type>\w+)(?: model @(?P<model>\w+))?(?P<iterative> iterative)?"
    rf"{_CYCLES}{_LOC}"
)
_STORE = _line(rf"store %(?P<value>\w+) to {_ACCESS}{_CYCLES}{_LOC}")
_TOKEN = re.compile(r" *(%\w+(?::\d+)?|\d+|floordiv|mod|[()+*-])", re.ASCII)


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
        name, level = self.match(_PROGRAM, self.next(), "beginning of a program").groups()
        if level not in ("affine", "scheduled"):
            self.fail(f"level {level} is not affine or scheduled")
        shared: dict[str, int] = {}
        functions: list[Function] = []
        models: list[str] = []
        for line in self.until_end():
            word = line.split(" ", 1)[0]
            if word == "share":
                unit, count = self.match(_SHARE, line, "number of shared units").groups()
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
        found = self.match(_BUFFER, line, "buffer")
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
        found = self.match(_FUNCTION, line, "beginning of a function")
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
            found = self.match(_SEQ, line, "beginning of a seq")
            return Seq(self.nodes(), int(found["start"] or 0))
        if word == "par":
            found = self.match(_PAR, line, "beginning of a par")
            return Par(found["name"], self.nodes(), int(found["start"] or 0))
        if word == "rounds":
            found = self.match(_ROUNDS, line, "beginning of rounds")
            return Rounds(int(found["count"]), self.nodes(), int(found["start"] or 0), int(found["period"] or 0))
        return self.fail(f"`{_shown(line)}` is no kernel, seq, par or rounds")

    def kernel(self, line: str) -> Nest:
        head = self.match(_KERNEL, line, "beginning of a kernel")
        loops = []
        for item in _items(head["loops"]):
            found = self.match(_LOOP, item, "loop")
            reduced_by = None if found["stage"] is None else int(found["stage"])
            loops.append(Loop(Variable(found["name"], int(found["extent"])), reduced_by, found["rounds"] is not None))
        source = self.source(head)
        kernel = _Kernel({loop.variable.name: loop.variable for loop in loops})
        domain: tuple[Index, ...] = ()
        for inner in self.until_end():
            word = inner.split(" ", 1)[0]
            if word == "stage":
                number = int(self.match(_STAGE, inner, "beginning of a stage")[1])
                if number != len(kernel.stages):
                    self.fail(f"stage {number} stands where stage {len(kernel.stages)} does")
                kernel.stages.append(self.stage(kernel))
            elif word == "where":
                domain = self.indices(self.match(_WHERE, inner, "list of indices")[1], kernel)
            elif word == "timing":
                found = self.match(_TIMING, inner, "timing")
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
        return Nest(
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
                found = self.match(_CARRY, line, "carried value")
                kind = self.number_type(found["type"]).name
                carried.append(Carried(found["name"], kind, found["init"], found["next"]))
                self.cycles(found["name"], found, kernel)
            else:
                statements.append(self.statement(line, kernel))
        return Stage(tuple(carried), tuple(statements), tuple(stores))

    # -- statements ----------------------------------------------------------------------------------------------------
    def statement(self, line: str, kernel: _Kernel) -> Statement:
        found = _LOAD.fullmatch(line)
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
        elif (found := _CONSTANT.fullmatch(line)) is not None:
            kind = self.number_type(found["type"])
            made = Constant(found["name"], kind.name, self.bits(found["bits"], kind))
        elif (found := _INDEX.fullmatch(line)) is not None:
            made = IndexValue(found["name"], self.index(found["index"], kernel), self.number_type(found["type"]).name)
        else:
            found = self.match(_OPERATION, line, "statement, carry or store")
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
        found = self.match(_STORE, line, "store")
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
            known = kernel.indices[text] = _IndexReader(self, text, kernel).whole()
        return known


class _IndexReader:
    """Reads one index expression by recursive descent."""

    def __init__(self, reader: _Reader, text: str, kernel: _Kernel) -> None:
        self.reader, self.text, self.kernel = reader, text, kernel
        self.tokens: list[str] = []
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                self.fail()
            self.tokens.append(found[1])
            at = found.end()
        self.at = 0

    def fail(self) -> NoReturn:
        self.reader.fail(f"`{self.text}` is no index expression")

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def expect(self, token: str) -> None:
        if self.take() != token:
            self.fail()

    def whole(self) -> Index:
        index = self.sum()
        if self.peek():
            self.fail()
        return index

    def sum(self) -> Index:
        if self.peek() == "-" or self.peek().isdigit():
            return Index((), self.number())
        terms = [self.term()]
        while self.peek() in ("+", "-"):
            sign = self.take()
            if self.peek().isdigit():
                return Index(tuple(terms), int(self.take()) * (1 if sign == "+" else -1))
            if sign == "-":
                self.fail()
            terms.append(self.term())
        return Index(tuple(terms), 0)

    def number(self) -> int:
        sign = -1 if self.peek() == "-" else 1
        token = self.tokens[self.at + 1] if sign < 0 and self.at + 1 < len(self.tokens) else self.peek()
        if not token.isdigit():
            self.fail()
        self.at += 1 if sign > 0 else 2
        return sign * int(token)

    def term(self) -> tuple[Atom, int]:
        atom = self.atom()
        if self.peek() != "*":
            return atom, 1
        self.take()
        return atom, self.number()

    def atom(self) -> Atom:
        token = self.take()
        if token.startswith("%"):
            return self.variable(token[1:])
        if token != "(":
            self.fail()
        inner = self.sum()
        self.expect(")")
        if self.peek() in ("floordiv", "mod"):
            kind, divisor = self.take(), self.number()
            if divisor < 1:
                self.fail()
            return FloorDiv(inner, divisor) if kind == "floordiv" else Remainder(inner, divisor)
        if len(inner.terms) != 1 or inner.constant or inner.terms[0][1] != 1:
            self.fail()
        return inner.terms[0][0]

    def variable(self, text: str) -> Variable:
        name, _, extent = text.partition(":")
        if extent:
            return Variable(name, int(extent))
        found = self.kernel.loops.get(name)
        if found is None:
            self.reader.fail(f"%{name} is no loop of this kernel; a value used as an index has its extent: %{name}:64")
        return found


def _items(text: str) -> list[str]:
    """Of a list with commas; none of an empty one."""
    return [item.strip() for item in text.split(",")] if text.strip() else []


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("x"))) if text else ()


def _shown(line: str) -> str:
    return line if len(line) <= 80 else f"{line[:77]}…"
