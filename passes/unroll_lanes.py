"""Unrolls loops of a kernel into lanes: copies of its statements that run in the same cycle (the arms of a `par`).

Before:  for i, j { for k { acc[i, j] += x[i, k]·w[k, j] } }           with i in 2 lanes:
After:   for io, j { for k { acc0 += x[2·io, k]·w[k, j] ; acc1 += x[2·io + 1, k]·w[k, j] } }      w[k, j] is loaded once

A parallel loop may have any number of lanes: a lane beyond the end of its range does not store. The lanes of a
reduction loop of stage 0 or 1 divide its extent. Their terms are added in a tree and then to the carried value, a
declared reassociation. Lanes along a loop of stage 1, such as the window of a pooling that a convolution is fused with,
have sums of their own in stage 0.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from torch2hw.dialects.loops import (
    Carried,
    Constant,
    IndexValue,
    Kernel,
    Load,
    Operation,
    Stage,
    Statement,
    Store,
    operand_names,
)
from torch2hw.dialects.operations import operation_kind
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.dialects.substitution import substitute_stage, substitute_statement, substitute_store


def reducible(kernel: Kernel, number: int = 0) -> bool:
    """Whether the lanes of a reduction loop of a stage can be joined: an associative operation computes each carried
    value, of which nothing is stored before the last one."""
    stage = kernel.stages[number]
    stored = {store.value for store in stage.stores}
    made = {s.result: s for s in stage.statements}
    for carried in stage.carried:
        step = made.get(carried.next)
        if not isinstance(step, Operation) or step.operands.count(carried.name) != 1:
            return False
        if not operation_kind(step.name).associative:
            return False
        own = {carried.name, carried.next}
        if own & stored or any(own & operand_names(s) for s in stage.statements if s is not step):
            return False
    return bool(stage.carried)


@dataclass
class _Stage:
    """Collects the statements of one stage, each distinct one once."""

    statements: list[Statement] = field(default_factory=list)
    seen: dict[object, str] = field(default_factory=dict)

    def add(self, statement: Statement, outer: list[_Stage]) -> str:
        """Adds a statement unless this or an earlier stage has an equal one; returns the name of its result."""
        statement = settled(statement)
        key = _key(statement)
        for stage in (self, *outer):
            if key in stage.seen:
                return stage.seen[key]
        self.seen[key] = statement.result
        self.statements.append(statement)
        return statement.result


def settled(statement: Statement) -> Statement:
    """A load whose guard never holds (a lane that is always in the padding) as the constant that it gives; it needs no
    port."""
    if not isinstance(statement, Load) or not statement.guard:
        return statement
    guard = tuple(index for index in statement.guard if index.bounds()[0] < 0)
    if any(index.bounds()[1] < 0 for index in guard):
        return Constant(statement.result, statement.type, statement.otherwise_bits)
    return replace(statement, guard=guard) if guard != statement.guard else statement


def _key(statement: Statement) -> object:
    if isinstance(statement, Operation):
        return statement.name, statement.operands, statement.predicate, statement.type
    if isinstance(statement, Constant):
        return statement.type, statement.bits
    if isinstance(statement, IndexValue):
        return statement.index
    return statement.place


def unroll(kernel: Kernel, lanes: Mapping[Variable, int]) -> Kernel:
    """`kernel` with `lanes[v]` lanes for each loop variable v in `lanes`, and one lane for the others."""
    lanes = {v: count for v, count in lanes.items() if count > 1}
    if not lanes:
        return kernel
    assert not kernel.domain, "lanes are made before loops are cut into parts that do not divide them"
    windows = {loop.variable for loop in kernel.loops if loop.reduced_by == 1 and loop.variable in lanes}
    if windows:
        inner = {v: count for v, count in lanes.items() if v not in windows}
        return unroll(_side_by_side(kernel, {v: count for v, count in lanes.items() if v in windows}), inner)
    outer = {v: Variable(f"{v.name}l", -(-v.extent // count)) for v, count in lanes.items()}
    reduced = {loop.variable for loop in kernel.loops if loop.reduced_by is not None}
    parallel = [v for v in lanes if v not in reduced]
    joined = [v for v in lanes if v in reduced]
    assert all(v.extent % lanes[v] == 0 for v in joined), "lanes of a reduction divide its extent"
    loops = tuple(replace(loop, variable=outer.get(loop.variable, loop.variable)) for loop in kernel.loops)
    kept = tuple(loop for loop in loops if loop.extent > 1 or loop.reduced_by is not None)
    stages = [_Stage() for _ in kernel.stages]
    carried: list[list[Carried]] = [[] for _ in kernel.stages]
    stores: list[list[Store]] = [[] for _ in kernel.stages]
    for arm in itertools.product(*(range(lanes[v]) for v in parallel)):
        suffix = "".join(f"_{number}" for number in arm)
        lane = {v: variable(outer[v]) * lanes[v] + number for v, number in zip(parallel, arm, strict=True)}
        guard = tuple(
            index for v in parallel if v.extent % lanes[v] and (index := lane[v] * -1 + (v.extent - 1)).bounds()[0] < 0
        )
        names: dict[str, str] = {c.name: c.name + suffix for stage in kernel.stages for c in stage.carried}
        for number, stage in enumerate(kernel.stages):
            before = stages[:number]
            if number == 0 and joined:
                stored = _join(stage, stages[:1], names, suffix, lane, {v: (outer[v], lanes[v]) for v in joined})
            else:
                for statement in stage.statements:
                    moved = substitute_statement(
                        statement,
                        lane,
                        {**names, statement.result: statement.result + suffix},
                    )
                    names[statement.result] = stages[number].add(moved, before)
                stored = [substitute_store(store, lane, names) for store in stage.stores]
            carried[number] += [Carried(names[c.name], c.type, names[c.init], names[c.next]) for c in stage.carried]
            stores[number] += [replace(store, guard=(*store.guard, *guard)) for store in stored]
    done = tuple(
        Stage(tuple(c), tuple(s.statements), tuple(st)) for c, s, st in zip(carried, stages, stores, strict=True)
    )
    return replace(kernel, loops=kept, stages=done, lanes=kernel.lanes * prod(lanes.values()))


def _side_by_side(kernel: Kernel, lanes: Mapping[Variable, int]) -> Kernel:
    """`kernel` with lanes along reduction loops of stage 1: a copy of stage 0 for each, and one stage 1 that joins what
    they compute."""
    outer = {v: Variable(f"{v.name}l", v.extent // count) for v, count in lanes.items()}
    loops = tuple(replace(loop, variable=outer.get(loop.variable, loop.variable)) for loop in kernel.loops)
    first, second, *rest = kernel.stages
    made = [_Stage(), _Stage()]
    carried: list[Carried] = []
    stores: list[Store] = []
    copies: list[dict[str, str]] = []
    for arm in itertools.product(*(range(count) for count in lanes.values())):
        suffix = "w" + "_".join(map(str, arm))
        where = {v: variable(outer[v]) * count + k for (v, count), k in zip(lanes.items(), arm, strict=True)}
        names = {c.name: c.name + suffix for c in first.carried}
        for s in first.statements:
            names[s.result] = made[0].add(substitute_statement(s, where, {**names, s.result: s.result + suffix}), [])
        carried += [Carried(names[c.name], c.type, names[c.init], names[c.next]) for c in first.carried]
        stores += [substitute_store(store, where, names) for store in first.stores]
        copies.append(names)
    names = {**copies[-1], **{c.name: c.name for stage in kernel.stages[1:] for c in stage.carried}}
    both = {v: (outer[v], count) for v, count in lanes.items()}
    stored = _join(second, made, names, "", {}, both, copies)
    joined = tuple(Carried(c.name, c.type, names[c.init], names[c.next]) for c in second.carried)
    stages = (
        Stage(tuple(carried), tuple(made[0].statements), tuple(stores)),
        Stage(joined, tuple(made[1].statements), tuple(stored)),
        *(substitute_stage(stage, {}, names) for stage in rest),
    )
    return replace(kernel, loops=loops, stages=stages, lanes=kernel.lanes * prod(lanes.values()))


def _join(
    stage: Stage,
    targets: list[_Stage],
    names: dict[str, str],
    suffix: str,
    lane: Mapping[Variable, Index],
    joined: Mapping[Variable, tuple[Variable, int]],
    copies: Sequence[Mapping[str, str]] = ({},),
) -> list[Store]:
    """Joins the lanes of a stage's reduction into the last of `targets`: all terms, a tree that adds them, and one step
    of the carried value. `copies`: by lane, the names of its copy of the stage before. Returns the stores of all terms.
    """
    *before, target = targets
    stores = []
    steps = {c.next: c for c in stage.carried}
    contributions: dict[str, list[str]] = {name: [] for name in steps}
    made = {s.result: s for s in stage.statements}
    arms = itertools.product(*(range(count) for _, count in joined.values()))
    for arm, copy in zip(arms, itertools.cycle(copies), strict=False):
        inner_suffix = suffix + "r" + "_".join(map(str, arm))
        where = {
            **lane,
            **{
                v: variable(outer) * count + number
                for (v, (outer, count)), number in zip(joined.items(), arm, strict=True)
            },
        }
        local = {**names, **copy}
        for statement in stage.statements:
            if statement.result in steps:
                step = made[statement.result]
                assert isinstance(step, Operation)
                other = next(name for name in step.operands if name != steps[statement.result].name)
                contributions[statement.result].append(local[other])
                continue
            moved = substitute_statement(statement, where, {**local, statement.result: statement.result + inner_suffix})
            local[statement.result] = target.add(moved, before)
            names[statement.result] = local[statement.result]  # for later stages: the last iteration's
        stores += [substitute_store(store, where, local) for store in stage.stores]
    for result, carried in steps.items():
        step = made[result]
        assert isinstance(step, Operation)
        terms, level = contributions[result], 0
        while len(terms) > 1:
            paired = []
            for number in range(0, len(terms) - 1, 2):
                joint = replace(
                    step, result=f"{result}{suffix}t{level}_{number // 2}", operands=(terms[number], terms[number + 1])
                )
                paired.append(target.add(joint, []))
            terms, level = paired + terms[len(terms) // 2 * 2 :], level + 1
        names[result] = f"{result}{suffix}"
        target.statements.append(replace(step, result=names[result], operands=(names[carried.name], terms[0])))
    return stores
