"""Reads the kernels of loop text: loops, stages, statements and cycles. `loop_parser.py` has the grammar.

The parts of a kernel are read in order; values are not looked up, for `verify` does that. Index expressions are: their
variables must be those of the kernel's loops, or have an extent beside them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch2hw.dialects import loop_lines
from torch2hw.dialects.index_parser import IndexTextError, parse_index
from torch2hw.dialects.loop_cursor import LoopCursor, items, shown
from torch2hw.dialects.loops import (
    Buffer,
    Carried,
    Constant,
    IndexValue,
    Kernel,
    Load,
    Loop,
    Operation,
    Stage,
    Statement,
    Store,
)
from torch2hw.dialects.quasi_affine import Index, Variable
from torch2hw.dialects.schedule import Schedule


def buffer_named(cursor: LoopCursor, buffers: Mapping[str, Buffer], name: str) -> Buffer:
    """The buffer of that name; refused where the text above has none."""
    found = buffers.get(name)
    return cursor.fail(f"there is no buffer @{name} above") if found is None else found


class KernelParser:
    """Reads one kernel, whose first line is `line`; `cursor` is behind it. `buffers` are those above, by name."""

    def __init__(self, cursor: LoopCursor, buffers: Mapping[str, Buffer], line: str) -> None:
        self.cursor, self.buffers = cursor, buffers
        self.head = cursor.match(loop_lines.KERNEL, line, "beginning of a kernel")
        self.loops = tuple(map(self._loop, items(self.head["loops"])))
        self.variables = {loop.variable.name: loop.variable for loop in self.loops}
        self.stages: list[Stage] = []
        self.start: dict[str, int] = {}
        self.ready: dict[str, int] = {}
        self.store_cycles: list[int] = []
        self.read_indices: dict[str, Index] = {}  # those read before, by their text

    def kernel(self) -> Kernel:
        """The kernel, up to the `}` that ends it."""
        head, cursor = self.head, self.cursor
        source = cursor.source(head)
        domain: tuple[Index, ...] = ()
        for line in cursor.until_end():
            word = line.split(" ", 1)[0]
            if word == "stage":
                number = int(cursor.match(loop_lines.STAGE, line, "beginning of a stage")[1])
                if number != len(self.stages):
                    cursor.fail(f"stage {number} stands where stage {len(self.stages)} does")
                self.stages.append(self._stage())
            elif word == "where":
                domain = self._indices(cursor.match(loop_lines.WHERE, line, "list of indices")[1])
            elif word == "timing":
                found = cursor.match(loop_lines.TIMING, line, "timing")
                self._cycles(found["name"], found)
            else:
                cursor.fail(f"`{shown(line)}` is no stage, where or timing")
        return Kernel(
            head["name"],
            self.loops,
            tuple(self.stages),
            domain,
            source,
            int(head["macs"] or 0),
            int(head["lanes"] or 1),
            self._schedule(),
            int(head["start"] or 0),
        )

    def _loop(self, text: str) -> Loop:
        found = self.cursor.match(loop_lines.LOOP, text, "loop")
        reduced_by = None if found["stage"] is None else int(found["stage"])
        return Loop(Variable(found["name"], int(found["extent"])), reduced_by, found["rounds"] is not None)

    def _schedule(self) -> Schedule | None:
        head = self.head
        if head["interval"] is not None:
            return Schedule(int(head["interval"]), self.start, self.ready, self.store_cycles, int(head["depth"]))
        if self.start or self.ready or self.store_cycles:
            self.cursor.fail(f"kernel @{head['name']} has cycles, but no interval and depth")
        return None

    def _stage(self) -> Stage:
        carried: list[Carried] = []
        statements: list[Statement] = []
        stores: list[Store] = []
        for line in self.cursor.until_end():
            if line.startswith("store "):
                stores.append(self._store(line))
            elif line.startswith("carry "):
                found = self.cursor.match(loop_lines.CARRY, line, "carried value")
                kind = self.cursor.number_type(found["type"]).name
                carried.append(Carried(found["name"], kind, found["init"], found["next"]))
                self._cycles(found["name"], found)
            else:
                statements.append(self._statement(line))
        return Stage(tuple(carried), tuple(statements), tuple(stores))

    # -- statements ----------------------------------------------------------------------------------------------------
    def _statement(self, line: str) -> Statement:
        found = loop_lines.LOAD.fullmatch(line)
        if found is not None:
            kind = self.cursor.number_type(found["type"])
            made: Statement = Load(
                found["name"],
                kind.name,
                buffer_named(self.cursor, self.buffers, found["buffer"]),
                self._indices(found["indices"]),
                self._indices(found["guard"] or ""),
                self.cursor.bits(found["bits"], kind) if found["bits"] else 0,
                self.cursor.source(found),
            )
        elif (found := loop_lines.CONSTANT.fullmatch(line)) is not None:
            kind = self.cursor.number_type(found["type"])
            made = Constant(found["name"], kind.name, self.cursor.bits(found["bits"], kind))
        elif (found := loop_lines.INDEX.fullmatch(line)) is not None:
            made = IndexValue(found["name"], self._index(found["index"]), self.cursor.number_type(found["type"]).name)
        else:
            found = self.cursor.match(loop_lines.OPERATION, line, "statement, carry or store")
            made = self._operation(found)
        self._cycles(found["name"], found)
        return made

    def _operation(self, found: re.Match[str]) -> Operation:
        operands = tuple(item.removeprefix("%") for item in items(found["operands"] or ""))
        kind = self.cursor.number_type(found["type"]).name
        types = (kind,) * len(operands)
        if found["types"] is not None:
            types = tuple(self.cursor.number_type(each).name for each in items(found["types"]))
        return Operation(
            found["name"],
            kind,
            found["operation"],
            operands,
            types,
            found["predicate"],
            found["model"],
            self.cursor.source(found),
            int(found["digits"] or 1) if found["iterative"] else 0,
        )

    def _store(self, line: str) -> Store:
        found = self.cursor.match(loop_lines.STORE, line, "store")
        if found["cycle"] is not None:
            self.store_cycles.append(int(found["cycle"]))
        return Store(
            buffer_named(self.cursor, self.buffers, found["buffer"]),
            self._indices(found["indices"]),
            found["value"],
            self._indices(found["guard"] or ""),
            self.cursor.source(found),
        )

    def _cycles(self, name: str, found: re.Match[str]) -> None:
        if found["cycle"] is not None:
            self.start[name] = int(found["cycle"])
        if found["ready"] is not None:
            self.ready[name] = int(found["ready"])

    # -- index expressions ---------------------------------------------------------------------------------------------
    def _indices(self, text: str) -> tuple[Index, ...]:
        return tuple(self._index(item) for item in items(text))

    def _index(self, text: str) -> Index:
        known = self.read_indices.get(text)
        if known is None:
            try:
                known = self.read_indices[text] = parse_index(text, self.variables)
            except IndexTextError as wrong:
                self.cursor.fail(str(wrong))
        return known
