"""affine → scf for the sequential schedule: one function over one-dimensional memories, with only those operations that
CIRCT's lower-scf-to-calyx accepts.

Before:  func.func @main(%x: memref<4x8xf32>, …) { … memref.get_global @w … math.exp … }
After:   func.func @core(%x: memref<32xf32>, …, %w: memref<8xf32>) { … func.call @f32_exp_call … }

needs:   affine programs as linalg_to_affine or choose-arms leaves them, printed by `plain_loop_text`: a function @main
         over memrefs of static shape, inputs then outputs; memref.global constants; no calls.
leaves:  a function @core with an argument for each bank of each memory, in the order of `memories`. Addresses are
         computed here (row-major), because upstream's flatten-memref is wrong for rank 3 and above; `banked_accesses`
         selects banks. The arms of a parallel kernel are the execute_regions of an scf.parallel, as CIRCT expects.
         An operation that CIRCT cannot lower is a call of a function that represents the library's unit; the body of
         that function is only a placeholder.
refuses: an operation without a unit in the library, as hwlib's NoUnit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir, passmanager

from torch2hw.dialects.memref_text import banked_data
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.operations import operation_kind
from torch2hw.dialects.plain_loop_text import plain_loop_text
from torch2hw.dialects.program import Program
from torch2hw.dialects.storage import RAM, SHARED_ROM, Storage
from torch2hw.hwlib import Library, Unit
from torch2hw.lowering.sequential.banked_accesses import Accesses, Banked, arm_of, constant, constant_of

_BEFORE = (
    "builtin.module(lower-affine,canonicalize,cse,"
    "int-range-optimizations,arith-unsigned-when-equivalent,canonicalize,cse)"  # no signs where indices have none
)
_AFTER = "builtin.module(loop-invariant-code-motion,cse)"  # the products of an address belong to the loop that counts
_SHIFTS = {"arith.divui": "arith.shrui", "arith.remui": "arith.andi"}
_STRUCTURE = ("arith.constant", "scf.for", "scf.if", "scf.yield", "scf.execute_region", "func.return")
_ACCESSES = ("memref.load", "memref.store")
_ALLOCATIONS = ("memref.alloc", "memref.alloca", "memref.get_global")


@dataclass(frozen=True, eq=False)
class CoreMemory:
    """A memory beside the core: bank number `bank` of `tensor`. Memories with equal numbers are copies of one bank.
    `contents` are the bits of its words, if `storage` has contents."""

    name: str
    storage: Storage
    elements: int
    width_bits: int
    contents: NDArray[np.generic] | None = None
    tensor: str = ""
    bank: int = 0


Call = tuple[str, tuple[str, ...], str]


@dataclass(frozen=True)
class Core:
    """`mlir` is generic MLIR with @core, made of `program`. Two tables are keyed by the functions in `mlir` that stand
    for units: `units` has the library's unit, `calls` what it was asked for (operation, types of the operands, type of
    the result)."""

    mlir: str
    memories: tuple[CoreMemory, ...]
    units: dict[str, Any]
    program: Program
    calls: dict[str, Call] = field(default_factory=dict)

    def text(self, weights: bool = True) -> str:
        """The MLIR; `weights` makes no difference, for they are not in it."""
        return self.mlir


def lower(program: Program, library: Library, banking: str = "dimension") -> Core:
    """The core of a program. `banking`: dimension or naive (`banked_accesses`)."""
    ports = {buffer.name: buffer.storage for buffer in (*program.inputs, *program.outputs)}
    factors = {buffer.name: buffer.factors for buffer in program.buffers() if buffer.banks > 1}
    constants = {b.name: banked_data(b).reshape(-1) for b in program.buffers() if b.data is not None}
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.parse(plain_loop_text(program, weights=False))
        passmanager.PassManager.parse(_BEFORE).run(module.operation)
        lowering = _CoreLowering(module, library, constants, factors, banking == "naive")
        text = lowering.run(ports)
        return Core(text, tuple(lowering.memories), lowering.units, program, lowering.calls)


class _CoreLowering:
    def __init__(
        self,
        module: Any,
        library: Library,
        constants: Mapping[str, NDArray[np.generic]],
        factors: Mapping[str, tuple[int, ...]],
        naive: bool,
    ) -> None:
        self.module, self.library, self.constants = module, library, constants
        self.factors, self.naive = factors, naive
        self.function = next(op.operation for op in module.body.operations if op.operation.name == "func.func")
        self.block = self.function.regions[0].blocks[0]
        self.globals = {
            op.operation.attributes["sym_name"].value: op.operation
            for op in module.body.operations
            if op.operation.name == "memref.global"
        }
        self.memories: list[CoreMemory] = []
        self.units: dict[str, Any] = {}
        self.calls: dict[str, Call] = {}

    def run(self, ports: Mapping[str, Storage]) -> str:
        stored: dict[Any, Banked] = {}
        for (name, storage), argument in zip(ports.items(), list(self.block.arguments), strict=True):
            stored[argument] = self.banked(name, storage, argument.type)
            argument.set_type(stored[argument].bank_type)
        operations = all_operations(self.block)
        allocations = [op for op in operations if op.name in _ALLOCATIONS]
        for op in allocations:
            memory = self.allocated(op, sum(each.storage.is_scratch for each in stored.values()))
            argument = self.block.add_argument(memory.bank_type, op.location)
            stored[argument] = memory
            op.results[0].replace_all_uses_with(argument)
        for number, op in enumerate(op for op in operations if op.name == "scf.execute_region"):
            op.attributes["arm"] = ir.IntegerAttr.get(ir.IntegerType.get_signless(32), number)
        accesses = Accesses(stored, self.naive)
        used = [op for op in operations if op.name in _ACCESSES]
        others = [op for op in operations if op.name not in _ACCESSES]
        for op in used:
            accesses.note(op)
        self.make_memories(accesses)
        for op in used:
            accesses.rewrite(op)
        for op in others:
            if op.name == "memref.dealloc":
                op.erase()
            elif not operation_kind(op.name).circt and op.name not in _STRUCTURE and op.name not in _ALLOCATIONS:
                self.call_unit(op)
            elif op.name in _SHIFTS:
                _shifted(op)
        for op in allocations:
            op.erase()
        self.join_arms()
        self.function.attributes["sym_name"] = ir.StringAttr.get("core")
        arguments = [argument.type for argument in self.block.arguments]
        self.function.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(arguments, []))
        for op in self.globals.values():
            op.erase()
        with ir.InsertionPoint(self.module.body):
            for name, unit in self.units.items():
                self.declare(name, unit)
        passmanager.PassManager.parse(_AFTER).run(self.module.operation)
        return str(self.module.operation.get_asm(print_generic_op_form=True, enable_debug_info=True))

    # -- memories
    def banked(self, name: str, storage: Storage, memref: Any) -> Banked:
        """`memref` has the banks' indices in front, as `memref` in dialects/memref_text.py spells it."""
        factors = self.factors.get(name, ())
        shape = tuple(memref.shape)[sum(factor > 1 for factor in factors) :]
        return Banked(name, storage, factors or (1,) * len(shape), shape, memref.element_type)

    def allocated(self, op: Any, count: int) -> Banked:
        kind = op.results[0].type
        if op.name == "memref.get_global":
            return self.banked(op.attributes["name"].value, SHARED_ROM, kind)
        if "buffer" in op.attributes and self.factors.get(op.attributes["buffer"].value):
            return self.banked(op.attributes["buffer"].value, RAM, kind)
        return self.banked(f"temporary{count}", RAM, kind)

    def make_memories(self, accesses: Accesses) -> None:
        """Adds an argument for each copy of each bank; the first of each memory exists already."""
        later = []
        for argument, memory in accesses.stored.items():
            for bank in range(memory.banks):
                for copy in range(accesses.copies(argument, bank)):
                    name = memory.name + (f"_bank{bank}" if memory.banks > 1 else "") + (f"_copy{copy}" if copy else "")
                    values = self.constants[memory.name] if memory.storage.has_contents else None
                    if values is not None:
                        values = values[bank * memory.elements : (bank + 1) * memory.elements]
                    width = number_type(str(memory.element_type)).bits
                    made = CoreMemory(name, memory.storage, memory.elements, width, values, memory.name, bank)
                    if bank == copy == 0:
                        self.memories.append(made)
                        accesses.arguments[argument, bank].append(argument)
                    else:
                        later.append((argument, made, memory))
        for argument, made, memory in later:
            self.memories.append(made)
            added = self.block.add_argument(memory.bank_type, argument.location)
            accesses.arguments[argument, made.bank].append(added)

    def join_arms(self) -> None:
        """An scf.parallel of one iteration around the arms of each parallel kernel: CIRCT's own form of unrolled
        arms."""
        arms = [each.operation for each in self.block.operations if each.operation.name == "scf.execute_region"]
        index = ir.IndexType.get()
        for _, group in groupby(arms, key=lambda op: arm_of(op)[0]):
            members = list(group)
            with ir.InsertionPoint(members[0]), members[0].location:
                bounds = [
                    ir.Operation.create(
                        "arith.constant", results=[index], attributes={"value": ir.IntegerAttr.get(index, value)}
                    ).results[0]
                    for value in (0, 1, 1)
                ]
                attributes = {
                    "operandSegmentSizes": ir.DenseI32ArrayAttr.get([1, 1, 1, 0]),
                    "calyx.unroll": ir.BoolAttr.get(True),
                }
                around = ir.Operation.create("scf.parallel", operands=bounds, attributes=attributes, regions=1)
                body = around.regions[0].blocks.append(index)
                for op in members:
                    for attribute in ("arm", "arm_of", "no_inline"):
                        del op.attributes[attribute]
                    body.append(op)
                with ir.InsertionPoint(body):
                    ir.Operation.create("scf.reduce")

    # -- units
    def call_unit(self, op: Any) -> None:
        """Replaces an operation by a call that stands for the library's unit. Each call has its own function, because
        CIRCT makes one instance for each function, and a later call overwrites its result."""
        types = tuple(str(operand.type) for operand in op.operands)
        unit = self.library.unit(op.name, types, str(op.results[0].type))
        count = sum(other is unit or other.name == unit.name for other in self.units.values())
        called = f"{unit.name}_call{count or ''}"
        self.units[called] = unit
        self.calls[called] = op.name, types, str(op.results[0].type)
        with ir.InsertionPoint(op), op.location:
            attributes = {"callee": ir.FlatSymbolRefAttr.get(called)}
            operands = [self.registered(operand) for operand in op.operands]
            call = ir.Operation.create(
                "func.call", results=[op.results[0].type], operands=operands, attributes=attributes
            )
        op.results[0].replace_all_uses_with(call.results[0])
        op.erase()

    def registered(self, operand: Any) -> Any:
        """`operand`, through a memory of one word if a combinational cell computes it."""
        if operation_kind(getattr(operand.owner, "name", "")).circt != "combinational":
            return operand  # CIRCT gives a combinational cell to a call without driving what it depends on
        kind = ir.MemRefType.get([1], operand.type)
        word = self.block.add_argument(kind, operand.owner.location)
        name = f"operand{len(self.memories)}"
        self.memories.append(CoreMemory(name, RAM, 1, number_type(str(operand.type)).bits, tensor=name))
        zero = constant(0)
        ir.Operation.create("memref.store", operands=[operand, word, zero])
        return ir.Operation.create("memref.load", results=[operand.type], operands=[word, zero]).results[0]

    def declare(self, name: str, unit: Unit) -> None:
        """Adds a function with the unit's types that returns a constant."""
        inputs = ", ".join(f"%in{index}: {kind}" for index, kind in enumerate(unit.operand_types))
        zero = f"arith.constant {'0.0' if number_type(unit.result_type).is_float else '0'} : {unit.result_type}"
        text = f"func.func @{name}({inputs}) -> {unit.result_type} {{ %0 = {zero} return %0 : {unit.result_type} }}"
        alone = ir.Module.parse(text)
        self.module.body.append(next(iter(alone.body.operations)).operation.clone())


def _shifted(op: Any) -> None:
    """Replaces a division of an index by a power of two by a shift, and its remainder by a mask: a divider takes a
    cycle for each bit."""
    divisor = constant_of(op.operands[1])
    if divisor is None or divisor & (divisor - 1) or str(op.operands[1].type) != "index":
        return
    with ir.InsertionPoint(op), op.location:
        other = constant(divisor.bit_length() - 1 if op.name == "arith.divui" else divisor - 1)
        made = ir.Operation.create(_SHIFTS[op.name], results=[other.type], operands=[op.operands[0], other])
    op.results[0].replace_all_uses_with(made.results[0])
    op.erase()


def all_operations(block: Any) -> list[Any]:
    """Every operation in `block`, outer ones first."""
    found = []
    for each in block.operations:
        found.append(each.operation)
        for region in each.operation.regions:
            for inner in region.blocks:
                found += all_operations(inner)
    return found
