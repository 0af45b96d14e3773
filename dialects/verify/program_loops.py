"""A program of the loop level: everything that holds whether or not it has a schedule."""

from __future__ import annotations

from collections.abc import Iterator

from torch2hw.dialects.loops import Kernel
from torch2hw.dialects.once import once
from torch2hw.dialects.program import Program
from torch2hw.dialects.verify.kernel_accesses import access_faults
from torch2hw.dialects.verify.kernel_loops import loop_faults
from torch2hw.dialects.verify.kernel_values import value_faults
from torch2hw.dialects.verify.program_buffers import buffer_faults, output_faults
from torch2hw.dialects.verify.program_control import control_faults


def loop_level_faults(program: Program) -> Iterator[str]:
    """What is wrong with a program, a sentence each; with its buffers and kernels, before what needs them right."""
    found = [*buffer_faults(program), *(text for kernel in program.kernels for text in kernel_faults(kernel))]
    yield from found
    if not found:
        yield from output_faults(program)
        yield from control_faults(program)


@once
def kernel_faults(kernel: Kernel) -> tuple[str, ...]:
    """What is wrong with a kernel by itself. Accesses are looked at if its values are right."""
    found = (*loop_faults(kernel), *value_faults(kernel))
    return tuple(f"{kernel.name}: {text}" for text in found or access_faults(kernel))


def affine_faults(program: Program) -> Iterator[str]:
    """What is wrong with a program of level affine."""
    if program.level != "affine":
        yield f"the program says that it is of level {program.level}"
    for kernel in program.kernels:
        if kernel.schedule is not None:
            yield f"{kernel.name} has a schedule at level affine"
    yield from loop_level_faults(program)
