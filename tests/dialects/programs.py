"""Whether two loop programs are equal in every field, which `==` does not say: buffers and schedules are told apart by
identity."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def difference(one: Any, other: Any, where: str = "program") -> str | None:
    """The first field in which they differ, or None. Buffers correspond one to one."""
    return _difference(one, other, where, {}, {})


def _difference(one: Any, other: Any, where: str, met: dict[int, int], back: dict[int, int]) -> str | None:
    if type(one) is not type(other):
        return f"{where}: {one!r} and {other!r}"
    if isinstance(one, np.ndarray):
        same = one.dtype == other.dtype and one.shape == other.shape and np.array_equal(one, other)
        return None if same else f"{where}: other contents"
    if is_dataclass(one):
        if type(one).__name__ in ("Buffer", "Index"):
            if met.get(id(one)) == id(other):
                return None
            if type(one).__name__ == "Buffer":
                if id(one) in met or id(other) in back:
                    return f"{where}: not the same buffer"
                back[id(other)] = id(one)
                met[id(one)] = id(other)
        for each in fields(one):
            found = _difference(getattr(one, each.name), getattr(other, each.name), f"{where}.{each.name}", met, back)
            if found:
                return found
        return None
    if isinstance(one, tuple | list):
        if len(one) != len(other):
            return f"{where}: {len(one)} and {len(other)} items"
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            found = _difference(a, b, f"{where}[{number}]", met, back)
            if found:
                return found
        return None
    return None if one == other else f"{where}: {one!r} and {other!r}"
