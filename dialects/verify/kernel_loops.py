"""Loops and stages of one kernel: which stage reduces over which loop, lanes, multiply-accumulates."""

from __future__ import annotations

from collections.abc import Iterator

from torch2hw.dialects.loops import Kernel


def loop_faults(kernel: Kernel) -> Iterator[str]:
    """What is wrong with the loops of a kernel, a sentence each."""
    names: set[str] = set()
    for position, loop in enumerate(kernel.loops):
        name = loop.variable.name
        if name in names:
            yield f"two loops are called {name}"
        names.add(name)
        if loop.extent < 0:
            yield f"loop {name} has the extent {loop.extent}"
        if loop.reduced_by is not None and not 0 <= loop.reduced_by < len(kernel.stages):
            yield f"loop {name} is reduced by stage {loop.reduced_by} of {len(kernel.stages)}"
        if loop.in_rounds and position:
            yield f"loop {name} counts rounds and is not the outermost one"
        if loop.in_rounds and loop.reduced_by is not None:
            yield f"loop {name} counts rounds and is reduced by stage {loop.reduced_by}"
    if not kernel.stages:
        yield "it has no stage"
    for number, stage in enumerate(kernel.stages):
        if stage.carried and not kernel.reduction_loops(number):
            yield f"stage {number} carries {stage.carried[0].name} over no loop"
    if kernel.lanes < 1:
        yield f"it has {kernel.lanes} lanes"
    if kernel.macs < 0:
        yield f"it has {kernel.macs} multiply-accumulates"
