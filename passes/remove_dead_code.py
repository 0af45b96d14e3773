"""remove-dead-code: removes statements, stores and kernels on which no output depends.

Before:  n0 { t[i] = …; y[i] = … }  with t read by nobody       After:  n0 { y[i] = … }

needs: affine programs.
leaves: every store goes to an output, to a state, or to a buffer that is read later. Where several kernels write a
    buffer of at most `max_elements`, every kernel writes an element that is read. Every value is used; no kernel is
    empty.
refuses: nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch2hw.analysis.dead_values import without_dead_values
from torch2hw.dialects.loops import Buffer, Kernel, Load, Store
from torch2hw.dialects.program import Program
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class RemoveDeadCode:
    """The pass. No option turns it off. `max_elements`: of a buffer or an access whose elements are enumerated."""

    name: str = "remove-dead-code"
    source: str = "affine"
    target: str = "affine"
    max_elements: int = 1 << 16

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: how many stores were removed."""
        kernels = program.straight_line
        while True:
            read = {load.buffer for kernel in kernels for load in kernel.loads()} | set(program.results)
            kept = [
                without_dead_values(
                    replace(
                        kernel,
                        stages=tuple(
                            replace(stage, stores=tuple(store for store in stage.stores if store.buffer in read))
                            for stage in kernel.stages
                        ),
                    )
                )
                for kernel in kernels
            ]
            kept = without_unread_elements(
                [kernel for kernel in kept if any(True for _ in kernel.stores())], program.results, self.max_elements
            )
            if kept == kernels:
                break
            kernels = kept
        before = sum(1 for kernel in program.kernels for _ in kernel.stores())
        after = sum(1 for kernel in kernels for _ in kernel.stores())
        return program.with_sequence(kernels), {"stores removed": before - after} if before != after else {}


def without_unread_elements(kernels: list[Kernel], results: Sequence[Buffer], max_elements: int) -> list[Kernel]:
    """`kernels` without those that only write elements (`x[:, 3:5] = …`) that nobody reads."""
    writers = Counter(store.buffer for kernel in kernels for store in kernel.stores())
    parted = {buffer for buffer, count in writers.items() if count > 1 and buffer.elements <= max_elements}
    parted -= set(results)
    read: dict[Buffer, NDArray[np.bool_]] = {}
    for kernel in kernels if parted else []:
        for load in kernel.loads():
            if load.buffer in parted:
                read[load.buffer] = read.get(load.buffer, False) | touched(kernel, load, max_elements)

    def wanted(kernel: Kernel) -> bool:
        stores = [store for store in kernel.stores() if store.buffer not in parted or store.buffer in read]
        return any(s.buffer not in parted or (touched(kernel, s, max_elements) & read[s.buffer]).any() for s in stores)

    return [kernel for kernel in kernels if wanted(kernel)]


def touched(kernel: Kernel, access: Load | Store, max_elements: int) -> NDArray[np.bool_]:
    """The elements of its buffer that an access may touch, whatever its guard; all if there are too many to try."""
    shape = access.buffer.shape
    variables = sorted({v for index in access.indices for v in index.variables()}, key=lambda v: v.name)
    known = {loop.variable for loop in kernel.loops}
    if any(v not in known for v in variables) or prod(v.extent for v in variables) > max_elements:
        return np.ones(shape, bool)
    grid = dict(zip(variables, np.indices([v.extent for v in variables]), strict=True))
    values = np.broadcast_arrays(*(index.evaluate(grid.__getitem__) for index in access.indices), *grid.values())
    indices = [each.reshape(-1) for each in values[: len(shape)]]
    inside = np.all([(each >= 0) & (each < size) for each, size in zip(indices, shape, strict=True)], axis=0)
    found = np.zeros(shape, bool)
    found[tuple(each[inside] for each in indices)] = True
    return found
