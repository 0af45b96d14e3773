"""Buffers share a memory only where neither is needed while the other is."""

from __future__ import annotations

import pytest

from tests.passes.test_fuse_outer_loops import buffer, mapped
from torch2hw.analysis.lifetimes import shared
from torch2hw.dialects.program import Program, Rounds
from torch2hw.dialects.storage import INPUT, OUTPUT

X, Y = buffer("x", 4, 4, INPUT), buffer("y", 4, 4, OUTPUT)
A, B, C, D = (buffer(name, 4, 4) for name in "abcd")


@pytest.mark.parametrize(("transposed", "found"), [(False, {B: A}), (True, {})])
def test_a_result_in_the_place_of_its_operand(transposed: bool, found: object) -> None:
    """Element by element it may be; not where an element is read after another one took its place."""
    kernels = (mapped("n0", X, A), mapped("n1", A, B, transposed=transposed), mapped("n2", B, Y))
    assert shared(Program.of("p", (X,), (Y,), kernels)) == found


def test_what_is_not_needed_any_more() -> None:
    kernels = (mapped("n0", X, A), mapped("n1", A, B, transposed=True), mapped("n2", B, C, transposed=True))
    program = Program.of("p", (X,), (Y,), (*kernels, mapped("n3", C, Y)))
    assert shared(program) == {C: A}


def test_what_every_round_reads_stays() -> None:
    body = (
        mapped("n1", A, B, transposed=True),
        mapped("n2", B, C, transposed=True),
        mapped("n3", C, D, transposed=True),
    )
    sequence = (mapped("n0", X, A), Rounds(2, body), mapped("n4", D, Y))
    program = Program.of("p", (X,), (Y,), ()).with_sequence(sequence)
    assert A not in shared(program).values() and D not in shared(program)
