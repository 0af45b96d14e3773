"""Values of one kernel: unique names, defined before they are used, of the types that their users take.

The scope grows in the order of execution: loop variables; of each stage the statements that initial values depend on,
the carried values, the other statements. Later stages see the values of earlier ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch2hw.dialects.loops import Constant, IndexValue, Kernel, Load, Operation, Statement, Store
from torch2hw.dialects.number_types import find_number_type, number_type
from torch2hw.dialects.operations import operation_kind
from torch2hw.dialects.quasi_affine import Index, Variable
from torch2hw.hwlib.entries import ENTRIES, entry_for


def value_faults(kernel: Kernel) -> Iterator[str]:
    """What is wrong with the names and types of a kernel, a sentence each."""
    scope = _Scope(kernel)
    for index in kernel.domain:
        yield from scope.of_loops(index, "the domain")
    for stage in kernel.stages:
        early, late = stage.in_order()
        for statement in early:
            yield from scope.statement(statement)
        for carried in stage.carried:
            yield from scope.used(carried.init, carried.type, f"the initial value of {carried.name}")
            yield from scope.define(carried.name, carried.type)
        for statement in late:
            yield from scope.statement(statement)
        for carried in stage.carried:
            yield from scope.used(carried.next, carried.type, f"the next value of {carried.name}")
        for store in stage.stores:
            yield from scope.store(store)


class _Scope:
    """The types of the values that are defined so far, by name."""

    def __init__(self, kernel: Kernel) -> None:
        self.loops = {loop.variable.name: loop.variable for loop in kernel.loops}
        self.types: dict[str, str] = dict.fromkeys(self.loops, "index")

    def define(self, name: str, dtype: str) -> Iterator[str]:
        if name in self.types:
            yield f"{name} is defined twice"
        if find_number_type(dtype) is None:
            yield f"{name} has the type {dtype}, which does not exist"
        elif number_type(dtype).mlir != dtype:
            yield f"{name} has the type {dtype}, which is no type of values"
        self.types[name] = dtype

    def used(self, name: str, dtype: str, by: str) -> Iterator[str]:
        """`by`, which takes a value of this type, uses the value of that name."""
        found = self.types.get(name)
        if found is None:
            yield f"{by} uses {name}, which is not defined before it"
        elif found != dtype:
            yield f"{by} takes {name} as {dtype}, which is {found}"

    def statement(self, statement: Statement) -> Iterator[str]:
        """A statement, whose result is defined after it."""
        match statement:
            case Operation():
                yield from self.operation(statement)
            case Constant(result, dtype, bits):
                yield from _fits(result, dtype, bits)
            case IndexValue(result, index, dtype):
                yield from self.of_loops(index, result)
                if dtype != "index":
                    yield f"{result} is an index and has the type {dtype}"
            case Load():
                yield from self.load(statement)
        yield from self.define(statement.result, statement.type)

    def operation(self, operation: Operation) -> Iterator[str]:
        if len(operation.operands) != len(operation.operand_types):
            yield (
                f"{operation.result} has {len(operation.operands)} operands and {len(operation.operand_types)} types"
            )
            return
        for name, dtype in zip(operation.operands, operation.operand_types, strict=True):
            yield from self.used(name, dtype, operation.result)
        yield from _agrees(operation)

    def load(self, load: Load) -> Iterator[str]:
        if load.type != load.buffer.value_type:
            yield f"{load.result} is {load.type} and loads from {load.buffer.name} of {load.buffer.value_type}"
        yield from _fits(f"the value of {load.result} outside its guard", load.type, load.otherwise_bits)
        for index in load.guard:
            yield from self.of_loops(index, f"the guard of {load.result}")
        at_run_time = False
        for variable in _variables(load.indices):
            if variable.name in self.loops:
                yield from self.of_loop(variable, f"the load {load.result}")
            else:
                at_run_time = True
                yield from self.used(variable.name, "index", f"the load {load.result}")
        if at_run_time and load.guard:
            yield f"the load {load.result} at an index computed at run time has a guard"

    def store(self, store: Store) -> Iterator[str]:
        where = f"the store to {store.buffer.name}"
        yield from self.used(store.value, store.buffer.value_type, where)
        for index in (*store.indices, *store.guard):
            yield from self.of_loops(index, where)

    def of_loops(self, index: Index, by: str) -> Iterator[str]:
        """An index of loop variables alone."""
        for variable in _variables((index,)):
            yield from self.of_loop(variable, by)

    def of_loop(self, variable: Variable, by: str) -> Iterator[str]:
        loop = self.loops.get(variable.name)
        if loop is None:
            yield f"{by} uses {variable.name}, which is no loop around it"
        elif loop.extent != variable.extent:
            yield f"{by} counts {variable.name} to {variable.extent}, its loop to {loop.extent}"


def _variables(indices: Sequence[Index]) -> list[Variable]:
    return sorted({v for index in indices for v in index.variables()}, key=lambda v: v.name)


def _fits(what: str, dtype: str, bits: int) -> Iterator[str]:
    if find_number_type(dtype) is not None and not 0 <= bits <= number_type(dtype).mask:
        yield f"{what} has the bits {bits:#x}, which are too many for {dtype}"


def _agrees(operation: Operation) -> Iterator[str]:
    """The types, the predicate and the unit of an operation that the registry knows; `check-units` refuses others."""
    name, types = operation.name, (*operation.operand_types, operation.type)
    predicates = operation_kind(name).predicates
    if predicates and operation.predicate not in predicates:
        yield f"{operation.result} compares by {operation.predicate}, which is no predicate of {name}"
    if not predicates and operation.predicate is not None:
        yield f"{operation.result} has the predicate {operation.predicate}, and {name} takes none"
    known = all(find_number_type(dtype) is not None for dtype in types)
    if name in ENTRIES and known and entry_for(name, types) is None:
        yield f"{operation.result}: {name} does not take ({', '.join(types[:-1])}) -> {types[-1]}"
    if operation.iterative and (name not in ENTRIES or ENTRIES[name].iteration is None):
        yield f"{operation.result}: {name} has no iterative unit"
    elif operation.iterative and operation.iterative > ENTRIES[name].digits:
        yield f"{operation.result}: {name} has no unit of {operation.iterative} digits a cycle"
