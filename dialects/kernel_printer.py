"""Prints one kernel as upstream MLIR, for `affine_text.py`, which shows what the text looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch2hw.dialects.loops import Buffer, Constant, IndexValue, Kernel, Load, Operation, Stage, Statement, Store
from torch2hw.dialects.memref_text import leaves_buffer, literal, location, memref, stored_at
from torch2hw.dialects.operations import operation_kind
from torch2hw.dialects.quasi_affine import FloorDiv, Index, Variable


class KernelPrinter:
    """Lines of one kernel. Value names get the kernel's name as a prefix, so that they are unique in the function."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.cycles = kernel.schedule.start if kernel.schedule is not None else {}
        self.loop_variables = {loop.variable for loop in kernel.loops}
        self.fresh = 0

    @classmethod
    def allocation(cls, buffer: Buffer) -> str:
        """The line that allocates a buffer between kernels."""
        return f"%{buffer.name} = memref.alloc() : {memref(buffer)}"

    def name(self, value: str) -> str:
        """The SSA name of a value of this kernel."""
        return f"%{self.kernel.name}_{value}"

    def affine(self, index: Index) -> tuple[str, list[str]]:
        """An index as the body of an affine map over d0, d1 …, and the values that these stand for."""
        variables = sorted(index.variables(), key=lambda v: v.name)
        names = {v: f"d{position}" for position, v in enumerate(variables)}
        return self.body(index, names), [self.name(v.name) for v in variables]

    def body(self, index: Index, names: Mapping[Variable, str]) -> str:
        """An affine expression over the given names."""
        parts = []
        for atom, coefficient in index.terms:
            if isinstance(atom, Variable):
                text = names[atom]
            else:
                operator = "floordiv" if isinstance(atom, FloorDiv) else "mod"
                text = f"(({self.body(atom.dividend, names)}) {operator} {atom.divisor})"
            parts.append(text if coefficient == 1 else f"{text} * {coefficient}")
        if index.constant or not parts:
            parts.append(str(index.constant))
        return " + ".join(parts)

    def condition(self, at_least_zero: Sequence[Index], zero: Sequence[Index] = ()) -> str:
        """An integer set for affine.if, with its operands."""
        used = set().union(*(index.variables() for index in (*at_least_zero, *zero)))
        variables = sorted(used, key=lambda v: v.name)
        names = {v: f"d{position}" for position, v in enumerate(variables)}
        tests = [f"{self.body(index, names)} >= 0" for index in at_least_zero]
        tests += [f"{self.body(index, names)} == 0" for index in zero]
        actual = ", ".join(self.name(v.name) for v in variables)
        return f"affine_set<({', '.join(names.values())}) : ({', '.join(tests)})>({actual})"

    def access(self, buffer: Buffer, indices: Sequence[Index]) -> str:
        """`%buffer[…]` for affine.load: the map is written with the loop variables themselves."""
        names = {v: self.name(v.name) for index in indices for v in index.variables()}
        return f"%{buffer.name}[{', '.join(self.body(index, names) for index in stored_at(buffer, indices))}]"

    def lines(self) -> list[str]:
        """The whole kernel: memories for carried values, then the loops."""
        return [*self.states(), *self.loop_lines(0)]

    def arm_lines(self, parallel: str) -> list[str]:
        """The kernel as an arm of the parallel kernel of that name."""
        return self.lines()

    def states(self) -> list[str]:
        """The memories for values that are carried between iterations."""
        out: list[str] = []
        for number, stage in enumerate(self.kernel.stages):
            shape = "".join(f"{loop.extent}x" for loop in self.kernel.state_loops(number))
            out += [f"{self.name(c.name)}_state = memref.alloca() : memref<{shape}{c.type}>" for c in stage.carried]
        return out

    def loop_lines(self, first: int) -> list[str]:
        """The loops from number `first` inwards, with their bodies."""
        kernel = self.kernel
        out: list[str] = []
        for depth, loop in enumerate(kernel.loops[first:]):
            out.append("  " * depth + f"affine.for {self.name(loop.variable.name)} = 0 to {loop.extent} {{")
        depth = len(kernel.loops) - first
        body = self.stage_lines(0)
        if kernel.domain:
            body = [f"affine.if {self.condition(kernel.domain)} {{", *("  " + line for line in body), "}"]
        out += ["  " * depth + line for line in body]
        out += [
            "  " * level + "}" + (location(kernel.source) if level == 0 else "") for level in reversed(range(depth))
        ]
        return out

    def stage_lines(self, number: int) -> list[str]:
        """What a stage does in an iteration: carried values are read, computed, written back; then its stores."""
        kernel = self.kernel
        stage: Stage = kernel.stages[number]
        out: list[str] = []
        early, late = stage.in_order()
        for statement in early:
            out += self.statement_lines(statement)
        state = ", ".join(self.name(loop.variable.name) for loop in kernel.state_loops(number))
        shape = "".join(f"{loop.extent}x" for loop in kernel.state_loops(number))
        from_zero = [Index(((loop.variable, 1),), 0) for loop in kernel.reduction_loops(number)]
        for carried in stage.carried:
            value, kind = self.name(carried.name), f"memref<{shape}{carried.type}>"
            load = f"affine.load {value}_state[{state}] : {kind}"
            if not from_zero:
                raise AssertionError(f"stage {number} of {kernel.name} carries a value over no loop")
            out += [
                f"{value} = affine.if {self.condition((), from_zero)} -> {carried.type} {{",
                f"  affine.yield {self.name(carried.init)} : {carried.type}",
                "} else {",
                f"  {value}_old = {load}",
                f"  affine.yield {value}_old : {carried.type}",
                "}",
            ]
        for statement in late:
            out += self.statement_lines(statement)
        for carried in stage.carried:
            out.append(
                f"affine.store {self.name(carried.next)}, {self.name(carried.name)}_state[{state}] : "
                f"memref<{shape}{carried.type}>"
            )
        for store in stage.stores:
            out += self.store_lines(store)
        if number + 1 < len(kernel.stages):
            later = self.stage_lines(number + 1)
            ends = [Index(((loop.variable, 1),), 1 - loop.extent) for loop in kernel.reduction_loops(number)]
            if ends:
                later = [f"affine.if {self.condition((), ends)} {{", *("  " + line for line in later), "}"]
            out += later
        return out

    def statement_lines(self, statement: Statement) -> list[str]:
        """The lines that define a statement's result."""
        result = self.name(statement.result)
        if isinstance(statement, Constant):
            return [f"{result} = arith.constant {literal(statement.bits, statement.type)}"]
        if isinstance(statement, IndexValue):
            text, operands = self.affine(statement.index)
            formal = ", ".join(f"d{k}" for k in range(len(operands)))
            return [f"{result} = affine.apply affine_map<({formal}) -> ({text})>({', '.join(operands)})"]
        if isinstance(statement, Operation):
            return [self.operation_line(statement) + location(statement.source)]
        return self.load_lines(statement, result)

    def load_lines(self, load: Load, result: str) -> list[str]:
        """The lines of a load: `memref.load` at an index computed at run time, `affine.load` otherwise, inside
        `affine.if` where it has a guard.
        """
        if any(v not in self.loop_variables for index in load.indices for v in index.variables()):
            assert not load.guard, "a load at a run-time index has no guard"
            lines: list[str] = []
            values = []
            for position, index in enumerate(stored_at(load.buffer, load.indices)):
                values.append(self.arith(index, f"{result}_at{position}", lines))
            lines.append(
                f"{result} = memref.load %{load.buffer.name}[{', '.join(values)}] : {memref(load.buffer)}"
                + location(load.source)
            )
            return lines
        plain = self.read(load)
        # Outside the buffer without a guard that says so: a lane whose result is not stored.
        checks = dict.fromkeys((*load.guard, *leaves_buffer(load.buffer, load.indices)))
        guard = [index for index in checks if index not in self.kernel.domain]
        if not guard:
            return [f"{result} = {plain}"]
        return [
            f"{result} = affine.if {self.condition(guard)} -> {load.type} {{",
            f"  {result}_in = {plain}",
            f"  affine.yield {result}_in : {load.type}",
            "} else {",
            f"  {result}_out = arith.constant {literal(load.otherwise_bits, load.type)}",
            f"  affine.yield {result}_out : {load.type}",
            "}",
        ]

    def read(self, load: Load) -> str:
        """The operation that reads the element, without a guard."""
        return f"affine.load {self.access(load.buffer, load.indices)} : {memref(load.buffer)}{location(load.source)}"

    def arith(self, index: Index, prefix: str, lines: list[str]) -> str:
        """Appends the arithmetic of an index over run-time values to `lines`; returns the name of its value."""
        total = f"{prefix}_c"
        lines.append(f"{total} = arith.constant {index.constant} : index")
        for number, (atom, coefficient) in enumerate(index.terms):
            name = f"{prefix}_t{number}"
            if isinstance(atom, Variable):
                value = self.name(atom.name)
            else:
                inner = self.arith(atom.dividend, name + "d", lines)
                value = f"{name}q"
                operator = "floordivsi" if isinstance(atom, FloorDiv) else "remsi"
                lines += [
                    f"{name}n = arith.constant {atom.divisor} : index",
                    f"{value} = arith.{operator} {inner}, {name}n : index",
                ]
            lines += [
                f"{name}k = arith.constant {coefficient} : index",
                f"{name}p = arith.muli {value}, {name}k : index",
                f"{name} = arith.addi {total}, {name}p : index",
            ]
            total = name
        return total

    def operation_line(self, operation: Operation) -> str:
        """An operation as its dialect prints it, or a call of its software model; with its cycle if scheduled."""
        result, operands = self.name(operation.result), ", ".join(map(self.name, operation.operands))
        types = operation.operand_types
        cycle = self.cycles.get(operation.result)
        start = f" {{cycle = {cycle} : i64}}" if cycle is not None else ""
        if operation.callee is not None:
            signature = f"({', '.join(types)}) -> {operation.type}"
            return f"{result} = func.call @{operation.callee}({operands}){start} : {signature}"
        if operation_kind(operation.name).predicates:
            return f"{result} = {operation.name} {operation.predicate}, {operands}{start} : {types[0]}"
        if operation.name == "arith.select":
            return f"{result} = arith.select {operands}{start} : {operation.type}"
        if len(types) == 1 and types[0] != operation.type:
            return f"{result} = {operation.name} {operands}{start} : {types[0]} to {operation.type}"
        if len(set(types)) > 1:
            return f"{result} = {operation.name} {operands}{start} : {', '.join(types)}"
        return f"{result} = {operation.name} {operands}{start} : {operation.type}"

    def store_lines(self, store: Store) -> list[str]:
        """The lines of a store, inside `affine.if` where it has a guard."""
        line = (
            f"affine.store {self.name(store.value)}, {self.access(store.buffer, store.indices)} : "
            f"{memref(store.buffer)}{location(store.source)}"
        )
        if not store.guard:
            return [line]
        return [f"affine.if {self.condition(store.guard)} {{", "  " + line, "}"]
