"""A design with streams: values, order and rate under stalls, packets that are dropped, and resets anywhere.

A watchdog ends every wait. TRANSACTIONS is how many random ones there are, those that a reset ends not counted;
transactions.json tells what happened in them.
"""

import json
import os
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import cocotb
from cocotb.triggers import ClockCycles, with_timeout
from host_interface import load_json, load_vectors, same_words
from stream_interface import PERIOD_NS, Streams, accept_what_is_offered

HERE = Path(__file__).resolve().parent
MANIFEST = load_json(HERE / "rtl" / "design.json")
VECTORS = load_vectors(HERE / "vectors" / "top.json")
TRANSACTIONS = int(os.environ.get("TRANSACTIONS", "60"))
INPUTS, OUTPUTS = ([tensor["name"] for tensor in MANIFEST[side]] for side in ("inputs", "outputs"))
BEATS = {tensor["name"]: tensor["stream"]["beats"] for tensor in [*MANIFEST["inputs"], *MANIFEST["outputs"]]}
LATENCY, INTERVAL = MANIFEST["latency_cycles"], MANIFEST["interval_cycles"]
WATCHDOG = 60 * INTERVAL + 4 * LATENCY + 2000


async def started(dut, share=0.0):
    """The streams, after a reset."""
    streams = Streams(dut, MANIFEST)
    await streams.start()
    streams.stall(share)
    return streams


async def check(streams, vector, within=WATCHDOG):
    """Receives all outputs of a run and compares them, NaNs canonical."""
    for name, expected in vector["outputs"].items():
        same_words(await streams.receive(name, within), expected, streams.tensors[name])


def wrong_length(beats):
    """Beats of a packet that is too short or too long; never none."""
    found = random.choice([1, beats - 1, beats + 1, beats + random.randint(2, 9), random.randint(1, beats)])
    return found if found not in (0, beats) else beats + 1


async def feed(streams, vectors, wrong_share=0.0, counts=None):
    """Sends packets as they are taken, wrong ones between them, which are counted in `counts`."""
    for vector in vectors:
        for name, words in vector["inputs"].items():
            while random.random() < wrong_share:
                await streams.send(name, words, wrong_length(BEATS[name]))
                counts[name] += 1
            await streams.send(name, words)


async def group(streams, size, counts):
    """Some transactions, from idle to idle."""
    streams.stall(random.choice([0.0, 0.2, 0.6, 0.9]))
    vectors = random.choices(VECTORS, k=size)
    feeding = cocotb.start_soon(feed(streams, vectors, random.choice([0.0, 0.0, 0.1, 0.4]), counts))
    for vector in vectors:
        await check(streams, vector)
    await with_timeout(feeding, WATCHDOG * PERIOD_NS, "ns")
    for name, source in streams.sources.items():
        await with_timeout(source.wait(), WATCHDOG * PERIOD_NS, "ns")
        await ClockCycles(streams.clock, 2)
        assert streams.dropped(name) == counts[name], f"{name}: {streams.dropped(name)} packets dropped"


async def reset_midway(streams):
    """Packets, and a reset in the middle of one that is sent, of a run, or of one that comes; its middle's name."""
    streams.stall(random.choice([0.0, 0.1, 0.5]))
    where = random.choice(["input", "run", "output"] if INPUTS else ["run", "output"])
    if where == "input":
        name = random.choice(INPUTS)
        right, beats = BEATS[name], BEATS[name] + random.choice([0, random.randint(1, 9)])
        await streams.send(name, random.choice(VECTORS)["inputs"][name], beats)
        taken = random.choice([right, max(1, beats - 1), random.randint(1, beats)])
        await streams.moved(streams.sources[name], taken, WATCHDOG)
    else:
        feeding = cocotb.start_soon(feed(streams, random.choices(VECTORS, k=3)))
        if where == "output":
            name = random.choice(OUTPUTS)
            await streams.moved(streams.sinks[name], random.randint(1, BEATS[name]), WATCHDOG)
        else:
            await ClockCycles(streams.clock, random.randint(1, 3 * INTERVAL + LATENCY))
        feeding.cancel()
    await streams.reset(random.randint(1, 3))
    assert not any(streams.dropped(name) for name in INPUTS), "packets are dropped after a reset"
    return where


@cocotb.test()
async def random_transactions(dut):
    """Random stalls on every stream, wrong packets, resets anywhere: bit-exact, in order, none lost or doubled."""
    streams = await started(dut)
    done, happened, counts = 0, Counter(), Counter()
    while done < TRANSACTIONS:
        if random.random() < 0.5:
            happened[f"resets_in_{await reset_midway(streams)}"] += 1
            happened["dropped"] += counts.total()
            counts.clear()
        size = min(random.randint(1, 8), TRANSACTIONS - done)
        await group(streams, size, counts)
        done += size
    streams.stall(0.0)
    if INPUTS:
        await ClockCycles(streams.clock, min(WATCHDOG, 2 * LATENCY + INTERVAL + 100))
        assert all(sink.empty() for sink in streams.sinks.values()), "there are more results than inputs"
    happened["dropped"] += counts.total()
    Path("transactions.json").write_text(json.dumps({"transactions": done, **happened}))


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
    """Every output offers its first beat while tready is low; so do both pages, and inputs are then held back. Then
    each beat is accepted only after it was offered."""
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
    for sink in streams.sinks.values():
        cocotb.start_soon(accept_what_is_offered(streams.clock, sink.bus.tvalid, sink))
    cocotb.start_soon(feed(streams, vectors[:2]))
    for vector in vectors[:2]:
        await check(streams, vector)
