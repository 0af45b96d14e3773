"""One nest of loops with its innermost reads and writes → one kernel, or new contents without a kernel.

Before:  for i, j, k { a = A[i, k]; b = B[k, j]; c = C[i, j]; C[i, j] = c + a * b }
After:   kernel(i, j, k reduces 0) { stage 0 { carry acc = C[i, j] next …; … } stage 1 { store } }

Constants everywhere and copies of whole memories become views. A write that later rounds overwrite runs in the last
round only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from torch2hw.dialects.loops import Buffer, Carried, Load, Loop, Stage, Store
from torch2hw.dialects.quasi_affine import Index, Variable, constant, linearise
from torch2hw.lowering.linalg import tensor_views as views
from torch2hw.lowering.linalg.linalg_generic import multiply_accumulates
from torch2hw.lowering.linalg.mlir_attributes import source_at
from torch2hw.lowering.linalg.scalar_body import ScalarBody
from torch2hw.lowering.linalg.tensor_views import Element, View
from torch2hw.lowering.memref.contents import Contents
from torch2hw.lowering.memref.dependences import reordered
from torch2hw.lowering.memref.scalar_values import ScalarValues, in_range
from torch2hw.lowering.memref.steps import Access, Memory


@dataclass
class _Target:
    """A memory that the nest writes, at `at`; `value` is what it holds so far in the iteration."""

    memory: Memory
    at: list[Index]
    stores: list[Access]
    value: str = ""
    carried: str = ""
    init: str = ""
    guard: list[Index] = field(default_factory=list)


def lower_nest(contents: Contents, loops: Sequence[Variable], accesses: Sequence[Access], reduces: bool) -> None:
    """Lowers the accesses of one iteration, in order. `reduces`: reads of what is written see the iteration before."""
    variables = [loop for loop in loops if loop.extent > 1 and loop not in contents.rounds]
    body = ScalarBody()
    scalars = ScalarValues(contents, body)
    targets = _targets(contents, accesses)
    reduced = _reduced(targets, variables)
    if reduced and not reduces and not any(each.conditions for each in accesses):
        last = {loop: constant(loop.extent - 1) for loop in reduced}
        contents.rounds.update(last)
        lower_nest(contents, [loop for loop in loops if loop not in reduced], accesses, reduces)
        for loop in reduced:
            del contents.rounds[loop]
        return
    for target in targets.values():
        _begin(target, contents, scalars, variables, reduced, reduces)
    for access in accesses:
        if access.is_store:
            _store(targets[access.memory], access, scalars)
        elif access.memory in targets:
            body.values[access.result] = targets[access.memory].value
    live = [target for target in targets.values() if all(guard.bounds()[1] >= 0 for guard in target.guard)]
    if live:
        _finish(contents, live, variables, reduced, scalars)
    contents.written([access for access in accesses if access.is_store])


def _targets(contents: Contents, accesses: Sequence[Access]) -> dict[Memory, _Target]:
    targets: dict[Memory, _Target] = {}
    for access in accesses:
        if access.is_store:
            at = [index for index in contents.place(access) if index is not None]
            targets.setdefault(access.memory, _Target(access.memory, at, [])).stores.append(access)
    return targets


def _indexed(target: _Target, variables: Sequence[Variable]) -> list[Variable]:
    used = {v for index in target.at for v in index.variables()}
    return [loop for loop in variables if loop in used]


def _reduced(targets: dict[Memory, _Target], variables: Sequence[Variable]) -> list[Variable]:
    """The loops that no index of some target has."""
    partial = [_indexed(target, variables) for target in targets.values()]
    kept = min(partial, key=len)
    return [loop for loop in variables if loop not in kept]


def _begin(
    target: _Target,
    contents: Contents,
    scalars: ScalarValues,
    variables: Sequence[Variable],
    reduced: Sequence[Variable],
    reduces: bool,
) -> None:
    """The value before the first store: what a reduction carries, or what the memory holds where that counts."""
    memory, body = target.memory, scalars.body
    store = target.stores[0]
    conditional = any(each.guard is None for access in target.stores for each in access.conditions)
    each = bool(reduced) and len(_indexed(target, variables)) == len(variables)
    if not conditional and not (reduced and not each) and not reduces:
        return
    if each and not conditional:
        return
    source = source_at(store.op)
    needed = in_range(store, target.at, contents.shape(memory), contents)
    element = contents.values.moved(contents.view(memory).element(target.at))
    if element.buffer is not None and needed:
        element = Element(element.buffer, element.indices, (*element.guard, *needed), element.otherwise_bits)
    if reduced and not each:
        target.carried = target.value = body.carried(memory.dtype)
    target.init = body.read(element, memory.dtype, source)
    target.value = target.value or target.init


def _store(target: _Target, access: Access, scalars: ScalarValues) -> None:
    value = scalars.of(access.stored)
    guards = [each.guard for each in access.conditions]
    if target.value and access.conditions:
        value = scalars.select(scalars.conditions(access.conditions), value, target.value)
    elif access.conditions:
        now = [scalars.contents.now(index) for guard in guards for index in guard or ()]
        target.guard += [index for index in now if index.bounds()[0] < 0]
    target.value = value


def _finish(
    contents: Contents,
    targets: Sequence[_Target],
    variables: Sequence[Variable],
    reduced: Sequence[Variable],
    scalars: ScalarValues,
) -> None:
    body = scalars.body
    if len(targets) == 1 and not targets[0].carried and _shown(contents, targets[0], body):
        return
    every: list[Store] = []
    after: list[Store] = []
    carried: list[Carried] = []
    for target in targets:
        in_range(target.stores[-1], target.at, contents.shape(target.memory), contents)
        buffer = _buffer(contents, target, variables)
        store = Store(buffer, tuple(target.at), target.value, tuple(target.guard), source_at(target.stores[-1].op))
        if target.carried:
            carried.append(Carried(target.carried, target.memory.dtype, target.init, target.value))
        (every if not reduced or not target.carried else after).append(store)
    parallel = [Loop(loop) for loop in variables if loop not in reduced]
    statements = tuple(body.statements)
    source = every[0].source if every else after[0].source
    count = multiply_accumulates(body, carried)
    for loop in variables:
        count *= loop.extent
    stages = [Stage(tuple(carried), statements, tuple(every))]
    if after:
        stages.append(Stage((), (), tuple(after)))
    loops = [*parallel, *(Loop(loop, 0 if carried else None) for loop in reduced)]
    contents.values.add_kernel(loops, tuple(stages), source, count)


def _buffer(contents: Contents, target: _Target, variables: Sequence[Variable]) -> Buffer:
    """Where the target's new contents go."""
    memory, op = target.memory, target.stores[-1].op
    if not target.guard and covers(target.at, contents.shape(memory)):
        made = contents.values.temporary(contents.shape(memory), memory.dtype, op)
        contents.values.own(memory, made)
        return made
    return contents.target(memory, target.stores, _elementwise(contents, target, variables), op)


def covers(at: Sequence[Index], shape: Sequence[int]) -> bool:
    """Whether each dimension has a loop of its own that goes through all of it."""
    used: set[Variable] = set()
    for index, size in zip(at, shape, strict=True):
        if size == 1 and index == constant(0):
            continue
        if index.constant or len(index.terms) != 1 or index.terms[0][1] != 1:
            return False
        atom = index.terms[0][0]
        if not isinstance(atom, Variable) or atom in used or atom.extent != size:
            return False
        used.add(atom)
    return True


def _elementwise(contents: Contents, target: _Target, variables: Sequence[Variable]) -> bool:
    """Whether no read of the nest is of an element that another round of it writes."""
    for result, (access, _) in contents.held.items():
        if access.memory is not target.memory or not contents.left[result] & set(target.stores):
            continue
        place = contents.place(access)
        inner = frozenset(variables)
        if place == tuple(target.at):
            continue
        for number, loop in enumerate(variables):
            later = inner - frozenset(variables[: number + 1])
            if reordered(place, tuple(target.at), loop, later) or reordered(tuple(target.at), place, loop, later):
                return False
    return True


def _shown(contents: Contents, target: _Target, body: ScalarBody) -> bool:
    """Enters contents that are a constant or a copy as a view. Whether they are one."""
    memory, values = target.memory, contents.values
    shape = contents.shape(memory)
    if target.guard or not covers(target.at, shape):
        return False
    if target.value in body.known:
        values.owned.pop(memory, None)
        values.tensors[memory] = views.fill(shape, memory.dtype, body.known[target.value])
        return True
    load = next((s for s in body.statements if isinstance(s, Load) and s.result == target.value), None)
    if load is None or any(v.name in body.types for index in load.indices for v in index.variables()):
        return False
    values.owned.pop(memory, None)
    values.tensors[memory] = values.settle(_copied(load, target.at, shape, memory.dtype), target.stores[-1].op)
    return True


def _copied(load: Load, at: Sequence[Index], shape: tuple[int, ...], dtype: str) -> View:
    """The view whose element at `at` is what `load` reads."""
    whole = load.buffer.elements == prod(shape)
    if whole and not load.guard and linearise(load.indices, load.buffer.shape) == linearise(at, shape):
        return views.reshape(views.of_buffer(load.buffer), shape)

    def element(indices: list[Index]) -> Element:
        places = {
            atom: index
            for own, index in zip(at, indices, strict=True)
            for atom, _ in own.terms
            if isinstance(atom, Variable)
        }
        where, guard = (tuple(i.substitute(places) for i in each) for each in (load.indices, load.guard))
        return Element(load.buffer, where, guard, load.otherwise_bits)

    return View(shape, dtype, element)
