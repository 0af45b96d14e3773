"""narrow-storage: memories hold numbers in the model's format of 16 bits; what is computed between them stays f32.

Before:  buffer @t: 64x48xf32 ; … store %y → @t ; … %0 = load @t                          at --dtype bf16
After:   buffer @t: 64x48xbf16 ; … %n = arith.truncf %y ; store %n → @t ; … %1 = load @t ; %0 = arith.extf %1

needs: affine programs whose kernels are fused: what is not stored is not rounded.
leaves: weights and intermediate results in the format, a conversion at each access; no kernel that only widens.
refuses: nothing.
why: half the block RAMs, and products of two such numbers are one DSP (`narrow-products`). The format is the one of
    `--dtype`; without it, a model that computes in bf16 or f16 has widened values in f32 memories: those go back to the
    format they come from, bit for bit, and nothing else changes.
With `--dtype` every result that is stored is rounded, a declared change, except
- what is read for more results than it has elements and is no factor of a sum of products: means, maxima, sums;
- what one kernel both reads and writes;
- squares, such as a variance's terms, where the format's range is less than f32's: in f16 that of 256 is infinite;
- constants and paddings beyond the range of the format, such as masks of -1e9 in f16.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from torch2hw.analysis.dead_values import without_dead_values
from torch2hw.dialects.loops import (
    Buffer,
    Kernel,
    Load,
    Operation,
    Stage,
    Statement,
    Store,
)
from torch2hw.dialects.number_types import NUMBER_TYPES, number_type
from torch2hw.dialects.operations import operation_kind
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Index, Variable
from torch2hw.dialects.substitution import substitute_statement
from torch2hw.passes.pass_context import PassContext

WIDE = "f32"
NARROW = tuple(kind.name for kind in NUMBER_TYPES.values() if kind.is_float and kind.bits == 16)


@dataclass(frozen=True)
class NarrowStorage:
    """The pass; `--dtype` is what it is asked for."""

    name: str = "narrow-storage"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: buffers in the format, and those of them whose values that rounds."""
        asked = context.options.dtype
        formats = [asked] if asked != WIDE else [name for name in NARROW if _widens(program.kernels, name)]
        rounded: list[str] = []
        narrowed: list[str] = []
        kernels = program.straight_line
        for name in formats:
            kernels = without_widenings(kernels, name)
            targets, inexact = choose(kernels, name, asked != WIDE)
            narrowed += [buffer.name for buffer in targets]
            rounded += inexact
            kernels = [narrow(kernel, targets, name) for kernel in kernels]
        if not narrowed and len(kernels) == len(program.kernels):
            return program, {}
        report = {"narrowed": narrowed} | ({"rounding": rounded} if rounded else {})
        return program.with_sequence(kernels), report


def _widens(kernels: Iterable[Kernel], name: str) -> bool:
    """Whether values of a format are widened to f32."""
    return any(_widened(statement, name) is not None for kernel in kernels for statement in kernel.statements())


def _widened(statement: Statement | None, name: str) -> str | None:
    """The value of format `name` that the statement widens to f32, if it does that."""
    extends = isinstance(statement, Operation) and statement.name == "arith.extf"
    if not extends or not isinstance(statement, Operation):
        return None
    return statement.operands[0] if (statement.operand_types, statement.type) == ((name,), WIDE) else None


def without_widenings(kernels: Sequence[Kernel], name: str) -> list[Kernel]:
    """`kernels` without those that do nothing but widen a buffer that is not written later: their readers do it."""
    kept: list[Kernel] = list(kernels)
    for kernel in kernels:
        found = _copied(kernel, name)
        if found is None:
            continue
        load, store = found
        place = kept.index(kernel)
        others = [s.buffer for other in kept[:place] + kept[place + 1 :] for s in other.stores()]
        late = [s.buffer for other in kept[place:] for s in other.stores()]
        reads = [each.otherwise_bits for other in kept for each in other.loads() if each.buffer is store.buffer]
        if store.buffer in others or load.buffer in late or not _in_range(reads, name, exactly=True):
            continue
        kept[place:] = [_reading(other, load, store, name) for other in kept[place + 1 :]]
    return kept


def _copied(kernel: Kernel, name: str) -> tuple[Load, Store] | None:
    """The load and the store of a kernel that only widens every element of a buffer, to the place of its indices."""
    if kernel.domain or len(kernel.stages) != 1 or any(loop.reduced_by is not None for loop in kernel.loops):
        return None
    stage = kernel.stages[0]
    if len(stage.statements) != 2 or len(stage.stores) != 1 or stage.carried:
        return None
    load, widening = stage.statements
    store = stage.stores[0]
    if not isinstance(load, Load) or load.guard or store.guard or not store.buffer.storage.is_scratch:
        return None
    if _widened(widening, name) != load.result or store.value != widening.result:
        return None
    own = {loop.variable for loop in kernel.loops}
    if any(not set(index.variables()) <= own for index in load.indices) or _by_dimension(store) is None:
        return None
    return (load, store) if kernel.trip_count == store.buffer.elements else None


def _by_dimension(store: Store) -> dict[Variable, int] | None:
    """The dimension that each loop variable indexes alone, if indices are nothing but variables (or 0 of one element);
    a kernel of as many iterations as elements then writes each once."""
    found: dict[Variable, int] = {}
    for dimension, (index, size) in enumerate(zip(store.indices, store.buffer.shape, strict=True)):
        if size == 1 and index == Index((), 0):
            continue
        variables = list(index.variables())
        if len(variables) != 1 or index != Index(((variables[0], 1),), 0) or variables[0] in found:
            return None
        found[variables[0]] = dimension
    return found


def _reading(kernel: Kernel, load: Load, store: Store, name: str) -> Kernel:
    """`kernel` with reads of what `load` read in the place of reads of what `store` wrote."""
    dimensions = _by_dimension(store)
    assert dimensions is not None
    if store.buffer not in kernel.buffers():
        return kernel

    def moved(statement: Statement) -> list[Statement]:
        if not isinstance(statement, Load) or statement.buffer is not store.buffer:
            return [statement]
        at = {variable: statement.indices[dimension] for variable, dimension in dimensions.items()}
        at |= {v: Index((), 0) for index in load.indices for v in index.variables() if v not in at}
        source = substitute_statement(load, at, {load.result: statement.result})
        assert isinstance(source, Load)
        otherwise = _narrowed_bits(statement.otherwise_bits, name)
        return _widening(replace(source, guard=statement.guard, otherwise_bits=otherwise, source=statement.source))

    stages = [
        Stage(stage.carried, tuple(new for old in stage.statements for new in moved(old)), stage.stores)
        for stage in kernel.stages
    ]
    return replace(kernel, stages=tuple(stages))


def choose(kernels: Sequence[Kernel], name: str, asked: bool) -> tuple[dict[Buffer, Buffer], list[str]]:
    """The f32 buffers that become buffers of format `name`, and the names of those whose values that rounds."""
    targets: dict[Buffer, Buffer] = {}
    inexact: list[str] = []
    buffers = dict.fromkeys(buffer for kernel in kernels for buffer in kernel.touched if buffer.dtype == WIDE)
    for buffer in buffers:
        loads = [load for kernel in kernels for load in kernel.loads() if load.buffer is buffer]
        if not all(_in_range([load.otherwise_bits], name, exactly=True) for load in loads):
            continue
        if buffer.constant is not None:
            exact = _in_range(buffer.constant, name, exactly=True)
            if exact or (asked and _in_range(buffer.constant, name, exactly=False)):
                targets[buffer] = replace(buffer, dtype=name, data=_narrowed(buffer.constant, name))
                inexact += [] if exact else [buffer.name]
        elif buffer.storage.is_scratch:
            exact = _holds_widened(kernels, buffer, name)
            if exact or (asked and _is_tensor(kernels, buffer) and not _squares(kernels, buffer, name)):
                targets[buffer] = replace(buffer, dtype=name)
                inexact += [] if exact else [buffer.name]
    return targets, inexact


def _holds_widened(kernels: Sequence[Kernel], buffer: Buffer, name: str) -> bool:
    """Whether every value that is stored in the buffer was widened from the format."""
    for kernel in kernels:
        made = {statement.result: statement for statement in kernel.statements()}
        stored = [store.value for store in kernel.stores() if store.buffer is buffer]
        if any(_widened(made.get(value), name) is None for value in stored):
            return False
    return True


def _is_tensor(kernels: Sequence[Kernel], buffer: Buffer) -> bool:
    """Whether a buffer is rounded on request: see the module's docstring."""
    readers = [kernel for kernel in kernels if any(load.buffer is buffer for load in kernel.loads())]
    if any(store.buffer is buffer for kernel in readers for store in kernel.stores()):
        return False
    results = [_results(kernel, buffer) for kernel in readers]
    return any(_is_factor(kernel, buffer) for kernel in readers) or any(n <= buffer.elements for n in results)


def _results(kernel: Kernel, buffer: Buffer) -> int:
    """How many results of a kernel that reads the buffer an element is read for: its outputs, and the terms of its sums
    where they take the same element again and again, but for what a sum begins with."""
    loops = {loop.variable: loop.extent for loop in kernel.parallel_loops()}
    for number, stage in enumerate(kernel.stages):
        begins = stage.in_order()[0]
        for load in stage.statements:
            if isinstance(load, Load) and load.buffer is buffer and load not in begins:
                used = {variable for index in load.indices for variable in index.variables()}
                again = [loop for loop in kernel.reduction_loops(number) if loop.variable not in used]
                loops |= {loop.variable: loop.extent for loop in again}
    return prod(loops.values())


def _squares(kernels: Sequence[Kernel], buffer: Buffer, name: str) -> bool:
    """Whether squares are stored in the buffer, of which the format's exponents hold fewer than f32's."""
    narrow, wide = number_type(name).format, number_type(WIDE).format
    assert narrow is not None and wide is not None
    if narrow.exponent_bits >= wide.exponent_bits:
        return False
    for kernel in kernels:
        made = {s.result: s for s in kernel.statements() if isinstance(s, Operation)}
        stored = [made.get(store.value) for store in kernel.stores() if store.buffer is buffer]
        if any(s and operation_kind(s.name).multiplies and len(set(s.operands)) == 1 for s in stored):
            return True
    return False


def _is_factor(kernel: Kernel, buffer: Buffer) -> bool:
    """Whether a kernel multiplies elements of the buffer in a sum of products."""
    read = {load.result for load in kernel.loads() if load.buffer is buffer}
    operations = [s for s in kernel.statements() if isinstance(s, Operation)]
    factors = set().union(*(s.operands for s in operations if operation_kind(s.name).multiplies))
    return bool(kernel.macs) and not read.isdisjoint(factors)


def _in_range(bits: Any, name: str, exactly: bool) -> bool:
    """Whether f32 bit patterns are numbers of the format; not `exactly`, whether finite ones stay finite."""
    wide, narrow = number_type(WIDE), number_type(name)
    values = wide.values_of(np.asarray(bits, dtype=wide.patterns))
    with np.errstate(over="ignore"):
        back = narrow.values_of(narrow.bits_of(values)).astype(values.dtype)
    same = (back == values) | (np.isnan(back) & np.isnan(values))
    return bool((same if exactly else same | np.isfinite(back)).all())


def _narrowed(bits: Any, name: str) -> Any:
    narrow = number_type(name)
    return narrow.bits_of(number_type(WIDE).values_of(bits)).reshape(np.shape(bits))


def _narrowed_bits(bits: int, name: str) -> int:
    return int(_narrowed(np.array([bits]), name)[0])


def narrow(kernel: Kernel, targets: dict[Buffer, Buffer], name: str) -> Kernel:
    """`kernel` with the buffers of `targets` in the place of their wide ones, and conversions at their accesses."""
    if not any(buffer in targets for buffer in kernel.buffers()):
        return kernel
    loaded = [[new for old in s.statements for new in _narrowed_load(old, targets, name)] for s in kernel.stages]
    made = {statement.result: statement for statements in loaded for statement in statements}
    stages = []
    for stage, statements in zip(kernel.stages, loaded, strict=True):
        stores = []
        for store in stage.stores:
            if store.buffer in targets:
                value = _widened(made.get(store.value), name)
                if value is None:
                    value = f"{store.value}_rounded"
                    if value not in made:
                        made[value] = rounding = Operation(
                            value, name, "arith.truncf", (store.value,), (WIDE,), source=store.source
                        )
                        statements.append(rounding)
                store = replace(store, buffer=targets[store.buffer], value=value)
            stores.append(store)
        stages.append(Stage(stage.carried, tuple(statements), tuple(stores)))
    return without_dead_values(replace(kernel, stages=tuple(stages)))


def _narrowed_load(statement: Statement, targets: dict[Buffer, Buffer], name: str) -> list[Statement]:
    if not isinstance(statement, Load) or statement.buffer not in targets:
        return [statement]
    otherwise = _narrowed_bits(statement.otherwise_bits, name)
    return _widening(replace(statement, buffer=targets[statement.buffer], otherwise_bits=otherwise))


def _widening(load: Load) -> list[Statement]:
    """A load from a narrow buffer, widened under the name that it had."""
    name = load.buffer.dtype
    narrow = replace(load, result=f"{load.result}_{name}", type=name)
    return [narrow, Operation(load.result, WIDE, "arith.extf", (narrow.result,), (name,), source=load.source)]
