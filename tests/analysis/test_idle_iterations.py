"""Outputs that are fewer than the latency of their sum: idle iterations instead of a larger II."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
import pytest

from tests.passes.loop_values import program_values
from torch2hw.analysis.partial_sums import split_reduction
from torch2hw.analysis.reduction_order import cycles_of_step, interleave, padded_outputs
from torch2hw.dialects.loops import Buffer, Carried, Constant, Kernel, Load, Loop, Operation, Stage, Store
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Variable, variable
from torch2hw.dialects.storage import INPUT, OUTPUT

ROW, J, K = Variable("i", 2), Variable("j", 2), Variable("k", 9)
X, Y = Buffer("x", (2, 2, 9), "f32", INPUT), Buffer("y", (2, 2), "f32", OUTPUT)
ADD = ("f32", "f32")
FIRST = (
    Constant("zero", "f32", 0),
    Load("term", "f32", X, (variable(ROW), variable(J), variable(K))),
    Operation("next", "f32", "arith.addf", ("acc", "term"), ADD),
)
LAST = Stage((), (), (Store(Y, (variable(ROW), variable(J)), "next"),))
SUMS = Kernel("n", (Loop(ROW), Loop(J), Loop(K, 0)), (Stage((Carried("acc", "f32", "zero", "next"),), FIRST), LAST))


@pytest.mark.parametrize(("latency", "slots"), [(4, 4), (5, 6), (6, 6), (7, 8), (8, 8), (9, 10)])
def test_the_fewest_cycles_of_a_step(latency: int, slots: int) -> None:
    assert cycles_of_step([2, 2], latency, 9) == slots
    padded = padded_outputs(SUMS, latency)
    ordered = interleave(SUMS, latency)
    assert (padded is None) == (latency in (4, 7, 8))  # an II of 1 or 2 takes as many
    inner = prod(loop.extent for loop in ordered.loops if loop.reduced_by is None)
    assert inner == (4 if padded is None else slots)


@pytest.mark.parametrize(("steps", "slots"), [(7, 8), (8, 6)])
def test_few_saved_cycles_are_not_worth_it(steps: int, slots: int) -> None:
    assert cycles_of_step([2, 2], 6, steps) == slots
    k = Variable("k", steps)
    sums = replace(SUMS, loops=(*SUMS.loops[:2], Loop(k, 0)))
    assert (padded_outputs(sums, 6) is None) == (slots == 8)


def test_idle_iterations_keep_the_sums() -> None:
    values = np.arange(36, dtype=np.float32).reshape(2, 2, 9)
    made = program_values(Program.of("p", (X,), (Y,), (interleave(SUMS, 6),)), [values])[0]
    np.testing.assert_array_equal(made, values.sum(2))


def test_a_port_that_two_reads_share_keeps_the_outputs_as_they_are() -> None:
    again = Load("again", "f32", X, (variable(J), variable(ROW), variable(K)))
    both = Operation("pair", "f32", "arith.addf", ("term", "again"), ADD)
    step = Operation("next", "f32", "arith.addf", ("acc", "pair"), ADD)
    first = replace(SUMS.stages[0], statements=(*FIRST[:2], again, both, step))
    assert padded_outputs(replace(SUMS, stages=(first, LAST)), 6) is None


def test_partial_sums_of_a_loop_of_its_own() -> None:
    """19 and 9 terms of one sum: a partial sum for each of the nine, where no part of 19 divides it."""
    h, w = Variable("h", 19), Variable("w", 9)
    x, y = Buffer("x", (19, 9), "f32", INPUT), Buffer("y", (), "f32", OUTPUT)
    first = (FIRST[0], Load("term", "f32", x, (variable(h), variable(w))), FIRST[2])
    stages = (replace(SUMS.stages[0], statements=first), Stage((), (), (Store(y, (), "next"),)))
    parts = split_reduction(Kernel("n", (Loop(h, 0), Loop(w, 0)), stages), 6)
    assert [part.trip_count for part in parts] == [171, 9]
    values = np.arange(171, dtype=np.float32).reshape(19, 9)
    assert program_values(Program.of("p", (x,), (y,), tuple(parts)), [values])[0] == values.sum()


def test_partial_sums_of_parts_of_two_loops() -> None:
    """2×19×3 terms of one sum, of which no loop has a part of six but the one of 19: the other two, whole."""
    loops = tuple(Variable(name, extent) for name, extent in (("c", 2), ("h", 19), ("w", 3)))
    x, y = Buffer("x", (2, 19, 3), "f32", INPUT), Buffer("y", (), "f32", OUTPUT)
    first = (FIRST[0], Load("term", "f32", x, tuple(map(variable, loops))), FIRST[2])
    stages = (replace(SUMS.stages[0], statements=first), Stage((), (), (Store(y, (), "next"),)))
    parts = split_reduction(Kernel("n", tuple(Loop(v, 0) for v in loops), stages), 6)
    assert [part.trip_count for part in parts] == [114, 6]
    values = np.arange(114, dtype=np.float32).reshape(2, 19, 3)
    assert program_values(Program.of("p", (x,), (y,), tuple(parts)), [values])[0] == values.sum()


def test_of_equal_costs_the_last_loop_goes_inside() -> None:
    loops = (Loop(Variable("i", 8)), Loop(Variable("j", 9)), Loop(K, 0))
    assert interleave(replace(SUMS, loops=loops), 6).loops == (loops[0], loops[2], loops[1])
