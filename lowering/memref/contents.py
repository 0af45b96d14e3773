"""What each memory holds at a point of the function, as a view; and who still needs what it held.

A write of every element makes new contents, in a buffer of their own. A write of some changes the buffer that holds the
contents, unless something else shows that buffer: then it changes a copy. So reads see what was there in their turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.quasi_affine import Index, Variable, constant, variable
from torch2hw.frontend.weights import Weights
from torch2hw.lowering.linalg import tensor_views as views
from torch2hw.lowering.linalg.mlir_attributes import defined_by
from torch2hw.lowering.linalg.tensor_values import TensorValues
from torch2hw.lowering.linalg.tensor_views import View
from torch2hw.lowering.memref.index_values import IndexValues
from torch2hw.lowering.memref.steps import Access, Memory


@dataclass
class Contents:
    """`values.tensors` has the contents by memory; a memory without an entry is undefined.

    `around` are the loops that a memory was made in: it has one copy for each of their rounds. `rounds` are the loops
    that are written out, each in the round that is being lowered. `held` is what reads saw, by their results; `users`
    the writes that need each read. `kept` are reads before loops that are written out, which later rounds need again.
    """

    values: TensorValues
    indices: IndexValues
    weights: Weights
    users: Mapping[Any, frozenset[Access]]
    around: dict[Memory, tuple[Variable, ...]] = field(default_factory=dict)
    rounds: dict[Variable, Index] = field(default_factory=dict)
    held: dict[Any, tuple[Access, View]] = field(default_factory=dict)
    left: dict[Any, set[Access]] = field(default_factory=dict)
    kept: frozenset[Any] = frozenset()

    def make(self, memory: Memory, loops: Sequence[Variable]) -> None:
        """A memory begins to exist inside `loops`."""
        self.around[memory] = tuple(loops)
        self.values.tensors.pop(memory, None)
        self.values.owned.pop(memory, None)

    def shape(self, memory: Memory) -> tuple[int, ...]:
        """Its shape, with a dimension for each loop that it was made in."""
        return (*(loop.extent for loop in self.around.get(memory, ())), *memory.shape)

    def now(self, index: Index) -> Index:
        """An index in the rounds that are being lowered."""
        return index.substitute(self.rounds)

    def place(self, access: Access) -> tuple[Index | None, ...]:
        """Where an access is; None in a dimension where values decide."""
        own = [self.now(each) if isinstance(each, Index) else None for each in access.at]
        return (*(self.now(variable(loop)) for loop in self.around.get(access.memory, ())), *own)

    def view(self, memory: Memory) -> View:
        """What it holds; zeros where that is undefined."""
        found: View | None = self.values.tensors.get(memory)
        return views.fill(self.shape(memory), memory.dtype, 0) if found is None else found

    def read(self, access: Access) -> None:
        """A read in its turn."""
        self.held[access.result] = access, self.view(access.memory)
        self.left[access.result] = set(self.users.get(access.result, ()))

    def written(self, stores: Sequence[Access]) -> None:
        """These writes need nothing any more."""
        for result in [each for each in self.held if each not in self.kept]:
            self.left[result].difference_update(stores)
            if not self.left[result]:
                del self.held[result], self.left[result]

    def target(self, memory: Memory, stores: Sequence[Access], elementwise: bool, op: Any) -> Buffer:
        """The buffer in which some elements of a memory may change. `elementwise`: these stores read no element of it
        that another round of theirs writes."""
        view = self.values.tensors.get(memory)
        buffer: Buffer | None = self.values.owned.get(memory)
        if view is not None and buffer is not None and not self._shared(buffer, memory, stores, elementwise):
            return buffer
        made = self.values.temporary(self.shape(memory), memory.dtype, op)
        if view is not None:
            self.values.copy(view, made, list, op)
        self.values.own(memory, made)
        return made

    def _shared(self, buffer: Buffer, memory: Memory, stores: Sequence[Access], elementwise: bool) -> bool:
        shown = [view for other, view in self.values.tensors.items() if other is not memory]
        for result, (_, view) in self.held.items():
            if not elementwise or self.left[result] - set(stores):
                shown.append(view)
        return any(_shows(view, buffer) for view in shown)


def _shows(view: View, buffer: Buffer) -> bool:
    at = [variable(Variable(f"probe{d}", size)) if size > 1 else constant(0) for d, size in enumerate(view.shape)]
    return view.element(at).buffer is buffer


def is_global(memory: Memory) -> bool:
    """Whether it is a memref.global."""
    return defined_by(memory.value, "memref.get_global")
