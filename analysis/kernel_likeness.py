"""Kernels that differ only in their names, in what their buffers hold and in their lines of the model: what is known
about the lanes of one holds for all."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from typing import Any

from torch2hw.dialects.loops import Buffer, Kernel
from torch2hw.dialects.once import once
from torch2hw.dialects.quasi_affine import Index, Variable

NAMES = frozenset(("name", "result", "operands", "value", "init", "next"))
UNSEEN = frozenset(("source", "callee", "schedule", "start_cycle"))


@once
def likeness(kernel: Kernel) -> Hashable:
    """Equal for kernels that are alike. Their buffers correspond in the order of `Kernel.touched`."""
    numbers: dict[object, int] = {}

    def number(name: object) -> int:
        return numbers.setdefault(name, len(numbers))

    loops = tuple((number(loop.variable.name), loop.extent, loop.reduced_by, loop.in_rounds) for loop in kernel.loops)
    buffers = tuple((each.shape, each.dtype, each.storage.in_kernel) for each in kernel.touched)
    for buffer in kernel.touched:
        number(buffer)
    body = tuple(form(stage, number) for stage in kernel.stages)
    return loops, buffers, body, form(kernel.domain, number), kernel.macs, kernel.lanes


def form(part: Any, number: Callable[[object], int]) -> Hashable:
    """A part of a kernel, with numbers in the place of names and buffers."""
    if isinstance(part, tuple):
        return tuple(form(each, number) for each in part)
    if isinstance(part, Variable):
        return number(part.name), part.extent
    if isinstance(part, Buffer):
        return number(part)
    if isinstance(part, Index):
        return form(part.terms, number), part.constant
    if not is_dataclass(part):
        plain: Hashable = part
        return plain
    kept: list[Hashable] = [type(part).__name__]
    for each in fields(part):
        value = getattr(part, each.name)
        if each.name in UNSEEN:
            continue
        named = each.name in NAMES and not (each.name == "name" and hasattr(part, "operands"))
        if named:
            kept.append(tuple(map(number, value)) if isinstance(value, tuple) else number(value))
        else:
            kept.append(form(value, number))
    return tuple(kept)
