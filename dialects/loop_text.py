"""Prints a `Program` as loop text, which `loop_parser.py` reads back to an equal program, every field of it.

    program @ffnn level scheduled {
      share f32_mul: 16
      buffer @x: 64x64xf32 input banks 4x1
      buffer @weights0: 48x64xf32 rom = weights "0f6c…" loc("ffnn.py":9)
      function @main(@x) -> (@out) {
        kernel @matmul0(%i: 64, %j: 48, %k: 64 reduces 0) start 12 interval 1 depth 20 macs 196608 loc("ffnn.py":9) {
          stage 0 {
            %zero = constant 0x00000000 : f32
            carry %acc = %zero next %next : f32 {cycle = 6, ready = 6}
            %a = load @x[%i, %k] : f32 {cycle = 0, ready = 2}
            …
            %next = arith.addf %acc, %p : f32 {cycle = 6, ready = 12}
          }
          stage 1 {
            store %next to @out[%i, %j] {cycle = 12}

why: upstream MLIR has no place for stages, carried values, storage classes, lanes, guards and schedules, and forgets
    the names of values. `affine_text.py` prints the same program as upstream MLIR that runs.

Defaults are left out: `start 0`, `lanes 1`, `macs 0`, an empty guard. A stage's `carry` lines stand where the values
they start from are known; the order of statements, of carried values and of stores is the program's. Contents of at
most `INLINE_WORDS` words stand in the text; of larger ones there is the name that `weights` gives to the array.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.program import Node, Par, Program, Rounds, Seq
from torch2hw.dialects.quasi_affine import FloorDiv, Index, Variable

INLINE_WORDS = 16
NAME = re.compile(r"\w+", re.ASCII)
Naming = Callable[[NDArray[np.generic]], str]
"""Gives an array the name by which the text refers to it."""


def loop_text(program: Program, weights: Naming) -> str:
    """The text. AssertionError where two buffers have one name, or a name is not of letters, digits and underscores."""
    buffers = program.buffers()
    named = {buffer.name: buffer for buffer in buffers}
    assert len(named) == len(buffers), "two buffers have the same name"
    lines = [f"program @{_name(program.name)} level {program.level} {{"]
    lines += [f"  share {_name(unit)}: {count}" for unit, count in program.shared.items()]
    lines += [f"  {_buffer(buffer, weights)}" for buffer in buffers]
    for function in program.functions:
        inputs, outputs = (", ".join(f"@{b.name}" for b in ports) for ports in (function.inputs, function.outputs))
        start = f" start {function.body.start_cycle}" if function.body.start_cycle else ""
        states = ", ".join(f"@{b.name}" for b in function.states)
        keeps = f" keeps ({states})" if states else ""
        lines.append(f"  function @{_name(function.name)}({inputs}) -> ({outputs}){keeps}{start} {{")
        for node in function.body.body:
            _node(node, "    ", lines)
        lines.append("  }")
    for model in program.models:
        lines += ["  model {", *(f"    |{line}" for line in model.split("\n")), "  }"]
    return "\n".join([*lines, "}", ""])


def location(source: Source | None) -> str:
    """` loc("ffnn.py":9)`, or nothing."""
    return "" if source is None else f" loc({json.dumps(source.file, ensure_ascii=False)}:{source.line})"


def _name(name: str) -> str:
    assert NAME.fullmatch(name), f"{name!r} is no name of the loop text"
    return name


def _buffer(buffer: Buffer, weights: Naming) -> str:
    shape = "".join(f"{size}x" for size in buffer.shape)
    banks = f" banks {'x'.join(map(str, buffer.factors))}" if buffer.factors else ""
    held = "" if buffer.data is None else f" = {_contents(buffer.data, buffer.dtype, weights)}"
    codes = "" if buffer.codes is None else f" codes {buffer.codes.scale.hex()} {buffer.codes.zero_point}"
    kind = f"{shape}{buffer.dtype} {buffer.storage.name}{banks}{codes}"
    label = f" called {json.dumps(buffer.label)}" if buffer.label else ""
    return f"buffer @{_name(buffer.name)}: {kind}{held}{label}{location(buffer.source)}"


def _contents(data: NDArray[np.generic], dtype: str, weights: Naming) -> str:
    if data.size > INLINE_WORDS:
        return f"weights {json.dumps(weights(data))}"
    return f"[{', '.join(bits_text(int(word), dtype) for word in data.reshape(-1).tolist())}]"


def bits_text(bits: int, dtype: str) -> str:
    """A bit pattern in hexadecimal, as wide as its type."""
    return f"0x{bits:0{-(-number_type(dtype).bits // 4)}x}"


def _node(node: Node, indent: str, lines: list[str]) -> None:
    start = f" start {node.start_cycle}" if node.start_cycle else ""
    if isinstance(node, Kernel):
        _KernelPrinter(node).print(indent, lines)
        return
    if isinstance(node, Seq):
        head = f"seq{start}"
    elif isinstance(node, Par):
        head = f"par @{_name(node.name)}{start}"
    else:
        assert isinstance(node, Rounds)
        head = f"rounds {node.count}{start}" + (f" period {node.period_cycles}" if node.period_cycles else "")
    lines.append(f"{indent}{head} {{")
    for child in node.body:
        _node(child, indent + "  ", lines)
    lines.append(f"{indent}}}")


class _KernelPrinter:
    """Lines of one kernel. Index expressions occur often: the text of each is made once."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel, self.schedule = kernel, kernel.schedule
        self.own = {loop.variable for loop in kernel.loops}
        self.texts: dict[Index, str] = {}
        self.timed: set[str] = set()

    def print(self, indent: str, lines: list[str]) -> None:
        """Appends the kernel's lines."""
        kernel, schedule = self.kernel, self.schedule
        facts = f" start {kernel.start_cycle}" if kernel.start_cycle else ""
        if schedule is not None:
            facts += f" interval {schedule.interval_cycles} depth {schedule.depth_cycles}"
        facts += (f" lanes {kernel.lanes}" if kernel.lanes != 1 else "") + (
            f" macs {kernel.macs}" if kernel.macs else ""
        )
        loops = ", ".join(self.loop(loop) for loop in kernel.loops)
        lines.append(f"{indent}kernel @{_name(kernel.name)}({loops}){facts}{location(kernel.source)} {{")
        if kernel.domain:
            lines.append(f"{indent}  where ({self.list(kernel.domain)})")
        cycles = iter(schedule.store_cycles if schedule is not None else ())
        for number, stage in enumerate(kernel.stages):
            lines.append(f"{indent}  stage {number} {{")
            self.stage(stage, indent + "    ", lines)
            lines += [f"{indent}    {self.store(store, next(cycles, None))}" for store in stage.stores]
            lines.append(f"{indent}  }}")
        assert next(cycles, None) is None, f"{kernel.name} has cycles of more stores than it has stores"
        if schedule is not None:
            rest = {*schedule.start, *schedule.ready} - self.timed
            lines += [f"{indent}  timing %{_name(name)}{self.cycles(name)}" for name in sorted(rest)]
        lines.append(f"{indent}}}")

    def loop(self, loop: Loop) -> str:
        reduces = "" if loop.reduced_by is None else f" reduces {loop.reduced_by}"
        return f"%{_name(loop.variable.name)}: {loop.extent}{reduces}{' in rounds' if loop.in_rounds else ''}"

    def stage(self, stage: Stage, indent: str, lines: list[str]) -> None:
        wanted = {carried.init for carried in stage.carried}
        known = max([n for n, each in enumerate(stage.statements, 1) if each.result in wanted], default=0)
        lines += [indent + self.statement(statement) for statement in stage.statements[:known]]
        lines += [indent + self.carried(carried) for carried in stage.carried]
        lines += [indent + self.statement(statement) for statement in stage.statements[known:]]

    def carried(self, carried: Carried) -> str:
        names = f"%{_name(carried.name)} = %{_name(carried.init)} next %{_name(carried.next)}"
        return f"carry {names} : {carried.type}{self.cycles(carried.name)}"

    def statement(self, statement: Statement) -> str:
        head, kind = f"%{_name(statement.result)} = ", f" : {statement.type}"
        end = self.cycles(statement.result)
        if isinstance(statement, Constant):
            return f"{head}constant {bits_text(statement.bits, statement.type)}{kind}{end}"
        if isinstance(statement, IndexValue):
            return f"{head}index {self.index(statement.index)}{kind}{end}"
        end += location(statement.source)
        if isinstance(statement, Load):
            bits = statement.otherwise_bits
            otherwise = f" else {bits_text(bits, statement.type)}" if bits or statement.guard else ""
            where = self.access(statement.buffer, statement.indices, statement.guard)
            return f"{head}load {where}{otherwise}{kind}{end}"
        return head + self.operation(statement) + end

    def operation(self, operation: Operation) -> str:
        predicate = f" {operation.predicate}" if operation.predicate is not None else ""
        operands = ", ".join(f"%{_name(operand)}" for operand in operation.operands)
        types = f"({', '.join(operation.operand_types)}) -> {operation.type}"
        if operation.operand_types == (operation.type,) * len(operation.operands) and operation.operands:
            types = operation.type
        model = f" model @{_name(operation.callee)}" if operation.callee is not None else ""
        shape = ("", " iterative", " iterative 2", " iterative 3")[operation.iterative]
        return f"{operation.name}{predicate} {operands} : {types}{model}{shape}"

    def store(self, store: Store, cycle: int | None) -> str:
        where = self.access(store.buffer, store.indices, store.guard)
        at = f" {{cycle = {cycle}}}" if cycle is not None else ""
        return f"store %{_name(store.value)} to {where}{at}{location(store.source)}"

    def cycles(self, name: str) -> str:
        """When a value's statement starts and when it is there, as far as the schedule says."""
        if self.schedule is None:
            return ""
        self.timed.add(name)
        tables = {"cycle": self.schedule.start, "ready": self.schedule.ready}
        found = ", ".join(f"{key} = {table[name]}" for key, table in tables.items() if name in table)
        return f" {{{found}}}" if found else ""

    def access(self, buffer: Buffer, indices: Sequence[Index], guard: Sequence[Index]) -> str:
        where = f" where ({self.list(guard)})" if guard else ""
        return f"@{buffer.name}[{self.list(indices)}]{where}"

    def list(self, indices: Sequence[Index]) -> str:
        return ", ".join(map(self.index, indices))

    def index(self, index: Index) -> str:
        """An index expression with its terms as they stand in it; a variable that is no loop's has its extent too."""
        known = self.texts.get(index)
        if known is None:
            parts: list[Any] = []
            for atom, coefficient in index.terms:
                if isinstance(atom, Variable):
                    text = f"%{_name(atom.name)}" + ("" if atom in self.own else f":{atom.extent}")
                else:
                    operator = "floordiv" if isinstance(atom, FloorDiv) else "mod"
                    text = f"({self.index(atom.dividend)}) {operator} {atom.divisor}"
                    text = text if coefficient == 1 else f"({text})"
                parts.append(text if coefficient == 1 else f"{text} * {coefficient}")
            known = " + ".join(parts)
            if index.constant or not parts:
                sign = " + " if index.constant >= 0 else " - "
                known = f"{known}{sign}{abs(index.constant)}" if parts else str(index.constant)
            self.texts[index] = known
        return known
