"""The form of a kernel: what it computes, apart from the constants in its indices and the buffers that it accesses.

Kernels of equal form are candidates for `reroll-loops`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from torch2hw.dialects.loops import Buffer, IndexValue, Kernel, Load, Operation
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.dialects.substitution import substitute_statement, substitute_store


@dataclass(frozen=True)
class Form:
    """`key` is equal for kernels that do the same to buffers of the same kinds and shapes. `offsets` are the constants
    of all its indices, in the order in which `reroll-loops` goes through them."""

    key: Hashable
    offsets: tuple[int, ...]
    loaded: tuple[Buffer, ...]
    stored: tuple[Buffer, ...]


def forms_of(program: Program) -> list[Form]:
    """The forms of all kernels; their keys are numbers."""
    numbers: dict[Hashable, int] = {}
    forms = [form_of(kernel) for kernel in program.kernels]
    return [replace(form, key=numbers.setdefault(form.key, len(numbers))) for form in forms]


def form_of(kernel: Kernel) -> Form:
    """The form of one kernel: its variables and values renamed by position, the constants of its indices set aside."""
    renamed: dict[Variable, Index] = {
        loop.variable: variable(Variable(f"i{number}", loop.extent)) for number, loop in enumerate(kernel.loops)
    }
    names: dict[str, str] = {}
    for stage in kernel.stages:
        for name in (*(carried.name for carried in stage.carried), *(s.result for s in stage.statements)):
            names[name] = f"v{len(names)}"
    offsets: list[int] = []

    def shape_of(indices: Sequence[Index]) -> Hashable:
        offsets.extend(index.constant for index in indices)
        return tuple(index.terms for index in indices)

    def kind(buffer: Buffer) -> Hashable:
        return buffer.storage, buffer.shape, buffer.dtype

    key: list[Hashable] = [tuple((loop.extent, loop.reduced_by) for loop in kernel.loops), kernel.lanes]
    key.append(shape_of([index.substitute(renamed) for index in kernel.domain]))
    for stage in kernel.stages:
        key.append(tuple((names[c.name], c.type, names[c.init], names[c.next]) for c in stage.carried))
        for old in stage.statements:
            new = substitute_statement(old, renamed, names)
            if isinstance(new, Load):
                read = shape_of(new.indices), shape_of(new.guard)
                key.append((new.result, new.type, kind(new.buffer), *read, new.otherwise_bits))
            elif isinstance(new, IndexValue):
                key.append((new.result, new.type, shape_of([new.index])))
            else:
                key.append(replace(new, source=None) if isinstance(new, Operation) else new)
        for store in stage.stores:
            moved = substitute_store(store, renamed, names)
            key.append((moved.value, kind(moved.buffer), shape_of(moved.indices), shape_of(moved.guard)))
    loaded = tuple(load.buffer for load in kernel.loads())
    return Form(tuple(key), tuple(offsets), loaded, tuple(store.buffer for store in kernel.stores()))
