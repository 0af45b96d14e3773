"""The C++ function of one kernel, for `affine_to_hls`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch2hw.analysis.modulo_schedule import iteration_distance
from torch2hw.dialects.loops import Buffer, Constant, IndexValue, Kernel, Load, Operation, Statement, Store
from torch2hw.dialects.memref_text import leaves_buffer
from torch2hw.dialects.operations import operation_kind
from torch2hw.dialects.quasi_affine import FloorDiv, Index, Variable
from torch2hw.hwlib.float_divide_by import unpack_divisor
from torch2hw.hwlib.formats import float_format
from torch2hw.lowering.static.hls_declarations import (
    argument,
    c_type,
    constant_partitions,
    kernel_name,
    legal,
    literal,
    not_in_cpp,
    partition,
    stored,
    unsigned,
)

ORDERED = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


class KernelEmitter:
    """The function of one kernel."""

    def __init__(self, top: str, kernel: Kernel) -> None:
        self.top, self.kernel = top, kernel

    def lines(self) -> list[str]:
        """The whole function, its loops labelled, its pipeline pragma on the innermost."""
        kernel = self.kernel
        written = {store.buffer for store in kernel.stores()}
        ports = ", ".join(argument(buffer, buffer not in written) for buffer in stored(kernel))
        loops = kernel.loops
        if kernel.is_in_rounds:
            ports, loops = f"int {legal(loops[0].variable.name)}, {ports}", loops[1:]
        where = f"  // {kernel.source}" if kernel.source else ""
        out = [f"static void {kernel_name(self.top, kernel)}({ports}) {{{where}"]
        out += ["#pragma HLS INLINE off", *(line for buffer in stored(kernel) for line in partition(buffer))]
        out += constant_partitions(kernel)
        for number, stage in enumerate(kernel.stages):
            sizes = "".join(f"[{loop.extent}]" for loop in kernel.state_loops(number)) or "[1]"
            for carried in stage.carried:
                out.append(f"    {c_type(carried.type, self.kernel.source)} {carried.name}_state{sizes};")
                out.append(f"#pragma HLS ARRAY_PARTITION variable={carried.name}_state complete dim=0")
        for depth, loop in enumerate(loops):
            name = legal(loop.variable.name)
            head = f"for (int {name} = 0; {name} < {loop.extent}; ++{name}) {{"
            out.append("    " * (depth + 1) + f"{kernel.name}_{name}: {head}")
        out.append("#pragma HLS PIPELINE II=1")
        for number, stage in enumerate(kernel.stages):
            if stage.carried:
                distance = iteration_distance(kernel, number)
                for carried in stage.carried:
                    state = f"variable={carried.name}_state inter distance={distance} true"
                    out.append(f"#pragma HLS DEPENDENCE {state}")
        body = self.stage(0)
        if kernel.domain:
            body = [f"if ({self.holds(kernel.domain)}) {{", *indented(body), "}"]
        pad = "    " * (len(loops) + 1)
        out += [pad + line for line in body]
        out += ["    " * depth + "}" for depth in range(len(loops), 0, -1)]
        return [*out, "}"]

    def stage(self, number: int) -> list[str]:
        """The statements of a stage, and inside a condition those of the stages after it."""
        kernel, stage = self.kernel, self.kernel.stages[number]
        early, late = stage.in_order()
        out = [self.statement(statement) for statement in early]
        place = "".join(f"[{legal(loop.variable.name)}]" for loop in kernel.state_loops(number)) or "[0]"
        first = " && ".join(f"{legal(loop.variable.name)} == 0" for loop in kernel.reduction_loops(number))
        for carried in stage.carried:
            state = f"{carried.name}_state{place}"
            kind = c_type(carried.type, self.kernel.source)
            out.append(f"const {kind} {legal(carried.name)} = {first} ? {legal(carried.init)} : {state};")
        out += [self.statement(statement) for statement in late]
        out += [f"{carried.name}_state{place} = {legal(carried.next)};" for carried in stage.carried]
        out += [self.store(store) for store in stage.stores]
        if number + 1 < len(kernel.stages):
            later = self.stage(number + 1)
            last = [f"{legal(p.variable.name)} == {p.extent - 1}" for p in kernel.reduction_loops(number)]
            out += [f"if ({' && '.join(last)}) {{", *indented(later), "}"] if last else later
        return out

    # -- expressions ---------------------------------------------------------------------------------------------------
    def index(self, index: Index) -> str:
        """An index as an expression of int; division and remainder round towards minus infinity."""
        parts = []
        for atom, coefficient in index.terms:
            if isinstance(atom, Variable):
                text = legal(atom.name)
            else:
                quotient = isinstance(atom, FloorDiv)
                inner = self.index(atom.dividend)
                if atom.dividend.bounds()[0] >= 0:
                    text = f"({inner}) {'/' if quotient else '%'} {atom.divisor}"
                    text = f"({text})" if coefficient != 1 else text
                else:
                    text = f"{'floor_divided' if quotient else 'remainder_of'}({inner}, {atom.divisor})"
            parts.append(text if coefficient == 1 else f"{coefficient} * {text}")
        if index.constant or not parts:
            parts.append(str(index.constant))
        return " + ".join(parts).replace("+ -", "- ")

    def holds(self, conditions: Iterable[Index]) -> str:
        """The condition that all indices are 0 or more."""
        return " && ".join(f"{self.index(index)} >= 0" for index in conditions)

    def element(self, buffer: Buffer, indices: Sequence[Index]) -> str:
        """An element of an array."""
        return legal(buffer.name) + ("".join(f"[{self.index(index)}]" for index in indices) or "[0]")

    def statement(self, statement: Statement) -> str:
        """The definition of a statement's result."""
        return (
            f"const {c_type(statement.type, self.kernel.source)} {legal(statement.result)} = {self.value(statement)};"
        )

    def value(self, statement: Statement) -> str:
        """The expression of a statement."""
        if isinstance(statement, Constant):
            return literal(statement.bits, statement.type)
        if isinstance(statement, IndexValue):
            return self.index(statement.index)
        if isinstance(statement, Load):
            return self.load(statement)
        return self.operation(statement)

    def load(self, load: Load) -> str:
        """A read, or the value that stands for it where an index leaves the buffer."""
        place = self.element(load.buffer, load.indices)
        loops = {loop.variable for loop in self.kernel.loops}
        run_time = any(v not in loops for index in load.indices for v in index.variables())
        outside = () if run_time else leaves_buffer(load.buffer, load.indices)
        guard = [index for index in dict.fromkeys((*load.guard, *outside)) if index not in self.kernel.domain]
        return f"{self.holds(guard)} ? {place} : {literal(load.otherwise_bits, load.type)}" if guard else place

    def operation(self, operation: Operation) -> str:
        """An operation as C++; refused at its source line if C++ has none."""
        kind, operands = operation_kind(operation.name), [legal(operand) for operand in operation.operands]
        if kind.cpp:
            named = {"type": c_type(operation.type, operation.source), "unsigned": unsigned(operation.operand_types[0])}
            if "{divisor}" in kind.cpp:
                named["divisor"] = self.divisor(operation)
            return kind.cpp.format(*operands, **named)
        if kind.name == "arith.cmpf" and operation.predicate:
            return comparison(operation.predicate, *operands)
        if kind.name == "arith.cmpi" and (operation.predicate or "").removeprefix("s") in ORDERED:
            return f"{operands[0]} {ORDERED[(operation.predicate or '').removeprefix('s')]} {operands[1]}"
        raise not_in_cpp(operation.name, operation.source)

    def divisor(self, operation: Operation) -> str:
        """The constant that a division by its packed reciprocal divides by."""
        form = float_format(operation.type)
        packed = next(
            s for s in self.kernel.statements() if isinstance(s, Constant) and s.result == operation.operands[1]
        )
        assert form is not None
        return literal(unpack_divisor(packed.bits, form), operation.type)

    def store(self, store: Store) -> str:
        """A write, inside a condition where it has a guard."""
        line = f"{self.element(store.buffer, store.indices)} = {legal(store.value)};"
        return f"if ({self.holds(store.guard)}) {line}" if store.guard else line


def comparison(predicate: str, left: str, right: str) -> str:
    """An ordered or unordered comparison of floats; C++'s own are ordered, but for `!=`."""
    unordered = f"({left} != {left} || {right} != {right})"
    if predicate in ("ord", "uno"):
        return f"!{unordered}" if predicate == "ord" else unordered
    operator = ORDERED[predicate[1:]]
    plain = f"{left} {operator} {right}"
    if predicate[0] == "u":
        return plain if operator == "!=" else f"{plain} || {unordered}"
    return f"{plain} && !{unordered}" if operator == "!=" else plain


def indented(lines: Iterable[str]) -> list[str]:
    """The lines, a level further in."""
    return ["    " + line for line in lines]
