"""affine → scf as CIRCT's lower-scf-to-calyx takes it: one function over one-dimensional memories, every operation
one it knows.

Before:  func.func @main(%x: memref<4x8xf32>, …) { … memref.get_global @w … math.exp … }
After:   func.func @core(%x: memref<32xf32>, …, %w: memref<8xf32>) { … func.call @f32_exp_call … }

needs:   a function @main over memrefs of static shape, inputs then outputs; memref.global constants; no calls.
leaves:  each memory an argument of @core, in the order of `memories`: ports, then constants and temporaries. Addresses
         are computed here (row-major), because upstream's flatten-memref is wrong for rank 3 and above. What CIRCT
         cannot lower is a call of a function that stands for the library's unit; its body means nothing.
refuses: an operation without a unit in the library, as hwlib's NoUnit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from torch_mlir import ir, passmanager

_BEFORE = "builtin.module(lower-affine,canonicalize,cse)"
_AFTER = "builtin.module(loop-invariant-code-motion,cse)"  # the products of an address belong to the loop that counts
# What lower-scf-to-calyx lowers by itself, bit for bit as the hardware library would.
_NATIVE = {
    *(
        f"arith.{name}"
        for name in ("addf", "subf", "mulf", "divf", "cmpf", "select", "constant", "index_cast", "bitcast")
    ),
    *(
        f"arith.{name}"
        for name in ("addi", "subi", "muli", "divui", "divsi", "remui", "remsi", "cmpi", "andi", "ori", "xori")
    ),
    *(f"arith.{name}" for name in ("shli", "shrsi", "shrui", "extsi", "extui", "trunci")),
}
_STRUCTURE = ("scf.for", "scf.if", "scf.yield", "func.return", "memref.load", "memref.store")
_ALLOCATIONS = ("memref.alloc", "memref.alloca", "memref.get_global")
_BITS = {
    "f64": np.uint64,
    "f32": np.uint32,
    "f16": np.uint16,
    "bf16": np.uint16,
    "i64": np.uint64,
    "i32": np.uint32,
    "i16": np.uint16,
    "i8": np.uint8,
}


@dataclass(frozen=True)
class CoreMemory:
    """A memory beside the core. `kind` is port, constant or temporary; `contents` are the bits of a constant."""

    name: str
    kind: str
    elements: int
    width_bits: int
    contents: tuple[int, ...] = ()


@dataclass(frozen=True)
class Core:
    """`text` is generic MLIR with @core; `units` are the library's units by the function that stands for each."""

    text: str
    memories: tuple[CoreMemory, ...]
    units: dict[str, Any]


def lower(affine_text: str, port_names: Sequence[str], library: Any) -> Core:
    """`port_names` name the arguments of @main."""
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.parse(affine_text)
        passmanager.PassManager.parse(_BEFORE).run(module.operation)
        return _CoreLowering(module, library).run(port_names)


class _CoreLowering:
    def __init__(self, module: Any, library: Any) -> None:
        self.module, self.library = module, library
        self.function = next(op.operation for op in module.body.operations if op.operation.name == "func.func")
        self.block = self.function.regions[0].blocks[0]
        self.globals = {
            op.operation.attributes["sym_name"].value: op.operation
            for op in module.body.operations
            if op.operation.name == "memref.global"
        }
        self.memories: list[CoreMemory] = []
        self.units: dict[str, Any] = {}

    def run(self, port_names: Sequence[str]) -> Core:
        shapes: dict[Any, tuple[int, ...]] = {}
        for name, argument in zip(port_names, list(self.block.arguments), strict=True):
            shapes[argument] = tuple(argument.type.shape)
            self.memories.append(_memory(name, "port", argument.type))
            argument.set_type(self.flat(argument.type))
        operations = all_operations(self.block)
        allocations = [op for op in operations if op.name in _ALLOCATIONS]
        for op in allocations:
            self.hoist(op, shapes)
        for op in operations:
            if op.name in ("memref.load", "memref.store"):
                self.linearise(op, shapes)
            elif op.name == "memref.dealloc":
                op.erase()
            elif op.name not in _NATIVE and op.name not in _STRUCTURE and op.name not in _ALLOCATIONS:
                self.call_unit(op)
        for op in allocations:
            op.erase()
        self.function.attributes["sym_name"] = ir.StringAttr.get("core")
        arguments = [argument.type for argument in self.block.arguments]
        self.function.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(arguments, []))
        for op in self.globals.values():
            op.erase()
        with ir.InsertionPoint(self.module.body):
            for name, unit in self.units.items():
                self.declare(name, unit)
        passmanager.PassManager.parse(_AFTER).run(self.module.operation)
        return Core(
            self.module.operation.get_asm(print_generic_op_form=True, enable_debug_info=True),
            tuple(self.memories),
            self.units,
        )

    # -- memories
    def flat(self, kind: Any) -> Any:
        return ir.MemRefType.get([prod(kind.shape)], kind.element_type)

    def hoist(self, op: Any, shapes: dict[Any, tuple[int, ...]]) -> None:
        """The memory as an argument of the function."""
        kind = op.results[0].type
        argument = self.block.add_argument(self.flat(kind), op.location)
        shapes[argument] = tuple(kind.shape)
        if op.name == "memref.get_global":
            symbol = op.attributes["name"].value
            self.memories.append(_memory(symbol, "constant", kind, self.contents(symbol)))
        else:
            count = sum(memory.kind == "temporary" for memory in self.memories)
            self.memories.append(_memory(f"temporary{count}", "temporary", kind))
        op.results[0].replace_all_uses_with(argument)

    def contents(self, symbol: str) -> tuple[int, ...]:
        value = self.globals[symbol].attributes["initial_value"]
        element = str(value.type.element_type)
        if element == "i1":
            return tuple(int(each) for each in ir.DenseIntElementsAttr(value))
        raw = np.asarray(memoryview(ir.DenseElementsAttr(value))) if not value.is_splat else None
        count = prod(value.type.shape)
        if raw is None:
            one = np.asarray(memoryview(ir.DenseElementsAttr(value))).reshape(-1)[:1]
            raw = np.repeat(one, count)
        return tuple(int(each) for each in np.ascontiguousarray(raw).reshape(-1).view(_BITS[element]))

    def linearise(self, op: Any, shapes: dict[Any, tuple[int, ...]]) -> None:
        stored = op.name == "memref.store"
        operands = list(op.operands)
        memory, indices = (operands[1], operands[2:]) if stored else (operands[0], operands[1:])
        shape = shapes[memory]
        with ir.InsertionPoint(op), op.location:
            terms = [self.scaled(index, prod(shape[place + 1 :])) for place, index in enumerate(indices)]
            address = terms[0] if terms else self.constant(0)
            for term in terms[1:]:
                address = self.index("addi", address, term)
            if stored:
                ir.Operation.create("memref.store", operands=[operands[0], memory, address])
            else:
                loaded = ir.Operation.create("memref.load", results=[op.results[0].type], operands=[memory, address])
                op.results[0].replace_all_uses_with(loaded.results[0])
        op.erase()

    def scaled(self, index: Any, stride: int) -> Any:
        """A shift where it can be one: a multiplication takes cycles."""
        if stride & (stride - 1) == 0:
            return index if stride == 1 else self.index("shli", index, self.constant(stride.bit_length() - 1))
        return self.index("muli", index, self.constant(stride))

    def constant(self, value: int) -> Any:
        kind = ir.IndexType.get()
        attributes = {"value": ir.IntegerAttr.get(kind, value)}
        return ir.Operation.create("arith.constant", results=[kind], attributes=attributes).results[0]

    def index(self, operation: str, left: Any, right: Any) -> Any:
        return ir.Operation.create(f"arith.{operation}", results=[left.type], operands=[left, right]).results[0]

    # -- units
    def call_unit(self, op: Any) -> None:
        """A call of the library's unit in place of an operation."""
        types = tuple(str(operand.type) for operand in op.operands)
        unit = self.library.unit(op.name, types, str(op.results[0].type))
        called = f"{unit.name}_call"
        self.units.setdefault(called, unit)
        with ir.InsertionPoint(op), op.location:
            attributes = {"callee": ir.FlatSymbolRefAttr.get(called)}
            call = ir.Operation.create(
                "func.call", results=[op.results[0].type], operands=list(op.operands), attributes=attributes
            )
        op.results[0].replace_all_uses_with(call.results[0])
        op.erase()

    def declare(self, name: str, unit: Any) -> None:
        """A function with the unit's types that returns a constant."""
        inputs = ", ".join(f"%in{index}: {kind}" for index, kind in enumerate(unit.operand_types))
        zero = f"arith.constant {'0.0' if unit.result_type[0] in 'fb' else '0'} : {unit.result_type}"
        text = f"func.func @{name}({inputs}) -> {unit.result_type} {{ %0 = {zero} return %0 : {unit.result_type} }}"
        alone = ir.Module.parse(text)
        self.module.body.append(next(iter(alone.body.operations)).operation.clone())


def _memory(name: str, kind: str, memref: Any, contents: tuple[int, ...] = ()) -> CoreMemory:
    element = str(memref.element_type)
    width = 16 if element == "bf16" else int(element[1:])
    return CoreMemory(name, kind, prod(memref.shape), width, contents)


def all_operations(block: Any) -> list[Any]:
    """Every operation in `block`, outer ones first."""
    found = []
    for each in block.operations:
        found.append(each.operation)
        for region in each.operation.regions:
            for inner in region.blocks:
                found += all_operations(inner)
    return found
