"""Loops and stages of one kernel: which stage reduces over which loop, lanes, multiply-accumulates."""

from __future__ import annotations

from collections.abc import Iterator

from torch2hw.dialects.loops import Nest


def loop_faults(nest: Nest) -> Iterator[str]:
    """What is wrong with the loops of a kernel, a sentence each."""
    names: set[str] = set()
    for position, loop in enumerate(nest.loops):
        name = loop.variable.name
        if name in names:
            yield f"two loops are called {name}"
        names.add(name)
        if loop.extent < 0:
            yield f"loop {name} has the extent {loop.extent}"
        if loop.reduced_by is not None and not 0 <= loop.reduced_by < len(nest.stages):
            yield f"loop {name} is reduced by stage {loop.reduced_by} of {len(nest.stages)}"
        if loop.in_rounds and position:
            yield f"loop {name} counts rounds and is not the outermost one"
        if loop.in_rounds and loop.reduced_by is not None:
            yield f"loop {name} counts rounds and is reduced by stage {loop.reduced_by}"
    if not nest.stages:
        yield "it has no stage"
    for number, stage in enumerate(nest.stages):
        if stage.carried and not nest.reduction_loops(number):
            yield f"stage {number} carries {stage.carried[0].name} over no loop"
    if nest.lanes < 1:
        yield f"it has {nest.lanes} lanes"
    if nest.macs < 0:
        yield f"it has {nest.macs} multiply-accumulates"
