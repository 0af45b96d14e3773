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

from dataclasses import replace

from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.program import Program, Rounds
from torch2hw.lowering.static.hls_declarations import (
    argument,
    c_type,
    constant,
    kernel_name,
    legal,
    partition,
    shape,
    stored,
)
from torch2hw.lowering.static.hls_kernel import KernelEmitter

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
    lines += [constant(buffer) for buffer in buffers if buffer.constant is not None]
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
