"""Functions over memories (memref, affine, scf) → affine: loops are taken apart, one kernel for each write.

Before:  for i { for j { s = 0; for k { s += A[i, k] * B[k, j] }; C[i, j] = s } }
After:   s[i, j] = 0 (a view); kernel(i, j, k reduces 0) s[i, j]; C = s (a view)

needs: a function whose calls are inlined, static shapes, arguments that are inputs or outputs.
leaves: reductions in the order of the text; a memory made inside loops with a dimension for each; loops whose rounds
    need each other, and are no reduction, written out.
refuses: what `memref_steps` and `scalar_values` do; `too-many-rounds` (MAX_WRITTEN_OUT).
legal: a loop is taken apart only where no access is moved past one of the same element (`dependences`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from torch2hw.dialects.loops import Buffer, Kernel, Loop, Source, Stage, Store
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Index, Variable, constant, variable
from torch2hw.dialects.storage import INPUT
from torch2hw.frontend.refusals import TooManyRounds, UnsupportedOperation
from torch2hw.frontend.torch_to_linalg import TorchProgram
from torch2hw.lowering.linalg import tensor_views as views
from torch2hw.lowering.linalg.mlir_attributes import dense_bits, source_at
from torch2hw.lowering.linalg.scalar_body import ScalarBody
from torch2hw.lowering.linalg.tensor_values import TensorValues
from torch2hw.lowering.memref.contents import Contents, is_global
from torch2hw.lowering.memref.dependences import conflicts, injective
from torch2hw.lowering.memref.memref_steps import steps_of
from torch2hw.lowering.memref.nest_kernel import lower_nest
from torch2hw.lowering.memref.private_memories import moved_inside
from torch2hw.lowering.memref.read_users import users_of
from torch2hw.lowering.memref.steps import Access, Item, Made, Memory, Repeated, accesses, memories_made

MAX_WRITTEN_OUT = 1024
"""Writes in the rounds of loops that are written out."""


def lower(torch_program: TorchProgram, name: str) -> Program:
    """The affine program of `main`; buffers of arguments and results get the ports' names."""
    operations = torch_program.module.body.operations
    function = next(op for op in operations if op.operation.name == "func.func" and op.name.value == "main")
    steps, indices, memories = steps_of(function)
    body = moved_inside(steps.body, steps.returned)
    values = TensorValues()
    contents = Contents(values, indices, torch_program.weights, users_of(body))
    arguments = [memories[value] for value in function.operation.regions[0].blocks[0].arguments]
    places = torch_program.places or ()
    inputs = []
    for info, place in zip(torch_program.inputs, places, strict=False):
        inputs.append(Buffer(info.name, info.shape, info.dtype, INPUT, codes=info.codes))
        values.tensors[arguments[place]] = views.of_buffer(inputs[-1])
    for memory in memories.values():
        if is_global(memory):
            values.tensors[memory] = _constant(memory, operations, torch_program, values)
    _Lowering(contents).items(body, [])
    results = [arguments[place] for place in places[len(inputs) :]] + steps.returned
    outputs = []
    for number, (memory, info) in enumerate(zip(results, torch_program.outputs, strict=True)):
        values.tensors[number] = contents.view(memory)
        outputs.append(values.output(number, info, function.operation))
    kernels = [zero for each in outputs for zero in _zeros(each, values.kernels)] + values.kernels
    return Program.of(name, inputs, outputs, kernels)


def _constant(memory: Memory, operations: Any, program: TorchProgram, values: TensorValues) -> views.View:
    op = memory.value.owner.operation
    wanted = op.attributes["name"].value
    arrays = (each for each in operations if each.operation.name == "memref.global")
    found = next(each.operation for each in arrays if each.sym_name.value == wanted)
    if "constant" not in found.attributes or "initial_value" not in found.attributes:
        raise UnsupportedOperation(
            f"the memory {wanted} keeps its contents from run to run, or has none",
            location=_place(source_at(op)),
            why="a design is a function of its inputs",
            fix="make it an argument, or a constant with contents",
        )
    data = dense_bits(found.attributes["initial_value"], memory.shape, memory.dtype, program.weights)
    return values.constant_view(data, memory.shape, memory.dtype, source_at(op))


def _zeros(output: Buffer, kernels: Sequence[Kernel]) -> list[Kernel]:
    """A kernel that clears an output of which not all is written."""
    written = np.zeros(output.shape, bool)
    for kernel in kernels:
        for store in kernel.stores():
            if store.buffer is output:
                extents = {loop.variable: loop.extent for loop in kernel.loops}
                grid = dict(zip(extents, np.indices(tuple(extents.values()), sparse=True), strict=True))
                holds = np.ones(tuple(extents.values()), bool)
                for index in store.guard:
                    holds = holds & (index.evaluate(grid.__getitem__) >= 0)
                at = [np.broadcast_to(i.evaluate(grid.__getitem__), holds.shape)[holds] for i in store.indices]
                written[tuple(at)] = True
    if written.all():
        return []
    loops = [Variable(f"i{d}", size) for d, size in enumerate(output.shape)]
    body = ScalarBody()
    zero = body.constant(0, output.value_type)
    store = Store(output, tuple(variable(loop) for loop in loops), zero, (), output.source)
    stage = Stage((), tuple(body.statements), (store,))
    kept = tuple(Loop(loop) for loop in loops if loop.extent > 1)
    return [Kernel(f"clear_{output.name}", kept, (stage,), (), output.source)]


def merged(ranges: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Ranges that overlap as one: first to last."""
    result: dict[int, int] = {}
    start = -1
    for first, last in sorted(ranges):
        if first > result.get(start, -1):
            start = first
        result[start] = max(result.get(start, last), last)
    return result


class _Lowering:
    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        self.written_out = 0

    def items(self, items: Sequence[Item], loops: Sequence[Variable]) -> None:
        """Lowers items in order, each in all rounds of `loops`."""
        for item in items:
            if isinstance(item, Made):
                self.contents.make(item.memory, loops)
            elif isinstance(item, Repeated):
                self.rounds(item, loops)
            elif item.is_store:
                self._constant_place(item)
                lower_nest(self.contents, loops, [item], reduces=False)
            else:
                self.contents.read(item)

    def _constant_place(self, store: Access) -> None:
        if not all(isinstance(each, Index) for each in store.at):
            raise UnsupportedOperation(
                "a write at an index computed from values",
                location=_place(source_at(store.op)),
                why="which elements a run writes is known when the design is made",
                fix="go through all elements, and select the one that changes",
            )

    def rounds(self, rounds: Repeated, loops: Sequence[Variable]) -> None:
        """Lowers a loop: taken apart, as a reduction, or written out."""
        if rounds.variable.extent == 1:
            self.items(rounds.body, loops)
            return
        groups = self._together(rounds)
        number = 0
        while number < len(rounds.body):
            end = groups.get(number)
            if end is None:
                self.items(rounds.body[number : number + 1], [*loops, rounds.variable])
                number += 1
            else:
                self.group(rounds, rounds.body[number : end + 1], loops)
                number = end + 1

    def _together(self, rounds: Repeated) -> dict[int, int]:
        """The ranges of items that stay in one loop: first to last."""
        own = set(memories_made(rounds.body))
        found = [
            (number, access, around)
            for number, item in enumerate(rounds.body)
            for access, around in accesses([item])
            if access.memory not in own
        ]
        pairs = conflicts([(access, around) for _, access, around in found], self.contents.place, rounds.variable)
        ranges = merged((found[one][0], found[two][0]) for one, two in pairs)
        numbers = {access: number for number, access, _ in found}
        while True:
            grown = merged(self._with_users(first, last, numbers) for first, last in ranges.items())
            if grown == ranges:
                return ranges
            ranges = grown

    def _with_users(self, first: int, last: int, numbers: Mapping[Access, int]) -> tuple[int, int]:
        """The range with the writes that need what is read in it of memories that change in it."""
        inside = [access for access, number in numbers.items() if first <= number <= last]
        changed = {access.memory for access in inside if access.is_store}
        reads = [access.result for access in inside if not access.is_store and access.memory in changed]
        users = [numbers[user] for result in reads for user in self.contents.users[result] if user in numbers]
        return first, max([last, *users])

    def group(self, rounds: Repeated, items: Sequence[Item], loops: Sequence[Variable]) -> None:
        """Lowers items whose rounds need each other."""
        chain, inner = [rounds.variable], list(items)
        while len(inner) == 1 and isinstance(inner[0], Repeated):
            chain.append(inner[0].variable)
            inner = inner[0].body
        leaves = [item for item in inner if isinstance(item, Access)]
        if len(leaves) == len(inner) and self._reduces(leaves, chain):
            for access in leaves:
                if not access.is_store:
                    self.contents.read(access)
            lower_nest(self.contents, [*loops, *chain], leaves, reduces=True)
            return
        self.written_out += rounds.variable.extent * sum(access.is_store for access, _ in accesses(items))
        if self.written_out > MAX_WRITTEN_OUT:
            raise TooManyRounds(
                "a loop of many rounds whose rounds need each other",
                location=_place(source_at(rounds.op)),
                why=f"such a loop is written out, with at most {MAX_WRITTEN_OUT} writes in all",
                fix="make the rounds independent, or a reduction: what is written is read at the same place only",
            )
        before, self.contents.kept = self.contents.kept, frozenset(self.contents.held)
        for number in range(rounds.variable.extent):
            self.contents.rounds[rounds.variable] = constant(number)
            self.items(items, loops)
        del self.contents.rounds[rounds.variable]
        self.contents.kept = before
        self.contents.written([access for access, _ in accesses(items) if access.is_store])

    def _reduces(self, leaves: Sequence[Access], chain: Sequence[Variable]) -> bool:
        """Whether these accesses of one iteration are reductions over the first loop of `chain`: what they write, they
        read at that place alone."""
        places: dict[Memory, tuple[Index | None, ...]] = {}
        for access in leaves:
            if access.is_store:
                places.setdefault(access.memory, self.contents.place(access))
        open_loops = frozenset(loop for loop in chain if loop.extent > 1)
        kinds: set[frozenset[Variable]] = set()
        for memory, place in places.items():
            own = [each for each in leaves if each.memory is memory]
            known = [index for index in place if index is not None]
            if len(known) != len(place) or any(self.contents.place(each) != place for each in own):
                return False
            counted = open_loops & frozenset(v for index in known for v in index.variables())
            if not injective(known, counted):
                return False
            if counted != open_loops or not all(each.is_store for each in own):
                kinds.add(counted)
        return len(kinds) == 1 and chain[0] not in next(iter(kinds))


def _place(source: Source | None) -> tuple[str, int] | None:
    return None if source is None else (source.file, source.line)
