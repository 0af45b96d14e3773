"""Stimulus for each function unit of a design, with the results of its operation on the CPU.

The expected results come from a loop over that operation, printed and run like any program: by the CPU's own
arithmetic if it gives the unit's bits, otherwise by the unit's software model.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from torch2hw.analysis.reference import Reference
from torch2hw.analysis.stored_arrays import Array, to_words
from torch2hw.analysis.unit_binding import unit_of
from torch2hw.compiler.compiled import Compiled
from torch2hw.dialects.loops import Buffer, Kernel, Load, Loop, Operation, Stage, Store
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.operations import operation_kind
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Variable, variable
from torch2hw.dialects.storage import INPUT, OUTPUT
from torch2hw.sim.stimulus import operands

VECTORS = 2000
FUNCTION_VECTORS = 12_000  # of functions computed from tables, some for each entry


def unit_vectors(compiled: Compiled, random: np.random.Generator) -> tuple[dict[str, Any], dict[str, str]]:
    """Unit name → its ports, latency and file of vectors; and those files' texts, by name."""
    design, verilog = compiled.reference, compiled.verilog()
    operations: dict[str, Operation] = {}
    for kernel in design.kernels:
        for statement in kernel.statements():
            if isinstance(statement, Operation) and all(
                number_type(type).torch is not None for type in _types(statement)
            ):
                operations.setdefault(unit_of(statement, compiled.library).name, statement)
    units: dict[str, Any] = {}
    texts: dict[str, str] = {}
    for name, operation in sorted(operations.items()):
        if f"\nmodule {name}(" not in verilog:
            continue  # the sequential schedule computes some operations with units of others
        unit = unit_of(operation, compiled.library)
        columns = defined_operands(operation, random)
        program = program_of(operation, design.models, len(columns[0]))
        (result,) = Reference(program.text(), compiled.options.subnormals).run(columns)
        units[name] = {
            "inputs": [port.name for port in unit.inputs],
            "controls": [port.name for port in unit.controls],
            "latency_cycles": unit.latency_cycles,
            "interval_cycles": unit.interval_cycles,
            "dtype": operation.type,
            "vectors": f"unit_{name}.hex",
        }
        header = f"// {operation.name}: {' '.join(port.name for port in unit.inputs)} -> out"
        texts[f"unit_{name}.hex"] = "\n".join([header, *_rows(operation, [*columns, result]), ""])
    return units, texts


def defined_operands(operation: Operation, random: np.random.Generator) -> list[Array]:
    """Operands for which MLIR defines the operation's result."""
    undefined = operation_kind(operation.name).undefined
    from_tables = operation.callee is not None and len(operation.operand_types) == 1
    columns = operands(operation.operand_types, FUNCTION_VECTORS if from_tables else VECTORS, random)
    if undefined == "division":
        left, right = (column.astype(np.int64) for column in columns)
        lowest = -number_type(operation.type).sign_bit
        overflows = (left == lowest) & (right == -1)
        columns[1] = np.where((right == 0) | overflows, 3, right).astype(columns[1].dtype)
    if undefined == "shift":
        amounts = columns[1].astype(np.int64) % number_type(operation.type).bits
        columns[1] = amounts.astype(columns[1].dtype)
    return columns


def program_of(operation: Operation, models: tuple[str, ...], vectors: int) -> Program:
    """out[i] = operation(in0[i], in1[i], …)."""
    loop = Loop(Variable("i", vectors))
    index = (variable(loop.variable),)
    inputs = [Buffer(f"in{k}", (vectors,), type, INPUT) for k, type in enumerate(operation.operand_types)]
    out = Buffer("out", (vectors,), operation.type, OUTPUT)
    loads = [Load(f"a{k}", buffer.value_type, buffer, index) for k, buffer in enumerate(inputs)]
    names = tuple(load.result for load in loads)
    applied = Operation(
        "r", operation.type, operation.name, names, operation.operand_types, operation.predicate, operation.callee
    )
    stage = Stage(statements=(*loads, applied), stores=(Store(out, index, "r"),))
    return replace(Program.of("unit", inputs, (out,), (Kernel("unit", (loop,), (stage,)),)), models=models)


def _is_element(dtype: str) -> bool:
    return number_type(dtype).torch is not None


def _types(operation: Operation) -> tuple[str, ...]:
    return (*operation.operand_types, operation.type)


def _rows(operation: Operation, columns: list[Array]) -> list[str]:
    cells = []
    for array, dtype in zip(columns, _types(operation), strict=True):
        digits = -(-number_type(dtype).bits // 4)
        cells.append([f"{word:0{digits}x}" for word in to_words(array, dtype).tolist()])
    return [" ".join(row) for row in zip(*cells, strict=True)]
