"""The layout of tensors in beats: the walk visits every element once, in its bank, at its offset."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from torch2hw.dialects.interface import DATA_BITS
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.storage import INPUT, OUTPUT
from torch2hw.dialects.stream_interface import StreamInterface
from torch2hw.dialects.stream_layout import StreamLayout, interval_cycles

DIMENSIONS = st.lists(st.tuples(st.integers(1, 7), st.integers(1, 8)), max_size=3)


def layout_of(dimensions: list[tuple[int, int]], dtype: str, data_bits: int) -> StreamLayout:
    """Factors are at most the dimension, as bank-memories makes them."""
    shape = tuple(size for size, _ in dimensions)
    factors = tuple(min(size, factor) for size, factor in dimensions)
    return StreamLayout(Buffer("x", shape, dtype, INPUT, factors=factors), data_bits)


def places(buffer: Buffer) -> tuple[list[int], list[int]]:
    """Bank and offset of every element by the contract's formula."""
    bank, offset = np.zeros(buffer.shape, int), np.zeros(buffer.shape, int)
    for index, size, factor in zip(np.indices(buffer.shape), buffer.shape, buffer.bank_factors, strict=True):
        bank = bank * factor + index % factor
        offset = offset * -(-size // factor) + index // factor
    return bank.reshape(-1).tolist(), offset.reshape(-1).tolist()


@settings(max_examples=80, deadline=None)
@given(DIMENSIONS, st.sampled_from(["f32", "i8", "i64", "i1", "bf16", "i22"]), st.sampled_from(DATA_BITS))
def test_the_walk_meets_every_element_in_its_bank(
    dimensions: list[tuple[int, int]], dtype: str, data_bits: int
) -> None:
    layout = layout_of(dimensions, dtype, data_bits)
    buffer, steps, lanes = layout.buffer, layout.steps, layout.lanes
    banks, offsets = places(buffer)
    assert layout.elements_per_beat % lanes == 0 and layout.groups >= layout.beats // layout.beats_per_element
    by_turn: dict[tuple[int, ...], dict[int, tuple[int, int]]] = {}
    for place in layout.places():
        by_turn.setdefault(place.turn, {})[place.lane] = place.bank, place.row
    index, offset = [0] * len(steps), 0
    for group in range(layout.groups):
        turn = tuple(at % step.factor for at, step in zip(index, steps, strict=True) if step.factor > 1)
        by_lane = by_turn[turn]
        assert sorted(by_lane) == list(range(lanes))
        for lane, element in enumerate(range(group * lanes, min((group + 1) * lanes, buffer.elements))):
            bank, row = by_lane[lane]
            assert (bank, offset + row) == (banks[element], offsets[element])
        assert all(offset + row < buffer.bank_elements for _, row in by_lane.values()), "of lanes past the end, too"
        at_end = [at % step.factor == (step.count - 1) % step.factor for at, step in zip(index, steps, strict=True)]
        assert (all(at_end) and offset == buffer.bank_elements - 1 - layout.lag) == (group == layout.groups - 1)
        for place in reversed(range(len(steps))):  # as stream_walk counts
            if place and index[place] == steps[place].count - 1:
                index[place] = 0
                continue
            goes_on = steps[place].advances[index[place] % steps[place].factor]
            offset += (1 if goes_on else 1 - steps[place].stride) + (layout.lag if place + 1 < len(steps) else 0)
            index[place] += 1
            break


def test_as_many_elements_move_as_lie_in_different_banks() -> None:
    for dimensions, bits, lanes in [
        ([(64, 4), (64, 1)], 512, 1),
        ([(64, 1), (64, 4)], 512, 4),
        ([(64, 1), (64, 4)], 64, 2),
        ([(64, 4), (4, 4)], 512, 16),
        ([(1, 1), (10, 4)], 128, 4),  # the last group is not whole
        ([(5, 1), (10, 4)], 128, 2),  # four would cross rows
        ([(5, 1), (10, 4)], 32, 1),
        ([(64, 3), (12, 3)], 512, 2),  # a power of two, from row to row of three banks
        ([(4, 1), (12, 6)], 512, 4),
        ([(4, 1), (9, 3)], 512, 1),  # rows of an odd length
    ]:
        assert layout_of(dimensions, "f32", bits).lanes == lanes, (dimensions, bits)


def test_bytes_and_beats() -> None:
    layout = layout_of([(3, 1), (3, 1)], "bf16", 64)
    assert (layout.element_bits, layout.bytes, layout.beats, layout.last_bytes) == (16, 18, 3, 2)
    wide = layout_of([(5, 1)], "i64", 32)
    assert (wide.beats, wide.beats_per_element, wide.cycles, wide.last_bytes) == (10, 2, 10, 4)
    assert layout_of([(9, 1)], "i1", 32).bytes == 9
    assert interval_cycles(3, [layout, wide]) == 10
    assert interval_cycles(30, [layout, wide]) == 31


def test_ports_and_entries() -> None:
    axis = StreamInterface(64)
    ports = {port.name: port for port in axis.tensor_ports(Buffer("x", (3,), "f32", INPUT))}
    inputs = {name for name, port in ports.items() if port.is_input}
    assert inputs == {f"s_axis_x_{signal}" for signal in ("tdata", "tkeep", "tlast", "tvalid")}
    assert ports["s_axis_x_tdata"].width_bits == 64 and ports["s_axis_x_tkeep"].width_bits == 8
    assert ports["s_axis_x_dropped"].width_bits == 32
    output = Buffer("y", (3,), "f32", OUTPUT)
    assert [port.name for port in axis.tensor_ports(output) if port.is_input] == ["m_axis_y_tready"]
    stream = {"prefix": "m_axis_y", "beats": 2, "element_bits": 32, "dropped_port": None}
    assert axis.tensor_entries(output) == {"stream": stream}
