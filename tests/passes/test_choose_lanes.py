"""choose-lanes: kernels that share a buffer are chosen for each other, and what their price is made of."""

from __future__ import annotations

import itertools
from dataclasses import replace
from math import prod

from tests.passes.compiled import LIBRARY, context
from torch2hw.analysis.bank_groups import choices
from torch2hw.analysis.lane_costs import Lanes, memory, multiplexer
from torch2hw.analysis.lane_outline import outline
from torch2hw.analysis.reduction_order import interleave, recurrence_latency
from torch2hw.dialects.loops import Buffer, Carried, Constant, Kernel, Load, Loop, Operation, Stage, Store
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Variable, variable
from torch2hw.dialects.storage import INPUT, OUTPUT, RAM
from torch2hw.passes.bank_memories import BankMemories
from torch2hw.passes.choose_lanes import ChooseLanes
from torch2hw.passes.lane_choices import all_choices, candidates, elements
from torch2hw.passes.lane_search import Effort, LaneSearch
from torch2hw.passes.unroll_lanes import unroll

TYPES = ("f32", "f32")


def product(name: str, x: Buffer, y: Buffer, weights: Buffer) -> Kernel:
    """y = x · weights"""
    row, column, term = (Variable(f"i{k}", size) for k, size in enumerate((*y.shape, x.shape[1])))
    statements = (
        Constant("zero", "f32", 0),
        Load("a", "f32", x, (variable(row), variable(term))),
        Load("b", "f32", weights, (variable(term), variable(column))),
        Operation("p", "f32", "arith.mulf", ("a", "b"), TYPES),
        Operation("next", "f32", "arith.addf", ("acc", "p"), TYPES),
    )
    stages = (
        Stage((Carried("acc", "f32", "zero", "next"),), statements),
        Stage((), (), (Store(y, (variable(row), variable(column)), "next"),)),
    )
    return Kernel(name, (Loop(row), Loop(column), Loop(term, 0)), stages)


def two_products(rows: int, *widths: int) -> Program:
    x, hidden, y = (
        Buffer(name, (rows, width), "f32", storage)
        for name, width, storage in zip("xhy", widths, (INPUT, RAM, OUTPUT), strict=True)
    )
    weights = [Buffer(f"w{k}", (widths[k], widths[k + 1]), "f32", INPUT) for k in range(2)]
    kernels = (product("first", x, hidden, weights[0]), product("second", hidden, y, weights[1]))
    return Program.of("p", (x, *weights), (y,), kernels)


def exponential(name: str, x: Buffer, y: Buffer) -> Kernel:
    """y = exp(x)"""
    i = Variable("i", x.shape[0])
    statements = (Load("a", "f32", x, (variable(i),)), Operation("e", "f32", "math.exp", ("a",), ("f32",)))
    return Kernel(name, (Loop(i),), (Stage((), statements, (Store(y, (variable(i),), "e"),)),))


def two_exponentials(size: int) -> Program:
    x, hidden, y = (
        Buffer(name, (size,), "f32", storage) for name, storage in zip("xhy", (INPUT, RAM, OUTPUT), strict=True)
    )
    return Program.of("p", (x,), (y,), (exponential("first", x, hidden), exponential("second", hidden, y)))


def banks(program: Program, partition: int) -> dict[str, int]:
    chosen, _ = ChooseLanes().run(program, context(partition))
    banked, _ = BankMemories().run(chosen, context(partition))
    return {buffer.name: prod(buffer.factors) for buffer in banked.buffers()}


def test_a_layer_is_not_chosen_at_the_expense_of_the_next() -> None:
    """By itself the first is best in 25 columns, which is 25 banks that the second's rows make 125 of."""
    program = two_products(64, 64, 48, 4)
    found = banks(program, 5)
    assert found["h"] <= 25
    chosen, _ = ChooseLanes().run(program, context(5))
    assert [kernel.lanes for kernel in chosen.kernels] == [25, 20]


def test_it_is_no_dearer_than_any_single_change() -> None:
    search = LaneSearch(Effort(), two_products(6, 8, 12, 4), 9, LIBRARY)
    chosen = search.best()
    for number in range(2):
        here = search.cost((number,), chosen)
        for other in search.choices[number]:
            changed = [*chosen[:number], other.priced, *chosen[number + 1 :]]
            assert search.cost((number,), changed) >= here


def test_units_that_kernels_share_cost_once() -> None:
    search = LaneSearch(Effort(), two_exponentials(64), 16, LIBRARY)
    of_lanes = [{prod(choice.counts.values()): choice.priced for choice in choices} for choices in search.choices]
    each = LIBRARY.unit("math.exp", ("f32",), "f32", "").luts
    for first, second in itertools.product((2, 4, 8), repeat=2):
        chosen = [of_lanes[0][first], of_lanes[1][second]]
        assert search.units((0, 1), chosen) == max(first, second) * each
        assert search.units((1,), chosen) == max(0, second - first) * each


def test_a_lut_is_worth_less_time_where_the_design_takes_many() -> None:
    """Its units count, and its small memories."""
    search = LaneSearch(Effort(), two_exponentials(64), 16, LIBRARY)
    prices = []
    for count in (1, 4, 16):
        lanes = [next(c for c in choices if prod(c.counts.values()) == count).priced for choices in search.choices]
        search.reprice(lanes)
        prices.append(search.price)
        assert search.floor(lanes[0]) == lanes[0].least[0] + search.price * lanes[0].least[1]
    assert prices == sorted(prices, reverse=True) and prices[-1] < prices[0] / 1.5


def test_lower_bounds_hold_without_arms() -> None:
    """What a choice says before it is priced; with dot products, too."""
    for block in (False, True):
        search = LaneSearch(Effort(), two_products(6, 8, 12, 4), 16, LIBRARY, block)
        for choice in itertools.chain(*search.choices):
            lanes = choice.priced
            assert (choice.trips, choice.sums) == (lanes.kernel.trip_count, lanes.sums)
            assert search.floor(choice) <= search.floor(lanes)


def test_most_choices_are_never_priced() -> None:
    search = LaneSearch(Effort(), two_products(64, 64, 48, 4), 36, LIBRARY)
    search.best()
    everything = [*itertools.chain(*search.choices)]
    assert 0 < sum("priced" in vars(choice) for choice in everything) < len(everything) // 2


def test_a_bank_that_an_arm_does_not_know_costs_a_multiplexer() -> None:
    i = variable(Variable("i", 8))
    assert choices((i * 4, i), (4, 1)) == 1
    assert choices((i, i), (4, 2)) == 8
    assert multiplexer(1, 32) == 0
    assert multiplexer(4, 32) == 32
    assert multiplexer(2, 32) == 32


def test_memories_of_few_words_are_luts_and_larger_ones_blocks() -> None:
    x = Buffer("x", (64, 64), "f32", INPUT)
    assert memory(x, (1, 1)) == 4 * memory(replace(x, shape=(16, 64)), (1, 1))
    assert memory(x, (64, 4)) < memory(x, (64, 64))


def test_lanes_that_are_joined_are_deeper() -> None:
    kernel = two_products(8, 64, 16, 4).kernels[0]
    latency = recurrence_latency(kernel, LIBRARY)
    row, _, term = kernel.loops
    joined, apart = (Lanes(outline(kernel, {v: 8}), "", latency, LIBRARY) for v in (term.variable, row.variable))
    assert joined.depth - apart.depth == 3 * latency


def test_accumulators_of_many_lanes_are_dearer_than_padding_only_if_time_is_cheap() -> None:
    """13 × 10 outputs, an addition of 7 cycles: three to six more accumulators in each of 25 lanes, or 14 × 10."""
    first = two_products(64, 64, 48, 4).kernels[0]
    row, column, _ = first.loops
    kernel = unroll(first, {row.variable: 5, column.variable: 5})
    assert interleave(kernel, 7).trip_count == 13 * 10 * 64


def test_lanes_of_codes_are_small_so_time_is_worth_fewer_luts() -> None:
    program = two_products(8, 8, 8, 4)

    def of(name: str, kernel: Kernel) -> Kernel:
        first, last = kernel.stages
        statements = tuple(replace(s, name=name) if s.result == "p" else s for s in first.statements)
        return replace(kernel, stages=(replace(first, statements=statements), last), macs=kernel.trip_count)

    kinds = ("arith.mulf", "hwlib.product")
    programs = [program.with_kernels([of(name, kernel) for kernel in program.kernels]) for name in kinds]
    floats, codes = (LaneSearch(Effort(), each, 16, LIBRARY) for each in programs)
    assert codes.price > 3 * floats.price


def test_kernels_that_are_alike_share_their_prices() -> None:
    search = LaneSearch(Effort(), two_products(8, 8, 8, 8), 16, LIBRARY)
    first, second = search.choices
    assert [each.like for each in second] == first
    for mine, other in zip(first, second, strict=True):
        apart = Lanes(outline(other.kernel, other.counts), "", mine.priced.latency, LIBRARY)
        factors = dict.fromkeys(apart.buffers, (2, 1))
        assert other.priced.cost(factors) == apart.cost(factors)
        assert other.priced.needs(16) == apart.needs(16)
        assert mine.priced.buffers != other.priced.buffers == apart.buffers


def test_of_very_many_choices_those_with_the_fewest_accesses_are_among_them() -> None:
    """256 lanes of a product: 8 in each of two dimensions and 4 in the other access 128 elements."""
    kernel = two_products(64, 64, 64, 4).kernels[0]
    row, column, term = (loop.variable for loop in kernel.loops)
    wanted = {row: 8, column: 8, term: 4}
    assert elements(kernel, wanted) == 8 * 4 + 4 * 8 + 8 * 8
    assert elements(kernel, {row: 64, column: 4}) > elements(kernel, wanted)
    assert wanted not in candidates(kernel, 256, 1)
    assert wanted in candidates(kernel, 256, 1, 3)


def test_lanes_of_any_number_fit_loops_of_any_extent() -> None:
    """34² has few divisors. 13 rows, 22 columns and 4 terms leave 5 · 3 · 16 iterations of a product of 64³."""
    kernel = two_products(64, 64, 64, 4).kernels[0]
    row, column, term = (loop.variable for loop in kernel.loops)
    found = candidates(kernel, 34 * 34, 1, 8)
    trips: dict[int, int] = {}
    for lanes in found:
        few = prod(-(-v.extent // lanes[v]) for v in (row, column, term))
        trips[prod(lanes.values())] = min(few, trips.get(prod(lanes.values()), few))
    assert trips[13 * 22 * 4] == min(trips.values()) == 5 * 3 * 16
    assert [trips[lanes] for lanes in sorted(trips)] == sorted(trips.values(), reverse=True)
    counts = {lanes[row] for lanes in all_choices(kernel, 34 * 34, finely=True)}
    assert sorted(counts) == [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 16, 22, 32, 64]
