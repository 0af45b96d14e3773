"""Cut a combinational graph into pipeline stages for a clock period, spending few register bits.

A schedule gives every node a stage: the cycle, counted from the cycle in which the operands are at the inputs, in
which the node's logic runs. A node used in a later stage than its own is carried there by registers. The result of a
schedule of depth D >= 1 leaves a register: it is there D cycles after the operands; a new operand may enter every
cycle (II = 1). Depth 0 is the combinational graph itself. Every path from an input to the output holds exactly D
registers.

The smallest depth that meets the period is found first (as soon as possible); with that depth fixed, the stages that
minimise the sum of width x registers follow from a linear programme over differences of stages (its matrix is totally
unimodular, so its vertices are integers): the SDC scheduling of Cong and Zhang (DAC 2006), as XLS uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .bits import Bits, reachable
from .delay_model import DelayModel


@dataclass(frozen=True)
class Pipeline:
    """`stages` maps node indices to stages 0 .. depth - 1 (all 0 at depth 0); `registered_roms`: roms are block
    memories.
    """

    output: Bits
    depth: int
    stages: Mapping[int, int]
    registered_roms: bool

    def register_bits(self) -> int:
        """Flip-flops that the schedule spends (the output registers of block memories are free)."""
        last = last_use(self)
        return sum(n.width * (last[n.index] - self.stages[n.index]) for n in reachable(self.output) if n.index in last)


def last_use(schedule: Pipeline) -> dict[int, int]:
    """Node index -> the last stage in which its value is needed; `depth` for the output itself."""
    last: dict[int, int] = {}
    for node in reachable(schedule.output):
        if node.op == "const":
            continue
        need = schedule.stages[node.index] - (1 if node.op == "rom" and schedule.registered_roms else 0)
        for operand in node.operands:
            if operand.op != "const":
                last[operand.index] = max(last.get(operand.index, 0), need)
    last[schedule.output.index] = schedule.depth
    return last


def pipeline(output: Bits, clock_ns: float, model: DelayModel, depth: int | None = None) -> Pipeline:
    """The schedule for a period, or with exactly `depth` stages (then for the shortest period that allows it)."""
    nodes = [n for n in reachable(output) if n.op != "const"]
    if not any(n.op != "input" for n in nodes) and depth is None:
        return Pipeline(output, 0, {n.index: 0 for n in nodes}, False)
    budget_ns = clock_ns - model.register_ns
    if depth is None:
        depth = _earliest(nodes, model, budget_ns, True)[output.index] + 1
        registered_roms = True
    else:
        registered_roms = depth > _earliest(nodes, model, float("inf"), True)[output.index]
        budget_ns = _shortest_budget(nodes, output, model, depth, registered_roms)
    if depth == 0:
        return Pipeline(output, 0, {n.index: 0 for n in nodes}, False)
    if depth == 1 and not any(n.op == "rom" for n in nodes):
        return Pipeline(output, 1, {n.index: 0 for n in nodes}, False)
    stages = _fewest_registers(nodes, output, model, budget_ns, depth, registered_roms)
    return Pipeline(output, depth, stages, registered_roms)


def _earliest(nodes: list[Bits], model: DelayModel, budget_ns: float, registered_roms: bool) -> dict[int, int]:
    """The earliest stage of every node; a node slower than the period has a stage to itself."""
    stage: dict[int, int] = {}
    arrival: dict[int, float] = {}
    for node in nodes:
        operands = [o.index for o in node.operands if o.op != "const"]
        first = max((stage[i] for i in operands), default=0)
        start = max((arrival[i] for i in operands if stage[i] == first), default=0.0)
        if node.op == "rom" and registered_roms:
            first, start = first + 1, 0.0
        end = start + model.delay(node)
        if end > budget_ns and start > 0.0 and model.delay(node) > 0.0:
            first, end = first + 1, model.delay(node)
        stage[node.index], arrival[node.index] = first, end
    return stage


def _shortest_budget(nodes: list[Bits], output: Bits, model: DelayModel, depth: int, registered_roms: bool) -> float:
    """The shortest time per stage with which the graph fits in `depth` stages, to 10 ps."""
    low, high = 0.0, sum(model.delay(n) for n in nodes) + 1.0
    while high - low > 0.01:
        middle = (low + high) / 2
        if _earliest(nodes, model, middle, registered_roms)[output.index] < max(1, depth):
            high = middle
        else:
            low = middle
    return high


def _fewest_registers(
    nodes: list[Bits], output: Bits, model: DelayModel, budget_ns: float, depth: int, registered_roms: bool
) -> dict[int, int]:
    """Stages minimising the register bits; unknowns are each node's stage and its value's last use."""
    from scipy.optimize import linprog  # here: what only lists passes or options does without
    from scipy.sparse import csr_matrix

    position = {n.index: i for i, n in enumerate(nodes)}
    count = len(nodes)
    rows: list[tuple[int, int, int]] = []  # (a, b, c): unknown a - unknown b >= c
    for node in nodes:
        user = position[node.index]
        wait = 1 if node.op == "rom" and registered_roms else 0
        for operand in node.operands:
            if operand.op != "const":
                rows.append((user, position[operand.index], wait))
                rows.append((count + position[operand.index], user, -wait))
    rows += [(count + i, i, 0) for i in range(count)]
    rows += [(b, a, 1) for a, b in _too_far(nodes, position, model, budget_ns, registered_roms)]
    cost = np.array([-float(n.width) for n in nodes] + [float(n.width) for n in nodes])
    bounds = [(0, 0) if n.op == "input" else (0, depth - 1) for n in nodes]
    bounds += [(depth, depth) if n is output else (0, depth - 1) for n in nodes]
    lines = np.repeat(np.arange(len(rows)), 2)
    columns = np.array([(a, b) for a, b, _ in rows]).ravel()
    matrix = csr_matrix((np.tile([-1.0, 1.0], len(rows)), (lines, columns)), shape=(len(rows), 2 * count))
    solution = linprog(cost, matrix, np.array([-float(c) for _, _, c in rows]), bounds=bounds, method="highs-ds")
    assert solution.status == 0, f"no schedule of {depth} stages: {solution.message}"
    stages = np.rint(solution.x).astype(int)
    assert all(stages[a] - stages[b] >= c for a, b, c in rows), "the schedule is not integral"
    return {n.index: int(stages[i]) for i, n in enumerate(nodes)}


def _too_far(
    nodes: list[Bits], position: dict[int, int], model: DelayModel, budget_ns: float, registered_roms: bool
) -> list[tuple[int, int]]:
    """Pairs (from, to) that may not share a stage, the nearest `to` on each path only."""
    count = len(nodes)
    delays = np.array([model.delay(n) for n in nodes])
    reach = np.full((count, count), -np.inf)  # reach[v, u]: the longest delay from the start of u to the end of v
    pairs: list[tuple[int, int]] = []
    for v, node in enumerate(nodes):
        operands = [position[o.index] for o in node.operands if o.op != "const"]
        if operands and not (node.op == "rom" and registered_roms):
            before = reach[operands].max(axis=0)
            reach[v] = before + delays[v]
            over = (reach[v] > budget_ns + 1e-9) & (delays > 0.0) & (delays[v] > 0.0)
            pairs += [(int(u), v) for u in np.flatnonzero(over)]
            reach[v][reach[v] > budget_ns + 1e-9] = -np.inf  # already a stage apart from here on
        reach[v, v] = delays[v]
    return pairs
