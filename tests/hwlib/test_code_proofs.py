"""Units of codes are proved for all operands: rounding, the digits of an iteration, the fields of a pair; and pipelines
of short operands. Every product of codes is in test_requantise, every pair of them in test_paired_dot."""

from __future__ import annotations

import pytest

from torch2hw.hwlib import Library
from torch2hw.hwlib.bits import Bits, Graph, cat, mux
from torch2hw.hwlib.emit_comb import emit
from torch2hw.hwlib.equivalence import never
from torch2hw.hwlib.paired_dot import FIELD, RESULT_BITS, corrected
from torch2hw.hwlib.pipeliner import pipeline
from torch2hw.hwlib.prove import alike
from torch2hw.hwlib.requantise import Requantisation, rounded

LEVEL_BITS = 10
CLOCK_NS = 3.33


def is_always(claim: Bits, inputs: list[Bits]) -> bool:
    """Whether a bit is proved to be 1, whatever the inputs."""
    wires = pipeline(~claim, CLOCK_NS, Library().delays, depth=0)
    return never(emit("claim", inputs, wires), "claim") == [True]


def sum_of(bits: int, *terms: Bits) -> Bits:
    """Of signed numbers, in so many bits."""
    total = terms[0].sext(bits)
    for term in terms[1:]:
        total = total + term.sext(bits)
    return total


@pytest.mark.slow
@pytest.mark.parametrize(("width", "shift"), [(45, 25), (26, 40), (20, 1)])
def test_requantisation_rounds_to_nearest_even_and_saturates(width: int, shift: int) -> None:
    """⌊(x + half - 1 + (the quotient's lowest bit)) / 2^shift⌋ is another definition of it, which has one addition."""
    g = Graph()
    exact = g.input("exact", width)
    zero, low, high = levels = [g.input(name, LEVEL_BITS) for name in ("zero", "low", "high")]
    wide = max(width, shift + 2) + 2
    odd = exact.sext(wide).bit(shift)
    nearest = (exact.sext(wide) + ((1 << (shift - 1)) - 1) + odd.zext(wide)).drop(shift)
    steps = sum_of(max(nearest.width, LEVEL_BITS) + 2, nearest, zero)
    bounds = [level.sext(steps.width) for level in (low, high)]
    expected = mux(steps.slt(bounds[0]), bounds[0], mux(bounds[1].slt(steps), bounds[1], steps))
    right = rounded(exact, zero, low, high, shift, 8).eq(expected.bits(0, 8))
    assert is_always(right | high.slt(low), [exact, *levels])


@pytest.mark.slow
@pytest.mark.parametrize("plant", [False, True])
def test_a_digit_of_an_iteration_adds_its_multiple(plant: bool) -> None:
    """Of a sum no larger than the largest total, which it then still is: so it holds for all digits. A planted fault,
    sums twice as large, is not proved."""
    unit, g = Requantisation(27, 18, LEVEL_BITS, 25, 8), Graph()
    state = {name: g.input(name, width) for name, width in unit.widths().items()}
    after = unit.step(state)
    total, before, rest = state["total"], state["sum"], state["rest"]
    wide, bound = before.width + 3, 1 << (unit.total_bits - 1 + plant)

    def in_bounds(value: Bits) -> Bits:
        value = value.sext(wide)
        return ~(g.const(bound, wide).slt(value) | value.slt(g.const(-bound, wide)))

    nothing, twice = g.const(0, wide), cat(total, g.const(0, 1)).sext(wide)
    ones = [mux(rest.bit(place), total.sext(wide), nothing) for place in (0, 1)]
    expected = sum_of(wide, before, *ones) - mux(rest.bit(2), twice, nothing)
    settled = after["rest"].top(2)
    right = cat(after["sum"], settled).sext(wide).eq(expected) & in_bounds(after["sum"])
    kept = after["rest"].bits(0, rest.width - 2).eq(rest.drop(2))
    claim = (right | ~in_bounds(before)) & kept
    assert is_always(claim, list(state.values())) is not plant


def test_the_fields_of_a_pair_are_separated() -> None:
    """Whatever the two sums are: additions before that are exact modulo 2^(2·FIELD)."""
    g = Graph()
    high, low = g.input("high", FIELD), g.input("low", FIELD)
    total = cat(high, g.const(0, FIELD)) + low.sext(RESULT_BITS)
    assert is_always(corrected(total).eq(cat(high, low)), [high, low])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("operation", "operands", "result", "predicate"),
    [
        ("hwlib.product", ("i8", "i8"), "i16", None),
        ("hwlib.paired_dot", ("i4",) * 6, "i36", None),
        ("hwlib.requantise", ("i6", "i18", "i10", "i10", "i10"), "i8", "25"),
    ],
)
def test_pipelines_are_the_expression(
    operation: str, operands: tuple[str, ...], result: str, predicate: str | None
) -> None:
    library = Library()
    unit, staged = (library.unit(operation, operands, result, predicate, depth) for depth in (0, None))
    assert alike(unit, [(staged.latency_cycles, staged)]) == [True]
