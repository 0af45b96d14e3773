"""The end of a run: every state gets its new value, in place where that is possible.

Before:  t = w - g (a temporary), returned as the new value of the state w
After:   w = w - g, stored by the kernel that computes it: no temporary, and no kernel that copies it

needs: all other kernels of the program.
why in place: parameters are the largest memories of a training step. A temporary is replaced by the state if every
    kernel from the first that stores it on leaves the state's old value alone. That kernel itself may read the old
    value element by element. Otherwise the new value is copied to the state after all other kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch2hw.analysis.lifetimes import elementwise
from torch2hw.dialects.loops import Buffer, Kernel
from torch2hw.lowering.linalg.tensor_values import TensorValues
from torch2hw.lowering.linalg.tensor_views import View


def keep(results: Sequence[Any], states: Sequence[Buffer], values: TensorValues, op: Any) -> None:
    """Store each of the MLIR values `results` in the state at the same position. A value that is its state's old one
    stays."""
    new: dict[Buffer, View] = {}
    for value, state in zip(results, states, strict=True):
        view = values.tensors[value]
        if view.reshape_of is not state:
            new[state] = view if _stays(view, values) else values.materialise(view, op)
    for state, view in new.items():
        buffer = view.reshape_of
        held = buffer is not None and buffer.storage.is_scratch and buffer not in values.became
        if held and buffer is not None and _in_place(values.kernels, buffer, state):
            values.replace(buffer, state)
        else:
            values.copy(view, state, list, op)


def _stays(view: View, values: TensorValues) -> bool:
    """Whether no store to a state changes what the view shows: it is a constant, or all of a buffer but a state."""
    if view.fill_bits is not None:
        return True
    buffer = view.reshape_of
    return buffer is not None and (buffer.storage.is_read_only or not buffer.storage.has_contents)


def _in_place(kernels: Sequence[Kernel], buffer: Buffer, state: Buffer) -> bool:
    """Whether the state can take the place of a temporary that holds its new value."""
    first = next(k for k, kernel in enumerate(kernels) if any(store.buffer is buffer for store in kernel.stores()))
    readers = [kernel for kernel in kernels[first:] if any(load.buffer is state for load in kernel.loads())]
    writers = [kernel for kernel in kernels[first:] if any(store.buffer is buffer for store in kernel.stores())]
    written = any(store.buffer is state for kernel in kernels for store in kernel.stores())
    if not readers:
        return not written
    return not written and readers == writers == [kernels[first]] and _overwrites(kernels[first], state, buffer)


def _overwrites(kernel: Kernel, state: Buffer, buffer: Buffer) -> bool:
    """Whether every iteration reads the old value only at the element that it stores, and stores each once."""
    return state.shape == buffer.shape and elementwise(kernel, state, buffer) and kernel.trip_count == buffer.elements
