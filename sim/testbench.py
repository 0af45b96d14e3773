"""Writes a directory with cocotb testbenches for a compiled design (`torch2hw testbench`); they do not need torch2hw.

The benches are copies of the files in testbench_files/. Written for the design are its SystemVerilog, manifest and
memory files, a module around each kernel (`testbench_kernels`), and stimulus with expected results. The CPU computes
all expected results with the program that the hardware implements: all of it for the top, the part up to the kernel for
a kernel, and single operations for units (`testbench_units`). The sequential schedule has no kernels: its loops are one
component, which the bench of the top runs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from torch2hw.analysis.reference import Reference
from torch2hw.analysis.stored_arrays import Array, from_torch, to_words
from torch2hw.compiler.compiled import Compiled
from torch2hw.compiler.design_files import design_texts
from torch2hw.dialects.number_types import number_type
from torch2hw.frontend.signature import Structure
from torch2hw.sim.banked import pack, unpack
from torch2hw.sim.execution import accepted
from torch2hw.sim.free_inputs import free_inputs
from torch2hw.sim.protocol_checks import protocol_checks
from torch2hw.sim.stimulus import input_sets, negative_zeros
from torch2hw.sim.testbench_kernels import kernel_benches
from torch2hw.sim.testbench_units import unit_vectors
from torch2hw.tools.output import check_free, write_folder

BENCH_FILES = (
    "README.md",
    "Makefile",
    "host_interface.py",
    "cocotest_kernel.py",
    "cocotest_unit.py",
    "test_design.py",
)
INTERFACE_FILES = {
    "mem": ("cocotest_top.py",),
    "axis": ("stream_interface.py", "cocotest_streams.py"),
    "axi": ("stream_interface.py", "bus_interface.py", "cocotest_bus.py"),
}


def write_testbench(compiled: Compiled, arguments: tuple[Any, ...], directory: Path, seed: int = 1) -> None:
    """Make `directory` with everything in it, or nothing. `arguments` is one set of what `forward` takes."""
    check_free(directory)
    _, tensors = Structure.of(arguments)
    random = np.random.default_rng(seed)
    design = design_texts(compiled, f"{compiled.top}.sv")
    inputs = compiled.reference.inputs
    example = [from_torch(tensor) for tensor in tensors]
    sets = input_sets(inputs, example, random, free_inputs(compiled.reference))
    sets.append([negative_zeros(array, port.dtype) for port, array in zip(inputs, example, strict=True)])
    sets = accepted(compiled.loaded.model, compiled.imported, sets)
    kernels, wrappers = kernel_benches(compiled, sets[0], random) if compiled.options.schedule == "static" else ({}, "")
    units, vectors = unit_vectors(compiled, random)
    if compiled.options.host.surrounds:
        program = compiled.at("calyx").program
        ports = (*program.inputs, *program.outputs)
        checks = {"rtl/protocol_checks.sv": protocol_checks(compiled.top, compiled.options.host, ports, "error")}
    else:
        checks = {}
    texts = {
        **checks,
        **{f"rtl/{name}": text for name, text in design.files.items()},
        "rtl/design.json": _json(design.manifest),
        "rtl/kernel_benches.sv": wrappers,
        "vectors/top.json": _json(_top_vectors(compiled, sets)),
        "vectors/kernels.json": _json(kernels),
        "vectors/units.json": _json(units),
        **{f"vectors/{name}": text for name, text in vectors.items()},
    }
    for name in (*BENCH_FILES, *INTERFACE_FILES[compiled.options.interface]):
        texts[name] = (files("torch2hw.sim") / "testbench_files" / name).read_text()
    write_folder(directory, texts, last=True)


def hexadecimal(array: Array, dtype: str) -> list[str]:
    """The elements' bits, as many digits as the format needs."""
    digits = -(-number_type(dtype).bits // 4)
    return [f"{word:0{digits}x}" for word in to_words(array, dtype).tolist()]


def _top_vectors(compiled: Compiled, sets: Sequence[Sequence[Array]]) -> list[dict[str, Any]]:
    program = compiled.reference
    reference = Reference(program.text(), compiled.options.subnormals)
    vectors = []
    for arrays in sets:
        packed = [pack(array, buffer.bank_factors) for array, buffer in zip(arrays, program.inputs, strict=True)]
        results = [
            unpack(array, buffer.shape, buffer.bank_factors)
            for array, buffer in zip(reference.run(packed), program.outputs, strict=True)
        ]
        vectors.append(
            {
                "inputs": {p.name: hexadecimal(a, p.dtype) for p, a in zip(program.inputs, arrays, strict=True)},
                "outputs": {p.name: hexadecimal(a, p.dtype) for p, a in zip(program.outputs, results, strict=True)},
            }
        )
    return vectors


def _json(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"
