"""What is known of lanes without writing them out is what the kernel that has them shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tests.passes.compiled import LIBRARY
from torch2hw.analysis.bank_assignment import own_factors
from torch2hw.analysis.bank_groups import choices, conflicts
from torch2hw.analysis.banks import accesses_of
from torch2hw.analysis.kernel_likeness import likeness
from torch2hw.analysis.lane_outline import outline
from torch2hw.analysis.reduction_order import recurrence_latency
from torch2hw.dialects.loops import Buffer, Carried, Constant, Kernel, Load, Loop, Operation, Stage, Store
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.dialects.storage import INPUT, OUTPUT, ROM
from torch2hw.passes.lane_choices import all_choices
from torch2hw.passes.unroll_lanes import unroll

FLOATS = ("f32", "f32")
LIMIT = 12


def convolution(flat: bool = False, table: str = "table") -> Kernel:
    """Rows of a padded convolution of 3, pooled in pairs, times a constant of each channel at an index that is read."""
    names = {"c": 3, "i": 4, "p": 2, "k": 3, "d": 2}
    c, i, p, k, d = (Variable(name, size) for name, size in names.items())
    x = Buffer("x", (2, 8), "f32", INPUT)
    weights = Buffer("w", (3, 2, 3), "f32", ROM, np.arange(18, dtype=np.uint32).reshape(3, 2, 3))
    scales = Buffer("s", (3,), "f32", INPUT)
    order = Buffer(table, (3,), "i64", INPUT)
    out = Buffer("out", (3, 4), "f32", OUTPUT)
    place = variable(i) * 2 + variable(p) + variable(k) - 1
    guard = (place, place * -1 + 7)
    found = (place + 7).remainder(8) if flat else place
    first = Stage(
        (Carried("acc", "f32", "zero", "next"),),
        (
            Constant("zero", "f32", 0),
            Load("a", "f32", x, (variable(d), found), guard),
            Load("b", "f32", weights, (variable(c), variable(d), variable(k))),
            Operation("product", "f32", "arith.mulf", ("a", "b"), FLOATS),
            Operation("next", "f32", "arith.addf", ("acc", "product"), FLOATS),
        ),
    )
    low = Constant("low", "f32", 0)
    second = Stage(
        (Carried("most", "f32", "low", "more"),),
        (low, Operation("more", "f32", "arith.maximumf", ("most", "next"), FLOATS)),
    )
    chosen = Variable("row", 3)
    third = Stage(
        (),
        (
            Load("row", "index", order, (variable(c),)),
            Load("scale", "f32", scales, (Index(((chosen, 1),), 0),)),
            Operation("scaled", "f32", "arith.mulf", ("more", "scale"), FLOATS),
            Constant("one", "f32", 0x3F800000),
            Operation("is", "i1", "arith.cmpf", ("scaled", "one"), FLOATS, "ogt"),
            Operation("clipped", "f32", "arith.select", ("is", "one", "scaled"), ("i1", *FLOATS)),
        ),
        (Store(out, (variable(c), variable(i)), "clipped"),),
    )
    loops = (Loop(c), Loop(i), Loop(p, 1), Loop(d, 0), Loop(k, 0))
    return Kernel("conv", loops, (first, second, third), macs=3 * 4 * 2 * 6)


def all_lanes() -> Iterator[tuple[Kernel, dict[Variable, int]]]:
    """Every choice of lanes, of a convolution over indices with a division too."""
    for flat in (False, True):
        kernel = convolution(flat)
        for lanes in all_choices(kernel, LIMIT):
            yield kernel, lanes


def test_units_of_lanes_are_those_of_their_arms() -> None:
    seen = 0
    for kernel, lanes in all_lanes():
        arms, found = unroll(kernel, lanes), outline(kernel, lanes)
        units = Counter[Any]()
        for operation, copies in found.units:
            units[replace(operation, result="", operands=())] += copies
        assert units == Counter(
            replace(s, result="", operands=()) for s in arms.statements() if isinstance(s, Operation)
        )
        compared = [s for s in arms.statements() if isinstance(s, Operation) and s.name == "arith.cmpf"]
        assert found.simple["is"] == len(compared)
        assert [loop.extent for loop in found.kernel.loops] == [loop.extent for loop in arms.loops]
        assert [len(stage.carried) for stage in found.kernel.stages] == [len(stage.carried) for stage in arms.stages]
        assert found.kernel.lanes == arms.lanes
        assert len(found.tables) == sum(load.buffer.storage.in_kernel for load in arms.loads())
        assert recurrence_latency(kernel, LIBRARY) == recurrence_latency(arms, LIBRARY)
        seen += 1
    assert seen > 90


def test_banks_of_lanes_are_those_of_their_arms() -> None:
    for kernel, lanes in all_lanes():
        arms, found = unroll(kernel, lanes), outline(kernel, lanes)
        accesses = accesses_of(arms)
        assert found.buffers == [access.buffer for access in accesses]
        assert dict(zip(found.buffers, found.own_factors(LIMIT), strict=True)) == own_factors(arms, LIMIT)
        for access, groups in zip(accesses, found.groups, strict=True):
            for factor in (1, 2, 3):
                factors = (factor,) * len(access.buffer.shape)
                for group, indices in zip(groups, (access.reads, access.writes), strict=True):
                    assert group.conflicts(factors) == conflicts(indices, factors)
                    assert group.choices(factors) == Counter(choices(each, factors) for each in indices)


def test_kernels_are_alike_whatever_their_names() -> None:
    assert likeness(convolution()) == likeness(convolution(table="other"))
    assert likeness(convolution()) != likeness(convolution(flat=True))
