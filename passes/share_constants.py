"""share-constants: constants that different kernels feed to the same operand of a shared unit become one table.

Before:  matmul0 multiplies x·weights0[k, j] on lane 3, matmul1 y·weights2[k, j] on the same multiplier
After:   matmul0 loads table3[48·k + j], matmul1 table3[3072 + 4·k + j]: one read-only memory beside the multiplier

needs: loops in execution order (after `interleave-reductions`) with their arms written out.
leaves: buffers in SHARED_ROM, owned by the top component and read by the kernels like any memory. A table has one part
    for each kernel, its words in the order in which the kernel reads them. Guards of such loads are folded into the
    contents.
refuses: nothing. Constants without a counterpart in another kernel stay in their kernel.
why: separate constants need a multiplexer in front of the operand, 32 LUTs a lane. A constant too small for a block RAM
    takes LUTs besides, although the last block RAM of a larger one is rarely full. Kernels that share a unit never use
    it at the same time, so one read port is enough. A table never needs more block RAMs than its parts.
source of the sizes: Yosys 0.70, synth_xilinx -family xcup, keeps read-only memories of up to 256 words in LUTs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from torch2hw.analysis.joined_tables import loops_of
from torch2hw.analysis.lane_costs import rom_cost
from torch2hw.analysis.rom_contents import rom_contents
from torch2hw.analysis.unit_binding import shared_units, shared_uses
from torch2hw.dialects.loops import Buffer, Kernel, Load, Loop
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import linearise, variable
from torch2hw.dialects.storage import SHARED_ROM
from torch2hw.hwlib import Library
from torch2hw.passes.pass_context import PassContext

Operand = tuple[str, int, int]  # a unit's name and number, and which of its operands


@dataclass(frozen=True)
class ShareConstants:
    """The pass. It is turned off by `--no-shared-units`."""

    name: str = "share-constants"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: the words of each table, and the kernels that read it."""
        if not context.options.share_units:
            return program, {}
        tables = [table for table in matched(program, context.library) if len(table.parts) > 1]
        if not tables:
            return program, {}
        kernels = list(program.kernels)
        taken = {buffer.name for buffer in program.buffers()}
        names = (name for name in (f"table{number}" for number in range(len(taken) + len(tables))) if name not in taken)
        report = {}
        for table, name in zip(tables, names, strict=False):
            buffer, loads = stored(table, name)
            for position, load in loads.items():
                kernels[position] = with_load(kernels[position], load)
            report[name] = f"{buffer.elements} words for {', '.join(kernels[position].name for position in loads)}"
        return program.with_kernels(kernels), report


@dataclass
class Part:
    """The reads of one kernel: `load`, in every iteration of `loops`."""

    kernel: Kernel
    load: Load
    loops: list[Loop]

    @cached_property
    def words(self) -> int:
        """The words of the table that this part needs, one for each iteration of `loops`."""
        return prod(loop.extent for loop in self.loops)


@dataclass
class Table:
    """A table; `parts` by the index of their kernel."""

    dtype: str
    operands: set[Operand] = field(default_factory=set)
    parts: dict[int, Part] = field(default_factory=dict)

    def placed(self) -> tuple[dict[int, int], int]:
        """The first word of every part, and the end of the table. A part starts at a multiple of its size, rounded up
        to a power of two, so that its address is its own bits below constant ones."""
        starts, end = {}, 0
        for position, part in sorted(self.parts.items(), key=lambda item: -item[1].words):
            step = 1 << (part.words - 1).bit_length()
            starts[position] = -(-end // step) * step
            end = starts[position] + part.words
        return starts, end


def matched(program: Program, library: Library) -> list[Table]:
    """Tables for all constants that feed shared units; each constant joins the table with which it has the most
    operands in common."""
    shared = shared_units(program.kernels, library)
    tables: list[Table] = []
    for position, kernel in enumerate(program.kernels):
        for part, operands in sorted(candidates(kernel, library, shared), key=lambda found: -len(found[1])):
            width = number_type(part.load.type).bits
            fitting = [
                (len(table.operands & operands), -number)
                for number, table in enumerate(tables)
                if table.dtype == part.load.type
                and position not in table.parts
                and saves(table, position, part, width, len(table.operands & operands))
            ]
            table = tables[-max(fitting)[1]] if fitting else Table(part.load.type)
            if not fitting:
                tables.append(table)
            table.parts[position] = part
            table.operands |= operands
    return tables


def candidates(kernel: Kernel, library: Library, shared: Mapping[str, int]) -> list[tuple[Part, set[Operand]]]:
    """The constants of a kernel that are operands of shared units, each with these operands."""
    loops = {loop.variable for loop in kernel.loops}
    loads = {load.result: load for load in kernel.loads() if load.buffer.storage.in_kernel}
    found: dict[str, set[Operand]] = {}
    for operation, unit, number in shared_uses(kernel, library, shared):
        for place, operand in enumerate(operation.operands):
            if operand in loads:
                found.setdefault(operand, set()).add((unit.name, number, place))
    parts = []
    for name, operands in found.items():
        load = loads[name]
        part = Part(kernel, load, loops_of(kernel, load))
        if load.variables <= loops and part.words > 1:
            parts.append((part, operands))
    return parts


def saves(table: Table, position: int, part: Part, width: int, common: int) -> bool:
    """Whether LUTs become fewer, and block RAMs no more, if `part` joins `table`; they have `common` operands in
    common."""
    if not common:
        return False
    luts, blocks = map(sum, zip(rom_cost(table.placed()[1], width), rom_cost(part.words, width), strict=True))
    joined = replace(table, parts={**table.parts, position: part})
    luts_joined, blocks_joined = rom_cost(joined.placed()[1], width)
    return blocks_joined <= blocks and luts_joined < luts + width * common


def stored(table: Table, name: str) -> tuple[Buffer, dict[int, Load]]:
    """The table's buffer, and the loads from it by the index of their kernel."""
    starts, end = table.placed()
    first = next(iter(table.parts.values())).load
    assert first.buffer.data is not None
    data = np.zeros(end, first.buffer.data.dtype)
    for position, part in table.parts.items():
        data[starts[position] : starts[position] + part.words] = rom_contents(part.load, part.loops)
    buffer = Buffer(name, (end,), table.dtype, SHARED_ROM, data, first.source)
    loads = {}
    for position, part in sorted(table.parts.items()):
        place = linearise([variable(loop.variable) for loop in part.loops], [loop.extent for loop in part.loops])
        index = place + starts[position]
        loads[position] = replace(part.load, buffer=buffer, indices=(index,), guard=(), otherwise_bits=0)
    return buffer, loads


def with_load(kernel: Kernel, load: Load) -> Kernel:
    """`kernel` with `load` instead of the load with the same result."""
    stages = tuple(
        replace(stage, statements=tuple(load if s.result == load.result else s for s in stage.statements))
        for stage in kernel.stages
    )
    return replace(kernel, stages=stages)
