"""Reads the program of a file of `--dump`, or of a reproducer, at any level: the inverse of `stored_programs`.

refuses: sections, arrays and fields that are missing, and text that does not parse, as `NotReplayable` at its line.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NoReturn

from torch2hw.compiler.array_file import Array
from torch2hw.compiler.stored_programs import StoredCalyx
from torch2hw.compiler.stored_text import RULE, NotReplayable, Section, Stored
from torch2hw.compiler.text_program import Text
from torch2hw.dialects import calyx
from torch2hw.dialects.loop_parser import LoopTextError, parse_loop_text
from torch2hw.dialects.loops import PortCodes
from torch2hw.dialects.number_types import find_number_type
from torch2hw.dialects.program import Program
from torch2hw.dialects.storage import CLASSES
from torch2hw.dialects.verify import verify
from torch2hw.frontend.locations import Sources
from torch2hw.frontend.signature import StateInfo, Structure, TensorInfo
from torch2hw.frontend.torch_to_linalg import TorchProgram, parse_module
from torch2hw.hwlib import Library
from torch2hw.hwlib.contents import Contents, fill, fill_verilog
from torch2hw.lowering.sequential.affine_to_scf import Core, CoreMemory


def _parse_upstream(text: str) -> None:
    from torch_mlir import ir

    ir.Module.parse(text, ir.Context())


def _parse_hw(text: str) -> None:
    from pycde.circt import ir, register_dialects

    context = ir.Context()
    register_dialects(context)
    with context, ir.Location.unknown():
        ir.Module.parse(text)


def _parse_sv(text: str) -> None:
    import pyslang

    tree = pyslang.syntax.SyntaxTree.fromText(text)
    errors = [diagnostic for diagnostic in tree.diagnostics if diagnostic.isError()]
    if errors:
        raise ValueError(pyslang.DiagnosticEngine.reportAll(tree.sourceManager, errors))


PARSERS: dict[str, Callable[[str], None]] = {
    "scf": _parse_upstream,
    "calyx": calyx.verified,
    "hw": _parse_hw,
    "sv": _parse_sv,
}
"""What finds errors in text with their lines, where reading the program does not parse it. Each raises an exception of
its own, whose text has `"-":LINE:COLUMN: WHAT`, or `source:…` where slang speaks."""


REWRITE = "correct the text, or write the file again with --dump"


def line_of(fault: str, section: Section) -> int:
    """The line of a section of loop text that a fault found in its program is about: that of the statement, buffer or
    kernel that it names first; the section's first line where it names none."""
    words = re.findall(r"\w+", fault)
    lines = section.text.split("\n")
    kernels = {found[1]: at for at, line in enumerate(lines) if (found := re.match(r" *kernel @(\w+)\(", line))}
    first = next((word for word in words if word in kernels), None)
    start = 0 if first is None else kernels[first]
    end = next((at for at in kernels.values() if at > start), len(lines)) if first is not None else len(lines)
    name = f"(?:{'|'.join(word for word in words if word != first)})"
    own = rf"store .*[%@]{name}\b" if "store" in words else rf"(?:carry |timing )?%{name}\b|buffer @{name}:"
    named = [at for at in range(start, end) if re.match(f" *(?:{own})", lines[at])]
    best = max(named, key=lambda at: len({*words} & {*re.findall(r"\w+", lines[at])}), default=start)
    return section.line + best


@dataclass
class ProgramReader:
    """Reads the program of a file. `arrays` are those in the file beside it; `library` gives units."""

    file: str
    stored: Stored
    arrays: Mapping[str, Array]
    library: Library

    def read(self, level: str) -> Any:
        """The program. Refuses sections that are missing, text that does not parse, arrays that are missing."""
        readers: dict[str, Callable[[], Any]] = {
            "torch": self.torch,
            "linalg": self.torch,
            "affine": lambda: self.loops("program"),
            "scheduled": lambda: self.loops("program"),
            "scf": self.core,
            "calyx": self.calyx,
            "hw": lambda: Text(self.section("program").text, self.contents(), fill),
            "sv": lambda: Text(self.section("program").text, self.contents(), fill_verilog),
        }
        section = self.section("program")
        if level in PARSERS:
            with self.parsing([section]):
                PARSERS[level](section.text)
        program = readers[level]()
        try:
            verify(level, program, self.library)
        except Exception as wrong:  # noqa: BLE001 - of text that somebody edited, anything can be wrong
            what = (str(wrong).strip() or type(wrong).__name__).split("\n")[0]
            self.fail(what, line_of(what, section), f"it is no program of level {level}", "correct the text")
        return program

    def section(self, title: str) -> Section:
        """The section of that title."""
        found = self.stored.named(title)
        if found is None:
            self.fail(f"the file has no section `{RULE}{title}`", 0, "it is not whole", "write it again")
        return found

    def fail(self, what: str, line: int, why: str | None = None, fix: str | None = None) -> NoReturn:
        """Refuse the file."""
        raise NotReplayable(what, location=(self.file, line), why=why, fix=fix or REWRITE)

    def lines(self, title: str, pattern: str) -> Iterator[tuple[re.Match[str], int]]:
        """The lines of a section, matched, each with its number."""
        section = self.section(title)
        for number, line in enumerate(section.text.split("\n") if section.text else (), section.line):
            found = re.fullmatch(pattern, line)
            if found is None:
                self.fail(f"`{line}` is no line of the section {title}", number)
            yield found, number

    def array(self, name: str, line: int) -> Array:
        """An array of the file beside."""
        try:
            return self.arrays[name]
        except KeyError:
            self.fail(
                f'the weights have no array "{name}"',
                line,
                "the text refers to arrays in the file that its header names",
                "keep the file of weights that was written with this one",
            )

    @contextlib.contextmanager
    def parsing(self, sections: Sequence[Section], first: int = 1) -> Iterator[None]:
        """A context in which the texts of sections are parsed, joined: errors get the line of the file. The first
        section's text starts at line `first` of the joined text."""
        try:
            yield
        except Exception as wrong:  # noqa: BLE001 - MLIRError of two libraries, and ValueError
            found = re.search(r'(?:"-"|-|source):(\d+):\d+\)?: (?:error: )?([^\n]*)', str(wrong))
            what, line = (found[2], int(found[1]) - first) if found else (str(wrong).split("\n")[0], 0)
            what = what.removeprefix("error: ")
            for section in sections:
                length = section.text.count("\n") + 1
                if line < length:
                    break
                line -= length
            self.fail(what, section.line + line, "the text does not parse, or is no program of its level")

    def loops(self, title: str) -> Program:
        """A loop program."""
        section = self.section(title)
        try:
            return parse_loop_text(section.text, self.arrays.__getitem__, section.line)
        except LoopTextError as wrong:
            self.fail(wrong.what, wrong.line, "the text is not in the form that `--dump` writes", "correct the line")

    def contents(self) -> dict[str, Contents]:
        """The contents of memories, by name."""
        return {
            found[1]: Contents(int(found[2]), self.array(found[3], line))  # type: ignore[arg-type]
            for found, line in self.lines("contents", r"(\S+) (\d+) (\w+)")
        }

    def objects(self, title: str) -> Iterator[tuple[dict[str, Any], int]]:
        """The JSON objects of a section."""
        for found, line in self.lines(title, r"\{.*\}"):
            try:
                yield json.loads(found[0]), line
            except ValueError:
                self.fail(f"`{found[0]}` is no JSON object", line)

    def torch(self) -> TorchProgram:
        """A program on tensors. Its inputs and outputs are flat: the file does not hold the structure of nested
        arguments."""
        ports: dict[str, list[TensorInfo]] = {"in": [], "out": []}
        states: list[StateInfo] = []
        for port, line in self.objects("ports"):
            way = "in" if "in" in port else "out"
            try:
                if "keeps" in port:
                    states.append(self.state(port, line))
                    continue
                codes = PortCodes(**port["codes"]) if "codes" in port else None
                ports[way].append(TensorInfo(port[way], tuple(port["shape"]), port["dtype"], codes))
            except KeyError as missing:
                self.fail(f"the port has no {missing}", line, "a port has a name, a shape and a type")
        weights = {found[1]: self.array(found[2], line) for found, line in self.lines("arrays", r"(\w+) (\w+)")}
        section = self.section("program")
        flat = Structure.of(())[0]
        with self.parsing([section], 1):
            module = parse_module(section.text)
        sources = Sources(Path(), Path())
        inputs, outputs = tuple(ports["in"]), tuple(ports["out"])
        return TorchProgram(module, weights, inputs, outputs, flat, flat, sources, tuple(states))

    def state(self, port: Mapping[str, Any], line: int) -> StateInfo:
        """A state of a program on tensors. KeyError where a field is missing."""
        shape, first = tuple(port["shape"]), self.array(port["first"], line)
        kind = find_number_type(port["dtype"])
        if kind is None or first.size != prod(shape) or first.dtype != kind.patterns:
            self.fail(f"the first values of {port['keeps']} do not fit its shape and type", line)
        return StateInfo(port["keeps"], shape, port["dtype"], label=port["label"], first=first.reshape(shape))

    def core(self) -> Core:
        """The core of the sequential schedule."""
        memories = []
        for fields, line in self.objects("memories"):
            try:
                held = fields["contents"]
                contents = None if held is None else self.array(held, line)
                storage = CLASSES[fields["storage"]]
                memories.append(CoreMemory(**{**fields, "storage": storage, "contents": contents}))
            except (KeyError, TypeError) as wrong:
                self.fail(f"not the fields of a memory: {wrong}", line)
        calls = {}
        units = {}
        for found, line in self.lines("units", r"(\w+) (\S+) \(([^)]*)\) -> (\w+)"):
            calls[found[1]] = call = found[2], tuple(found[3].split(", ")) if found[3] else (), found[4]
            try:
                units[found[1]] = self.library.unit(*call)
            except KeyError as missing:
                self.fail(str(missing), line, "the hardware library made for the header's options has none")
        return Core(self.section("program").text, tuple(memories), units, self.loops("loops"), calls)

    def calyx(self) -> StoredCalyx:
        """A Calyx program of either schedule."""
        definitions: dict[str, str] = {}
        for section in self.stored.sections:
            name, is_same, other = section.title.removeprefix("definition ").partition(" = ")
            if not section.title.startswith("definition "):
                continue
            if is_same and other not in definitions:
                self.fail(f"there is no definition {other} above", section.line - 1, fix="write the file again")
            definitions[name] = definitions[other] if is_same else section.text
        written = [each for each in self.stored.sections if each.title.startswith("definition ") and each.text]
        with self.parsing(written, 2):
            _parse_hw("\n".join(["module {", *(each.text for each in written), "}"]))
        return StoredCalyx(self.section("program").text, definitions, self.contents())
