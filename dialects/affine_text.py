"""Prints a `Program` as upstream MLIR: one function `@main` over memrefs, inputs first, then outputs, then
states, which it reads and writes.

Before (data): `Kernel(i, j, k; stage 0: acc; stage 1: store)`. After (text):

    affine.for %i … { affine.for %k … { affine.for %j …
      %acc = affine.if (k == 0) -> f32 { yield %init } else { yield load %state[%j] }
      … affine.store %next, %state[%j]
      affine.if (k == K - 1) { … affine.store %y, %out[%i, %j] }

The text is executable in exactly the order in which the hardware runs: on the CPU it is the design's reference.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch2hw.dialects.kernel_printer import KernelPrinter
from torch2hw.dialects.loops import Kernel
from torch2hw.dialects.memref_text import dense, memref
from torch2hw.dialects.program import Node, Par, Program, Rounds


def affine_text(program: Program, printer: type[KernelPrinter] | None = None, weights: bool = True) -> str:
    """The text of a program. `printer` prints the kernels; the default is `KernelPrinter`. A schedule is shown as
    attributes: of the function, the start, interval and depth of every kernel and the period of its rounds; of an
    operation, the cycle in which it starts. Without `weights`, a constant is a named resource,
    `dense_resource<weights3>`, instead of its data."""
    buffers, printer = program.buffers(), printer or KernelPrinter
    lines = ["module {"]
    for buffer in buffers:
        if buffer.constant is not None:
            data = dense(buffer) if weights else f"dense_resource<{buffer.name}>"
            lines.append(f'  memref.global "private" constant @{buffer.name} : {memref(buffer)} = {data}')
    ports = ", ".join(f"%{buffer.name}: {memref(buffer)}" for buffer in program.tensors)
    allocated = [buffer for buffer in buffers if buffer.storage.is_scratch and buffer not in program.outputs]
    schedule = f" attributes {{schedule = {schedule_attribute(program)}}}" if program.level == "scheduled" else ""
    lines.append(f"  func.func @main({ports}){schedule} {{")
    for buffer in buffers:
        if buffer.constant is not None:
            lines.append(f"    %{buffer.name} = memref.get_global @{buffer.name} : {memref(buffer)}")
    for buffer in allocated:
        lines.append("    " + printer.allocation(buffer))
    for node in program.sequence:
        lines += ["    " + line for line in node_lines(node, printer)]
    for buffer in allocated:
        lines.append(f"    memref.dealloc %{buffer.name} : {memref(buffer)}")
    lines += ["    return", "  }", *program.models, "}", ""]
    return "\n".join(lines)


def schedule_attribute(program: Program) -> str:
    """Start, interval and depth of every kernel, in cycles, and the period of those in rounds."""
    entries = []
    for placed in program.placed:
        kernel, plan = placed.kernel, placed.kernel.plan
        period = f", period = {placed.period_cycles} : i64" if kernel.is_in_rounds else ""
        entries.append(
            f"{kernel.name} = {{start = {placed.start_cycle} : i64, interval = {plan.interval_cycles} : i64, "
            f"depth = {plan.depth_cycles} : i64{period}}}"
        )
    return f"{{{', '.join(entries)}}}"


def node_lines(node: Node, printer: type[KernelPrinter]) -> list[str]:
    """The lines of a node of the control tree."""
    if isinstance(node, Kernel):
        return printer(node).lines()
    if isinstance(node, Rounds):
        return round_lines([printer(kernel) for kernel in node.kernels])
    if isinstance(node, Par):
        return [line for kernel in node.kernels for line in printer(kernel).arm_lines(node.name)]
    return [line for child in node.body for line in node_lines(child, printer)]


def round_lines(printers: Sequence[KernelPrinter]) -> list[str]:
    """The kernels of a `Rounds` node, all in one loop over the rounds; its variable has the name that it has in the
    first kernel."""
    outer = [printer.name(printer.kernel.loops[0].variable.name) for printer in printers]
    lines = [line for printer in printers for line in printer.states()]
    lines.append(f"affine.for {outer[0]} = 0 to {printers[0].kernel.rounds} {{")
    for name, printer in zip(outer, printers, strict=True):
        if name != outer[0]:
            lines.append(f"  {name} = affine.apply affine_map<(d0) -> (d0)>({outer[0]})")
        lines += ["  " + line for line in printer.loop_lines(1)]
    return [*lines, "}"]
