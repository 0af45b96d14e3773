"""One function unit: a vector goes in every cycle, and its result comes out `latency_cycles` cycles later.

An iterative unit takes a vector every `interval_cycles` cycles, told by `start`.
"""

import os
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer
from host_interface import PERIOD_NS, canonical, load_hex, load_json, word_of

HERE = Path(__file__).resolve().parent
UNIT = load_json(HERE / "vectors" / "units.json")[os.environ["UNIT"]]
VECTORS = load_hex(HERE / "vectors" / UNIT["vectors"])


async def one_cycle(dut):
    """Waits a cycle; a combinational unit has no clock and gets the time alone."""
    if UNIT["latency_cycles"]:
        await FallingEdge(dut.clk)
    else:
        await Timer(PERIOD_NS, "ns")


@cocotb.test()
async def every_vector(dut):
    """All vectors, as close together as the unit takes them."""
    if UNIT["latency_cycles"]:
        cocotb.start_soon(Clock(dut.clk, PERIOD_NS, unit="ns").start())
        await FallingEdge(dut.clk)
    ports = [getattr(dut, name) for name in UNIT["inputs"]]
    controls = [getattr(dut, name) for name in UNIT["controls"]]
    latency, interval = UNIT["latency_cycles"], UNIT["interval_cycles"]
    for cycle in range(len(VECTORS) * interval + latency):
        number, waited = divmod(cycle, interval)
        for port in controls:
            port.value = int(waited == 0 and number < len(VECTORS))
        if waited == 0 and number < len(VECTORS):
            for port, word in zip(ports, VECTORS[number], strict=False):
                port.value = word
        elif waited > 0:  # an iterative unit keeps what it needs
            for port in ports:
                port.value = random.getrandbits(len(port))
        if latency == 0:
            await one_cycle(dut)
        if cycle >= latency and (cycle - latency) % interval == 0:
            check(dut.out, VECTORS[(cycle - latency) // interval])
        if latency > 0:
            await one_cycle(dut)


def check(out, vector):
    """Compares one result with its vector, NaNs canonical."""
    *operands, expected = vector
    shown = ", ".join(f"{word:#x}" for word in operands)
    got = canonical(word_of(out, f"the result of ({shown})"), UNIT["dtype"])
    expected = canonical(expected, UNIT["dtype"])
    assert got == expected, f"({shown}) gives {got:#x}, expected {expected:#x}"
