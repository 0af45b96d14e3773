"""A design with streams: values, order and rate under stalls, packets that are dropped, and resets anywhere.

A watchdog ends every wait. TRANSACTIONS is how many random ones there are.
"""

import os
import random
from itertools import pairwise
from pathlib import Path

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from host_interface import canonical, load_json
from stream_interface import PERIOD_NS, Streams

HERE = Path(__file__).resolve().parent
MANIFEST = load_json(HERE / "rtl" / "design.json")
VECTORS = load_json(HERE / "vectors" / "top.json")
TRANSACTIONS = int(os.environ.get("TRANSACTIONS", "60"))
INPUTS, OUTPUTS = ([tensor["name"] for tensor in MANIFEST[side]] for side in ("inputs", "outputs"))
LATENCY, INTERVAL = MANIFEST["latency_cycles"], MANIFEST["interval_cycles"]
WATCHDOG = 60 * INTERVAL + 4 * LATENCY + 2000


def words(vector, side):
    """The bit patterns of a vector's inputs or outputs by name."""
    return {name: [int(word, 16) for word in found] for name, found in vector[side].items()}


async def started(dut, share=0.0):
    """The streams, after a reset."""
    streams = Streams(dut, MANIFEST)
    await streams.start()
    streams.stall(share)
    return streams


async def check(streams, vector, within=WATCHDOG):
    """Receives all outputs of a run and compares them, NaNs canonical."""
    for name, expected in words(vector, "outputs").items():
        found = await streams.receive(name, within)
        dtype = streams.tensors[name]["dtype"]
        pairs = zip(found, expected, strict=True)
        wrong = [(k, a, b) for k, (a, b) in enumerate(pairs) if canonical(a, dtype) != canonical(b, dtype)]
        assert not wrong, f"{name}, element {wrong[0][0]}: {wrong[0][1]:#x}, expected {wrong[0][2]:#x}"


async def feed(streams, vectors):
    """Offers packets as they are wanted, so that no source has more than a few waiting."""
    for vector in vectors:
        streams.offer_all(words(vector, "inputs"))
        while INPUTS and max(source.count() for source in streams.sources.values()) > 2:
            await RisingEdge(streams.clock)


@cocotb.test()
async def random_transactions(dut):
    """Random stalls on every stream; with few stalls and with many: bit-exact, in order, none lost or doubled."""
    streams = await started(dut)
    vectors = random.choices(VECTORS, k=TRANSACTIONS)
    feeding = cocotb.start_soon(feed(streams, vectors))
    for number, vector in enumerate(vectors):
        if number % 7 == 0:
            streams.stall(random.choice([0.0, 0.2, 0.6, 0.9]))
        await check(streams, vector)
    if INPUTS:
        await feeding
        streams.stall(0.0)
        await ClockCycles(streams.clock, min(WATCHDOG, 2 * LATENCY + INTERVAL + 100))
        assert all(sink.empty() for sink in streams.sinks.values()), "there are more results than inputs"
        assert not any(streams.dropped(name) for name in INPUTS)


@cocotb.test()
async def back_to_back(dut):
    """Nobody waits: from tlast to tlast of every output there are interval_cycles."""
    streams = await started(dut)
    vectors = [VECTORS[k % len(VECTORS)] for k in range(8)]
    cocotb.start_soon(feed(streams, vectors))
    for vector in vectors:
        await check(streams, vector)
    for name in OUTPUTS:
        ends = streams.last_beats[name][:8]
        found = [after - before for before, after in pairwise(ends[3:])]
        assert found and set(found) == {INTERVAL}, f"{name}: {found} cycles, interval_cycles is {INTERVAL}"


@cocotb.test()
async def valid_does_not_wait_for_ready(dut):
    """Every output offers its first beat while tready is low; so do both pages, and inputs are then held back."""
    streams = await started(dut)
    for sink in streams.sinks.values():
        sink.pause = True
    vectors = random.choices(VECTORS, k=5)
    cocotb.start_soon(feed(streams, vectors))
    await ClockCycles(streams.clock, 4 * INTERVAL + 2 * LATENCY + 50)
    for name, sink in streams.sinks.items():
        assert sink.bus.tvalid.value == 1, f"{name}: tvalid waits for tready"
    for name in random.sample(OUTPUTS, len(OUTPUTS)):  # they drain independently of each other
        streams.sinks[name].pause = False
        await ClockCycles(streams.clock, random.randrange(2 * INTERVAL))
    for vector in vectors:
        await check(streams, vector)


@cocotb.test(skip=not INPUTS)
async def wrong_packets(dut):
    """Packets with too few or too many beats are dropped whole and counted; those around them are not."""
    streams = await started(dut, 0.2)
    counts = dict.fromkeys(INPUTS, 0)
    for _ in range(max(4, TRANSACTIONS // 10)):
        vector = random.choice(VECTORS)
        for name, given in words(vector, "inputs").items():
            beats = streams.tensors[name]["stream"]["beats"]
            for _ in range(random.randrange(3)):
                wrong = random.choice([1, beats - 1, beats + 1, beats + random.randint(2, 9), random.randint(1, beats)])
                if wrong not in (0, beats):
                    streams.offer(name, given, wrong)
                    counts[name] += 1
            streams.offer(name, given)
        await check(streams, vector)
        assert {name: streams.dropped(name) for name in INPUTS} == counts


@cocotb.test()
async def resets_anywhere(dut):
    """A reset in mid packet, mid run or mid result; what follows it is right."""
    streams = await started(dut, 0.1)
    for _ in range(max(6, TRANSACTIONS // 6)):
        first = cocotb.start_soon(feed(streams, random.choices(VECTORS, k=3)))
        await ClockCycles(streams.clock, random.randint(1, 3 * INTERVAL + LATENCY))
        first.cancel()
        await streams.reset(random.randint(1, 3))
        assert not any(streams.dropped(name) for name in INPUTS)
        vectors = random.choices(VECTORS, k=2)
        second = cocotb.start_soon(feed(streams, vectors))
        for vector in vectors:
            await check(streams, vector)
        await with_timeout(second, WATCHDOG * PERIOD_NS, "ns")
