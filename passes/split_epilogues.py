"""split-epilogues: what follows a short reduction becomes a kernel of its own, on the units that the lanes have anyway.

Before:  conv0: for c < 576, h, w { for u < 3, v < 3 { acc += … } ; out[c, h, w] = clip(acc · scale + shift) }
After:   conv0: for c < 576, h, w { for u < 3, v < 3 { acc += … } ; sum[c, h, w] = acc }
         map0:  for c < 576, h, w { out[c, h, w] = clip(sum[c, h, w] · scale + shift) }

needs: affine programs in which no more kernels will be fused, before lanes are chosen.
leaves: the same operations on the same values. `sum` has the shape of `out`, so both can be in one memory.
refuses: nothing.
why: lanes that share no sum each need units of their own for what follows the sum, and use them once in a reduction. A
    depthwise convolution has nine terms for a sum: 16 lanes would have 16 normalisations, each idle in eight of nine
    cycles, and fewer lanes are cheaper. In a kernel of their own these operations run on the adders and multipliers of
    the lanes. A kernel is split where its lanes cannot all be joined, and where the units, or the cycles that fewer
    lanes would take, are worth MIN_WORTH times the cycles of the second kernel (`time_and_area`): there is not much
    between the two where a sum has many terms, as in attention. Sums of integers stay: they share a requantisation.
    Without lanes (`--partition 1`) nothing is split.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from math import gcd, prod
from typing import Any

from torch2hw.analysis.dead_values import without_dead_values
from torch2hw.analysis.lane_costs import DEPTH_ESTIMATE_CYCLES
from torch2hw.analysis.partial_sums import outer_statements
from torch2hw.analysis.time_and_area import luts_of_all_time
from torch2hw.analysis.unit_binding import latency_of, luts_of
from torch2hw.dialects.loops import Buffer, Kernel, Load, Operation, Stage, Store, operand_names
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Index, variable
from torch2hw.dialects.storage import RAM
from torch2hw.hwlib import Library
from torch2hw.passes.pass_context import PassContext
from torch2hw.passes.unroll_lanes import reducible

MIN_WORTH = 20
"""How many times its price a second kernel must be worth: the lanes that choose-lanes would find are not known yet."""


@dataclass(frozen=True)
class SplitEpilogues:
    """The pass. It does nothing at `--partition 1`."""

    name: str = "split-epilogues"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: the kernels that were split."""
        lanes = context.options.partition**2
        macs = sum(kernel.macs for kernel in program.kernels)
        done: list[str] = []

        def parts_of(kernel: Kernel) -> tuple[Kernel, ...]:
            if not is_worth_it(kernel, lanes, luts_of_all_time(lanes) * lanes / macs, context.library):
                return (kernel,)
            parts = split(kernel)
            if len(parts) > 1:
                done.append(kernel.name)
            return parts

        if lanes == 1 or not macs:
            return program, {}
        return program.map_kernels(parts_of), {"split": done} if done else {}


def is_worth_it(kernel: Kernel, lanes: int, luts_of_cycle: float, library: Library) -> bool:
    """Whether a kernel of its own for what follows the reduction costs less than units for every lane, and than fewer
    lanes."""
    joined = joined_lanes(kernel, lanes)
    if not kernel.macs or len(kernel.stages) != 2 or joined >= lanes:
        return False
    units = [s for s in kernel.stages[1].statements if isinstance(s, Operation) and latency_of(s, library) > 1]
    if not units:
        return False
    apart = (-(-lanes // joined) - 1) * sum(luts_of(unit, library) for unit in units)
    fewer = (kernel.macs / joined - kernel.macs / lanes) * luts_of_cycle
    most = max(Counter(unit.name for unit in units).values())
    outputs = prod(loop.extent for loop in kernel.parallel_loops())
    depth = kernel.rounds * (DEPTH_ESTIMATE_CYCLES + sum(latency_of(unit, library) for unit in units))
    return min(apart, fewer) > MIN_WORTH * (outputs * most / lanes + depth) * luts_of_cycle


def joined_lanes(kernel: Kernel, lanes: int) -> int:
    """The most of so many lanes that can add to one sum, without lanes that are left over."""
    if not reducible(kernel):
        return 1
    return gcd(lanes, prod(gcd(lanes, loop.extent) for loop in kernel.reduction_loops(0)))


def split(kernel: Kernel) -> tuple[Kernel, ...]:
    """The kernel of the sums and the one that follows; `kernel` alone if more than sums of floats is handed on."""
    first, second = kernel.stages
    wanted = {store.value for store in second.stores} | {n for s in second.statements for n in operand_names(s)}
    sums = [carried for carried in first.carried if carried.next in wanted]
    outer = outer_statements(kernel, wanted - {carried.next for carried in sums})
    floats = all(number_type(carried.type).is_float for carried in sums)
    if outer is None or not sums or not floats or first.stores or second.carried or kernel.domain:
        return (kernel,)
    places = [_place(kernel, number, carried.type) for number, carried in enumerate(sums)]
    stores = [Store(buffer, at, c.next, (), kernel.source) for (buffer, at), c in zip(places, sums, strict=True)]
    loads = [Load(c.next, c.type, b, at, source=kernel.source) for (b, at), c in zip(places, sums, strict=True)]
    made = replace(kernel, stages=(first, Stage((), (), tuple(stores))))
    body = Stage((), (*outer, *loads, *second.statements), second.stores)
    after = Kernel(f"{kernel.name}_rest", tuple(kernel.parallel_loops()), (body,), (), kernel.source)
    return without_dead_values(made), after


def _place(kernel: Kernel, number: int, kind: str) -> tuple[Buffer, tuple[Index, ...]]:
    """A buffer for the sums, and the indices of a sum in it: those of the result, if there is one."""
    stores = list(kernel.stores())
    loops = kernel.parallel_loops()
    shape, at = tuple(loop.extent for loop in loops), tuple(variable(loop.variable) for loop in loops)
    if len(stores) == 1 and not stores[0].guard and stores[0].buffer.dtype == kind:
        shape, at = stores[0].buffer.shape, stores[0].indices
    return Buffer(f"{kernel.name}_sum{number or ''}", shape, kind, RAM, None, kernel.source), at
