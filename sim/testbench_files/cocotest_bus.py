"""A design with a bus: values under stalls, overlapping runs, errors, registers, resets anywhere.

A watchdog ends every wait. TRANSACTIONS is how many random runs there are, those that a reset ends not counted;
transactions.json tells what happened in them.
"""

import json
import os
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cocotb
from bus_interface import Bus
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, Timer, with_timeout
from host_interface import load_json, load_vectors, same_words
from stream_interface import PERIOD_NS, accept_what_is_offered, cycle_now

HERE = Path(__file__).resolve().parent
MANIFEST = load_json(HERE / "rtl" / "design.json")
VECTORS = load_vectors(HERE / "vectors" / "top.json")
TRANSACTIONS = int(os.environ.get("TRANSACTIONS", "60"))
LATENCY, INTERVAL = MANIFEST["latency_cycles"], MANIFEST["interval_cycles"]
INPUTS, OUTPUTS = ([tensor["name"] for tensor in MANIFEST[side]] for side in ("inputs", "outputs"))
WATCHDOG = 60 * INTERVAL + 8 * LATENCY + 4000
START, DONE, IDLE, READY, AUTO_RESTART = 0, 1, 2, 3, 7
MISALIGNED, READ_ERROR, WRITE_ERROR = 1, 2, 4
FAULTS = {"misaligned": MISALIGNED, "read": READ_ERROR, "write": WRITE_ERROR}


@dataclass
class Run:
    """A run that was asked for: its vector, addresses, the noise where its outputs come, and what goes wrong in it."""

    vector: dict
    addresses: dict
    noise: dict
    fault: str | None = None


async def started(dut, share=0.0):
    """The bus, after a reset."""
    bus = Bus(dut, MANIFEST)
    await bus.start()
    bus.stall(share)
    return bus


async def begin(bus, vector, addresses=None, fault=None):
    """Asks for a run, with a fault from FAULTS; what `check` needs of it."""
    addresses = addresses or bus.free_addresses()
    bus.store(addresses, vector["inputs"])
    run = Run(vector, addresses, bus.prepare(addresses), fault)
    if fault == "misaligned":
        name = random.choice(list(addresses))
        await bus.set_addresses({**addresses, name: addresses[name] + random.randrange(1, bus.beat_bytes)})
    else:
        if fault is not None:
            name = random.choice(INPUTS if fault == "read" else OUTPUTS)
            for _ in range(random.randint(1, 3)):
                bus.memory.broken.add(addresses[name] + bus.beat_bytes * random.randrange(bus.beats(name)))
        await bus.set_addresses(addresses)
    await bus.set("ctrl", 1 << START)
    return run


def check(bus, run):
    """Compares the outputs of a run, NaNs canonical; of one with a fault, what is around them."""
    for name, expected in run.vector["outputs"].items():
        if run.fault is not None:
            bus.check_around(name, run.addresses, run.noise)
            continue
        same_words(bus.load(name, run.addresses, run.noise), expected, bus.tensors[name])


async def several(bus, runs, size, fault_share, kinds=tuple(FAULTS)):
    """Asks for runs, each as soon as software may: when the one before it has its inputs, or its first beat."""
    taken, early = [], False
    kinds = [kind for kind in kinds if INPUTS or kind != "read"]
    for _ in range(size):
        fault = random.choice(kinds) if random.random() < fault_share else None
        reads = bus.memory.reads
        runs.append(await begin(bus, random.choice(VECTORS), bus.free_addresses(taken), fault))
        early = bool(INPUTS) and not early and fault != "misaligned" and random.random() < 0.3
        if not early:
            await bus.wait(START, 0, WATCHDOG)
        elif bus.memory.reads == reads:
            await bus.memory.until("reads", 1, WATCHDOG)  # its addresses are latched: the next one may be started
    await bus.wait(START, 0, WATCHDOG)


async def watch_error(bus, runs, size, finished):
    """While runs go on, what `error` tells is of the run that finished last."""
    while (count := await bus.get("runs")) < finished + size:
        error = await bus.get("error")
        if error and await bus.get("runs") == count and finished < count <= finished + len(runs):  # it is in `runs`
            fault = runs[count - finished - 1].fault
            assert error == FAULTS.get(fault, 0), f"error is {error} after a run with {fault or 'no'} error"
        await Timer(random.randint(1, 8) * PERIOD_NS, "ns")


async def group(bus, size, fault_share):
    """Runs, from idle to idle: their results, the beats of every access, and what registers tell of faults."""
    bus.stall(random.choice([0.0, 0.2, 0.6, 0.85]), writes_alone=random.random() < 0.3)
    memory = bus.memory
    before, errors, finished = (memory.reads, memory.writes), bus.errors.copy(), await bus.get("runs")
    told = [await bus.get(name) for name in ("read_errors", "write_errors")]
    runs = []
    watching = cocotb.start_soon(watch_error(bus, runs, size, finished))
    await several(bus, runs, size, fault_share)
    await bus.wait(IDLE, 1, WATCHDOG)
    await with_timeout(watching, WATCHDOG * PERIOD_NS, "ns")
    assert await bus.get("runs") == finished + size
    error, last = await bus.get("error"), runs[-1].fault
    assert error == FAULTS.get(last, 0), f"error is {error} after a run with {last or 'no'} error"
    made = bus.errors - errors
    found = [await bus.get(name) for name in ("read_errors", "write_errors")]
    assert found == [told[0] + made["rresp"], told[1] + made["bresp"]], f"{made} errors, {found} are told"
    for run in runs:
        check(bus, run)
    aligned = [run.fault for run in runs if run.fault != "misaligned"]
    reads, writes = (sum(map(bus.beats, names)) for names in (INPUTS, OUTPUTS))
    assert memory.reads - before[0] == reads * len(aligned), "beats that are read"
    assert memory.writes - before[1] <= writes * len(aligned), "beats that are written"
    assert memory.writes - before[1] >= writes * (len(aligned) - aligned.count("read")), "beats that are written"
    memory.broken, memory.allowed = set(), []
    return Counter(run.fault or "right" for run in runs)


async def reset_midway(bus):
    """Runs, and a reset in the middle of a burst of reads or writes, at a request that waits, or anywhere: where."""
    bus.stall(random.choice([0.0, 0.1, 0.5]))
    where = random.choice(["requests", "cycles", "writes", *(["reads"] if INPUTS else [])])
    kinds = ("read", "write") if where == "reads" else ("write",)  # others may make no access
    runs = cocotb.start_soon(several(bus, [], 3, 0.3, kinds))
    if where == "requests":
        bus.stall(0.0)
        channel = random.choice(bus.request_channels[: 1 + bool(INPUTS)])
        channel.pause = True
        await with_timeout(RisingEdge(channel.valid), WATCHDOG * PERIOD_NS, "ns")
        await ClockCycles(bus.clock, random.randint(1, 3))
    elif where == "cycles":
        await ClockCycles(bus.clock, random.randint(1, 4 * INTERVAL + LATENCY))
    else:
        beats = sum(map(bus.beats, INPUTS if where == "reads" else OUTPUTS))
        await bus.memory.until(where, random.randint(1, beats), WATCHDOG)
        await ClockCycles(bus.clock, random.randint(1, 3))
    runs.cancel()
    await bus.reset(random.randint(1, 3))
    bus.memory.broken, bus.memory.allowed, bus.memory.awaited = set(), [], []
    assert await bus.get("ctrl") == 1 << IDLE
    assert not any([await bus.get(name) for name in ("runs", "error", "cycles", "read_errors", "write_errors", "isr")])
    assert bus.memory.strayed is None, bus.memory.strayed
    return where


@cocotb.test()
async def random_runs(dut):
    """One after the other and overlapping, at random addresses, with random stalls on every channel, error responses,
    misaligned addresses, resets anywhere."""
    bus = await started(dut)
    done, happened = 0, Counter()
    while done < TRANSACTIONS:
        if random.random() < 0.4:
            happened[f"resets_in_{await reset_midway(bus)}"] += 1
        size = min(random.randint(1, 6), TRANSACTIONS - done)
        happened += await group(bus, size, random.choice([0.0, 0.2, 0.5]))
        done += size
    happened["errors_of_reads"], happened["errors_of_writes"] = bus.errors["rresp"], bus.errors["bresp"]
    Path("transactions.json").write_text(json.dumps({"transactions": done, **happened}))


@cocotb.test()
async def overlapping_runs(dut):
    """A run is asked for as soon as the one before it has its inputs: results come nearly every interval_cycles."""
    bus = await started(dut)
    runs, taken = [], []
    for vector in random.choices(VECTORS, k=6):
        runs.append(await begin(bus, vector, bus.free_addresses(taken)))
        await bus.wait(START, 0, WATCHDOG)
    await bus.wait(IDLE, 1, WATCHDOG)
    for run in runs:
        check(bus, run)
    await bus.set("ctrl", 1 << START | 1 << AUTO_RESTART)
    await ClockCycles(bus.clock, 4 * INTERVAL + 2 * LATENCY)
    before, begun = await bus.get("runs"), cycle_now()
    while await bus.get("runs") < before + 6:
        assert cycle_now() - begun < WATCHDOG
    taken = cycle_now() - begun
    assert taken <= 7 * (INTERVAL + 60), f"6 runs took {taken} cycles, interval_cycles is {INTERVAL}"
    await bus.set("ctrl", 0)
    await bus.wait(IDLE, 1, WATCHDOG)
    check(bus, runs[-1])


@cocotb.test()
async def registers(dut):
    """Strobes, bits that clear on reads, interrupts, cycles; other addresses read 0."""
    bus = await started(dut)
    host = bus.host
    assert await bus.get("ctrl") == 1 << IDLE and await bus.get("version") == 1
    for name in bus.tensors:
        offset = bus.offsets[f"{name}_address"]
        assert offset == bus.tensors[name]["address_register"]
        await host.write(offset, b"\x11\x22\x33\x44\x55\x66\x77\x88")
        await host.write(offset + 1, b"\xaa")
        await host.write(offset + 6, b"\xbb\xcc")
        assert (await host.read(offset, 8)).data == b"\x11\xaa\x33\x44\x55\x66\xbb\xcc"
    known = set(bus.offsets.values())
    for offset in random.sample([at for at in range(0, 0x1000, 4) if at not in known], 20):
        await host.write_dword(offset, 0xFFFFFFFF)
        assert await host.read_dword(offset) == 0, hex(offset)
    await bus.set("ier", 1)
    await bus.set("gie", 1)
    run = await begin(bus, VECTORS[0])
    begun = cycle_now()
    while dut.interrupt.value != 1:
        await FallingEdge(bus.clock)
        assert cycle_now() - begun < WATCHDOG
    check(bus, run)  # not before the last write response
    assert await bus.get("isr") == 1, "ready is not enabled"
    cycles = await bus.get("cycles")
    assert LATENCY < cycles <= cycle_now() - begun + 40 and await bus.get("cycles_high") == 0
    word = await bus.get("ctrl")
    assert word == 1 << DONE | 1 << IDLE | 1 << READY, hex(word)
    assert await bus.get("ctrl") == 1 << IDLE, "done and ready clear on reads"
    await bus.set("isr", 1)
    assert await bus.get("isr") == 0 and dut.interrupt.value == 0
    await bus.set("isr", 2)  # toggles
    assert await bus.get("isr") == 2 and dut.interrupt.value == 1
    await bus.set("gie", 0)
    await FallingEdge(bus.clock)
    assert dut.interrupt.value == 0
    await bus.set("ctrl", 0)
    assert await bus.get("ctrl") == 1 << IDLE and await bus.get("runs") == 1


@cocotb.test()
async def valid_does_not_wait_for_ready(dut):
    """Address and data of a write are offered together, whichever is accepted first, and a read whatever ready is. Then
    each request and beat is accepted only after it was offered."""
    bus = await started(dut)
    aw, w, _, ar, _ = bus.channels
    for first, held in ((aw, w), (w, aw), (aw, w)):
        ar.pause = aw.pause = w.pause = True
        run = await begin(bus, random.choice(VECTORS))
        await ClockCycles(bus.clock, 60)
        assert not INPUTS or dut.m_axi_gmem_arvalid.value == 1
        ar.pause = False
        await ClockCycles(bus.clock, 4 * INTERVAL + 2 * LATENCY + 100)
        assert dut.m_axi_gmem_awvalid.value == 1 and dut.m_axi_gmem_wvalid.value == 1
        first.pause = False
        await ClockCycles(bus.clock, 20)
        held.pause = False
        await bus.wait(DONE, 1, WATCHDOG)
        check(bus, run)
    for channel in (aw, w, ar):
        cocotb.start_soon(accept_what_is_offered(bus.clock, channel.valid, channel))
    run = await begin(bus, random.choice(VECTORS))
    await bus.wait(DONE, 1, WATCHDOG)
    check(bus, run)
