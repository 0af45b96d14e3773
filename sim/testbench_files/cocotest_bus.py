"""A design with a bus: values under stalls, overlapping runs, errors, registers, resets anywhere.

A watchdog ends every wait. TRANSACTIONS is how many random runs there are.
"""

import os
import random
from pathlib import Path

import cocotb
from bus_interface import Bus
from cocotb.triggers import ClockCycles, FallingEdge
from host_interface import canonical, load_json

HERE = Path(__file__).resolve().parent
MANIFEST = load_json(HERE / "rtl" / "design.json")
VECTORS = load_json(HERE / "vectors" / "top.json")
TRANSACTIONS = int(os.environ.get("TRANSACTIONS", "60"))
LATENCY, INTERVAL = MANIFEST["latency_cycles"], MANIFEST["interval_cycles"]
INPUTS = [tensor["name"] for tensor in MANIFEST["inputs"]]
WATCHDOG = 60 * INTERVAL + 8 * LATENCY + 4000
START, DONE, IDLE, READY, AUTO_RESTART = 0, 1, 2, 3, 7
MISALIGNED, READ_ERROR, WRITE_ERROR = 1, 2, 4


def words(vector, side):
    """The bit patterns of a vector's inputs or outputs by name."""
    return {name: [int(word, 16) for word in found] for name, found in vector[side].items()}


async def started(dut, share=0.0):
    """The bus, after a reset."""
    bus = Bus(dut, MANIFEST)
    await bus.start()
    bus.stall(share)
    return bus


async def begin(bus, vector, addresses=None):
    """Asks for a run; what `check` needs of it."""
    addresses = addresses or bus.free_addresses()
    bus.store(addresses, words(vector, "inputs"))
    noise = bus.prepare(addresses)
    await bus.set_addresses(addresses)
    await bus.set("ctrl", 1 << START)
    return vector, addresses, noise


def check(bus, run):
    """Compares the outputs of a run, NaNs canonical."""
    vector, addresses, noise = run
    for name, expected in words(vector, "outputs").items():
        found, dtype = bus.load(name, addresses, noise), bus.tensors[name]["dtype"]
        pairs = zip(found, expected, strict=True)
        wrong = [(k, a, b) for k, (a, b) in enumerate(pairs) if canonical(a, dtype) != canonical(b, dtype)]
        assert not wrong, f"{name}, element {wrong[0][0]}: {wrong[0][1]:#x}, expected {wrong[0][2]:#x}"


async def whole_run(bus, vector, addresses=None):
    """A run from its start to its end, checked."""
    run = await begin(bus, vector, addresses)
    await bus.wait(DONE, 1, WATCHDOG)
    check(bus, run)


@cocotb.test()
async def random_runs(dut):
    """One after the other and overlapping, at random addresses, with random stalls on every channel."""
    bus = await started(dut)
    waiting, finished = [], 0
    for number in range(TRANSACTIONS):
        if number % 7 == 0:
            bus.stall(random.choice([0.0, 0.2, 0.6, 0.85]))
        waiting.append(await begin(bus, random.choice(VECTORS), bus.free_addresses(0x100000 * (number % 8 + 1))))
        await bus.wait(START, 0, WATCHDOG)  # its inputs are fetched
        if random.random() < 0.5 or len(waiting) == 6:
            await bus.wait(IDLE, 1, WATCHDOG)
            finished += len(waiting)
            assert await bus.get("runs") == finished
            for run in waiting:
                check(bus, run)
            waiting = []
            bus.memory.allowed = []
    assert await bus.get("read_errors") == await bus.get("write_errors") == await bus.get("error") == 0


@cocotb.test()
async def addresses_anywhere(dut):
    """Bursts across 4 KiB, 4 GiB and at both ends of the memory."""
    bus = await started(dut, 0.1)
    for _ in range(max(4, TRANSACTIONS // 8)):
        await whole_run(bus, random.choice(VECTORS))


@cocotb.test()
async def overlapping_runs(dut):
    """A run is asked for as soon as the one before it has its inputs: results come nearly every interval_cycles."""
    bus = await started(dut)
    runs = []
    for number, vector in enumerate(random.choices(VECTORS, k=6), start=1):
        runs.append(await begin(bus, vector, bus.free_addresses(0x100000 * number)))  # apart from each other
        await bus.wait(START, 0, WATCHDOG)
    await bus.wait(IDLE, 1, WATCHDOG)
    for run in runs:
        check(bus, run)
    await bus.set("ctrl", 1 << START | 1 << AUTO_RESTART)
    await ClockCycles(bus.clock, 4 * INTERVAL + 2 * LATENCY)
    before, begun = await bus.get("runs"), bus.cycle
    while await bus.get("runs") < before + 6:
        assert bus.cycle - begun < WATCHDOG
    taken = bus.cycle - begun
    assert taken <= 7 * (INTERVAL + 60), f"6 runs took {taken} cycles, interval_cycles is {INTERVAL}"
    await bus.set("ctrl", 0)
    await bus.wait(IDLE, 1, WATCHDOG)
    check(bus, runs[-1])


@cocotb.test()
async def errors(dut):
    """Responses with errors and misaligned addresses: the run ends and says so; the next one is right."""
    bus = await started(dut, 0.2)
    reads = writes = 0
    for _ in range(max(3, TRANSACTIONS // 15)):
        kinds = ["address", "write", *(["read"] if INPUTS else [])]
        for kind in random.sample(kinds, len(kinds)):
            addresses = bus.free_addresses()
            if kind == "address":
                name = random.choice(list(addresses))
                crooked = {**addresses, name: addresses[name] + random.randrange(1, bus.beat_bytes)}
                accesses = bus.memory.reads, bus.memory.writes
                await bus.set_addresses(crooked)
                await bus.set("ctrl", 1 << START)
                expected = MISALIGNED
            else:
                name = random.choice(INPUTS) if kind == "read" else random.choice(MANIFEST["outputs"])["name"]
                beats = -(-bus.tensors[name]["bytes"] // bus.beat_bytes)
                bus.memory.broken = {addresses[name] + bus.beat_bytes * random.randrange(beats)}
                await begin(bus, random.choice(VECTORS), addresses)
                expected = READ_ERROR if kind == "read" else WRITE_ERROR
            await bus.wait(DONE, 1, WATCHDOG)
            assert await bus.get("error") == expected, kind
            reads, writes = reads + (kind == "read"), writes + (kind == "write")
            assert (await bus.get("read_errors"), await bus.get("write_errors")) == (reads, writes)
            if kind == "address":
                assert (bus.memory.reads, bus.memory.writes) == accesses, "a misaligned run made an access"
            bus.memory.broken = set()
            assert await bus.get("ctrl") == 1 << IDLE
            await whole_run(bus, random.choice(VECTORS))
            assert await bus.get("error") == 0


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
    begun = bus.cycle
    while dut.interrupt.value != 1:
        await FallingEdge(bus.clock)
        assert bus.cycle - begun < WATCHDOG
    check(bus, run)  # not before the last write response
    assert await bus.get("isr") == 1, "ready is not enabled"
    cycles = await bus.get("cycles")
    assert LATENCY < cycles <= bus.cycle - begun + 40 and await bus.get("cycles_high") == 0
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
    """Address and data of a write are offered together, whichever is accepted first, and a read whatever ready is."""
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


@cocotb.test()
async def resets_anywhere(dut):
    """A reset in mid burst, mid run or mid access; what follows it is right."""
    bus = await started(dut, 0.1)
    for _ in range(max(6, TRANSACTIONS // 6)):
        await begin(bus, random.choice(VECTORS))
        await ClockCycles(bus.clock, random.randint(1, 2 * INTERVAL + LATENCY))
        await bus.reset(random.randint(1, 3))
        bus.memory.allowed = []
        assert await bus.get("ctrl") == 1 << IDLE
        assert [await bus.get(name) for name in ("runs", "error", "cycles")] == [0, 0, 0]
        await whole_run(bus, random.choice(VECTORS))
