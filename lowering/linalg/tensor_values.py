"""The values of a linalg program (views of buffers, or constant scalars) and the kernels made so far.

Only tensors that are computed are stored. `own` notes that a value is exactly one temporary. If that value is a result
of the program, the output buffer replaces the temporary (`output`); views made before still name the temporary, and
`moved` finds the element in the output. A view of a constant becomes a constant with its own layout (`settle`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from torch2hw.dialects.loops import Buffer, Kernel, Load, Loop, Source, Stage, Store
from torch2hw.dialects.number_types import Array
from torch2hw.dialects.quasi_affine import Index, Variable, delinearise, linearise, variable
from torch2hw.dialects.storage import OUTPUT, RAM, ROM
from torch2hw.frontend.signature import TensorInfo
from torch2hw.lowering.linalg import tensor_views as views
from torch2hw.lowering.linalg.mlir_attributes import source_at
from torch2hw.lowering.linalg.scalar_body import ScalarBody
from torch2hw.lowering.linalg.tensor_views import Element, View


@dataclass
class TensorValues:
    """`tensors` and `scalars` (bits and type) are keyed by MLIR value."""

    tensors: dict[Any, View] = field(default_factory=dict)
    scalars: dict[Any, tuple[int, str]] = field(default_factory=dict)
    kernels: list[Kernel] = field(default_factory=list)
    buffer_count: int = 0
    owned: dict[Any, Buffer] = field(default_factory=dict)
    became: dict[Buffer, Buffer] = field(default_factory=dict)  # temporaries that are outputs or states now

    # -- buffers -------------------------------------------------------------------------------------------------------
    def buffer_name(self, stem: str) -> str:
        """`stem` and a number that no other buffer of the program has."""
        self.buffer_count += 1
        return f"{stem}{self.buffer_count - 1}"

    def temporary(self, shape: tuple[int, ...], dtype: str, op: Any) -> Buffer:
        """A new buffer in RAM for the result of an MLIR operation."""
        return Buffer(self.buffer_name("t"), shape, dtype, RAM, None, source_at(op))

    def own(self, value: Any, buffer: Buffer) -> None:
        """Notes that an MLIR value is exactly this temporary."""
        self.tensors[value] = views.of_buffer(buffer)
        self.owned[value] = buffer

    # -- constants -----------------------------------------------------------------------------------------------------
    def constant_view(self, data: Array, shape: tuple[int, ...], dtype: str, source: Source | None) -> View:
        """A constant as a view, stored without the dimensions along which it does not change."""
        if (data == data.reshape(-1)[0]).all():
            return views.fill(shape, dtype, int(data.reshape(-1)[0]))
        kept = [d for d, size in enumerate(shape) if size > 1 and not (data == data.take([0], axis=d)).all()]
        stored = data[tuple(slice(None) if d in kept else 0 for d in range(len(shape)))]
        buffer = Buffer(self.buffer_name("weights"), stored.shape, dtype, ROM, stored, source)
        if stored.shape == shape:
            return views.of_buffer(buffer)
        return views.remap(views.of_buffer(buffer), shape, lambda at: [at[d] for d in kept])

    def settle(self, view: View, op: Any) -> View:
        """A view of a constant as a constant with its own layout; other views stay."""
        if view.fill_bits is not None:
            return view
        data = views.evaluate(view)
        return view if data is None else self.constant_view(data, view.shape, view.dtype, source_at(op))

    # -- kernels
    def add_kernel(
        self, loops: list[Loop], stages: tuple[Stage, ...], source: Source | None, multiply_accumulates: int = 0
    ) -> None:
        """Appends a kernel without a domain."""
        self.kernels.append(Kernel(f"n{len(self.kernels)}", tuple(loops), stages, (), source, multiply_accumulates))

    def copy(self, view: View, buffer: Buffer, indices: Callable[[list[Index]], list[Index]], op: Any) -> None:
        """A kernel that stores the element of `view` at i in `buffer` at indices(i)."""
        self.fill(view.shape, buffer, lambda body, at: self.read(body, view, at, op), indices, op)

    def fill(
        self,
        shape: tuple[int, ...],
        buffer: Buffer,
        element: Callable[[ScalarBody, list[Index]], str],
        indices: Callable[[list[Index]], list[Index]],
        op: Any,
    ) -> None:
        """A kernel that stores what `element` computes for each i inside `shape` in `buffer` at indices(i)."""
        variables = [Variable(f"i{d}", size) for d, size in enumerate(shape)]
        at = [variable(v) for v in variables]
        body = ScalarBody()
        value = element(body, at)
        stage = Stage((), tuple(body.statements), (Store(buffer, tuple(indices(at)), value, (), source_at(op)),))
        self.add_kernel([Loop(v) for v in variables if v.extent > 1], (stage,), source_at(op))

    def computed(
        self, shape: tuple[int, ...], dtype: str, element: Callable[[ScalarBody, list[Index]], str], op: Any
    ) -> View:
        """What `element` computes for each index, in a temporary of its own."""
        buffer = self.temporary(shape, dtype, op)
        self.fill(shape, buffer, element, list, op)
        return views.of_buffer(buffer)

    def read(self, body: ScalarBody, view: View, at: list[Index], op: Any) -> str:
        """The name in `body` of `view`'s element at these indices."""
        return body.read(self.moved(view.element(at)), view.dtype, source_at(op))

    def materialise(self, view: View, op: Any) -> View:
        """`view` stored in a new temporary."""
        buffer = self.temporary(view.shape, view.dtype, op)
        self.copy(view, buffer, list, op)
        return views.of_buffer(buffer)

    def moved(self, element: Element) -> Element:
        """The element in the output that replaced its buffer, if one did: views made before still name the buffer."""
        output = None if element.buffer is None else self.became.get(element.buffer)
        if element.buffer is None or output is None:
            return element
        place = delinearise(linearise(element.indices, element.buffer.shape), output.shape)
        return replace(element, buffer=output, indices=tuple(place))

    def output(self, value: Any, info: TensorInfo, op: Any) -> Buffer:
        """The result's own buffer: the one it was computed in where that is possible, else a copy."""
        view = self.tensors[value]
        buffer = view.reshape_of
        source = buffer.source if buffer else None
        output = Buffer(info.name, view.shape, info.dtype, OUTPUT, None, source, codes=info.codes)
        if buffer is not None and buffer.storage.is_scratch:
            self.replace(buffer, output)
            return output
        self.copy(view, output, list, op)
        return output

    def replace(self, buffer: Buffer, other: Buffer) -> None:
        """Puts an output or a state in the place of a temporary, everywhere."""
        self.kernels = [replace_buffer(kernel, buffer, other) for kernel in self.kernels]
        self.became[buffer] = other
        for tensor, held in list(self.tensors.items()):
            if held.reshape_of is buffer:
                self.tensors[tensor] = views.reshape(views.of_buffer(other), held.shape)


def replace_buffer(kernel: Kernel, old: Buffer, new: Buffer) -> Kernel:
    """`kernel` with all accesses to `old` replaced by accesses to `new`, the same data in another shape."""

    def moved(indices: tuple[Index, ...]) -> tuple[Index, ...]:
        return indices if old.shape == new.shape else tuple(delinearise(linearise(indices, old.shape), new.shape))

    stages = []
    for stage in kernel.stages:
        statements = tuple(
            replace(s, buffer=new, indices=moved(s.indices)) if isinstance(s, Load) and s.buffer is old else s
            for s in stage.statements
        )
        stores = tuple(replace(s, buffer=new, indices=moved(s.indices)) if s.buffer is old else s for s in stage.stores)
        stages.append(replace(stage, statements=statements, stores=stores))
    return replace(kernel, stages=tuple(stages))
