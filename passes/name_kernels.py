"""name-kernels: kernels and the buffers between them get names that say what they compute.

Before:  n6 { … mulf … addf … } writing t20          After:  matmul3 { … } writing matmul3_out

needs: affine programs.
leaves: names that are unique, legal in SystemVerilog, and used for components, files and reports.
refuses: nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from torch2hw.dialects.loops import Buffer, Kernel, Operation
from torch2hw.dialects.operations import OPERATIONS, operation_kind
from torch2hw.dialects.program import Program
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class NameKernels:
    """The pass. No option turns it off."""

    name: str = "name-kernels"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report is empty: only names change. Numbers count by kind, and skip the names of inputs and outputs."""
        counts: Counter[str] = Counter()
        taken = {buffer.name for buffer in program.tensors}
        renamed: dict[Buffer, Buffer] = {}
        kernels: list[Kernel] = []
        for kernel in program.kernels:
            stem = kind_of(kernel)
            while f"{stem}{counts[stem]}" in taken:
                counts[stem] += 1
            name = f"{stem}{counts[stem]}"
            counts[stem] += 1
            for store in kernel.stores():
                if store.buffer.storage.is_scratch and store.buffer not in renamed:
                    fresh, number = f"{name}_out", 1
                    while fresh in taken:
                        fresh, number = f"{name}_out{number}", number + 1
                    taken.add(fresh)
                    renamed[store.buffer] = replace(store.buffer, name=fresh)
            kernels.append(replace(kernel, name=name))
        constants = [b for b in program.buffers() if b.storage.is_read_only]
        for number, buffer in enumerate(constants):
            fresh = f"weights{number}"
            while fresh in taken:
                fresh += "_"
            renamed[buffer] = replace(buffer, name=fresh)
        return program.with_kernels(kernels).with_buffers(renamed), {}


def kind_of(kernel: Kernel) -> str:
    """matmul, conv, max, sum, exp, copy, map …"""
    if kernel.macs:
        return "conv" if kernel.stages[0].carried and _slides(kernel) else "matmul"
    for stage in kernel.stages:
        for carried in stage.carried:
            step = next((s for s in stage.statements if s.result == carried.next), None)
            if isinstance(step, Operation):
                return operation_kind(step.name).reduction or "reduce"
    names = {s.name for s in kernel.statements() if isinstance(s, Operation)}
    called = [kind.kernel for kind in OPERATIONS.values() if kind.kernel and kind.name in names]
    return called[0] if called else "map" if names else "copy"


def _slides(kernel: Kernel) -> bool:
    """Whether some load reads a sliding window: a parallel and a reduction loop in one index, the steps of the first
    smaller than the range of the second."""
    kinds = {loop.variable: loop.reduced_by for loop in kernel.loops}
    for load in kernel.loads():
        for index in load.indices:
            steps = [abs(index.coefficient(v)) for v in index.variables() if v in kinds and kinds[v] is None]
            reach = [abs(index.coefficient(v)) * (v.extent - 1) for v in index.variables() if kinds.get(v) is not None]
            if steps and reach and min(step for step in steps) <= max(reach):
                return True
    return False
