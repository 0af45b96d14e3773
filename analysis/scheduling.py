"""Schedules of kernels that run one after the other.

`affine_to_scheduled` stores them in programs; cost models ask for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch2hw.analysis.modulo_schedule import schedule
from torch2hw.analysis.unit_binding import latency_of, shared_units, spacing_of
from torch2hw.dialects.loops import Kernel
from torch2hw.dialects.once import once
from torch2hw.dialects.program import Node, Par, Program, Rounds, end_cycle
from torch2hw.dialects.schedule import Schedule
from torch2hw.hwlib import Library


def scheduled(program: Program, library: Library, share: bool = True) -> Program:
    """The program with every kernel scheduled, one after the other; `share`: kernels may share units."""
    timed = program.with_sequence(one_after_the_other(program.sequence, library)[0])
    shared = shared_units(program.kernels, library) if share else {}
    return replace(timed, level="scheduled", shared=shared)


@once
def planned(kernel: Kernel, library: Library) -> Schedule:
    """The schedule of a kernel on the units of its operations."""
    return schedule(kernel, lambda each: latency_of(each, library), lambda each: spacing_of(each, library))


def one_after_the_other(nodes: Sequence[Node], library: Library) -> tuple[list[Node], int]:
    """The nodes with starts, each when the node before has ended, the first in cycle 0; and the cycle in which the last
    one has ended."""
    placed: list[Node] = []
    now = 0
    for node in nodes:
        timed = replace(_timed(node, library), start_cycle=now)
        placed.append(timed)
        now = end_cycle(timed)
    return placed, now


def _timed(node: Node, library: Library) -> Node:
    """A node with schedules and starts for all nodes below it."""
    if isinstance(node, Kernel):
        return replace(node, schedule=planned(node, library))
    assert not isinstance(node, Par), "arms have no static schedule"
    body, cycles = one_after_the_other(node.body, library)
    if isinstance(node, Rounds):
        return replace(node, body=tuple(body), period_cycles=cycles)
    return replace(node, body=tuple(body))
