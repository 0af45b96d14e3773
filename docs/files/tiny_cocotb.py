"""Writes the inputs of a design, runs it and compares its outputs: everything comes from the manifest."""

import json
import math
import struct
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

MANIFEST = json.loads(Path(__file__).with_name("tiny.json").read_text())
VALUES = {
    "x": [1.0, -2.0, 0.5, 0.0, 2.0, -3.0, 4.0, 1.5, -1.0, -1.0, 0.25, 8.0],
    "y": [1.0, 2.0, 3.0, -4.0, -5.0, 6.0],
    "out": [0.0, 13.0, 21.0, 0.0, 13.5, 0.0, 0.0, 45.0],
}


def address(tensor, element):
    """The address of a tensor's element with this row-major number."""
    index = []
    for size in reversed(tensor["shape"]):
        element, position = divmod(element, size)
        index.insert(0, position)
    bank = offset = 0
    for i, size, factor in zip(index, tensor["shape"], tensor["bank_factors"], strict=True):
        bank = bank * factor + i % factor
        offset = offset * -(-size // factor) + i // factor
    return bank << tensor["offset_bits"] | offset


def word(value):
    """The bits of a binary32 number."""
    return struct.unpack("<I", struct.pack("<f", value))[0]


@cocotb.test()
async def one_run(dut):
    port = lambda name: getattr(dut, name)  # noqa: E731
    clock, go, done = (port(MANIFEST[key]) for key in ("clock", "start", "finish"))
    for tensor in MANIFEST["inputs"] + MANIFEST["outputs"]:
        port(tensor["enable_port"]).value = 0
    go.value = 0
    port(MANIFEST["reset"]).value = 1
    Clock(clock, 10, "ns").start()
    for _ in range(2):
        await FallingEdge(clock)
    port(MANIFEST["reset"]).value = 0

    for tensor in MANIFEST["inputs"]:
        port(tensor["enable_port"]).value = 1
        for element, value in enumerate(VALUES[tensor["name"]]):
            port(tensor["address_port"]).value = address(tensor, element)
            port(tensor["data_port"]).value = word(value)
            await FallingEdge(clock)
        port(tensor["enable_port"]).value = 0

    go.value = 1
    await FallingEdge(clock)
    go.value = 0
    cycle = 1
    while not done.value:
        await FallingEdge(clock)
        cycle += 1
    assert cycle == MANIFEST["latency_cycles"]
    await FallingEdge(clock)

    for tensor in MANIFEST["outputs"]:
        port(tensor["enable_port"]).value = 1
        for element in range(math.prod(tensor["shape"])):
            port(tensor["address_port"]).value = address(tensor, element)
            await FallingEdge(clock)
            expected = VALUES[tensor["name"]][element]
            assert int(port(tensor["data_port"]).value) == word(expected), (tensor["name"], element)


if __name__ == "__main__":
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    runner = get_runner("icarus")  # or "verilator", where a program of that name is on the PATH
    top, scale = MANIFEST["top"], ("1ns", "1ps")
    runner.build(sources=MANIFEST["files"], hdl_toplevel=top, timescale=scale, always=True)
    tests, failed = get_results(runner.test(hdl_toplevel=top, test_module=Path(__file__).stem))
    raise SystemExit(failed > 0 or tests == 0)
