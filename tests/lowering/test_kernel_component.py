"""What a kernel's component stores, where and when, cycle by cycle, against the values of its loops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tests.lowering.datapath import Datapath, Function
from tests.passes.loop_values import OPERATIONS, program_values
from torch2hw.analysis.unit_binding import unit_of
from torch2hw.dialects.bank_ports import bank_ports
from torch2hw.dialects.calyx_builder import ModuleBuilder
from torch2hw.dialects.loops import Buffer, Carried, Constant, Kernel, Load, Loop, Operation, Stage, Store
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Variable, variable
from torch2hw.dialects.storage import INPUT, OUTPUT
from torch2hw.hwlib import Library
from torch2hw.lowering.static import affine_to_scheduled
from torch2hw.lowering.static.kernel_component import KernelComponent
from torch2hw.sim.banked import pack, unpack

LIBRARY = Library()
TYPES = ("f32", "f32")
MINUS_INFINITY = 0xFF800000


def step(result: str, name: str, *operands: str) -> Operation:
    return Operation(result, "f32", f"arith.{name}", operands, TYPES)


def products(order: str) -> Kernel:
    """y[i] = Σ x[i, k] · w[k]; loops in this order."""
    loops = {"i": Loop(Variable("i", 5)), "k": Loop(Variable("k", 3), 0)}
    i, k = (variable(loop.variable) for loop in loops.values())
    x, w, y = Buffer("x", (5, 3), "f32", INPUT), Buffer("w", (3,), "f32", INPUT), Buffer("y", (5,), "f32", OUTPUT)
    statements = (
        Constant("zero", "f32", 0),
        Load("a", "f32", x, (i, k)),
        Load("b", "f32", w, (k,)),
        step("product", "mulf", "a", "b"),
        step("sum", "addf", "before", "product"),
    )
    stages = (Stage((Carried("before", "f32", "zero", "sum"),), statements), Stage((), (), (Store(y, (i,), "sum"),)))
    return Kernel("products", tuple(loops[name] for name in order), stages)


def sums_of_maxima(order: str) -> Kernel:
    """y[i] = Σ over j of the maximum of x[i, j, k] over k: two reductions, one inside the other."""
    loops = {"i": Loop(Variable("i", 2)), "j": Loop(Variable("j", 3), 1), "k": Loop(Variable("k", 2), 0)}
    i, j, k = (variable(loop.variable) for loop in loops.values())
    x, y = Buffer("x", (2, 3, 2), "f32", INPUT), Buffer("y", (2,), "f32", OUTPUT)
    first = (
        Constant("least", "f32", MINUS_INFINITY),
        Load("a", "f32", x, (i, j, k)),
        step("most", "maximumf", "top", "a"),
    )
    second = (Constant("zero", "f32", 0), step("sum", "addf", "before", "most"))
    stages = (
        Stage((Carried("top", "f32", "least", "most"),), first),
        Stage((Carried("before", "f32", "zero", "sum"),), second),
        Stage((), (), (Store(y, (i,), "sum"),)),
    )
    return Kernel("sums_of_maxima", tuple(loops[name] for name in order), stages)


def neighbours(idle: int) -> Kernel:
    """y[i] = x[i + 1] + x[5 - i], or 2 for what is not there, in banks that are no constants; idle at first."""
    item = Variable("i", 7)
    i = variable(item)
    x, y = Buffer("x", (8,), "f32", INPUT, factors=(2,)), Buffer("y", (7 - idle,), "f32", OUTPUT, factors=(3,))
    statements = (
        Load("a", "f32", x, (i + 1,)),
        Load("b", "f32", x, (i * -1 + 5,), (i * -1 + 5,), 0x40000000),
        step("sum", "addf", "a", "b"),
    )
    stages = (Stage((), statements, (Store(y, (i - idle,), "sum"),)),)
    return Kernel("neighbours", (Loop(item),), stages, (i - idle,) if idle else ())


def windows() -> Kernel:
    """y[i] = c[i] + the maximum of x[i + k], and y[i + 5] that of x[i + k + 3]: what they read and store takes turns in
    banks, and is stored long after the iteration in which the maximum is known."""
    item, inner = Variable("i", 5), Variable("k", 16)
    i, k = variable(item), variable(inner)
    x, y = Buffer("x", (23,), "f32", INPUT, factors=(4,)), Buffer("y", (10,), "f32", OUTPUT, factors=(3,))
    statements = (
        Constant("least", "f32", MINUS_INFINITY),
        Load("a", "f32", x, (i + k,)),
        Load("b", "f32", x, (i + k + 3,)),
        step("most_a", "maximumf", "before_a", "a"),
        step("most_b", "maximumf", "before_b", "b"),
    )
    c = Buffer("c", (5,), "f32", INPUT)
    carried = tuple(Carried(f"before_{n}", "f32", "least", f"most_{n}") for n in "ab")
    sums = tuple(step(f"sum_{n}", "addf", "addend", f"most_{n}") for n in "ab")
    stores = tuple(Store(y, (i + offset,), f"sum_{n}") for n, offset in (("a", 0), ("b", 5)))
    stages = (Stage(carried, statements), Stage((), (Load("addend", "f32", c, (i,)), *sums), stores))
    return Kernel("windows", (Loop(item), Loop(inner, 0)), stages)


KERNELS = {
    "accesses that take turns": windows(),
    "sums, one after the other": products("ik"),
    "sums side by side": products("ki"),
    "a sum of maxima": sums_of_maxima("ijk"),
    "sums of maxima, side by side": sums_of_maxima("jik"),
    "guarded reads": neighbours(0),
    "idle iterations": neighbours(2),
}


def functions(kernel: Kernel) -> dict[str, tuple[int, Function]]:
    """The kernel's units by name."""
    found: dict[str, tuple[int, Function]] = {}
    for operation in kernel.statements():
        if isinstance(operation, Operation):
            unit, compute = unit_of(operation, LIBRARY), OPERATIONS[operation.name]

            def result(given: dict[str, int], compute: Callable[..., np.float32] = compute) -> int:
                with np.errstate(all="ignore"):  # of cycles in which no iteration started
                    numbers = np.array(list(given.values()), np.uint32).view(np.float32)
                    return int(np.float32(compute(*numbers)).view(np.uint32))

            found[unit.name] = unit.latency_cycles, result
    return found


@dataclass
class Run:
    """A component with the memories around it: `banks` are words by buffer and bank, `stored` the cycles of stores."""

    circuit: KernelComponent
    banks: dict[Buffer, np.ndarray[Any, np.dtype[np.uint32]]]
    stored: list[int] = field(default_factory=list)

    def run(self, cycles: int) -> None:
        ports = self.circuit.ports
        machine = Datapath(self.circuit.component, functions(self.circuit.kernel))
        late = {bank: [0] * bank[0].storage.read_latency_cycles for bank in ports.reads}  # words on their way
        for cycle in range(cycles):
            given = {bank_ports(*bank).data: words.pop() for bank, words in late.items()}
            outputs = machine.cycle({"go": int(cycle == 0), "clk": 0, "reset": 0, **given})
            for (buffer, bank), words in late.items():
                place = outputs[bank_ports(buffer, bank).address]
                words.insert(0, int(self.banks[buffer][bank, place]) if place < buffer.bank_elements else 0)
            for buffer, bank in ports.writes:
                names = bank_ports(buffer, bank)
                if outputs[names.write_enable]:
                    self.banks[buffer][bank, outputs[names.write_address]] = outputs[names.write_data]
                    self.stored.append(cycle)


@pytest.mark.parametrize("name", KERNELS)
def test_a_component_stores_what_its_loops_say(name: str) -> None:
    read = tuple(dict.fromkeys(load.buffer for load in KERNELS[name].loads()))
    (result,) = {store.buffer for store in KERNELS[name].stores()}
    program = affine_to_scheduled.lower(Program.of("p", read, (result,), (KERNELS[name],)), LIBRARY)
    (kernel,) = program.kernels
    inputs = [np.random.default_rng(1).integers(-9, 10, buffer.shape).astype(np.float32) for buffer in read]
    packed = zip(read, (pack(x, b.bank_factors) for x, b in zip(inputs, read, strict=True)), strict=True)
    banks = {buffer: words.view(np.uint32).reshape(buffer.banks, -1) for buffer, words in packed}
    banks[result] = np.zeros((result.banks, result.bank_elements), np.uint32)
    run = Run(KernelComponent(ModuleBuilder("k"), "k", kernel, LIBRARY, {}), banks)
    latency = kernel.plan.latency_cycles(kernel.trip_count)
    run.run(latency + 3)
    (expected,) = program_values(program, inputs)
    np.testing.assert_array_equal(unpack(banks[result].view(np.float32), result.shape, result.bank_factors), expected)
    assert len(run.stored) == result.elements, "each element is stored once"
    assert run.stored[-1] == latency - 1, "the kernel ends with its last store"
