"""Where the codes of quantised tensors are, and which kernels have to store them.

A buffer of floats that a kernel decodes from codes can be read as codes: from where that kernel reads them, or from a
buffer that it stores them to besides the floats. Codes that are quantised again with the scale they had (around pooling
or a reshape) are the codes themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torch2hw.analysis.constant_values import FreshNames
from torch2hw.analysis.inversion import invert
from torch2hw.analysis.quantised_values import Decoded, Factor, Quantised, decoded, made_by, quantised, repeats
from torch2hw.dialects.loops import Buffer, Constant, Kernel, Load, Operation, Source, Statement, Store
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Index, Variable, as_inside, linearise
from torch2hw.dialects.storage import RAM


@dataclass(frozen=True)
class Place:
    """The codes of a float tensor's element: `buffer[indices]`, which is as in `Decoded`."""

    buffer: Buffer
    indices: tuple[Index, ...]
    signed: bool
    zero: int
    scale: Factor


@dataclass
class Codes:
    """Where codes are in a program. `stored` are the buffers of codes that writers are to fill: by the buffer of
    floats, with the name of the code in its writer."""

    program: Program
    stored: dict[Buffer, tuple[Buffer, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.writers: dict[Buffer, list[tuple[Kernel, Store]]] = {}
        for kernel in self.program.kernels:
            for store in kernel.stores():
                self.writers.setdefault(store.buffer, []).append((kernel, store))
        self.fresh = FreshNames({buffer.name for buffer in self.program.buffers()})

    def storing(self, kernel: Kernel) -> Kernel:
        """`kernel`, with stores of the codes that are read now."""
        last = kernel.stages[-1]
        more = []
        for store in last.stores:
            if store.buffer in self.stored:
                buffer, code = self.stored[store.buffer]
                more.append(replace(store, buffer=buffer, value=code))
        stages = (*kernel.stages[:-1], replace(last, stores=(*last.stores, *more)))
        return replace(kernel, stages=stages) if more else kernel

    def place(self, buffer: Buffer, indices: tuple[Index, ...]) -> Place | None:
        """Where the code of `buffer[indices]` is, for indices inside the buffer; None where it has none."""
        writers = self.writers.get(buffer, [])
        if len(writers) != 1:
            return None
        kernel, store = writers[0]
        loops = [loop.variable for loop in kernel.parallel_loops()]
        if store.guard or kernel.domain or store not in kernel.stages[-1].stores:
            return None
        known, ranges = as_inside(indices, buffer.shape)
        place = invert(linearise(store.indices, buffer.shape), loops, linearise(known, buffer.shape))
        made = made_by(kernel)
        found = decoded(store.value, made)
        if place is None or found is None:
            return None
        at = {v: index.substitute(ranges) for v, index in place.items()}
        again = quantised(found.code, made)
        if again is not None:
            same = self.same(again, found, kernel, at)
            if same is not None:
                return same
        scale = moved(found.scale, at)
        code = made[found.code]
        if scale is None:
            return None
        if isinstance(code, Load) and not kernel.stages[0].carried:
            reached = moved(code, at)
            if isinstance(reached, Load):
                return Place(code.buffer, reached.indices, found.signed, found.zero, scale)
        for other in kernel.stages[-1].stores:
            if (other.value, other.indices, other.buffer.shape) == (found.code, store.indices, buffer.shape):
                return Place(other.buffer, indices, found.signed, found.zero, scale)
        if buffer not in self.stored:
            dtype = code.type if found.signed or code.type != "i8" else "u8"
            name = self.fresh(f"{buffer.name}_codes")
            self.stored[buffer] = Buffer(name, buffer.shape, dtype, RAM, None, buffer.source), found.code
        return Place(self.stored[buffer][0], indices, found.signed, found.zero, scale)

    def same(self, again: Quantised, found: Decoded, kernel: Kernel, at: dict[Variable, Index]) -> Place | None:
        """The place of codes that a kernel only decodes and quantises with the scale that they had."""
        load = made_by(kernel).get(again.value)
        if not isinstance(load, Load) or load.guard or kernel.stages[0].carried:
            return None
        origin = self.place(load.buffer, tuple(index.substitute(at) for index in load.indices))
        if origin is None:
            return None
        of = Decoded("", origin.buffer.value_type, origin.signed, origin.zero, origin.scale)
        return replace(origin, scale=found.scale) if repeats(again, of) and found.zero == origin.zero else None


def with_codes(program: Program, change: Callable[[Kernel, Codes], Kernel]) -> tuple[Program, list[str]]:
    """The program with what `change` makes of each kernel, and the codes that it asks for stored; the names of the
    kernels that it changed."""
    codes = Codes(program)
    kernels = [change(kernel, codes) for kernel in program.kernels]
    changed = [new.name for new, old in zip(kernels, program.kernels, strict=True) if new is not old]
    return (program.with_kernels([codes.storing(kernel) for kernel in kernels]) if changed else program), changed


def decoding(place: Place, code: str, result: str, source: Source | None) -> list[Statement]:
    """The statements that make the float `result` of the code with that name, bit for bit as PyTorch does."""
    made: list[Statement] = []

    def operation(name: str, stem: str, operands: tuple[str, ...], dtype: str = "f32") -> str:
        made.append(Operation(stem, "f32", name, operands, (dtype,) * len(operands), source=source))
        return stem

    convert = "arith.sitofp" if place.signed else "arith.uitofp"
    value = operation(convert, f"{result}_float", (code,), place.buffer.value_type)
    if place.zero:
        zero = Constant(f"{result}_zero", "f32", number_type("f32").pattern(place.zero))
        made.append(zero)
        value = operation("arith.subf", f"{result}_steps", (value, zero.result))
    scale = replace(place.scale, result=f"{result}_scale")
    made.append(scale)
    operation("arith.mulf", result, (value, scale.result))
    return made


def moved(factor: Factor | Load, at: dict[Variable, Index]) -> Factor | None:
    """A constant or a load in the writer, in terms of the reader's loops; None where it depends on another loop."""
    if isinstance(factor, Constant):
        return factor
    if factor.guard or any(v not in at for index in factor.indices for v in index.variables()):
        return None
    return replace(factor, indices=tuple(index.substitute(at) for index in factor.indices))
