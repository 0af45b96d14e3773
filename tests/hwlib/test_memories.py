from __future__ import annotations

import random
import re
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lowering.clocked_bench import run
from torch2hw.hwlib.block_plan import MAX_PIECES, SHORTEST_WORDS, half_blocks, pieces
from torch2hw.hwlib.export import verilog
from torch2hw.hwlib.memories import LONG_DELAY, SAMPLE_WORDS, Memory, address_bits, delay, ram, rom

ADDRESS_BITS = 14
CYCLES = 3000
INPUTS = {"read_addr": ADDRESS_BITS, "read_en": 1, "write_addr": ADDRESS_BITS, "write_en": 1, "write_data": 32}


def wrapped(memory: Memory, number: int) -> tuple[str, str]:
    """SystemVerilog of the memory in a module with the ports of INPUTS, and that module's name."""
    name = f"wrapped{number}"
    uses = []
    for port in memory.inputs:
        source = "read_addr" if port.name == "addr" else port.name
        uses.append(
            f".{port.name}({source}[{port.width_bits - 1}:0])" if INPUTS[source] > 1 else f".{port.name}({source})"
        )
    ports = ", ".join(f"input [{width - 1}:0] {port}" for port, width in INPUTS.items())
    text = f"module {name}(input clk, {ports}, output [31:0] out);\n  {memory.name} storage(.clk(clk), .out(out), "
    return text + f"{', '.join(uses)});\nendmodule\n", name


def interesting(depths: list[int]) -> list[int]:
    """Addresses around the ends of memories and of their pieces."""
    ends = {end for depth in depths for end in (0, depth, *accumulate(pieces(depth, 32)))}
    return sorted({end + step for end in ends for step in (-1, 0, 1) if 0 <= end + step < 1 << ADDRESS_BITS})


@pytest.mark.quick
@pytest.mark.simulation
def test_rams_hold_what_is_written(tmp_path: Path) -> None:
    depths = [1, 3, 1024, 1025, 5472, 14400]
    memories = [(depth, bool(number % 2), ram(32, depth, bool(number % 2))) for number, depth in enumerate(depths)]
    memories += [(depth, False, ram(32, depth, cycles=2)) for depth in (1000, 5472, 14400)]
    assert [memory.latency_cycles for _, _, memory in memories] == [1] * 7 + [2, 2]
    wrappers = [wrapped(memory, number) for number, (_, _, memory) in enumerate(memories)]
    sources = verilog("".join(memory.definition() for _, _, memory in memories)) + "".join(t for t, _ in wrappers)
    rng, addresses = random.Random(1), interesting(depths)
    stimulus = [
        {
            "read_addr": rng.choice(addresses),
            "read_en": rng.getrandbits(1),
            "write_addr": rng.choice(addresses),
            "write_en": rng.getrandbits(1),
            "write_data": rng.getrandbits(32),
        }
        for _ in range(CYCLES)
    ]
    seen = run(sources, [name for _, name in wrappers], INPUTS, {"out": 32}, stimulus, tmp_path)
    for (depth, enable, memory), (_, name) in zip(memories, wrappers, strict=True):
        cells: dict[int, int] = {}
        pending: list[int | None] = [None] * memory.latency_cycles  # what is read; None: unspecified
        checked = 0
        mask = (1 << address_bits(depth)) - 1
        for cycle, values in enumerate(stimulus):
            if pending[0] is not None:
                assert seen[name][cycle]["out"] == pending[0], f"{memory.name} in cycle {cycle}"
                checked += 1
            read, write = values["read_addr"] & mask, values["write_addr"] & mask
            if values["read_en"] or not enable:
                pending = [*pending[1:], cells.get(read)]
            if values["write_en"] and write < depth:
                cells[write] = values["write_data"]
        assert checked > CYCLES // 20


@pytest.mark.quick
@pytest.mark.simulation
def test_roms_give_their_contents(tmp_path: Path) -> None:
    rng = random.Random(2)
    contents = {
        "one_word": [7],
        "three": [1, 0xFFFFFFFF, 5],
        "weights": [rng.getrandbits(32) for _ in range(3072 + 512)],
        "mask": [0xFF800000 * rng.getrandbits(1) for _ in range(5000)],
        "columns": [0x10001 * rng.getrandbits(3) + 0x80 for _ in range(600)],
        "constant": [9] * 2000,
    }
    memories = [(words, rom(name, 32, words)) for name, words in contents.items()]
    memories += [(words, rom(f"late_{name}", 32, words, cycles=3)) for name, words in contents.items()]
    assert {memory.name for _, memory in memories if memory.latency_cycles == 2} == {"late_weights"}
    wrappers = [wrapped(memory, number) for number, (_, memory) in enumerate(memories)]
    table = {name: held for _, memory in memories for name, held in memory.contents.items()}
    sources = verilog("".join(memory.definition() for _, memory in memories), table)
    sources += "".join(t for t, _ in wrappers)
    addresses = [*interesting([len(words) for words in contents.values()]), *rng.sample(range(5000), 200)]
    stimulus = [dict.fromkeys(INPUTS, 0) | {"read_addr": address} for address in [*addresses, 0, 0]]
    seen = run(sources, [name for _, name in wrappers], INPUTS, {"out": 32}, stimulus, tmp_path)
    for (words, memory), (_, name) in zip(memories, wrappers, strict=True):
        for cycle, address in enumerate(addresses):
            place = address & ((1 << address_bits(len(words))) - 1)
            if place < len(words):
                assert seen[name][cycle + memory.latency_cycles]["out"] == words[place], f"{memory.name} at {place}"


@given(
    st.integers(1, 64).flatmap(
        lambda width: st.tuples(
            st.just(width),
            st.lists(st.integers(0, (1 << width) - 1), min_size=1, max_size=3),
            st.permutations(range(width)),
        )
    )
)
def test_what_is_stored_gives_every_word(case: tuple[int, list[int], list[int]]) -> None:
    """Words of 512 and more, in which columns of bits repeat: spread out again they are the words."""
    width, values, order = case
    words = [values[k % len(values)] | (values[k % len(values)] >> order[0]) for k in range(SHORTEST_WORDS)]
    memory = rom("weights", width, words)
    (held,) = memory.contents.values()
    spread = re.search(r"%spread = comb\.concat (.*) : ", memory.definition())
    places = list(reversed(spread[1].split(", "))) if spread else [f"%column{k}" for k in range(width)]
    bits = {"%low": 0 * held.words, "%high": 0 * held.words + 1}
    bits |= {f"%column{k}": held.words >> k & 1 for k in range(held.width_bits)}
    found = sum(bits[place].astype(object) << bit for bit, place in enumerate(places))
    assert list(found) == words
    assert len(set(places) - {"%low", "%high"}) == (held.width_bits if spread else width)


def test_repeated_columns_are_stored_once() -> None:
    assert "uarray<16384xi1>" in rom("mask", 32, [0xFF800000 * (k % 3 == 0) for k in range(10000)]).definition()
    assert "uarray<300xi32>" in rom("small", 32, [0xFF800000 * (k % 3 == 0) for k in range(300)]).definition()


def test_columns_that_part_late_are_both_stored() -> None:
    """Bits 0 and 4 are equal but in the last word, bits 1 and 3 in all of them."""
    words = [(k & 1) * 0b10001 | (k >> 1 & 1) * 0b01010 for k in range(2 * SAMPLE_WORDS)]
    memory = rom("late", 5, [*words, 1])
    assert {held.width_bits for held in memory.contents.values()} == {3}
    stored = np.concatenate([held.words for held in memory.contents.values()])
    assert list(stored[-3:]) == [0b010, 0b111, 0b001]


@given(st.integers(1, 200_000), st.integers(1, 80))
def test_pieces_are_aligned_powers_of_two_that_hold_everything(depth: int, width_bits: int) -> None:
    sizes = pieces(depth, width_bits)
    assert 1 <= len(sizes) <= MAX_PIECES
    assert list(sizes) == sorted(sizes, reverse=True)
    assert depth <= sum(sizes) <= 1 << max(9, address_bits(depth)) or sizes == (depth,)
    for start, size in zip(accumulate(sizes, initial=0), sizes, strict=False):
        assert sizes == (depth,) or (size.bit_count() == 1 and start % size == 0)


@pytest.mark.parametrize(
    ("depth", "sizes", "bram36"),
    [
        (1000, (1000,), 1),
        (4096, (4096,), 4),
        (3072, (2048, 1024), 3),
        (4200, (4096, 512), 4.5),
        (5472, (4096, 1024, 512), 5.5),
        (14400, (8192, 4096, 2048, 512), 14.5),
    ],
)
def test_plans_of_32_bit_memories(depth: int, sizes: tuple[int, ...], bram36: float) -> None:
    assert pieces(depth, 32) == sizes
    assert sum(half_blocks(size, 32) for size in sizes) / 2 == bram36


@pytest.mark.quick
@pytest.mark.simulation
def test_delays_are_as_long_as_they_say(tmp_path: Path) -> None:
    lines = [delay(width, depth) for width in (1, 5) for depth in (1, LONG_DELAY - 1, LONG_DELAY, 2 * LONG_DELAY)]
    cells = "".join(
        f"  {line.name} line{number}(.clk(clk), .in(in[{line.output.width_bits - 1}:0]), .out(out{number}));\n"
        for number, line in enumerate(lines)
    )
    outs = {f"out{number}": line.output.width_bits for number, line in enumerate(lines)}
    ports = ", ".join(
        ["input clk", "input [4:0] in", *(f"output [{width - 1}:0] {name}" for name, width in outs.items())]
    )
    text = verilog("".join(line.definition() for line in lines)) + f"module top({ports});\n{cells}endmodule\n"
    rng = random.Random(1)
    stimulus = [{"in": rng.getrandbits(5)} for _ in range(6 * LONG_DELAY)]
    assert re.search(r"reg \[32:0\] stages;", text) and re.search(r"reg \[164:0\] stages;", text)
    seen = run(text, ["top"], {"in": 5}, outs, stimulus, tmp_path)["top"]
    for number, line in enumerate(lines):
        for cycle in range(line.latency_cycles, len(stimulus)):
            sent = stimulus[cycle - line.latency_cycles]["in"] % (1 << line.output.width_bits)
            assert seen[cycle][f"out{number}"] == sent, (line.name, cycle)
