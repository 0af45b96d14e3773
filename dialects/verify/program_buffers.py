"""Buffers of a program: names, shapes, contents, banks, storage classes, and who may write them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.number_types import find_number_type, number_type
from torch2hw.dialects.once import once
from torch2hw.dialects.program import Program
from torch2hw.dialects.storage import MADE, STATE
from torch2hw.dialects.verify.kernel_elements import stored

MAX_ELEMENTS = 1 << 20  # of an output that is gone through element by element


def buffer_faults(program: Program) -> Iterator[str]:
    """What is wrong with the buffers of a program, a sentence each."""
    names: set[str] = set()
    ports = set(program.tensors)
    for buffer in program.buffers():
        if buffer.name in names:
            yield f"two buffers are called {buffer.name}"
        names.add(buffer.name)
        if buffer not in ports and buffer.storage not in MADE:
            yield f"{buffer.name} is in storage class {buffer.storage.name}, which nothing builds"
        elif buffer not in ports and (buffer.storage.host_reads or buffer.storage.host_writes):
            yield f"{buffer.name} is {buffer.storage.name}, and no port of the design"
        yield from own_faults(buffer)
    for buffer in program.inputs:
        if not buffer.storage.host_writes:
            yield f"the input {buffer.name} is {buffer.storage.name}, which the host does not write"
    for buffer in program.outputs:
        if not buffer.storage.host_reads:
            yield f"the output {buffer.name} is {buffer.storage.name}, which the host does not read"
    for buffer in program.states:
        if buffer.storage is not STATE:
            yield f"the state {buffer.name} is {buffer.storage.name}"
    for kernel in program.kernels:
        for buffer in dict.fromkeys(store.buffer for store in kernel.stores()):
            if not buffer.storage.kernels_write:
                yield f"{kernel.name} stores to {buffer.name}, which is {buffer.storage.name}: kernels only read it"


def output_faults(program: Program) -> Iterator[str]:
    """Outputs of which an element is stored by no kernel; of large ones, outputs that no kernel stores to."""
    for output in program.outputs:
        writers = [kernel for kernel in program.kernels if any(store.buffer is output for store in kernel.stores())]
        if output.storage.has_contents or not output.elements:
            continue
        if not writers:
            yield f"nothing writes the output {output.name}"
        elif output.elements <= MAX_ELEMENTS:
            written = np.zeros(output.elements, bool)
            for kernel in writers:
                written |= stored(kernel, output)
            if not written.all():
                place = np.unravel_index(int(np.argmin(written)), output.shape)
                yield f"nothing writes the element [{', '.join(map(str, place))}] of the output {output.name}"


@once
def own_faults(buffer: Buffer) -> tuple[str, ...]:
    """What is wrong with a buffer by itself."""
    return tuple(f"{buffer.name} {text}" for text in _own_faults(buffer))


def _own_faults(buffer: Buffer) -> Iterator[str]:
    found = find_number_type(buffer.dtype)
    if found is None or (found.torch is None and not found.is_odd_width):
        yield f"has elements of type {buffer.dtype}"
        return
    if any(size < 0 for size in buffer.shape):
        yield f"has the shape {list(buffer.shape)}"
    if buffer.factors and len(buffer.factors) != len(buffer.shape):
        yield f"has {len(buffer.factors)} bank factors for {len(buffer.shape)} dimensions"
    elif any(not 1 <= factor <= max(1, size) for factor, size in zip(buffer.bank_factors, buffer.shape, strict=True)):
        yield f"of shape {list(buffer.shape)} has the bank factors {list(buffer.factors)}"
    if buffer.data is None:  # as its storage class says: buffers are made so
        return
    kind = number_type(buffer.dtype)
    if buffer.data.shape != buffer.shape:
        yield f"of shape {list(buffer.shape)} has contents of shape {list(buffer.data.shape)}"
    if buffer.data.dtype != kind.patterns:
        yield f"holds {buffer.dtype}, whose bits are {kind.patterns}, as {buffer.data.dtype}"
    elif buffer.data.size and kind.bits < 8 * kind.patterns.itemsize and int(buffer.data.max()) > kind.mask:
        yield f"holds {buffer.dtype}, and an element has more than {kind.bits} bits"
