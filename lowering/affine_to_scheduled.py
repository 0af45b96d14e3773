"""affine → scheduled: a modulo schedule for every kernel, and a place in time for every node of the control tree.

Before:  affine.for … { … arith.mulf … }
After:   affine.for … { … arith.mulf … {cycle = 1 : i64} … }        and {start, interval, depth} of every kernel

needs: loops in execution order (after `interleave-reductions`), a unit in the library for every operation.
leaves: for each kernel its schedule (`dialects/schedule.py`), for each node its start, for `Rounds` their period; and
    which units are shared. Nodes start once the one before has ended, in each round too; `overlap-kernels` is to bring
    them forward.
refuses: an operation without a unit, as UnsupportedOperation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch2hw.dialects.loops import Nest
from torch2hw.dialects.once import once
from torch2hw.dialects.program import Node, Par, Program, Rounds, end_cycle
from torch2hw.dialects.schedule import Schedule
from torch2hw.lowering.modulo_schedule import schedule
from torch2hw.lowering.units import latency_of, shared_units, spacing_of


@once
def planned(nest: Nest, library: Any) -> Schedule:
    """The schedule of a nest with the units that its operations have."""
    return schedule(nest, lambda each: latency_of(each, library), lambda each: spacing_of(each, library))


def lower(program: Program, library: Any, share: bool = True) -> Program:
    """Schedules every kernel; `share` lets kernels take turns with units."""
    scheduled = program.with_sequence(one_after_the_other(program.sequence, library)[0])
    shared = shared_units(program.nests, library) if share else {}
    return replace(scheduled, level="scheduled", shared=shared)


def one_after_the_other(nodes: Sequence[Node], library: Any) -> tuple[list[Node], int]:
    """Nodes that start when the one before has ended, the first in cycle 0; and the cycle in which the last has."""
    placed: list[Node] = []
    now = 0
    for node in nodes:
        timed = replace(_timed(node, library), start_cycle=now)
        placed.append(timed)
        now = end_cycle(timed)
    return placed, now


def _timed(node: Node, library: Any) -> Node:
    """A node with the schedules and times of all that is below it."""
    if isinstance(node, Nest):
        return replace(node, schedule=planned(node, library))
    assert not isinstance(node, Par), "arms have no static schedule"
    body, cycles = one_after_the_other(node.body, library)
    if isinstance(node, Rounds):
        return replace(node, body=tuple(body), period_cycles=cycles)
    return replace(node, body=tuple(body))
