"""One kernel with the memories around it (rtl/kernel_benches.sv): what it writes, and when it is done."""

import os
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, with_timeout
from cocotb.utils import get_sim_time
from host_interface import PERIOD_NS, canonical, load_json, word_of

HERE = Path(__file__).resolve().parent
KERNEL = load_json(HERE / "vectors" / "kernels.json")[os.environ["KERNEL"]]
LONG = KERNEL["latency_cycles"] > 5 * int(os.environ.get("CYCLES_PER_TEST", "100000"))


RUNS = KERNEL["runs"]  # of each what the memories hold before and after; of fused kernels one round after the other


def load(dut, before):
    """Put these words into every memory."""
    for name, words in before.items():
        for place, word in enumerate(words):
            getattr(dut, name)[place].value = int(word, 16)


def check(dut, after):
    """Every memory holds these words."""
    for name, words in after.items():
        for place, word in enumerate(words):
            dtype = KERNEL["memories"][name]
            got = canonical(word_of(getattr(dut, name)[place], f"{name}[{place}]"), dtype)
            expected = canonical(int(word, 16), dtype)
            assert got == expected, f"{name}[{place}] is {got:#x}, expected {expected:#x}"


async def run(dut):
    """One run; checks when `done` comes, that it lasts one cycle, and waits until the last words are stored."""
    begun = get_sim_time("ns")
    dut.go.value = 1
    await FallingEdge(dut.clk)
    dut.go.value = 0
    await with_timeout(finished(dut), (2 * KERNEL["latency_cycles"] + 1000) * PERIOD_NS, "ns")
    cycles = round((get_sim_time("ns") - begun) / PERIOD_NS)
    await FallingEdge(dut.clk)
    assert dut.done.value == 0, "done is high for more than one cycle"
    assert cycles == KERNEL["latency_cycles"], f"{cycles} cycles, expected {KERNEL['latency_cycles']}"
    for _ in range(KERNEL["settle_cycles"]):
        await FallingEdge(dut.clk)


async def finished(dut):
    """Waits until `done` is high at a falling edge."""
    while dut.done.value != 1:
        await RisingEdge(dut.done)
        await FallingEdge(dut.clk)


async def reset(dut):
    """Holds `reset` for two cycles."""
    dut.go.value = 0
    dut.reset.value = 1
    await FallingEdge(dut.clk)
    await FallingEdge(dut.clk)
    dut.reset.value = 0


@cocotb.test()
async def what_it_writes(dut):
    """Runs (unless they are long), a run abandoned by a reset, and the first run again."""
    cocotb.start_soon(Clock(dut.clk, PERIOD_NS, unit="ns").start())
    await FallingEdge(dut.clk)
    await reset(dut)
    for before, after in RUNS if not LONG else []:
        load(dut, before)
        await run(dut)
        check(dut, after)
    dut.go.value = 1
    await FallingEdge(dut.clk)
    dut.go.value = 0
    for _ in range(random.randrange(min(KERNEL["latency_cycles"], 1000))):
        await FallingEdge(dut.clk)
    await reset(dut)
    before, after = RUNS[0]
    load(dut, before)
    await run(dut)
    check(dut, after)
