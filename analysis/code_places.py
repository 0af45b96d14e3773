"""Where the codes of quantised tensors are, and which kernels have to store them.

A buffer of floats that a kernel decodes from codes can be read as codes: from where that kernel reads them, or from a
buffer that it stores them to besides the floats. Codes that are quantised again with the scale they had (around pooling
or a reshape) are the codes themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch2hw.analysis.inversion import invert
from torch2hw.analysis.quantised_values import Decoded, Factor, Quantised, decoded, made_by, quantised, repeats
from torch2hw.dialects.loops import Buffer, Constant, Kernel, Load, Store
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Index, Variable, linearise
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
        self.names = {buffer.name for buffer in self.program.buffers()}

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
        """Where the code of `buffer[indices]` is; None where it has none."""
        writers = self.writers.get(buffer, [])
        if len(writers) != 1:
            return None
        kernel, store = writers[0]
        loops = [loop.variable for loop in kernel.parallel_loops()]
        if store.guard or kernel.domain or store not in kernel.stages[-1].stores:
            return None
        at = invert(linearise(store.indices, buffer.shape), loops, linearise(indices, buffer.shape))
        made = made_by(kernel)
        found = decoded(store.value, made)
        if at is None or found is None:
            return None
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
            self.stored[buffer] = Buffer(self.name(buffer), buffer.shape, dtype, RAM, None, buffer.source), found.code
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

    def name(self, buffer: Buffer) -> str:
        """A name for the codes of a buffer."""
        name = f"{buffer.name}_codes"
        while name in self.names:
            name += "_"
        self.names.add(name)
        return name


def moved(factor: Factor | Load, at: dict[Variable, Index]) -> Factor | None:
    """A constant or a load in the writer, in terms of the reader's loops; None where it depends on another loop."""
    if isinstance(factor, Constant):
        return factor
    if factor.guard or any(v not in at for index in factor.indices for v in index.variables()):
        return None
    return replace(factor, indices=tuple(index.substitute(at) for index in factor.indices))
