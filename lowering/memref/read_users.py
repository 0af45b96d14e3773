"""Which writes need the value of each read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch2hw.dialects.quasi_affine import Index
from torch2hw.lowering.memref.low_bits import defining
from torch2hw.lowering.memref.steps import Access, Item, accesses


def users_of(items: Sequence[Item]) -> dict[Any, frozenset[Access]]:
    """For the result of each read, the writes that are computed from it."""
    found = [access for access, _ in accesses(items)]
    reads = {access.result: access for access in found if not access.is_store}
    users: dict[Any, set[Access]] = {result: set() for result in reads}
    for store in found:
        if store.is_store:
            for result in _needed(store, reads):
                users[result].add(store)
    return {result: frozenset(each) for result, each in users.items()}


def _needed(store: Access, reads: dict[Any, Access]) -> set[Any]:
    """The results of the reads that a write is computed from."""
    seen: set[Any] = set()
    waiting = [store.stored, *_of(store)]
    while waiting:
        value = waiting.pop()
        if value in seen:
            continue
        seen.add(value)
        if value in reads:
            waiting += _of(reads[value])
            continue
        op = defining(value)
        if op is not None:
            waiting += list(op.operands)
            if op.name in ("scf.if", "affine.if"):
                for region in op.regions:
                    waiting += [end for block in region.blocks for end in list(block.operations)[-1].operation.operands]
    return seen & set(reads)


def _of(access: Access) -> list[Any]:
    """The values that decide where and whether an access happens."""
    conditions = [each.value for each in access.conditions if each.value is not None]
    return [*conditions, *(each for each in access.at if not isinstance(each, Index))]
