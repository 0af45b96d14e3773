"""The whole design through its host interface: values, runs in a row, resets, and a host that misbehaves.

A design whose runs are long has all that in one run, after one that a reset ends early.
"""

import math
import os
import random
from pathlib import Path

import cocotb
from cocotb.triggers import FallingEdge
from host_interface import FLOATS, Coverage, Host, canonical, load_json

HERE = Path(__file__).resolve().parent
MANIFEST = load_json(HERE / "rtl" / "design.json")
VECTORS = load_json(HERE / "vectors" / "top.json")
# Tests repeat themselves until they have used up so many cycles, and run at least once.
CYCLES_PER_TEST = int(os.environ.get("CYCLES_PER_TEST", "100000"))
LONG = MANIFEST["latency_cycles"] > 5 * CYCLES_PER_TEST
MAX_ABANDONED = 20_000  # cycles, of a long run that a reset ends
COVERAGE = Coverage()
FLOAT_KINDS = [
    "zero",
    "negative zero",
    "subnormal",
    "normal",
    "negative normal",
    "infinity",
    "negative infinity",
    "nan",
]


def repetitions(most):
    """`most` runs, or as many as fit CYCLES_PER_TEST; at least 1."""
    return max(1, min(most, CYCLES_PER_TEST // MANIFEST["latency_cycles"]))


async def started(dut):
    """A host whose clock runs, after a reset."""
    host = Host(dut, MANIFEST, COVERAGE)
    await host.start_clock_and_reset()
    return host


async def write_inputs(host, vector):
    """Writes all inputs of a vector."""
    for name, words in vector["inputs"].items():
        await host.write(name, [int(word, 16) for word in words])


async def check_outputs(host, vector, mixed=False):
    """Reads all outputs and compares them with those of a vector, NaNs canonical. `mixed`: in the order of
    `Host.read_mixed`.
    """
    found = await host.read_mixed() if mixed else {name: await host.read(name) for name in vector["outputs"]}
    for name, words in vector["outputs"].items():
        dtype = host.outputs[name]["dtype"]
        for element, (ours, theirs) in enumerate(zip(found[name], words, strict=True)):
            ours, theirs = canonical(ours, dtype), canonical(int(theirs, 16), dtype)
            assert ours == theirs, f"{name}, element {element}: {ours:#x}, expected {theirs:#x}"


@cocotb.test(skip=LONG)
async def every_vector(dut):
    """Example, random and special values, one run after the other without a reset; outputs stay while the next run's
    inputs are written."""
    host = await started(dut)
    before = None
    for vector in VECTORS[: repetitions(len(VECTORS))]:
        await write_inputs(host, vector)
        if before is not None:
            await check_outputs(host, before)
        await host.run()
        before = vector
    await check_outputs(host, before)


@cocotb.test(skip=LONG)
async def many_ports_at_once(dut):
    """Tensors written and read at the same time, in any order."""
    host = await started(dut)
    for vector in random.sample(VECTORS, repetitions(2)):
        await host.write_mixed({name: [int(word, 16) for word in words] for name, words in vector["inputs"].items()})
        await host.run()
        await check_outputs(host, vector, mixed=True)
    COVERAGE["ports: all at once"] += 1


@cocotb.test(skip=LONG)
async def runs_in_a_row(dut):
    """Runs that follow each other at once, go pulsed or held; inputs are still there, results are the same. Other
    results are there before, so that a run which stores nothing is noticed."""
    host = await started(dut)
    for number in range(repetitions(4)):
        vector = VECTORS[number % len(VECTORS)]
        await write_inputs(host, vector)
        await host.run(hold=number % 2 == 0)
        await check_outputs(host, vector)
    vector = random.choice(VECTORS)
    await write_inputs(host, vector)
    for _ in range(repetitions(10)):
        await host.run()
        await host.run(hold=True)
        COVERAGE["run: right after another"] += 1
    await check_outputs(host, vector)


@cocotb.test(skip=LONG)
async def resets_in_mid_run(dut):
    """A reset at any cycle leaves a design that runs correctly; memories survive it. Of a short design every cycle is
    tried, of a longer one some in either half."""
    host = await started(dut)
    latency = MANIFEST["latency_cycles"]
    cycles = range(1, latency + 2)
    if latency * latency > CYCLES_PER_TEST:
        half, most = latency // 2, max(1, repetitions(40) // 2)
        cycles = [random.randint(1, half) for _ in range(most)] + [random.randint(half, latency) for _ in range(most)]
    for number, cycle in enumerate(cycles):
        vector = VECTORS[number % min(2, len(VECTORS))]  # ordinary values: what is left over makes other ones
        await write_inputs(host, vector)
        await host.abandon(cycle)
        await host.idle(random.randrange(4))
        await host.run()
        await check_outputs(host, vector)


@cocotb.test(skip=LONG)
async def a_host_that_misbehaves(dut):
    """Writes to the inputs and pulses of go during a run are ignored."""
    host = await started(dut)
    vector = random.choice(VECTORS)
    await write_inputs(host, vector)
    meddling = cocotb.start_soon(meddle(host))
    await host.run()
    meddling.cancel()
    await check_outputs(host, vector)
    for _ in range(repetitions(2) - 1):  # a late write spoils only the next run
        await host.run()
        await check_outputs(host, vector)


def meddled(latency, most=400, windows=5):
    """Cycles from 1 to latency - 1, in stretches: the first ones, the last ones, and some between."""
    starts = [1, max(1, latency - most), *(random.randrange(1, latency) for _ in range(windows))]
    return sorted({cycle for start in starts for cycle in range(start, min(start + most, latency))})


async def meddle(host):
    """Random writes and pulses of go in cycles 1 to latency - 1 of a run."""
    now = 0
    for cycle in meddled(MANIFEST["latency_cycles"]):
        await FallingEdge(host.clock)
        if cycle > now + 1:
            leave_alone(host)
            await host.idle(cycle - now - 1)
        now, last = cycle, cycle + 1 == MANIFEST["latency_cycles"]
        for tensor in host.inputs.values():
            host.port(tensor, "enable").value = 0 if last else random.getrandbits(1)
            host.port(tensor, "address").value = random.getrandbits(len(host.port(tensor, "address")))
            host.port(tensor, "data").value = random.getrandbits(tensor["width"])
        host.go.value = 0 if last else random.getrandbits(1)
        COVERAGE["run: inputs written meanwhile"] += 1
    await FallingEdge(host.clock)
    leave_alone(host)


def leave_alone(host):
    """Takes the host off every input and off `go`."""
    for tensor in host.inputs.values():
        host.port(tensor, "enable").value = 0
    host.go.value = 0


@cocotb.test(skip=not LONG)
async def one_long_run(dut):
    """A run that a reset ends early, then a whole one, its inputs written and go pulsed meanwhile."""
    host = await started(dut)
    vector = VECTORS[0]
    await write_inputs(host, vector)
    await host.abandon(random.randint(1, MAX_ABANDONED))
    await host.idle(random.randrange(4))
    meddling = cocotb.start_soon(meddle(host))
    await host.run()
    meddling.cancel()
    await check_outputs(host, vector)


@cocotb.test(skip=LONG)
async def zz_coverage(dut):
    """The last test: everything that the tests above are for was really exercised."""
    COVERAGE.report(dut._log)
    wanted = ["run: go pulsed", "run: go held", "run: right after another", "ports: all at once"]
    if MANIFEST["latency_cycles"] > 3:
        wanted.append("run: inputs written meanwhile")
    wanted += [f"reset: in the {half} half of a run" for half in ("first", "second")]
    if len(VECTORS) == repetitions(len(VECTORS)):
        for tensor in MANIFEST["inputs"]:
            if tensor["dtype"] in FLOATS and math.prod(tensor["shape"]) >= 64:
                wanted += [f"input {tensor['name']}: {kind}" for kind in FLOAT_KINDS]
    assert not COVERAGE.missing(wanted), f"never exercised: {COVERAGE.missing(wanted)}"
