"""Lanes of a reduction, where later stages use more than its result; lanes beside the data."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from tests.passes.loop_values import program_values
from torch2hw.analysis.partial_sums import split_reduction
from torch2hw.dialects.loop_parser import parse_loop_text
from torch2hw.dialects.loops import Buffer, Carried, Constant, Kernel, Load, Loop, Operation, Stage, Store
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.dialects.storage import INPUT, OUTPUT
from torch2hw.passes.unroll_lanes import reducible, unroll

ROW, TERM = Variable("i", 3), Variable("k", 6)
X, BIAS = Buffer("x", (3, 6), "f32", INPUT), Buffer("b", (3,), "f32", INPUT)
Y = Buffer("y", (3,), "f32", OUTPUT)
ADD = ("f32", "f32")


def kernel(extra: tuple[Operation, ...], carried: tuple[Carried, ...], value: str) -> Kernel:
    first = (
        Load("bias", "f32", BIAS, (variable(ROW),)),
        Load("term", "f32", X, (variable(ROW), variable(TERM))),
        Operation("next", "f32", "arith.addf", ("acc", "term"), ADD),
        *extra,
    )
    last = Operation("scaled", "f32", "arith.mulf", ("next", value), ADD)
    stages = (
        Stage((Carried("acc", "f32", "bias", "next"), *carried), first),
        Stage((), (last,), (Store(Y, (variable(ROW),), "scaled"),)),
    )
    return Kernel("n", (Loop(ROW), Loop(TERM, 0)), stages)


def results(one: Kernel) -> np.ndarray:  # type: ignore[type-arg]
    inputs = [np.arange(18, dtype=np.float32).reshape(3, 6), np.array([1, 2, 3], np.float32)]
    return program_values(Program.of("p", (X, BIAS), (Y,), (one,)), inputs)[0]


def test_a_later_stage_uses_the_initial_value_and_the_last_term() -> None:
    for value in ("bias", "term"):
        plain = kernel((), (), value)
        assert reducible(plain)
        for lanes in ({TERM: 2}, {TERM: 3}, {TERM: 6}, {ROW: 2, TERM: 3}):
            np.testing.assert_array_equal(results(unroll(plain, lanes)), results(plain), f"{value} {lanes}")


def test_a_running_sum_that_something_else_uses_stays_in_one_lane() -> None:
    zero = Constant("zero", "f32", 0)
    highest = Operation("high_next", "f32", "arith.maximumf", ("high", "next"), ADD)
    plain = kernel((zero, highest), (Carried("high", "f32", "zero", "high_next"),), "high_next")  # type: ignore[arg-type]
    assert not reducible(plain)


def test_a_lane_in_the_padding_reads_nothing() -> None:
    """x[i - 1] for i >= 1, else 2.0, on a lane for each i: the first is a constant, the others need no guard."""
    x, y = Buffer("x", (3,), "f32", INPUT), Buffer("y", (4,), "f32", OUTPUT)
    i = Variable("i", 4)
    before = variable(i) - 1
    load = Load("a", "f32", x, (before,), (before,), otherwise_bits=0x40000000)
    one = Kernel("n", (Loop(i),), (Stage((), (load,), (Store(y, (variable(i),), "a"),)),))
    statements = list(unroll(one, {i: 4}).statements())
    assert [s.bits for s in statements if isinstance(s, Constant)] == [0x40000000]
    loads = [s for s in statements if isinstance(s, Load)]
    assert [(s.indices[0].constant, s.guard) for s in loads] == [(0, ()), (1, ()), (2, ())]


def test_lanes_of_a_reduction_that_stores_its_terms() -> None:
    """Every lane stores its term; a running sum that is stored keeps the reduction in one lane."""
    terms = Buffer("t", (3, 6), "f32", OUTPUT)
    plain = kernel((), (), "bias")

    def storing(value: str) -> Kernel:
        store = Store(terms, (variable(ROW), variable(TERM)), value)
        return replace(plain, stages=(replace(plain.stages[0], stores=(store,)), plain.stages[1]))

    one = storing("term")
    assert reducible(one) and not reducible(storing("next"))
    inputs = [np.arange(18, dtype=np.float32).reshape(3, 6), np.array([1, 2, 3], np.float32)]
    for lanes in ({TERM: 2}, {ROW: 2, TERM: 3}, {ROW: 3, TERM: 6}):
        unrolled = unroll(one, lanes)
        assert len(unrolled.stages[0].stores) == unrolled.lanes
        given = program_values(Program.of("p", (X, BIAS), (Y, terms), (unrolled,)), inputs)
        for got, wanted in zip(given, (results(plain), inputs[0]), strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_partial_sums_of_a_reduction_that_stores_its_terms() -> None:
    long = Variable("k", 24)
    terms = Buffer("t", (1, 24), "f32", OUTPUT)
    store = Store(terms, (Index((), 0), variable(long)), "term")
    x = Buffer("x", (1, 24), "f32", INPUT)
    first = (
        Constant("zero", "f32", 0),
        Load("term", "f32", x, (Index((), 0), variable(long))),
        Operation("next", "f32", "arith.addf", ("acc", "term"), ADD),
    )
    total = Buffer("s", (1,), "f32", OUTPUT)
    stages = (
        Stage((Carried("acc", "f32", "zero", "next"),), first, (store,)),
        Stage((), (), (Store(total, (Index((), 0),), "next"),)),
    )
    one = Kernel("n", (Loop(long, 0),), stages)
    parts = split_reduction(one, 4)
    assert len(parts) == 2
    values = np.arange(24, dtype=np.float32).reshape(1, 24)
    given = program_values(Program.of("p", (x,), (terms, total), parts), [values])
    np.testing.assert_array_equal(given[0], values)
    np.testing.assert_array_equal(given[1], [276])


WINDOWS = """program @top level affine {
  buffer @x: 4x7xf32 input
  buffer @w: 3x2xf32 input
  buffer @most: 3x4xf32 output
  buffer @highest: 3xf32 output
  function @top(@x, @w) -> (@most, @highest) {
    kernel @conv0(%c: 3, %p: 2, %q: 3 reduces 1, %r: 2 reduces 1, %k: 2 reduces 0) {
      stage 0 {
        %a = load @x[%p * 2 + %r, %q * 2 + %k] : f32
        %b = load @w[%c, %k] : f32
        %m = arith.mulf %a, %b : f32
        %next = arith.addf %acc, %m : f32
        %zero = constant 0x00000000 : f32
        carry %acc = %zero next %next : f32
      }
      stage 1 {
        %twice = arith.addf %next, %next : f32
        %high = arith.maximumf %top, %twice : f32
        %low = constant 0xff800000 : f32
        carry %top = %low next %high : f32
      }
      stage 2 {
        store %high to @most[%c, %p]
        store %twice to @most[%c, %p + 2]
      }
    }
    kernel @copy0(%c: 3) {
      stage 0 {
        %v = load @most[%c, 0] : f32
        store %v to @highest[%c]
      }
    }
  }
}
"""


def test_lanes_of_a_window_have_sums_of_their_own() -> None:
    """The last window's value, which a later stage stores too, stays the last one's."""
    program = parse_loop_text(WINDOWS, {}.__getitem__)
    one, copy = program.kernels
    v = {loop.variable.name: loop.variable for loop in one.loops}
    assert reducible(one, 1)
    inputs = [
        (np.arange(28) * 5 % 11 - 4).reshape(4, 7).astype(np.float32),
        np.arange(6, dtype=np.float32).reshape(3, 2),
    ]
    wanted = program_values(program, inputs)
    for q, r, k, p in itertools.product((1, 3), (1, 2), (1, 2), (1, 2)):
        unrolled = unroll(one, {v["q"]: q, v["r"]: r, v["k"]: k, v["p"]: p, v["c"]: 2})
        assert unrolled.lanes == 2 * q * r * k * p and len(unrolled.stages[0].carried) == 2 * q * r * p
        assert len(unrolled.stages[1].carried) == 2 * p
        for got, expected in zip(program_values(program.with_kernels([unrolled, copy]), inputs), wanted, strict=True):
            np.testing.assert_array_equal(got, expected)
