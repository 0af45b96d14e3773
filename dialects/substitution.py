"""Kernels with parts replaced: loop variables by index expressions, value names, loads and stores, buffers.

The records stay as they are; the result is a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

from torch2hw.dialects.loops import Buffer, Constant, IndexValue, Kernel, Load, Operation, Stage, Statement, Store
from torch2hw.dialects.once import once
from torch2hw.dialects.quasi_affine import Index, Variable


def substitute_statement(statement: Statement, indices: dict[Variable, Index], names: dict[str, str]) -> Statement:
    """`statement` with loop variables and value names replaced; those not in the tables stay."""

    def value(name: str) -> str:
        return names.get(name, name)

    def index(old: Index) -> Index:
        moved = old.substitute(indices)
        if not names:
            return moved
        runtime = {v: Index(((Variable(names[v.name], v.extent), 1),), 0) for v in moved.variables() if v.name in names}
        return moved.substitute(runtime)

    if isinstance(statement, Operation):
        return replace(statement, result=value(statement.result), operands=tuple(map(value, statement.operands)))
    if isinstance(statement, Constant):
        return replace(statement, result=value(statement.result))
    if isinstance(statement, IndexValue):
        return replace(statement, result=value(statement.result), index=index(statement.index))
    return replace(
        statement,
        result=value(statement.result),
        indices=tuple(map(index, statement.indices)),
        guard=tuple(map(index, statement.guard)),
    )


def substitute_store(store: Store, indices: dict[Variable, Index], names: dict[str, str]) -> Store:
    """The store with loop variables and value names replaced; those not in the tables stay."""
    return replace(
        store,
        value=names.get(store.value, store.value),
        indices=tuple(index.substitute(indices) for index in store.indices),
        guard=tuple(index.substitute(indices) for index in store.guard),
    )


def substitute_stage(stage: Stage, indices: dict[Variable, Index], names: dict[str, str]) -> Stage:
    """The stage with loop variables and value names replaced in its statements and stores; it carries what it did."""
    return Stage(
        stage.carried,
        tuple(substitute_statement(s, indices, names) for s in stage.statements),
        tuple(substitute_store(s, indices, names) for s in stage.stores),
    )


def substitute_kernel(kernel: Kernel, indices: dict[Variable, Index]) -> Kernel:
    """`kernel` with loop variables replaced in its domain and its stages; its loops are as they were."""
    stages = tuple(substitute_stage(stage, indices, {}) for stage in kernel.stages)
    return replace(kernel, stages=stages, domain=tuple(index.substitute(indices) for index in kernel.domain))


def fixed(kernel: Kernel, indices: dict[Variable, Index]) -> Kernel:
    """`kernel` without the loops of these variables, which become constants or expressions of other loops."""
    loops = tuple(loop for loop in kernel.loops if loop.variable not in indices)
    return replace(substitute_kernel(kernel, indices), loops=loops)


def one_round(kernel: Kernel, number: int) -> Kernel:
    """What runs without a pause, as a kernel: one round of a kernel in rounds, all of another one."""
    return fixed(kernel, {kernel.loops[0].variable: Index((), number)}) if kernel.is_in_rounds else kernel


Access = TypeVar("Access", Load, Store)


class ChangedAccess(Protocol):
    """A function from loads to loads and from stores to stores."""

    def __call__(self, access: Access, /) -> Access:
        """The access that takes the place of `access`."""


def with_accesses(kernel: Kernel, changed: ChangedAccess) -> Kernel:
    """`kernel` with what `changed` makes of each load and each store."""
    stages = tuple(
        Stage(
            stage.carried,
            tuple(changed(s) if isinstance(s, Load) else s for s in stage.statements),
            tuple(map(changed, stage.stores)),
        )
        for stage in kernel.stages
    )
    return replace(kernel, stages=stages)


def with_buffers(kernel: Kernel, instead: Mapping[Buffer, Buffer]) -> Kernel:
    """`kernel` with accesses to other buffers; the same object if none of its own is among them."""
    own = tuple((buffer, instead[buffer]) for buffer in kernel.touched if instead.get(buffer, buffer) is not buffer)
    return _with_buffers(kernel, own) if own else kernel


@once
def _with_buffers(kernel: Kernel, pairs: tuple[tuple[Buffer, Buffer], ...]) -> Kernel:
    instead = dict(pairs)
    return with_accesses(kernel, lambda access: replace(access, buffer=instead.get(access.buffer, access.buffer)))
