"""The values of a `Program` by its definition (the docstring of dialects/loops.py), independent of its MLIR text.

Parallel loops are NumPy axes, reductions are Python loops in their order; indices, and what is read of buffers that
the kernel does not write, are computed for all iterations at once. What was never written, or is read outside its
buffer, is poison (a NaN, or a large integer), so that a program that uses it shows itself. Banks play no part.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from torch2hw.dialects.loops import Buffer, Constant, IndexValue, Kernel, Load, Operation, Statement, Store
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.program import Program, Rounds
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.dialects.substitution import one_round

Array = np.ndarray[Any, Any]
POISON = 1 << 40
STORED: dict[str, Any] = {"f32": np.float32, "i64": np.int64, "i1": np.bool_, "index": np.int64}
OPERATIONS: dict[str, Callable[..., Any]] = {
    "arith.addf": np.add,
    "arith.subf": np.subtract,
    "arith.mulf": np.multiply,
    "arith.divf": np.divide,
    "math.sqrt": np.sqrt,
    "arith.maximumf": np.maximum,
    "arith.minimumf": np.minimum,
    "arith.negf": np.negative,
    "hwlib.relu": lambda a: np.where(a > 0, a, np.zeros_like(a)),
    "arith.select": np.where,
    "arith.addi": np.add,
}
COMPARES: dict[str, Callable[..., Any]] = {
    "ogt": np.greater,
    "ugt": lambda a, b: ~np.less_equal(a, b),
    "olt": np.less,
    "oge": np.greater_equal,
}


def program_values(program: Program, inputs: Sequence[Array]) -> list[Array]:
    """The outputs, in the order of the ports."""
    memory: dict[Buffer, Array] = dict(zip(program.inputs, inputs, strict=True))
    for buffer in program.buffers():
        if buffer.data is not None:
            memory[buffer] = number_type(buffer.dtype).values_of(buffer.data).reshape(buffer.shape)
        elif not buffer.storage.host_writes:
            memory[buffer] = np.full(buffer.shape, np.nan if buffer.dtype == "f32" else POISON, STORED[buffer.dtype])
    with np.errstate(all="ignore"):
        for node in program.sequence:
            for number in range(node.count if isinstance(node, Rounds) else 1):
                for kernel in node.kernels:
                    _KernelRun(one_round(kernel, number), memory).run()
    return [memory[buffer] for buffer in program.outputs]


class _KernelRun:
    """`grid` has the loop indices of all iterations, the axes of reductions first; `numbers` are the indices of the
    reductions now, or nothing: then `shape` and all values are those of all iterations."""

    def __init__(self, kernel: Kernel, memory: dict[Buffer, Array]) -> None:
        self.kernel, self.memory = kernel, memory
        parallel = [loop.variable for loop in kernel.parallel_loops()]
        stages = reversed(range(len(kernel.stages)))
        self.reduced = [loop.variable for stage in stages for loop in kernel.reduction_loops(stage)]
        axes = [*self.reduced, *parallel]
        self.shape = self.everywhere = tuple(v.extent for v in axes)
        self.grid: dict[Variable, Array] = dict(zip(axes, np.indices(self.everywhere, sparse=True), strict=True))
        self.numbers: tuple[int, ...] = ()
        self.indices: dict[Index, Array] = {}
        self.values: dict[str, Any] = {}
        self.state: dict[str, Any] = {}
        written = {store.buffer for store in kernel.stores()}
        self.ahead = {
            load.result: self.load(load)
            for load in kernel.loads()
            if load.buffer not in written and load.variables <= self.grid.keys()
        }

    def run(self) -> None:
        self.shape = self.everywhere[len(self.reduced) :]
        for numbers in itertools.product(*(range(v.extent) for v in self.reduced)):
            self.numbers, now = numbers, dict(zip(self.reduced, numbers, strict=True))
            for stage in range(len(self.kernel.stages)):
                below = [loop for k in range(stage) for loop in self.kernel.reduction_loops(k)]
                if all(now[loop.variable] == loop.extent - 1 for loop in below):
                    self.stage(stage, all(now[loop.variable] == 0 for loop in self.kernel.reduction_loops(stage)))

    def stage(self, number: int, first: bool) -> None:
        stage = self.kernel.stages[number]
        inside = self.where(self.kernel.domain)
        made = {statement.result: statement for statement in stage.statements}
        for statement in stage.statements:
            self.values.pop(statement.result, None)
        for carried in stage.carried:
            if not first:
                self.values[carried.name] = self.state[carried.name]
        for carried in stage.carried:
            if first:
                self.values[carried.name] = self.value(carried.init, made)
        for statement in stage.statements:
            self.value(statement.result, made)
        for carried in stage.carried:
            old = self.state.get(carried.name, self.values[carried.next])
            self.state[carried.name] = np.where(inside, self.values[carried.next], old)
        for store in stage.stores:
            self.store(store, inside)

    def value(self, name: str, made: Mapping[str, Statement]) -> Any:
        """The value of a name; statements of the stage are computed once, when first wanted."""
        if name not in self.values:
            statement = made[name]
            needed = (
                statement.operands
                if isinstance(statement, Operation)
                else [
                    v.name
                    for index in getattr(statement, "indices", ())
                    for v in index.variables()
                    if v not in self.grid
                ]
            )
            for operand in needed:
                self.value(operand, made)
            self.values[name] = self.computed(statement)
        return self.values[name]

    def computed(self, statement: Statement) -> Any:
        if isinstance(statement, Constant):
            return number_type(statement.type).values_of(statement.bits)[0]
        if isinstance(statement, IndexValue):
            return self.at(statement.index)
        if isinstance(statement, Load):
            ahead = self.ahead.get(statement.result)
            return self.load(statement) if ahead is None else ahead[self.numbers]
        operands = [self.values[name] for name in statement.operands]
        if statement.name == "arith.cmpf":
            assert statement.predicate is not None
            return COMPARES[statement.predicate](*operands)
        if statement.name == "arith.index_cast":
            return np.asarray(operands[0]).astype(np.int64)
        return OPERATIONS[statement.name](*operands)

    def at(self, index: Index) -> Any:
        if index.variables() <= self.grid.keys():
            if index not in self.indices:
                every = np.asarray(index.evaluate(self.grid.__getitem__))
                self.indices[index] = np.broadcast_to(every, self.everywhere)
            return self.indices[index][self.numbers]

        def value(v: Variable) -> Any:
            return self.at(variable(v)) if v in self.grid else self.values[v.name]

        return np.broadcast_to(np.asarray(index.evaluate(value)), self.shape)

    def where(self, at_least_zero: Sequence[Index]) -> Array:
        inside = np.ones(self.shape, bool)
        for index in at_least_zero:
            inside = inside & (self.at(index) >= 0)
        return inside

    def load(self, load: Load) -> Array:
        inside = self.where(load.guard)
        place = [self.at(index) for index in load.indices]
        there = np.ones(self.shape, bool)
        for index, size in zip(place, load.buffer.shape, strict=True):
            there = there & (index >= 0) & (index < size)
        data = self.memory[load.buffer][tuple(np.where(there, index, 0) for index in place)]
        poison = np.array(np.nan if load.type == "f32" else POISON).astype(data.dtype)
        otherwise = number_type(load.type).values_of(load.otherwise_bits)[0]
        return np.where(inside, np.where(there, data, poison), otherwise)

    def store(self, store: Store, inside: Array) -> None:
        inside = inside & self.where(store.guard)
        place = [self.at(index) for index in store.indices]
        for index, size in zip(place, store.buffer.shape, strict=True):
            assert ((index >= 0) & (index < size))[inside].all(), (
                f"{self.kernel.name} stores outside {store.buffer.name}"
            )
        value = np.broadcast_to(self.values[store.value], self.shape)
        target = self.memory[store.buffer]
        if inside.any():
            target[tuple(index[inside] for index in place)] = value[inside] if place else value[inside][-1]
