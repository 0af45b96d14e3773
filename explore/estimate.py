"""What a scheduled program takes of an FPGA, estimated: for a choice among designs before any of them is synthesised.

| resource | estimate |
|---|---|
| DSP | blocks of the products in all units: operands of 17 and 26 bits, without signs |
| LUT | of all units (`Unit.luts`), of memories that stay in LUTs, and of control for each kernel and lane |
| BRAM36 | halves of `block_plan` of memories of more than 64 words, and of read-only ones of more than 256 |

Units are counted as they are made: those that kernels share once, others in each kernel. The estimate says so: it is
only to be compared with others of the same model, and `search` corrects it by what synthesis measures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, prod

from torch2hw.analysis.lane_costs import bank, rom_cost
from torch2hw.analysis.unit_binding import unit_of
from torch2hw.dialects.loops import Kernel, Load, Operation
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.program import Program
from torch2hw.hwlib import Library, Unit
from torch2hw.hwlib.bits import reachable
from torch2hw.hwlib.block_plan import half_blocks
from torch2hw.hwlib.luts import DSP_BITS

KERNEL_LUTS = 60
LANE_LUTS = 60
MAX_LUT_WORDS = 64


@dataclass(frozen=True)
class Estimate:
    """Sites of an FPGA, estimated."""

    lut: int
    dsp: int
    bram36: float


def estimate(program: Program, library: Library) -> Estimate:
    """Of a program at level scheduled."""
    units: Counter[str] = Counter()
    known: dict[str, Unit] = {}
    lut = 0.0
    halves = 0
    for kernel in program.kernels:
        used = [unit_of(each, library) for each in kernel.statements() if isinstance(each, Operation)]
        known |= {unit.name: unit for unit in used}
        for name, count in Counter(unit.name for unit in used).items():
            units[name] += max(0, count - program.shared.get(name, 0))
        lut += KERNEL_LUTS + LANE_LUTS * kernel.lanes
        for luts, blocks in _own_memories(kernel):
            lut += luts
            halves += blocks
    for name in known:
        units[name] += program.shared.get(name, 0)
    lut += sum(known[name].luts * count for name, count in units.items())
    for luts, blocks in _memories(program):
        lut += luts
        halves += blocks
    return Estimate(round(lut), sum(dsps(known[name]) * count for name, count in units.items()), halves / 2)


def dsps(unit: Unit) -> int:
    """DSP blocks of a unit's products."""
    total = 0
    for node in reachable(unit.schedule.output):
        widths = sorted(operand.width for operand in node.operands)
        if node.op in ("mul", "muls") and widths[0] > 2:
            sign = int(node.op == "muls")
            short, long = widths[0] - sign, widths[-1] - sign
            total += ceil(short / DSP_BITS[0]) * ceil(long / DSP_BITS[1])
    return total


def _own_memories(kernel: Kernel) -> Iterator[tuple[float, int]]:
    """LUTs and RAMB18s of the read-only memories inside a kernel: one for each load."""
    for each in kernel.statements():
        if isinstance(each, Load) and each.buffer.storage.in_kernel:
            loops = set().union(*(index.variables() for index in each.indices))
            luts, blocks = rom_cost(prod(v.extent for v in loops), number_type(each.type).bits)
            yield luts, blocks


def _memories(program: Program) -> Iterator[tuple[float, int]]:
    """LUTs and RAMB18s of the memories that kernels and the host use."""
    for buffer in program.buffers():
        if buffer.storage.in_kernel:
            continue
        factors, width = buffer.bank_factors, number_type(buffer.dtype).bits
        words = prod(-(-size // factor) for size, factor in zip(buffer.shape, factors, strict=True))
        banks = prod(factors)
        if buffer.storage.has_contents:
            luts, blocks = rom_cost(words, width)
            yield banks * luts, banks * blocks
        elif words <= MAX_LUT_WORDS:
            yield banks * bank(words, width), 0
        else:
            yield 0.0, banks * half_blocks(1 << (words - 1).bit_length(), width)
