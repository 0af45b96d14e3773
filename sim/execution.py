"""What a program of any level computes on the CPU, given inputs and giving outputs as whole tensors in stored form.

| level             | how it runs                                                                                  |
|-------------------|----------------------------------------------------------------------------------------------|
| torch             | PyTorch itself, in the model's dtype                                                         |
| linalg            | upstream's bufferisation and loops, none of ours, compiled in a child process                |
| affine, scheduled | its own text (`reference`), tensors in the banks that it wants                               |
| scf, calyx        | of `--schedule sequential`: the loops it was lowered from, as they were printed for that     |

Other levels are hardware, which `simulation` runs. Subnormals are flushed or kept at every level below torch.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch

from torch2hw.analysis.reference import Reference
from torch2hw.analysis.stored_arrays import Array, as_stored, from_torch, to_torch
from torch2hw.dialects.plain_loop_text import plain_loop_text
from torch2hw.dialects.program import Program
from torch2hw.frontend.torch_to_linalg import TorchProgram
from torch2hw.lowering.sequential.affine_to_scf import Core
from torch2hw.lowering.sequential.scf_to_calyx import SequentialProgram
from torch2hw.sim import pytorch
from torch2hw.sim.banked import pack, unpack
from torch2hw.tools.isolate import run_native

LINALG_TO_LOOPS = (
    "builtin.module(func.func(linalg-generalize-named-ops),"
    "one-shot-bufferize{bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map},"
    "buffer-results-to-out-params{modify-public-functions=true},"  # hoisting crashes where one result is given twice
    "func.func(refback-munge-memref-copy,convert-linalg-to-loops))"
)


def runs_on_cpu(program: object, level: str) -> bool:
    """Whether `outputs_of` can run a program of this level."""
    return level in ("torch", "linalg", "affine", "scheduled") or isinstance(program, Core | SequentialProgram)


def outputs_of(
    program: Any, level: str, model: torch.nn.Module, sets: Sequence[Sequence[Array]], subnormals: str
) -> list[list[Array]]:
    """The outputs for each set of inputs, in the order of the ports. `model` is what level torch runs."""
    if level == "torch":
        return [torch_outputs(program, model, inputs) for inputs in sets]
    if level == "linalg":
        answers = run_native(_run_linalg, program.text(), sets, subnormals)
        return [
            [
                as_stored(array, info.dtype).reshape(info.shape)
                for array, info in zip(each, program.outputs, strict=True)
            ]
            for each in answers
        ]
    if isinstance(program, Core | SequentialProgram):
        return loop_outputs(program.program, plain_loop_text(program.program), sets, subnormals)
    assert isinstance(program, Program)
    return loop_outputs(program, program.text(), sets, subnormals)


def torch_outputs(program: TorchProgram, model: torch.nn.Module, inputs: Sequence[Array]) -> list[Array]:
    """What PyTorch computes from stored inputs."""
    return [from_torch(tensor) for tensor in pytorch.run(model, arguments(program, inputs))]


def arguments(program: TorchProgram, inputs: Sequence[Array]) -> Any:
    """The arguments of `forward` that stored inputs stand for."""
    infos = zip(inputs, program.inputs, strict=True)
    tensors = [to_torch(array, info.dtype) for array, info in infos]
    return program.input_structure.build(tensors)


def accepted(model: torch.nn.Module, program: TorchProgram, sets: Sequence[list[Array]]) -> list[list[Array]]:
    """`sets` of stored inputs; the first one in place of those on which PyTorch itself cannot run the model."""
    return [each if pytorch.accepts(model, arguments(program, each)) else sets[0] for each in sets]


def loop_outputs(program: Program, text: str, sets: Sequence[Sequence[Array]], subnormals: str) -> list[list[Array]]:
    """What the text of a loop program computes."""
    reference = compiled_reference(text, subnormals)
    answers = []
    for inputs in sets:
        packed = [pack(array, buffer.bank_factors) for array, buffer in zip(inputs, program.inputs, strict=True)]
        results = zip(reference.run(packed), program.outputs, strict=True)
        answers.append(
            [unpack(as_stored(array, buffer.dtype), buffer.shape, buffer.bank_factors) for array, buffer in results]
        )
    return answers


@functools.lru_cache(maxsize=2)
def compiled_reference(text: str, subnormals: str) -> Reference:
    """A program's reference. Half the passes leave the text of a small program as it was: it is compiled once."""
    return Reference(text, subnormals)


def _run_linalg(text: str, sets: Sequence[Sequence[Array]], subnormals: str) -> list[list[Array]]:
    from torch_mlir import ir
    from torch_mlir.passmanager import PassManager

    context = ir.Context()
    module = ir.Module.parse(text, context)
    with context:
        PassManager.parse(LINALG_TO_LOOPS).run(module.operation)
    reference = Reference(module.operation.get_asm(print_generic_op_form=True), subnormals)
    return [reference.run(inputs) for inputs in sets]
