"""The values of a `Program` by its definition (the docstring of dialects/loops.py), independent of its MLIR text.

Parallel loops are NumPy axes, reductions are Python loops in their order. What was never written, or is read outside
its buffer, is poison (a NaN, or a large integer), so that a program that uses it shows itself. Banks play no part.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from torch2hw.dialects.loops import Buffer, Constant, IndexValue, Kernel, Load, Operation, Statement, Store
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.program import Program, Rounds
from torch2hw.dialects.quasi_affine import Index, Variable
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
    def __init__(self, kernel: Kernel, memory: dict[Buffer, Array]) -> None:
        self.kernel, self.memory = kernel, memory
        parallel = [loop.variable for loop in kernel.parallel_loops()]
        self.shape = tuple(v.extent for v in parallel)
        self.indices: dict[Variable, Any] = dict(zip(parallel, np.indices(self.shape), strict=True))
        self.values: dict[str, Any] = {}
        self.state: dict[str, Any] = {}

    def run(self) -> None:
        stages = range(len(self.kernel.stages))
        reduced = [loop.variable for stage in reversed(stages) for loop in self.kernel.reduction_loops(stage)]
        for numbers in itertools.product(*(range(v.extent) for v in reduced)):
            self.indices |= dict(zip(reduced, numbers, strict=True))
            for stage in stages:
                below = [loop for k in range(stage) for loop in self.kernel.reduction_loops(k)]
                if all(self.indices[loop.variable] == loop.extent - 1 for loop in below):
                    self.stage(stage)

    def stage(self, number: int) -> None:
        stage = self.kernel.stages[number]
        inside = self.where(self.kernel.domain)
        first = all(self.indices[loop.variable] == 0 for loop in self.kernel.reduction_loops(number))
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
                    if v not in self.indices
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
            return self.load(statement)
        operands = [self.values[name] for name in statement.operands]
        if statement.name == "arith.cmpf":
            assert statement.predicate is not None
            return COMPARES[statement.predicate](*operands)
        if statement.name == "arith.index_cast":
            return np.asarray(operands[0]).astype(np.int64)
        return OPERATIONS[statement.name](*operands)

    def at(self, index: Index) -> Any:
        def value(v: Variable) -> Any:
            return self.indices[v] if v in self.indices else self.values[v.name]

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
