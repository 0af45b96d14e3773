"""What a manifest says of a design's outputs and lanes."""

from __future__ import annotations

from torch2hw.dialects.loops import Buffer, Constant, Kernel, Load, Loop, Operation, Stage, Store
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Variable, variable
from torch2hw.dialects.storage import INPUT, OUTPUT
from torch2hw.hwlib import Library
from torch2hw.lowering.manifest import mac_lanes, manifest
from torch2hw.lowering.static import affine_to_scheduled, scheduled_to_calyx


def scaled(x: Buffer, result: Buffer, macs: int, lanes: int) -> Kernel:
    """result = 3 · x; what it says of itself is free."""
    (size,) = x.shape
    i = Variable("i", size)
    types = ("f32", "f32")
    statements = (
        Load("a", "f32", x, (variable(i),)),
        Constant("three", "f32", 0x40400000),
        Operation("product", "f32", "arith.mulf", ("a", "three"), types),
    )
    stage = Stage((), statements, (Store(result, (variable(i),), "product"),))
    return Kernel(f"{result.name}_kernel", (Loop(i),), (stage,), macs=macs, lanes=lanes)


def test_outputs_in_order_and_lanes_that_multiply_and_accumulate() -> None:
    x, first, second = (
        Buffer("x", (3,), "f32", INPUT),
        Buffer("b", (3,), "f32", OUTPUT),
        Buffer("a", (3,), "f32", OUTPUT),
    )
    kernels = (scaled(x, first, 3, 2), scaled(x, second, 0, 5))
    library = Library()
    program = affine_to_scheduled.lower(Program.of("p", (x,), (first, second), kernels), library)
    design = scheduled_to_calyx.lower(program, library)
    made = manifest(design, "test", ["p.sv"], [])
    assert [entry["name"] for entry in made["inputs"] + made["outputs"]] == ["x", "b", "a"]
    assert made["mac_lanes"] == mac_lanes(design) == 2, "a kernel that only multiplies has none"
    assert made["macs"] == 3
