"""What a kernel with its lanes written out costs, without writing them out.

A statement of a kernel with lanes has a copy for each combination of the lanes that its value depends on; equal copies
are one. So a value is an array of numbers over a grid, with an axis for each loop that has lanes (of size 1 where it
does not depend on the loop): equal values have equal numbers. `unroll_lanes` makes as many statements as there are
numbers, which a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from torch2hw.analysis.bank_groups import BankGroup, Row, TermTable, common_factors
from torch2hw.dialects.loops import Buffer, Carried, Constant, IndexValue, Kernel, Load, Operation, Stage, Statement
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.once import once
from torch2hw.dialects.quasi_affine import Index, Variable, variable

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Outline:
    """A kernel with lanes: `kernel` has its loops, its lanes and what it carries, but no statements.

    `units`: how many copies of each operation there are; `simple`: in how many of them an operand is a constant.
    `tables`: bits and words of each read of a buffer inside the kernel; the loops that it depends on select the word.
    `groups`: reads and writes of each of `buffers`, which are outside.
    """

    kernel: Kernel
    units: list[tuple[Operation, int]]
    simple: dict[str, int]
    tables: list[tuple[int, int]]
    buffers: list[Buffer]
    groups: list[tuple[BankGroup, BankGroup]]

    @once
    def own_factors(self, limit: int) -> tuple[tuple[int, ...], ...]:
        """Of each buffer, as `bank_assignment.own_factors`."""
        pairs = zip(self.buffers, self.groups, strict=True)
        return tuple(common_factors(groups, len(buffer.shape), 4 * limit) for buffer, groups in pairs)


def outline(kernel: Kernel, lanes: Mapping[Variable, int]) -> Outline:
    """The outline of `kernel` with `lanes[v]` lanes for each loop variable v in `lanes`."""
    return _Grid(kernel, {v: count for v, count in lanes.items() if count > 1}).outline()


@dataclass
class _Grid:
    """The values of a kernel over its lanes. `numbers` has the number of each distinct value, by what computes it;
    `values` those of each name."""

    kernel: Kernel
    lanes: Mapping[Variable, int]
    terms: TermTable = field(default_factory=TermTable)
    numbers: dict[object, int] = field(default_factory=dict)
    values: dict[str, Numbers] = field(default_factory=dict)
    constants: set[int] = field(default_factory=set)
    units: dict[str, tuple[Operation, int]] = field(default_factory=dict)
    simple: dict[str, int] = field(default_factory=dict)
    tables: list[tuple[int, int]] = field(default_factory=list)
    reads: dict[Buffer, dict[Row, None]] = field(default_factory=dict)
    writes: dict[Buffer, dict[Row, None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.axes = list(self.lanes)
        reduced = {loop.variable: loop.reduced_by for loop in self.kernel.loops}
        self.joined = [[v for v in self.axes if reduced[v] == number] for number in (0, 1)]
        self.outer = {v: Variable(f"{v.name}l", -(-v.extent // count)) for v, count in self.lanes.items()}
        self.steps = {v: variable(self.outer[v]) * count for v, count in self.lanes.items()}
        self.loops = {loop.variable for loop in self.kernel.loops}
        self.carried: list[int] = []

    def outline(self) -> Outline:
        """All stages, one after the other."""
        for number, stage in enumerate(self.kernel.stages):
            self.stage(number, stage)
        loops = tuple(
            replace(loop, variable=self.outer.get(loop.variable, loop.variable)) for loop in self.kernel.loops
        )
        kept = tuple(loop for loop in loops if loop.extent > 1 or loop.reduced_by is not None) if self.lanes else loops
        stages = tuple(
            Stage(tuple(replace(c, name=f"{c.name}_{k}") for k in range(count) for c in stage.carried))
            for stage, count in zip(self.kernel.stages, self.carried, strict=True)
        )
        lanes = self.kernel.lanes * prod(self.lanes.values())
        made = replace(self.kernel, loops=kept, stages=stages, lanes=lanes)
        buffers = list(dict.fromkeys([*self.reads, *self.writes]))
        groups = [(self.group(self.reads, buffer), self.group(self.writes, buffer)) for buffer in buffers]
        return Outline(made, list(self.units.values()), self.simple, self.tables, buffers, groups)

    def group(self, accesses: Mapping[Buffer, dict[Row, None]], buffer: Buffer) -> BankGroup:
        """The accesses to a buffer."""
        return BankGroup(tuple(accesses.get(buffer, ())), self.terms.all)

    def stage(self, number: int, stage: Stage) -> None:
        """The values of one stage, its stores, and what later stages see of it: the last lanes of its reduction."""
        joined = self.joined[number] if number < len(self.joined) else []
        apart = [
            v for v in self.axes if v not in joined and not any(v in self.joined[k] for k in range(min(number, 2)))
        ]
        grid = self.shape(apart)
        self.carried.append(prod(grid))
        for carried in stage.carried:
            first = len(self.numbers)
            fresh = np.arange(first, first + prod(grid)).reshape(grid)
            self.numbers.update(((carried.name, k), first + k) for k in range(prod(grid)))
            self.values[carried.name] = fresh
        steps = {carried.next: carried for carried in stage.carried} if joined else {}
        for statement in stage.statements:
            if statement.result in steps:
                assert isinstance(statement, Operation)
                self.join(statement, steps[statement.result], joined, grid)
            else:
                self.values[statement.result] = self.statement(statement)
        for store in stage.stores:
            rows = self.writes.setdefault(store.buffer, {})
            axes = [*apart, *joined]
            for row in self.rows(store.indices, self.shape(axes))[0]:
                rows.setdefault(row)
        for name in [s.result for s in stage.statements]:
            self.values[name] = self.last(self.values[name], joined)

    def shape(self, axes: Sequence[Variable]) -> tuple[int, ...]:
        """Of an array over these axes."""
        return tuple(self.lanes[v] if v in axes else 1 for v in self.axes)

    def last(self, values: Numbers, axes: Sequence[Variable]) -> Numbers:
        """The values in the last lane of these axes."""
        chosen = tuple(slice(-1, None) if v in axes else slice(None) for v in self.axes)
        return values[chosen]

    def statement(self, statement: Statement) -> Numbers:
        """The numbers of the values of one statement, over the lanes that they depend on."""
        if isinstance(statement, Constant):
            made = self.numbered(("constant", statement.type, statement.bits))
            self.constants.add(made)
            return np.full(self.shape(()), made)
        if isinstance(statement, IndexValue):
            rows, shape = self.rows((statement.index,), None)
            return np.array([self.numbered(("index", row)) for row in rows]).reshape(shape)
        if isinstance(statement, Load):
            return self.load(statement)
        return self.operation(statement, [self.values[name] for name in statement.operands])

    def numbered(self, key: object) -> int:
        """The number of the value that `key` computes."""
        return self.numbers.setdefault(key, len(self.numbers))

    def operation(self, operation: Operation, operands: Sequence[Numbers]) -> Numbers:
        """An operation on these operands, counted once for each combination of them."""
        kind = operation.name, operation.predicate, operation.type
        equal = len({array.shape for array in operands}) == 1
        spread = operands if equal else np.broadcast_arrays(*operands)
        known, made, simple = len(self.numbers), list[int](), 0
        for each in zip(*(array.reshape(-1).tolist() for array in spread), strict=True):
            number = self.numbers.setdefault((kind, each), len(self.numbers))
            if number == known or not self.lanes:
                known += number == known
                simple += not self.constants.isdisjoint(each)
                self.count(operation, 1)
            made.append(number)
        if simple:
            self.simple[operation.result] = simple
        return np.array(made).reshape(spread[0].shape)

    def count(self, operation: Operation, copies: int) -> None:
        """Adds copies of an operation."""
        self.units[operation.result] = operation, self.units.get(operation.result, (operation, 0))[1] + copies

    def join(self, step: Operation, carried: Carried, joined: Sequence[Variable], grid: tuple[int, ...]) -> None:
        """The tree that adds the terms of a sum's lanes, and its step, of which there is one for each sum."""
        (other,) = (name for name in step.operands if name != carried.name)
        places = [self.axes.index(v) for v in joined]
        whole = tuple(max(size, self.lanes[v] if v in joined else 1) for size, v in zip(grid, self.axes, strict=True))
        spread = np.broadcast_to(self.values[other], whole)
        kept = [k for k in range(len(self.axes)) if k not in places]
        terms = spread.transpose(*kept, *places).reshape(*(whole[k] for k in kept), -1)
        while terms.shape[-1] > 1:
            even = terms.shape[-1] // 2 * 2
            paired = self.operation(step, (terms[..., 0:even:2], terms[..., 1:even:2]))
            terms = np.concatenate([paired, terms[..., even:]], axis=-1)
        count = prod(grid)
        first = len(self.numbers)
        self.numbers.update(((step.result, "sum", k), first + k) for k in range(count))
        self.count(step, count)
        self.values[step.result] = np.arange(first, first + count).reshape(grid)

    def load(self, load: Load) -> Numbers:
        """A load, or the constants in its place where its guard never holds."""
        rows, shape = self.rows((*load.indices, *load.guard), None)
        rank, made = len(load.indices), list[int]()
        reads = None if load.buffer.storage.in_kernel else self.reads.setdefault(load.buffer, {})
        ends = {
            number: Index(self.terms.all[number], 0).bounds() for row in dict.fromkeys(rows) for number, _ in row[rank:]
        }
        for row in rows:
            where = row[:rank]
            guard = tuple((number, constant) for number, constant in row[rank:] if ends[number][0] + constant < 0)
            if self.lanes and any(ends[number][1] + constant < 0 for number, constant in guard):
                made.append(self.numbered(("constant", load.type, load.otherwise_bits)))
                self.constants.add(made[-1])
                continue
            key = ("load", load.buffer, where, guard, load.otherwise_bits)
            known = len(self.numbers)
            made.append(self.numbered(key))
            if made[-1] < known and self.lanes:
                continue
            if reads is not None:
                reads.setdefault(where)
            else:
                loops = set[Variable]().union(*(Index(self.terms.all[number], 0).variables() for number, _ in where))
                self.tables.append((number_type(load.type).bits, prod(v.extent for v in loops)))
        if reads is not None and not reads:
            del self.reads[load.buffer]
        return np.array(made).reshape(shape)

    def rows(self, indices: Sequence[Index], shape: tuple[int, ...] | None) -> tuple[list[Row], tuple[int, ...]]:
        """The rows of an access in each lane of a grid of this shape (None: over the lanes that it depends on)."""
        names = {v for index in indices for v in index.variables()}
        values = {v: self.values[v.name] for v in names if v not in self.loops and v.name in self.values}
        own = self.shape([v for v in self.axes if v in names])
        shape = np.broadcast_shapes(shape or (), own, *(array.shape for array in values.values()))
        columns = [self.column(index, shape, values) for index in indices]
        return (list(zip(*columns, strict=True)) if columns else [()] * prod(shape)), shape

    def column(self, index: Index, shape: tuple[int, ...], values: Mapping[Variable, Numbers]) -> list[tuple[int, int]]:
        """One index in each lane of a grid."""
        inside = {v for v in index.variables() if v in values}
        moved = [v for v in self.axes if v in index.variables()]
        if index.is_affine and not inside:
            base = index.substitute({v: self.steps[v] for v in moved})
            constants = [base.constant]
            for v, size in zip(self.axes, shape, strict=True):
                step = index.coefficient(v)
                constants = [constant + k * step for constant in constants for k in range(size)]
            number = self.terms.number(base.terms)
            return [(number, constant) for constant in constants]
        return [self.one(index, place, shape, moved, values, inside) for place in np.ndindex(*shape)]

    def one(
        self,
        index: Index,
        place: Sequence[int],
        shape: Sequence[int],
        moved: Sequence[Variable],
        values: Mapping[Variable, Numbers],
        inside: set[Variable],
    ) -> tuple[int, int]:
        """An index in one lane: with divisions, or with values computed at run time, which are variables of their
        own."""
        lane = {v: self.steps[v] + place[self.axes.index(v)] for v in moved}
        lane |= {v: self.steps[v] for v in self.axes if v not in lane and v in index.variables()}
        at = index.substitute(lane)
        own = {v: np.broadcast_to(values[v], tuple(shape))[tuple(place)] for v in inside}
        at = at.substitute({v: variable(Variable(f"{v.name}:{number}", v.extent)) for v, number in own.items()})
        return self.terms.number(at.terms), at.constant
