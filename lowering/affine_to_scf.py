"""affine → scf: a modulo schedule for every nest, and the loops with explicit index arithmetic.

Before:  affine.for … { … arith.mulf … }
After:   scf.for … { … arith.mulf … {cycle = 1 : i64} … } {interval = 1 : i64}

needs: loops in execution order (after `interleave-reductions`), a unit in the library for every operation.
leaves: for each nest its start, its II, the cycle in which every operation starts, and its depth; which units are
    shared. Nests start once the one before has ended, in each round of fused ones too.
refuses: an operation without hardware, as UnsupportedOperation.
The data is `ScheduledProgram`; its text is the scheduled affine program after upstream's lower-affine; it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from torch2hw.dialects.loops import Nest, Operation, Program
from torch2hw.dialects.once import once
from torch2hw.lowering.modulo_schedule import Schedule, schedule
from torch2hw.lowering.units import latency_of, shared_units, spacing_of, unit_of


@dataclass(frozen=True)
class ScheduledProgram:
    program: Program
    schedules: tuple[Schedule, ...]
    starts: tuple[int, ...]  # of each nest, in cycles after the first one's
    periods: tuple[int, ...]  # of each nest, cycles from one round to the next; 0 of those that are not fused
    shared: Mapping[str, int]  # units that nests take turns with: how many of each, by the unit's name
    library: Any = field(repr=False)

    def unit(self, operation: Operation) -> Any:
        return unit_of(operation, self.library)

    @property
    def ends(self) -> tuple[int, ...]:
        """The cycle after each nest's last store."""
        nests = zip(self.starts, self.periods, self.program.nests, self.schedules, strict=True)
        return tuple(
            start + (nest.rounds - 1) * period + plan.latency_cycles(nest.round_trips)
            for start, period, nest, plan in nests
        )

    @property
    def latency_cycles(self) -> int:
        return max([*self.ends, *(start + cycles for start, cycles in self.spans)], default=0)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """For every group of nests (`Program.groups`) its first cycle, and how many cycles its rounds take: until
        then no nest of another group may start. 0 for a nest by itself."""
        nests = self.program.nests
        return [
            (self.starts[group[0]], nests[group[0]].rounds * self.periods[group[0]]) for group in self.program.groups()
        ]

    def plan(self) -> str:
        """Start, interval and depth of every nest as an attribute, and the period of those that run in rounds."""
        nests = zip(self.program.nests, self.starts, self.periods, self.schedules, strict=True)
        entries = [
            f"{nest.name} = {{start = {start} : i64, interval = {plan.interval_cycles} : i64, "
            f"depth = {plan.depth_cycles} : i64" + (f", period = {period} : i64}}" if nest.fused else "}")
            for nest, start, period, plan in nests
        ]
        return f"{{{', '.join(entries)}}}"

    def text(self, weights: bool = True) -> str:
        """The program after lower-affine, in MLIR; without `weights`, constants are named instead of printed."""
        from torch_mlir import ir
        from torch_mlir.dialects import func
        from torch_mlir.passmanager import PassManager

        cycles = {
            f"{nest.name}_{name}": cycle
            for nest, plan in zip(self.program.nests, self.schedules, strict=True)
            for name, cycle in plan.start.items()
        }
        with ir.Context():
            module = ir.Module.parse(self.program.text(weights, cycles))
            PassManager.parse("builtin.module(lower-affine)").run(module.operation)
            functions = (o for o in module.body.operations if isinstance(o, func.FuncOp))
            main = next(function for function in functions if function.name.value == "main")
            main.attributes["schedule"] = ir.Attribute.parse(self.plan())
            return str(module.operation.get_asm())


@once
def planned(nest: Nest, library: Any) -> Schedule:
    """The schedule of a nest with the units that its operations have."""
    return schedule(nest, lambda each: latency_of(each, library), lambda each: spacing_of(each, library))


def lower(program: Program, library: Any, share: bool = True) -> ScheduledProgram:
    """Schedules every nest; `share` lets kernels take turns with units. Kernels run one after the other for now."""
    plans = tuple(planned(nest, library) for nest in program.nests)
    latencies = [plan.latency_cycles(nest.round_trips) for nest, plan in zip(program.nests, plans, strict=True)]
    starts, periods, now = [], [], 0
    for group in program.groups():
        *offsets, period = accumulate((latencies[number] for number in group), initial=0)
        starts += [now + offset for offset in offsets]
        fused = bool(program.nests[group[0]].fused)
        periods += [period if fused else 0] * len(group)
        now += program.nests[group[0]].rounds * period
    shared = shared_units(program.nests, library) if share else {}
    return ScheduledProgram(program, plans, tuple(starts), tuple(periods), shared, library)
