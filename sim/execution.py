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
from collections.abc import Callable, Sequence
from typing import Any

import torch

from torch2hw.analysis.reference import Reference
from torch2hw.analysis.stored_arrays import Array, as_stored, from_bits, from_torch, to_torch
from torch2hw.dialects.memref_text import banked_data
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
    program: Any,
    level: str,
    model: torch.nn.Module,
    sets: Sequence[Sequence[Array]],
    subnormals: str,
    keeps: bool = True,
) -> list[list[Array]]:
    """The outputs, then the new states, for each set of inputs, in the order of the ports. `model` is what level torch
    runs. `keeps`: states go from one set to the next; otherwise all sets begin with the first states."""
    if level == "torch":
        states, count = first_values(program), len(program.outputs)
        return threaded(sets, states, count, keeps, lambda each, old: torch_outputs(program, model, [*each, *old]))
    if level == "linalg":
        answers = run_native(_run_linalg, program.text(), sets, first_values(program), subnormals, keeps)
        return [
            [
                as_stored(array, info.dtype).reshape(info.shape)
                for array, info in zip(each, program.results, strict=True)
            ]
            for each in answers
        ]
    if isinstance(program, Core | SequentialProgram):
        return loop_outputs(program.program, plain_loop_text(program.program), sets, subnormals, keeps)
    assert isinstance(program, Program)
    return loop_outputs(program, program.text(), sets, subnormals, keeps)


def torch_outputs(program: TorchProgram, model: torch.nn.Module, inputs: Sequence[Array]) -> list[Array]:
    """What PyTorch computes from stored inputs."""
    return [from_torch(tensor) for tensor in pytorch.run(model, arguments(program, inputs))]


def arguments(program: TorchProgram, inputs: Sequence[Array]) -> Any:
    """The arguments of `forward` that stored inputs, and the states before the run, stand for."""
    infos = zip(inputs, program.arguments, strict=True)
    tensors = [to_torch(array, info.dtype) for array, info in infos]
    return program.input_structure.build(tensors)


def accepted(model: torch.nn.Module, program: TorchProgram, sets: Sequence[list[Array]]) -> list[list[Array]]:
    """`sets` of stored inputs; the first one in place of those on which PyTorch itself cannot run the model."""
    states = first_values(program)
    return [each if pytorch.accepts(model, arguments(program, [*each, *states])) else sets[0] for each in sets]


def first_values(program: TorchProgram) -> list[Array]:
    """The first values of the states, in stored form."""
    return [from_bits(state.first, state.dtype) for state in program.states]


def threaded(
    sets: Sequence[Sequence[Array]],
    states: Sequence[Array],
    outputs: int,
    keeps: bool,
    run: Callable[[Sequence[Array], Sequence[Array]], list[Array]],
) -> list[list[Array]]:
    """What `run` gives for each set of inputs and the states: so many outputs, then the new states, which with
    `keeps` go on to the next set."""
    answers: list[list[Array]] = []
    for inputs in sets:
        answers.append(run(inputs, states))
        states = answers[-1][outputs:] if keeps else states
    return answers


def loop_outputs(
    program: Program, text: str, sets: Sequence[Sequence[Array]], subnormals: str, keeps: bool = True
) -> list[list[Array]]:
    """What the text of a loop program computes."""
    reference = compiled_reference(text, subnormals)

    def run(inputs: Sequence[Array], states: Sequence[Array]) -> list[Array]:
        packed = [pack(array, buffer.bank_factors) for array, buffer in zip(inputs, program.inputs, strict=True)]
        return reference.run(packed, states)

    found = threaded(sets, first_states(program), len(program.outputs), keeps, run)
    return [
        [
            unpack(as_stored(array, buffer.dtype), buffer.shape, buffer.bank_factors)
            for array, buffer in zip(each, program.results, strict=True)
        ]
        for each in found
    ]


def first_states(program: Program) -> list[Array]:
    """The first values of the states, in their banks, in stored form."""
    return [from_bits(banked_data(buffer), buffer.dtype) for buffer in program.states]


@functools.lru_cache(maxsize=2)
def compiled_reference(text: str, subnormals: str) -> Reference:
    """A program's reference. Half the passes leave the text of a small program as it was: it is compiled once."""
    return Reference(text, subnormals)


def _run_linalg(
    text: str, sets: Sequence[Sequence[Array]], states: Sequence[Array], subnormals: str, keeps: bool
) -> list[list[Array]]:
    from torch_mlir import ir
    from torch_mlir.passmanager import PassManager

    context = ir.Context()
    module = ir.Module.parse(text, context)
    with context:
        PassManager.parse(LINALG_TO_LOOPS).run(module.operation)
    reference = Reference(module.operation.get_asm(print_generic_op_form=True), subnormals)
    outputs = len(reference.arguments) - len(sets[0]) - 2 * len(states) if sets else 0
    return threaded(sets, states, outputs, keeps, lambda inputs, old: reference.run([*inputs, *old]))
