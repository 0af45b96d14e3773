"""The CPU as a bit-exact reference: a loop program, JIT-compiled and run in program order.

The program is upstream MLIR text (affine, scf, memref, arith, math, func; constants as `memref.global`) whose function
`main` takes memrefs, inputs first, then results as out-params, then states, which it reads and writes. Arithmetic is
IEEE 754, round to nearest even; multiply and add are never contracted and sums never reordered. With
`subnormals="flush"` it runs with x86's FTZ|DAZ set, which is what the hardware does (contract section 6). NaNs are left
as the CPU makes them; `compare` makes them canonical.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch_mlir import ir, passmanager
from torch_mlir.dialects import arith
from torch_mlir.dialects import memref as memref_dialect
from torch_mlir.execution_engine import ExecutionEngine

from torch2hw.analysis.stored_arrays import Array
from torch2hw.dialects.number_types import number_type
from torch2hw.tools.mlir_jit import ROUND_TO_BF16, TO_LLVM, descriptor
from torch2hw.tools.walking import operations_named

FLOATS = (ir.F16Type, ir.BF16Type, ir.F32Type, ir.F64Type)
CHOICE_NAME = "reference_choice_"
CHOICE = """
func.func private @reference_choice_{type}(%c: i1, %a: {type}, %b: {type}) -> {type} {{
  %r = arith.select %c, %a, %b : {type}
  return %r : {type}
}}
"""


class Reference:
    """A compiled program. Compiling takes tens of milliseconds, `run` the CPU time of the loops."""

    def __init__(self, mlir_text: str, subnormals: str = "flush") -> None:
        assert subnormals in ("flush", "keep"), subnormals
        self._flush = subnormals == "flush"
        context = ir.Context()
        module = ir.Module.parse(mlir_text, context)
        with context:
            main = _function(module, "main")
            self.arguments = tuple(_tensor_of(argument) for argument in main.type.inputs)
            assert not main.type.results, "main returns its results as out-params"
            main.attributes["llvm.emit_c_interface"] = ir.UnitAttr.get()
            _hide_constants(module)
            _expand_absolutes(module)
            if self._flush:
                _keep_choices_apart(module)
            if "bf16" in mlir_text:
                _append(module, ROUND_TO_BF16)
            passmanager.PassManager.parse(TO_LLVM).run(module.operation)
            _forbid_vectors(module)
            for operation in module.body.operations:
                if operation.operation.attributes["sym_name"].value.startswith(CHOICE_NAME):
                    operation.operation.attributes["no_inline"] = ir.UnitAttr.get()
        self._engine = ExecutionEngine(module, opt_level=2)

    def run(self, inputs: Sequence[Array], states: Sequence[Array] = ()) -> list[Array]:
        """The results for one set of inputs, then the states as the run leaves them, each in its stored form
        (`formats`), shapes exactly `main`'s. The arrays that are given stay as they are."""
        assert len(inputs) <= len(self.arguments), f"{len(inputs)} inputs for {len(self.arguments)} arguments"
        arrays: list[Array] = []
        for array, (shape, dtype) in zip(inputs, self.arguments, strict=False):
            assert array.shape == shape, f"input {len(arrays)} has shape {array.shape}, the program wants {shape}"
            kind, stored = number_type(dtype), number_type(dtype).stored
            if kind.kind == "signed" and array.dtype == kind.patterns:  # of u8: MLIR's integers have no sign
                array = array.view(stored)
            assert array.dtype == stored, f"input {len(arrays)} is {array.dtype}, the program wants {dtype}"
            arrays.append(np.array(array, order="C"))
        end = len(self.arguments) - len(states)
        results = [np.zeros(shape, number_type(dtype).stored) for shape, dtype in self.arguments[len(inputs) : end]]
        results += [np.array(array, order="C") for array in states]
        for array, (shape, dtype) in zip(results, self.arguments[len(inputs) :], strict=True):
            assert array.shape == shape and array.dtype.itemsize == number_type(dtype).stored.itemsize, (shape, dtype)
        descriptors = [_descriptor(array) for array in arrays + results]
        with flushing_subnormals(self._flush):
            self._engine.invoke("main", *descriptors)
        return results


@contextmanager
def flushing_subnormals(flush: bool) -> Iterator[None]:
    """Run the calling thread with FTZ|DAZ set (or clear), and put back what was there."""
    before = bool(np.float32(2.0**-140) * np.float32(1.0) == 0)
    torch.set_flush_denormal(flush)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _function(module: ir.Module, name: str) -> Any:
    for operation in module.body.operations:
        if operation.operation.name == "func.func" and operation.name.value == name:
            return operation
    raise AssertionError(f"the program has no function {name}")


def _hide_constants(module: ir.Module) -> None:
    """Makes every float constant an opaque value in memory. LLVM would fold x * 1.0 to x and x * -1.0 to a sign flip:
    right for IEEE arithmetic, but the hardware's multiplier and FTZ|DAZ flush a subnormal x. LLVM also folds constants
    without flushing. It cannot fold a public, mutable global, which other code might write."""
    for operation in module.body.operations:
        if operation.operation.name == "memref.global" and "constant" in operation.attributes:
            del operation.attributes["constant"]
            del operation.attributes["sym_visibility"]
    names: dict[str, str] = {}
    for operation in operations_named(module, "arith.constant"):
        if not isinstance(operation.attributes["value"], ir.FloatAttr):
            continue
        type, value = operation.results[0].type, operation.attributes["value"]
        with operation.location:
            memref = ir.MemRefType.get([], type)
            if str(value) not in names:
                names[str(value)] = f"reference_constant_{len(names)}"
                initial = ir.DenseElementsAttr.get_splat(ir.RankedTensorType.get([], type), value)
                with ir.InsertionPoint.at_block_begin(module.body):
                    memref_dialect.GlobalOp(names[str(value)], memref, initial_value=initial)
            with ir.InsertionPoint(operation):
                global_ = memref_dialect.GetGlobalOp(memref, names[str(value)])
                load = memref_dialect.LoadOp(global_.result, [])
        operation.results[0].replace_all_uses_with(load.result)
        operation.erase()


def _expand_absolutes(module: ir.Module) -> None:
    """|x| of an integer is the greater of x and 0 - x: upstream's conversion refuses the operation."""
    for operation in operations_named(module, "math.absi"):
        x, type = operation.operands[0], operation.results[0].type
        with ir.InsertionPoint(operation), operation.location:
            zero = arith.ConstantOp(type, ir.IntegerAttr.get(type, 0))
            greater = arith.MaxSIOp(x, arith.SubIOp(zero, x))
        operation.results[0].replace_all_uses_with(greater.result)
        operation.erase()


def _keep_choices_apart(module: ir.Module) -> None:
    """Makes every selection of a float by a comparison a call that is not inlined. LLVM turns x < y ? x : y into one
    `minss`, which flushes; hardware selects the bits as they are."""
    choices = [
        operation
        for operation in operations_named(module, "arith.select")
        if isinstance(operation.results[0].type, FLOATS) and _is_comparison(operation.operands[0].owner)
    ]
    for type in {str(operation.results[0].type) for operation in choices}:
        _append(module, CHOICE.format(type=type))
    for operation in choices:
        type = operation.results[0].type
        with ir.InsertionPoint(operation), operation.location:
            callee = {"callee": ir.FlatSymbolRefAttr.get(f"{CHOICE_NAME}{type}")}
            called = ir.Operation.create("func.call", [type], list(operation.operands), callee)
        operation.results[0].replace_all_uses_with(called.results[0])
        operation.erase()


def _append(module: ir.Module, function: str) -> None:
    """Add the function of that text."""
    alone = ir.Module.parse(function)
    module.body.append(next(iter(alone.body.operations)).operation.clone())


def _is_comparison(owner: Any) -> bool:
    return not isinstance(owner, ir.Block) and owner.operation.name == "arith.cmpf"


def _forbid_vectors(module: ir.Module) -> None:
    """Keeps LLVM's vectorisers off every function: they run at every optimisation level above 0. The one for
    straight-line code moved loads above the stores that they read (fuzz seed 78293; in the object code)."""
    for operation in module.body.operations:
        if operation.operation.name == "llvm.func" and operation.operation.regions[0].blocks:
            operation.operation.attributes["passthrough"] = ir.ArrayAttr.get([ir.StringAttr.get("noimplicitfloat")])


def _tensor_of(type: ir.Type) -> tuple[tuple[int, ...], str]:
    memref = ir.MemRefType(type)
    return tuple(memref.shape), str(memref.element_type)


def _descriptor(array: Array) -> Any:
    return descriptor(array.ctypes.data, array.shape, [stride // array.itemsize for stride in array.strides])
