"""A scheduled program: its kernels' schedules, and the places of all nodes in time.

Nodes of a sequence start in its order. A round gets its last operands before the next round starts, and ends before the
one after that starts. What follows `Rounds` starts once all of them have begun and run. A shared unit has two kernels
or more that use it, as many of it as two of them can use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from torch2hw.dialects.loops import Kernel, Operation
from torch2hw.dialects.once import once
from torch2hw.dialects.program import Node, Par, Program, Rounds
from torch2hw.dialects.verify.kernel_schedule import schedule_faults
from torch2hw.dialects.verify.program_loops import loop_level_faults
from torch2hw.hwlib import Library


def scheduled_faults(program: Program, library: Library) -> Iterator[str]:
    """What is wrong with a program of level scheduled, a sentence each."""
    if program.level != "scheduled":
        yield f"the program says that it is of level {program.level}"
    found = list(loop_level_faults(program)) or [
        text for kernel in program.kernels for text in schedule_faults(kernel, library)
    ]
    yield from found
    if found:
        return
    yield from _sequence_faults(program.sequence)
    yield from _shared_faults(program, library)


def _sequence_faults(nodes: Sequence[Node]) -> Iterator[str]:
    """Nodes that run one after the other, and all below them."""
    earliest, before = 0, "its parent"
    for node in nodes:
        if isinstance(node, Par):
            yield f"the arms of {node.name} have no static schedule"
            continue
        name = _name(node)
        if node.start_cycle < earliest:
            yield f"{name} starts in cycle {node.start_cycle}, before {before} lets it in cycle {earliest}"
        earliest, before = max(earliest, node.start_cycle), name
        if isinstance(node, Kernel):
            continue
        yield from _sequence_faults(node.body)
        if isinstance(node, Rounds):
            yield from _round_faults(node)
            earliest = max(earliest, node.start_cycle + node.span_cycles)


def _round_faults(rounds: Rounds) -> Iterator[str]:
    for kernel in rounds.kernels:
        issued = kernel.start_cycle + kernel.round_trips * kernel.plan.interval_cycles
        ended = kernel.start_cycle + kernel.plan.latency_cycles(kernel.round_trips)
        if issued > rounds.period_cycles:
            yield f"{kernel.name} starts iterations up to cycle {issued} of a round of {rounds.period_cycles}"
        if ended > 2 * rounds.period_cycles:
            yield f"{kernel.name} ends in cycle {ended} of its round, after two rounds of {rounds.period_cycles}"


def _name(node: Node) -> str:
    return node.name if isinstance(node, Kernel | Par) else " and ".join(kernel.name for kernel in node.kernels)


def _shared_faults(program: Program, library: Library) -> Iterator[str]:
    counts = [_pipelines(kernel, library) for kernel in program.kernels]
    for name, shared in program.shared.items():
        uses = sorted((count[name] for count in counts), reverse=True)
        if shared < 1 or len(uses) < 2 or uses[1] < shared:
            yield f"{shared} of unit {name} are shared, and kernels use {', '.join(map(str, uses[:2]))} of it at most"


@once
def _pipelines(kernel: Kernel, library: Library) -> Counter[str]:
    """How many of each unit of two stages or more a kernel uses."""
    found: Counter[str] = Counter()
    for operation in kernel.statements():
        if isinstance(operation, Operation):
            types, shape = operation.operand_types, operation.shape
            unit = library.unit(operation.name, types, operation.type, operation.predicate, shape=shape)
            found[unit.name] += unit.latency_cycles > 1
    return found
