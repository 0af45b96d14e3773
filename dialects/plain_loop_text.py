"""Prints a `Program` as the loops a programmer writes: the sum is set before the reduction's loop, and used after it.

Before (data): `Kernel(i, j, k; stage 0: acc over k; stage 1: store)`. After (text):

    affine.for %i … { affine.for %j … {
      affine.store %init, %state[]
      affine.for %k … { %acc = affine.load %state[] … affine.store %next, %state[] }
      %next = affine.load %state[] … affine.store %y, %out[%i, %j] } }

The same values in the same order as `affine_text`, without its conditions on loop indices: what the sequential
schedule, which pays for each condition in every iteration, is lowered from. A kernel whose reduction loops are not the
innermost ones, or with more than one reducing stage, is printed as `affine_text` prints it. Each arm of a parallel
kernel is an scf.execute_region with the attribute `arm_of`; a memref.alloc has the attribute `buffer`, the buffer's
name. What is read of a constant at constant indices stands in the text, where CIRCT would put it if it saw the
constant.
"""

from __future__ import annotations

from torch2hw.dialects.affine_text import affine_text
from torch2hw.dialects.kernel_printer import KernelPrinter
from torch2hw.dialects.loops import Buffer, Kernel, Load
from torch2hw.dialects.memref_text import literal, location, memref
from torch2hw.dialects.program import Program


def plain_loop_text(program: Program, weights: bool = True) -> str:
    """The text; without `weights`, constants are named instead of printed."""
    return affine_text(program, PlainKernelPrinter, weights)


class PlainKernelPrinter(KernelPrinter):
    """Lines of one kernel, its innermost loops the reduction's; other kernels as `KernelPrinter` prints them."""

    @classmethod
    def allocation(cls, buffer: Buffer) -> str:
        """As there, with the attribute `buffer`."""
        return f'%{buffer.name} = memref.alloc() {{buffer = "{buffer.name}"}} : {memref(buffer)}'

    def arm_lines(self, parallel: str) -> list[str]:
        """The kernel in a region of its own: an arm of the `Par` node that `parallel` names."""
        end = ["  scf.yield", f'}} {{arm_of = "{parallel}"}}']
        return ["scf.execute_region no_inline {", *("  " + line for line in self.lines()), *end]

    def lines(self) -> list[str]:
        """The whole kernel."""
        if not _reduces_innermost(self.kernel):
            return super().lines()
        kernel, stage = self.kernel, self.kernel.stages[0]
        early, late = stage.in_order()
        out = [line for statement in early for line in self.statement_lines(statement)]
        states = [(carried, f"{self.name(carried.name)}_state[] : memref<{carried.type}>") for carried in stage.carried]
        out += [f"affine.store {self.name(carried.init)}, {state}" for carried, state in states]
        inner = [f"{self.name(carried.name)} = affine.load {state}" for carried, state in states]
        inner += [line for statement in late for line in self.statement_lines(statement)]
        inner += [f"affine.store {self.name(carried.next)}, {state}" for carried, state in states]
        out += self.loops([loop.variable.name for loop in kernel.reduction_loops(0)], inner)
        out += [f"{self.name(carried.next)} = affine.load {state}" for carried, state in states]
        for later in kernel.stages[1:]:
            out += [line for statement in later.statements for line in self.statement_lines(statement)]
            out += [line for store in later.stores for line in self.store_lines(store)]
        if kernel.domain:
            out = [f"affine.if {self.condition(kernel.domain)} {{", *("  " + line for line in out), "}"]
        allocations = [
            f"{self.name(carried.name)}_state = memref.alloca() : memref<{carried.type}>" for carried in stage.carried
        ]
        return allocations + self.loops([loop.variable.name for loop in kernel.parallel_loops()], out)

    def read(self, load: Load) -> str:
        """As there, but an element of a constant at a constant index is the constant."""
        data = load.buffer.data
        if data is None or not all(index.is_constant for index in load.indices):
            return super().read(load)
        place = tuple(index.constant for index in load.indices)
        if not all(0 <= at < size for at, size in zip(place, load.buffer.shape, strict=True)):
            return super().read(load)
        return f"arith.constant {literal(int(data[place]), load.type)}"

    def loops(self, names: list[str], body: list[str]) -> list[str]:
        """`body` in loops over the named variables, outermost first."""
        extents = {loop.variable.name: loop.extent for loop in self.kernel.loops}
        for depth, name in enumerate(reversed(names)):
            end = location(self.kernel.source) if depth == len(names) - 1 else ""
            body = [
                f"affine.for {self.name(name)} = 0 to {extents[name]} {{",
                *("  " + line for line in body),
                f"}}{end}",
            ]
        return body


def _reduces_innermost(kernel: Kernel) -> bool:
    """Whether only the first stage reduces, over the innermost loops, and no statement of it that changes there is
    stored or used outside."""
    first = kernel.stages[0]
    reducing = [loop.reduced_by == 0 for loop in kernel.loops]
    if not first.carried or first.stores or not any(reducing) or reducing != sorted(reducing):
        return False
    if any(stage.carried for stage in kernel.stages[1:]) or any(
        loop.reduced_by not in (None, 0) for loop in kernel.loops
    ):
        return False
    inside = {statement.result for statement in first.statements} - {carried.next for carried in first.carried}
    used = {
        name
        for stage in kernel.stages[1:]
        for statement in stage.statements
        for name in getattr(statement, "operands", ())
    }
    used |= {store.value for stage in kernel.stages[1:] for store in stage.stores}
    return not used & inside
