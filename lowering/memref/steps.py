"""What a function over memories does, in order: a tree of loops whose leaves read, write and make memories.

Values stay MLIR's and are computed where a store needs them (`scalar_values`). Only the index is resolved here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch2hw.dialects.quasi_affine import Index, Variable


@dataclass(eq=False)
class Memory:
    """An array that the function reads or writes. `value` is MLIR's memref; None of a value that a loop carries."""

    shape: tuple[int, ...]
    dtype: str
    op: Any
    value: Any = None

    @property
    def is_cell(self) -> bool:
        """Whether it has one element."""
        return all(size == 1 for size in self.shape)


@dataclass(frozen=True)
class Condition:
    """Holds where all of `indices` are ≥ 0 and `value`, an MLIR flag, is set; `negated` where that is not so."""

    indices: tuple[Index, ...] = ()
    value: Any = None
    negated: bool = False

    @property
    def guard(self) -> tuple[Index, ...] | None:
        """Indices that are all ≥ 0 just where it holds; None if there are no such."""
        if self.value is not None or (self.negated and len(self.indices) != 1):
            return None
        return (self.indices[0] * -1 - 1,) if self.negated else self.indices


@dataclass(eq=False)
class Access:
    """A read of one element, whose value is `result`, or a write of `stored`. An index that is computed from values is
    the MLIR value. It happens where all `conditions` hold."""

    memory: Memory
    at: tuple[Index | Any, ...]
    op: Any
    conditions: tuple[Condition, ...] = ()
    result: Any = None
    stored: Any = None

    @property
    def is_store(self) -> bool:
        """Whether it writes."""
        return self.stored is not None


@dataclass(eq=False)
class Made:
    """A memory begins to exist; its contents are undefined."""

    memory: Memory


@dataclass(eq=False)
class Repeated:
    """A loop. `surely`: it has a round whenever it is reached."""

    variable: Variable
    body: list[Item]
    op: Any
    surely: bool = True


Item = Access | Made | Repeated


@dataclass
class Steps:
    """A function: what it does, and what it returns."""

    body: list[Item] = field(default_factory=list)
    returned: list[Memory] = field(default_factory=list)


def accesses(items: Sequence[Item]) -> Iterator[tuple[Access, tuple[Variable, ...]]]:
    """Every access below, in the order of the text, with the loops of `items` around it."""
    for item in items:
        if isinstance(item, Access):
            yield item, ()
        elif isinstance(item, Repeated):
            for access, around in accesses(item.body):
                yield access, (item.variable, *around)


def memories_made(items: Sequence[Item]) -> Iterator[Memory]:
    """The memories that begin to exist below."""
    for item in items:
        if isinstance(item, Made):
            yield item.memory
        elif isinstance(item, Repeated):
            yield from memories_made(item.body)
