"""`verify` on kernels: a fault of any kind, planted in what a pass returns, is found at that pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.dialects.changes import (
    added,
    carried,
    kernel_changed,
    loaded_at_run_time,
    loads,
    loops,
    operations,
    retyped,
    shifted,
    statements,
    stores,
)
from tests.dialects.planting import THREE, Fault, expect_fault
from torch2hw.dialects.loops import Constant, IndexValue, Load, Operation
from torch2hw.dialects.quasi_affine import Variable, constant, variable

FAULTS = (
    # loops and stages
    Fault(
        "loop names",
        "fuse-epilogues",
        kernel_changed(0, loops=lambda n: (n.loops[0], *n.loops)),
        "two loops are called",
    ),
    Fault("stage of a loop", "remove-dead-code", loops(lambda loop: replace(loop, reduced_by=7)), "reduced by stage 7"),
    Fault(
        "reduction without loop",
        "fold-initial-values",
        loops(lambda loop: replace(loop, reduced_by=None)),
        "over no loop",
    ),
    Fault("lanes", "choose-lanes", kernel_changed(0, lanes=0), "it has 0 lanes"),
    Fault("multiply-accumulates", "choose-lanes", kernel_changed(1, macs=-1), "it has -1 multiply-accumulates"),
    Fault("extent", "fuse-windows", loops(lambda loop: replace(loop, variable=Variable("k", -1))), "has the extent -1"),
    Fault("no stage", "fuse-epilogues", kernel_changed(0, stages=()), "it has no stage"),
    Fault(
        "rounds and reduction",
        "interleave-reductions",
        loops(lambda loop: replace(loop, in_rounds=True)),
        "counts rounds and is reduced by stage 0",
    ),
    # values
    Fault("predicate of arithmetic", "check-units", operations(0, predicate="ogt"), "takes none"),
    Fault("number of operands", "check-units", operations(0, operand_types=("f32",)), "2 operands and 1 types"),
    Fault("a type that exists", "check-units", added(Constant("odd", "f33", 1)), "odd has the type f33"),
    Fault(
        "type of an index", "check-units", added(IndexValue("at", constant(1), "i64")), "is an index and has the type"
    ),
    Fault("index of a loop", "check-units", added(IndexValue("at", variable(Variable("q", 4)))), "which is no loop"),
    Fault(
        "variable of a guard",
        "fuse-windows",
        loads(0, lambda each: replace(each, guard=(variable(Variable("q", 4)),))),
        "uses q, which is no loop",
    ),
    Fault(
        "variable of the domain",
        "interleave-reductions",
        kernel_changed(0, domain=(variable(Variable("q", 4)),)),
        "domain",
    ),
    Fault(
        "names of values",
        "fuse-epilogues",
        added(Constant("twin", "f32", 0), Constant("twin", "f32", 0)),
        "twin is defined twice",
    ),
    Fault(
        "use without definition",
        "remove-dead-code",
        statements(1, lambda each: None if isinstance(each, Load) else each),
        "which is not defined before it",
    ),
    Fault("initial value", "fold-initial-values", carried(init="nowhere"), "uses nowhere, which is not defined"),
    Fault("next value", "simplify-arithmetic", carried(next="nowhere"), "uses nowhere, which is not defined"),
    Fault("type of a carried value", "simplify-arithmetic", carried(type="f64"), "as f64, which is f32"),
    Fault("types of operands", "divide-by-constants", statements(0, retyped), "as f64, which is f32"),
    Fault("types of an operation", "check-units", operations(0, type="i32"), "does not take"),
    Fault("a type of values", "check-units", added(Constant("byte", "u8", 1)), "byte has the type u8"),
    Fault(
        "predicate",
        "simplify-arithmetic",
        added(
            Constant("one", "f32", 0),
            Operation("flag", "i1", "arith.cmpf", ("one", "one"), ("f32", "f32"), "about"),
        ),
        "flag compares by about",
    ),
    Fault("iterative unit", "choose-units", operations(0, iterative=True), "has no iterative unit"),
    Fault("bits of a constant", "share-constants", added(Constant("wide", "f16", 1 << 16)), "too many for f16"),
    Fault("type of a load", "fuse-windows", loads(0, lambda each: replace(each, type="i32")), "is i32 and loads from"),
    Fault("value of a store", "name-kernels", stores(0, lambda each: replace(each, value="nowhere")), "uses nowhere"),
    Fault(
        "variable without a loop",
        "interleave-reductions",
        stores(0, lambda each: replace(each, indices=(variable(Variable("q", 4)), *each.indices[1:]))),
        "uses q, which is no loop around it",
    ),
    Fault("run-time index", "fuse-windows", loads(0, loaded_at_run_time), "uses nowhere, which is not defined"),
    Fault(
        "extent of a variable",
        "reroll-loops",
        loops(lambda loop: replace(loop, variable=replace(loop.variable, extent=loop.extent + 1))),
        "its loop to",
    ),
    Fault(
        "guard at run time",
        "fuse-windows",
        loads(0, lambda each: replace(loaded_at_run_time(each), guard=(constant(0),))),
        "at an index computed at run time has a guard",
    ),
    # accesses
    Fault(
        "rank of a store",
        "bank-memories",
        stores(0, lambda each: replace(each, indices=each.indices[1:])),
        "the store to matmul0_out has 1 indices",
    ),
    Fault("store outside", "fuse-outer-loops", stores(0, shifted), "leaves its shape [4, 5]"),
    Fault("load outside", "reroll-loops", loads(1, shifted), "leaves its shape"),
    Fault(
        "guard of a lane",
        "choose-lanes",
        stores(0, lambda each: replace(each, guard=())),
        "leaves its shape [4, 5]",
        THREE,
    ),
    Fault("rank", "bank-memories", loads(0, lambda each: replace(each, indices=each.indices[1:])), "dimensions"),
)


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.kind for fault in FAULTS])
def test_a_planted_fault_is_found_at_the_pass_that_made_it(fault: Fault, model: Path) -> None:
    expect_fault(fault, model)
