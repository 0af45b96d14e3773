"""linalg on tensors → affine: one loop nest for each linalg operation, one buffer for each tensor that is stored.

Before:  %2 = linalg.generic {maps, iterators} ins(%x, %w) outs(%1) { mulf, addf }
After:   Kernel(loops = the iterators, parallel first; stage 0 carries the reduction from outs; stage 1 stores it)

needs: static shapes, results of `main` that are tensors.
leaves: no copy for reshape, transpose, broadcast, slice, pad, fill (they become index arithmetic, see `tensor_views`);
    constants folded (`folding`): an elementwise operation on constants is a constant. States are stored last, or in
    place where no old value is needed any more (`kept_states`).
refuses: an operation it does not know, as UnsupportedOperation at the user's line.

This file has the operations on whole tensors; `linalg_generic` has linalg's, and `tensor_values` what each value is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch_mlir.passmanager import PassManager

from torch2hw.analysis.refusals import unsupported
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.operations import fold
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import constant
from torch2hw.dialects.storage import INPUT, STATE
from torch2hw.frontend.torch_to_linalg import TorchProgram
from torch2hw.frontend.weights import Weights
from torch2hw.lowering.linalg import tensor_views as views
from torch2hw.lowering.linalg.kept_states import keep
from torch2hw.lowering.linalg.linalg_generic import lower_generic
from torch2hw.lowering.linalg.linalg_region import operand, slice_at_run_time
from torch2hw.lowering.linalg.mlir_attributes import (
    defined_by,
    dense_bits,
    predicate_of,
    scalar_bits,
    shape_of,
    source_at,
    static_slice,
    type_name,
)
from torch2hw.lowering.linalg.tensor_values import TensorValues

SCALARS = frozenset({"tensor.extract"})
"""Operations outside of arith and math whose result is a scalar."""

PREPARE = "builtin.module(func.func(linalg-generalize-named-ops),canonicalize,cse)"


def lower(torch_program: TorchProgram, name: str) -> Program:
    """The affine program of `main` in `torch_program`; buffers of arguments and results get the ports' names."""
    module = torch_program.module.operation.clone()
    PassManager.parse(PREPARE, module.context).run(module)
    function = next(op for op in module.regions[0].blocks[0].operations if op.operation.name == "func.func")
    block = function.operation.regions[0].blocks[0]
    values = TensorValues()
    inputs = []
    for argument, info in zip(block.arguments, torch_program.inputs, strict=not torch_program.states):
        inputs.append(Buffer(info.name, info.shape, info.dtype, INPUT, codes=info.codes))
        assert shape_of(argument.type) == (info.shape, inputs[-1].value_type), info
        values.tensors[argument] = views.of_buffer(inputs[-1])
    states = [
        Buffer(info.name, info.shape, info.dtype, STATE, info.first, label=info.label) for info in torch_program.states
    ]
    for argument, state in zip(list(block.arguments)[len(inputs) :], states, strict=True):
        values.tensors[argument] = views.of_buffer(state)
    lowering = _Lowering(values, torch_program.weights)
    outputs: list[Buffer] = []
    for operation in block.operations:
        if operation.operation.name == "func.return":
            results = list(operation.operation.operands)
            for value, info in zip(results, torch_program.outputs, strict=not states):
                outputs.append(values.output(value, info, operation))
            keep(results[len(outputs) :], states, values, operation)
        else:
            lowering.operation(operation.operation)
    return Program.of(name, inputs, outputs, values.kernels, states=states)


class _Lowering:
    """Lowers one operation after the other, and enters its results in `values`."""

    def __init__(self, values: TensorValues, weights: Weights) -> None:
        self.values = values
        self.weights = weights
        self.handlers: dict[str, Callable[[Any], None]] = {
            "arith.constant": self.constant,
            "cf.assert": self.assertion,
            "linalg.fill": self.fill,
            "tensor.splat": self.fill,
            "linalg.generic": lambda op: lower_generic(op, values),
            "tensor.cast": self.cast,
            "tensor.collapse_shape": self.reshape,
            "tensor.concat": self.concat,
            "tensor.empty": self.empty,
            "tensor.expand_shape": self.reshape,
            "tensor.extract_slice": self.extract_slice,
            "tensor.from_elements": self.from_elements,
            "tensor.insert_slice": self.insert_slice,
            "tensor.pad": self.pad,
        }

    def operation(self, op: Any) -> None:
        handler = self.handlers.get(op.name)
        if handler is not None:
            handler(op)
        elif op.name in SCALARS or (op.name.startswith(("arith.", "math.")) and not _makes_tensor(op)):
            self.scalar(op)
        else:
            raise unsupported(op.name, source_at(op))

    def constant(self, op: Any) -> None:
        attribute, kind = op.attributes["value"], op.results[0].type
        if not str(kind).startswith("tensor"):
            self.values.scalars[op.results[0]] = scalar_bits(attribute, type_name(kind)), type_name(kind)
            return
        shape, dtype = shape_of(kind)
        data = dense_bits(attribute, shape, dtype, self.weights)
        self.values.tensors[op.results[0]] = self.values.constant_view(data, shape, dtype, source_at(op))

    def scalar(self, op: Any) -> None:
        """A scalar outside of any region: a constant if all it is computed from are; else the kernels that use it
        compute it (`linalg_region.operand`)."""
        operands = [self.values.scalars[value] for value in op.operands if value in self.values.scalars]
        result_type = type_name(op.results[0].type)
        if len(operands) != len(op.operands) or op.name == "tensor.extract":
            return
        arrays = [number_type(kind).values_of(bits) for bits, kind in operands]
        folded = fold(op.name, arrays, tuple(kind for _, kind in operands), result_type, predicate_of(op))
        if folded is not None:
            self.values.scalars[op.results[0]] = int(number_type(result_type).bits_of(folded)[0]), result_type

    def assertion(self, op: Any) -> None:
        """Drops run-time checks of index ranges: a design requires indices in range."""

    def empty(self, op: Any) -> None:
        self.values.tensors[op.results[0]] = views.fill(*shape_of(op.results[0].type), 0)

    def fill(self, op: Any) -> None:
        shape, dtype = shape_of(op.results[0].type)
        value = op.operands[0]
        if value in self.values.scalars:
            self.values.tensors[op.results[0]] = views.fill(shape, dtype, self.values.scalars[value][0])
        else:
            made = self.values.computed(shape, dtype, lambda body, _: operand(value, body, self.values), op)
            self.values.tensors[op.results[0]] = made

    def cast(self, op: Any) -> None:
        self.values.tensors[op.results[0]] = self.values.tensors[op.operands[0]]

    def reshape(self, op: Any) -> None:
        shape, _ = shape_of(op.results[0].type)
        reshaped = views.reshape(self.values.tensors[op.operands[0]], shape)
        self.values.tensors[op.results[0]] = self.values.settle(reshaped, op)

    def extract_slice(self, op: Any) -> None:
        if len(op.operands) > 1:
            self.values.tensors[op.results[0]] = slice_at_run_time(op, self.values)
            return
        shape, _ = shape_of(op.results[0].type)
        indices = views.slice_indices(shape, *static_slice(op))
        taken = views.remap(self.values.tensors[op.operands[0]], shape, indices)
        self.values.tensors[op.results[0]] = self.values.settle(taken, op)

    def pad(self, op: Any) -> None:
        shape, _ = shape_of(op.results[0].type)
        block = op.regions[0].blocks[0]
        value = list(block.operations)[-1].operands[0]
        if value not in self.values.scalars:
            for inner in list(block.operations)[:-1]:
                self.operation(inner.operation)
        if value not in self.values.scalars:
            raise unsupported(op.name, source_at(op))
        source = self.values.tensors[op.operands[0]]
        low = [int(item) for item in op.attributes["static_low"]]
        bits = self.values.scalars[value][0]
        padded = views.pad(source, low, shape, bits)
        if padded is None:
            padded = views.pad(self.values.materialise(source, op), low, shape, bits)
        assert padded is not None
        self.values.tensors[op.results[0]] = padded

    def concat(self, op: Any) -> None:
        shape, dtype = shape_of(op.results[0].type)
        axis = int(op.attributes["dim"].value)
        buffer = self.values.temporary(shape, dtype, op)
        start = 0
        for value in op.operands:
            part = self.values.tensors[value]
            offsets = [start if d == axis else 0 for d in range(len(shape))]
            ones = [1] * len(shape)
            self.values.copy(part, buffer, views.slice_indices(part.shape, offsets, list(part.shape), ones), op)
            start += part.shape[axis]
        self.values.own(op.results[0], buffer)

    def insert_slice(self, op: Any) -> None:
        source, target = self.values.tensors[op.operands[0]], self.values.tensors[op.operands[1]]
        offsets, sizes, strides = static_slice(op)
        if len(op.operands) > 2:
            raise unsupported(op.name, source_at(op))
        buffer = self.values.owned.get(op.operands[1])
        if buffer is None or len(list(op.operands[1].uses)) != 1:
            buffer = self.values.temporary(target.shape, target.dtype, op)
            if not defined_by(op.operands[1], "tensor.empty") and sizes != list(target.shape):
                self.values.copy(target, buffer, list, op)
        self.values.copy(source, buffer, views.slice_indices(source.shape, offsets, sizes, strides), op)
        self.values.own(op.results[0], buffer)

    def from_elements(self, op: Any) -> None:
        shape, dtype = shape_of(op.results[0].type)
        if any(value not in self.values.scalars for value in op.operands):
            self.values.tensors[op.results[0]] = self._stored_elements(list(op.operands), shape, dtype, op)
            return
        bits = [self.values.scalars[value][0] for value in op.operands]
        data = np.array(bits, dtype=number_type(dtype).patterns).reshape(shape)
        self.values.tensors[op.results[0]] = self.values.constant_view(data, shape, dtype, source_at(op))

    def _stored_elements(self, elements: list[Any], shape: tuple[int, ...], dtype: str, op: Any) -> views.View:
        """Scalars in a temporary, in row-major order."""
        buffer = self.values.temporary(shape, dtype, op)
        for value, place in zip(elements, np.ndindex(*shape), strict=True):
            self.values.fill(
                (),
                buffer,
                lambda body, _, value=value: operand(value, body, self.values),  # type: ignore[misc]
                lambda _, place=place: [constant(at) for at in place],  # type: ignore[misc]
                op,
            )
        return views.of_buffer(buffer)


def _makes_tensor(op: Any) -> bool:
    return str(op.results[0].type).startswith("tensor")
