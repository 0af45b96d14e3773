"""Memories that one loop alone uses, and that every round of it writes before it reads them, are made in that loop.

Before:  made s; for i { s = 0; for k { s += A[i, k] }; B[i] = s }
After:   for i { made s; s = 0; … }
why: rounds of i are then independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch2hw.dialects.quasi_affine import Index
from torch2hw.lowering.memref.nest_kernel import covers
from torch2hw.lowering.memref.steps import Access, Item, Made, Memory, Repeated, accesses


def moved_inside(items: Sequence[Item], returned: Sequence[Memory]) -> list[Item]:
    """The items with memories made as deep inside as they can be."""
    kept: list[Item] = []
    inside: dict[int, list[Item]] = {}
    for item in items:
        if isinstance(item, Made) and item.memory not in returned:
            users = [number for number, each in enumerate(items) if _uses(each, item.memory)]
            loop = items[users[0]] if len(users) == 1 else None
            if isinstance(loop, Repeated) and _written_first(loop.body, item.memory):
                inside.setdefault(users[0], []).append(item)
                continue
        kept.append(item)
    moved = {id(items[number]): made for number, made in inside.items()}
    result: list[Item] = []
    for item in kept:
        if isinstance(item, Repeated):
            body = moved_inside([*moved.get(id(item), ()), *item.body], returned)
            result.append(replace(item, body=body))
        else:
            result.append(item)
    return result


def _uses(item: Item, memory: Memory) -> bool:
    return any(access.memory is memory for access, _ in accesses([item]))


def _written_first(items: Sequence[Item], memory: Memory) -> bool:
    """Whether these items write all of the memory before they read any of it."""
    item = next(each for each in items if _uses(each, memory))
    while isinstance(item, Repeated) and item.surely:
        if memory.is_cell and _written_first(item.body, memory):
            return True
        if len(item.body) != 1 and sum(_uses(each, memory) for each in item.body) != 1:
            return False
        item = next(each for each in item.body if _uses(each, memory))
    if not isinstance(item, Access) or not item.is_store or item.conditions:
        return False
    at = [index for index in item.at if isinstance(index, Index)]
    return memory.is_cell or (len(at) == len(item.at) and covers(at, memory.shape))
