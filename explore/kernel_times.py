"""When each kernel of a statically scheduled design runs, and where every cycle of the design goes.

Times are the schedule's, which the simulation confirms: cycle 0 is that in which go is high, `latency_cycles` that of
done. Each cycle belongs to one kernel: of those that run in it, the one that started first. The cycles in which no
kernel runs are `idle`. So all kernels' `own_cycles` and `idle` add up to the latency, and those of source lines too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch2hw.compiler.compiled import Compiled
from torch2hw.dialects.program import Placed, Program
from torch2hw.report import losses

MAX_BARS = 4000
"""Bars of a timeline; with more rounds than that, the rounds of a kernel are one bar."""


@dataclass(frozen=True)
class KernelTime:
    """A kernel: round r runs from `start_cycle` + r · `period_cycles` for `round_cycles`.

    `cycles` are those of all its rounds; `own_cycles` those that belong to it; `floor_cycles` what its lanes would take
    if they did a multiply-accumulate (without any: an iteration) in every cycle; `lost` where the others go.
    """

    name: str
    source: str | None
    start_cycle: int
    period_cycles: int
    rounds: int
    round_cycles: int
    cycles: int
    own_cycles: int
    macs: int
    lanes: int
    interval_cycles: int
    depth_cycles: int
    floor_cycles: int
    lost: dict[str, float]

    @property
    def end_cycle(self) -> int:
        """The cycle after the last store of its last round."""
        return self.start_cycle + (self.rounds - 1) * self.period_cycles + self.round_cycles

    def to_json(self) -> dict[str, Any]:
        """For sweep.json and the page."""
        return vars(self) | {"end_cycle": self.end_cycle}

    @staticmethod
    def of_json(fields: Mapping[str, Any]) -> KernelTime:
        """What `to_json` gave; other fields are left out."""
        return KernelTime(**{each.name: fields[each.name] for each in dataclasses.fields(KernelTime)})


@dataclass(frozen=True)
class DesignTimes:
    """All kernels in the order of the program, and the cycles in which none runs."""

    latency_cycles: int
    kernels: tuple[KernelTime, ...]
    idle_cycles: int

    def of_lines(self) -> dict[str, int]:
        """Cycles that belong to each source line (`file:line`); `idle` and kernels without a line under their names."""
        lines: dict[str, int] = {}
        for kernel in self.kernels:
            line = kernel.source or kernel.name
            lines[line] = lines.get(line, 0) + kernel.own_cycles
        return lines | ({"idle": self.idle_cycles} if self.idle_cycles else {})


def design_times(compiled: Compiled) -> DesignTimes:
    """Of a design that was compiled to the level calyx or further, with the static schedule."""
    calyx = compiled.at("calyx")
    program: Program = calyx.program
    placed = program.placed
    own, idle = attributed(placed, program.latency_cycles)
    names = [circuit.component.name for circuit in calyx.circuits]
    times = [_time(name, each, mine) for name, each, mine in zip(names, placed, own, strict=True)]
    return DesignTimes(program.latency_cycles, tuple(times), idle)


def attributed(placed: Iterable[Placed], latency_cycles: int) -> tuple[list[int], int]:
    """The cycles that belong to each kernel, and those in which none runs."""
    runs = sorted(
        (each.start_cycle + turn * each.period_cycles, number, _round_cycles(each))
        for number, each in enumerate(placed)
        for turn in range(each.kernel.rounds)
    )
    own = [0] * (max((number for _, number, _ in runs), default=-1) + 1)
    now = idle = 0
    for start, number, cycles in runs:
        idle += max(0, start - now)
        now = max(now, start)
        own[number] += max(0, start + cycles - now)
        now = max(now, start + cycles)
    assert now <= latency_cycles
    return own, idle + latency_cycles - now


def bars(kernels: Sequence[KernelTime]) -> list[dict[str, Any]]:
    """The timeline: a bar for each round of each kernel, or one for all rounds where they are too many."""
    each_round = sum(kernel.rounds for kernel in kernels) <= MAX_BARS
    found = []
    for kernel in kernels:
        told = {"kernel": kernel.name, "source": kernel.source or "", "macs": kernel.macs, "lanes": kernel.lanes}
        turns = range(kernel.rounds) if each_round else range(1)
        for turn in turns:
            first = kernel.start_cycle + turn * kernel.period_cycles
            last = first + kernel.round_cycles if each_round else kernel.end_cycle
            found.append({**told, "round": turn + 1 if each_round else kernel.rounds, "first": first, "end": last})
    return found


def _round_cycles(each: Placed) -> int:
    assert each.kernel.schedule is not None
    return each.kernel.schedule.latency_cycles(each.kernel.round_trips)


def _time(name: str, each: Placed, own: int) -> KernelTime:
    kernel, schedule = each.kernel, each.kernel.schedule
    assert schedule is not None
    cycles = kernel.rounds * _round_cycles(each)
    floor = -(-kernel.macs // kernel.lanes) if kernel.macs else kernel.trip_count
    lost = losses(kernel.macs, kernel.lanes, kernel.trip_count, schedule.interval_cycles, cycles)
    return KernelTime(
        name,
        str(kernel.source) if kernel.source else None,
        each.start_cycle,
        each.period_cycles,
        kernel.rounds,
        _round_cycles(each),
        cycles,
        own,
        kernel.macs,
        kernel.lanes,
        schedule.interval_cycles,
        schedule.depth_cycles,
        floor,
        {cause: round(slots / kernel.lanes, 2) for cause, slots in lost.items()},
    )
