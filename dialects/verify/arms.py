"""Arms that run at once: none touches an element that another one writes, and no two write to one bank, which has one
write port. (Arms that read one bank read copies of it.)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from torch2hw.dialects.loops import Buffer, Kernel, Load, Store
from torch2hw.dialects.program import Node, Par
from torch2hw.dialects.verify.kernel_elements import Numbers, banks, elements


def arm_faults(par: Par) -> Iterator[str]:
    """Data and banks of one arm that another one writes, a sentence each."""
    writers: dict[Buffer, Numbers] = {}  # by element, the number of the arm that writes it, from 1
    ports: dict[Buffer, Numbers] = {}  # by bank
    for number, arm in enumerate(par.body, 1):
        for kernel, access in _accesses(arm):
            buffer = access.buffer
            if not isinstance(access, Store):
                continue
            at = elements(kernel, access)
            if _taken(writers.setdefault(buffer, np.zeros(buffer.elements, np.int64)), at, number):
                yield f"{kernel.name} stores to {buffer.name} where another arm of {par.name} does"
            elif _taken(ports.setdefault(buffer, np.zeros(buffer.banks, np.int64)), banks(buffer, at), number):
                yield f"{kernel.name} stores to a bank of {buffer.name} to which another arm of {par.name} does"
    for number, arm in enumerate(par.body, 1):
        for kernel, access in _accesses(arm):
            if isinstance(access, Load) and access.buffer in writers:
                found = writers[access.buffer][elements(kernel, access)]
                if ((found != 0) & (found != number)).any():
                    yield f"{kernel.name} loads from {access.buffer.name} what another arm of {par.name} stores"


def _taken(owners: Numbers, at: Numbers, number: int) -> bool:
    """Whether one of these has another owner; they are `number`'s from now on."""
    found = owners[at]
    owners[at] = number
    return bool(((found != 0) & (found != number)).any())


def _accesses(arm: Node) -> Iterator[tuple[Kernel, Load | Store]]:
    for kernel in arm.kernels:
        yield from ((kernel, load) for load in kernel.loads())
        yield from ((kernel, store) for store in kernel.stores())
