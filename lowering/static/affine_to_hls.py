"""scheduled → C++ for high-level synthesis: what `--emit hls` writes, to compare with Vitis HLS on the same loops.

Before:  affine.for %i … { … arith.mulf … affine.store … }
After:   matmul0_i: for (int i = 0; i < 64; ++i) { … #pragma HLS PIPELINE II=1 … }

needs: the scheduled level: lanes written out, accumulators rotated, banks chosen.
leaves: one file of C++ with a function for every kernel and one for the design, the model's inputs and outputs its
    arguments. Values, their order and the partition of arrays are those of our hardware; elementary functions are
    `<cmath>`'s, not our units', so that their last bits may differ. It compiles with any C++14 compiler too.
refuses: an operation that C++ has no function for, as UnsupportedOperation at the user's line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from torch2hw.analysis.banks import wanted_factors
from torch2hw.analysis.modulo_schedule import iteration_distance
from torch2hw.analysis.refusals import unsupported
from torch2hw.dialects.loops import (
    Buffer,
    Constant,
    IndexValue,
    Kernel,
    Load,
    Operation,
    Source,
    Statement,
    Store,
)
from torch2hw.dialects.memref_text import leaves_buffer
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.operations import operation_kind
from torch2hw.dialects.program import Program, Rounds
from torch2hw.dialects.quasi_affine import FloorDiv, Index, Variable
from torch2hw.hwlib.float_divide_by import unpack_divisor
from torch2hw.hwlib.formats import float_format

ORDERED = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
KEYWORDS = frozenset(
    "auto bool break case char class const continue default delete do double else enum explicit extern false float for "
    "friend goto if inline int long main namespace new operator private protected public register return short signed "
    "sizeof static std struct switch template this throw true try typedef union unsigned using virtual void volatile "
    "while maximum minimum floor_divided remainder_of from_bits reciprocal rectified reciprocal_square_root".split()
)
HEADER = """\
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

static inline float from_bits(uint32_t bits) { float value; std::memcpy(&value, &bits, 4); return value; }
static inline float maximum(float a, float b) {
    return a != a ? a : b != b ? b : a == b ? (std::signbit(a) ? b : a) : a > b ? a : b;
}
static inline float minimum(float a, float b) {
    return a != a ? a : b != b ? b : a == b ? (std::signbit(a) ? a : b) : a < b ? a : b;
}
static inline float reciprocal(float a) { return 1.0f / a; }
static inline float reciprocal_square_root(float a) { return 1.0f / std::sqrt(a); }
static inline float rectified(float a) { return a <= 0 ? 0.0f : a; }
static inline int floor_divided(int a, int b) { return a >= 0 ? a / b : -1 - (-1 - a) / b; }
static inline int remainder_of(int a, int b) { return a - b * floor_divided(a, b); }
"""


def emit(program: Program) -> str:
    """The C++ of a scheduled program."""
    program = with_names_apart(program)
    buffers = program.buffers()
    temporaries = [b for b in buffers if b.storage.is_scratch and b not in program.outputs]
    lines = [HEADER]
    lines += [constant(buffer) for buffer in buffers if buffer.data is not None]
    for kernel in program.kernels:
        lines += [*KernelEmitter(program.name, kernel).lines(), ""]
    ports = [argument(b, True) for b in program.inputs] + [argument(b, False) for b in program.outputs]
    lines.append(f"void {legal(program.name)}({', '.join(ports)}) {{")
    for buffer in temporaries:
        lines.append(f"    static {c_type(buffer.dtype, buffer.source)} {legal(buffer.name)}{shape(buffer)};")
    for buffer in (*program.inputs, *program.outputs, *temporaries):
        lines += partition(buffer)
    for node in program.sequence:
        rounds = node.count if isinstance(node, Rounds) else 1
        if rounds > 1:
            lines.append(f"    for (int round = 0; round < {rounds}; ++round) {{")
        for kernel in node.kernels:
            arguments = ", ".join(
                (*(["round"] if rounds > 1 else []), *(legal(buffer.name) for buffer in stored(kernel)))
            )
            lines.append(f"{'    ' * (1 + (rounds > 1))}{kernel_name(program.name, kernel)}({arguments});")
        if rounds > 1:
            lines.append("    }")
    return "\n".join([*lines, "}", ""])


def with_names_apart(program: Program) -> Program:
    """`program` with buffers renamed that share the name of a loop or a value, which would hide them in C++."""
    inner = {loop.variable.name for kernel in program.kernels for loop in kernel.loops} | {"round"}
    for kernel in program.kernels:
        inner |= {statement.result for statement in kernel.statements()}
        inner |= {carried.name for stage in kernel.stages for carried in stage.carried}
    taken = inner | {buffer.name for buffer in program.buffers()}
    renamed: dict[Buffer, Buffer] = {}
    for buffer in (buffer for buffer in program.buffers() if buffer.name in inner):
        name = buffer.name
        while name in taken:
            name += "_"
        taken.add(name)
        renamed[buffer] = replace(buffer, name=name)
    return program.with_buffers(renamed)


def stored(kernel: Kernel) -> list[Buffer]:
    """The buffers that a kernel gets as arguments."""
    used = dict.fromkeys(load.buffer for load in kernel.loads() if load.buffer.data is None)
    return list(used | dict.fromkeys(store.buffer for store in kernel.stores()))


def kernel_name(top: str, kernel: Kernel) -> str:
    """The name of a kernel's function in C++."""
    return f"{legal(top)}_{kernel.name}"


def legal(name: str) -> str:
    """The name, or with `_` after it if it is a keyword of C++."""
    return f"{name}_" if name in KEYWORDS else name


def shape(buffer: Buffer) -> str:
    """The array extents in C++; a scalar is an array of one."""
    return "".join(f"[{size}]" for size in buffer.shape) or "[1]"


def argument(buffer: Buffer, read_only: bool) -> str:
    """The declaration of a parameter."""
    return f"{'const ' if read_only else ''}{c_type(buffer.dtype, buffer.source)} {legal(buffer.name)}{shape(buffer)}"


def partition(buffer: Buffer, factors: Sequence[int] | None = None) -> list[str]:
    """A pragma for each dimension with more than one bank; `factors` None takes the buffer's own."""
    return [
        f"#pragma HLS ARRAY_PARTITION variable={legal(buffer.name)} cyclic factor={factor} dim={dimension}"
        for dimension, factor in enumerate(buffer.bank_factors if factors is None else factors, 1)
        if factor > 1
    ]


def constant_partitions(kernel: Kernel) -> list[str]:
    """Pragmas for constants: our hardware has a ROM for every access, but C++ has one array, which needs banks."""
    lines = []
    for buffer in dict.fromkeys(load.buffer for load in kernel.loads() if load.buffer.data is not None):
        accesses = [load.indices for load in kernel.loads() if load.buffer is buffer]
        lines += partition(buffer, wanted_factors(accesses, len(buffer.shape), len(accesses)))
    return lines


def constant(buffer: Buffer) -> str:
    """The definition of a constant array."""
    assert buffer.data is not None
    words = ", ".join(literal(int(word), buffer.dtype) for word in buffer.data.reshape(-1))
    return f"static const {c_type(buffer.dtype, buffer.source)} {legal(buffer.name)}{shape(buffer)} = {{{words}}};"


def c_type(dtype: str, source: Source | None = None) -> str:
    """The C++ name of a type; `unsupported` where it has none."""
    name = number_type(dtype).c
    if name is None:
        raise unsupported(f"{dtype} in C++", source)
    return name


def unsigned(dtype: str) -> str:
    """A cast to the unsigned type of that width, for an operation that zero-extends; nothing for a flag."""
    kind = number_type(dtype)
    return f"(uint{kind.bits}_t)" if kind.kind in ("signed", "index") else ""


def literal(bits: int, dtype: str) -> str:
    """A C++ literal for a bit pattern."""
    kind = number_type(dtype)
    if kind.is_float:
        number = kind.values_of(bits)[0]
        return f"{number!s}f" if np.isfinite(number) else f"from_bits(0x{bits:08x}u)"
    if kind.kind == "boolean":
        return "true" if bits else "false"
    value = kind.signed_integer(bits)
    return f"INT64_C({value})" if value > -(1 << 63) else "INT64_MIN"


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
        raise unsupported(f"{operation.name} in C++", operation.source)

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
