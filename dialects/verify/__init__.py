"""What a program of each level promises, checked on the data. The driver calls `verify` after each pass that changed
something.

| level         | what is verified                                                              | file               |
|---------------|-------------------------------------------------------------------------------|--------------------|
| torch, linalg | the module in memory, by torch-mlir's verifier; the dialects in it             | `modules`          |
| affine        | loops, stages, rounds                                                         | `kernel_loops`     |
|               | names, definitions before uses, types                                         | `kernel_values`    |
|               | ranks, indices, guards                                                        | `kernel_accesses`  |
|               | buffers: shape, contents, banks, storage, ports, outputs written              | `program_buffers`  |
|               | the control tree: kernels, rounds, writes before reads, software models       | `program_control`  |
|               | arms that run at once                                                         | `arms`             |
| scheduled     | the same; a unit and a cycle for every statement, the places of nodes in time | `program_schedule` |
| scf           | the text, by torch-mlir                                                       | `modules`          |
| calyx         | the text, by CIRCT; its cells, primitives and contents                        | `calyx_cells`      |
| hw            | the text, by CIRCT; its contents                                              | `modules`          |
| sv            | the syntax, by slang; its contents                                            | `modules`          |

A program that fails is a fault of ours: `InvalidProgram` says which kernel, value or access is wrong. What follows from
one kernel or buffer alone is checked once for that object, which most passes hand on as it is. `check-ports` proves
what is not here: which memory ports are used in which cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from torch2hw.dialects.levels import LEVELS
from torch2hw.dialects.verify import modules
from torch2hw.dialects.verify.calyx_cells import calyx_faults
from torch2hw.dialects.verify.invalid_program import InvalidProgram
from torch2hw.dialects.verify.program_loops import affine_faults
from torch2hw.dialects.verify.program_schedule import scheduled_faults
from torch2hw.hwlib import Library

__all__ = ["InvalidProgram", "verify"]

MAX_FAULTS_SHOWN = 4

VERIFIERS: dict[str, Callable[[Any, Any], Iterator[str]]] = {
    "torch": lambda program, _: modules.upstream_faults("torch", program.module),
    "linalg": lambda program, _: modules.upstream_faults("linalg", program.module),
    "affine": lambda program, _: affine_faults(program),
    "scheduled": scheduled_faults,
    "scf": lambda program, _: modules.scf_faults(program.text(weights=False)),
    "calyx": lambda program, _: calyx_faults(program.calyx, program.definitions, program.contents),
    "hw": lambda program, _: modules.hw_faults(program.content, program.contents),
    "sv": lambda program, _: modules.sv_faults(program.content, program.contents),
}
assert tuple(VERIFIERS) == LEVELS


def verify(level: str, program: Any, library: Library) -> None:
    """Raises InvalidProgram if `program` is not a correct program of `level`. `library` is the hardware library."""
    found = list(islice(VERIFIERS[level](program, library), MAX_FAULTS_SHOWN))
    if found:
        raise InvalidProgram("; ".join(found))
