"""A model of the paper as NNgen builds it. Run by the Python of an environment with NNgen, not with torch2hw:

`python nngen_design.py MODEL PARALLELISM FOLDER` writes FOLDER/design.v, simulates it with Icarus, and prints a line of
JSON: `cycles` from start to end on the control bus, and `right`, whether its memory then held what NNgen's own software
model gives. Weights and inputs are random integers of 16 bits; they change neither cycles nor resources.
"""

import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nngen
import numpy as np
from veriloggen import Delay, Module, Not, Seq, Systask, simulation
from veriloggen import thread as threads
from veriloggen.types import axi

WORD, LANE_BITS, IMAGE_BITS, CHUNK_BYTES, IMAGE_BYTES = nngen.int16, 32, 32, 64, 1 << 22
RANDOM = np.random.default_rng(5)
Model = tuple[Any, Any, Callable[[Any], Any]]
"""The input's node, the result's, and the result of input values by software."""


def random_words(node: Any) -> None:
    """Give a variable of NNgen random values; a tenth of the range, so that sums seldom saturate."""
    high = 1 << (WORD.width - 5)
    node.set_value(RANDOM.integers(-high, high, node.shape).astype(np.int64))


def weights(name: str, *shape: int) -> Any:
    """A variable of this shape with random values."""
    node = nngen.variable(WORD, shape=shape, name=name)
    random_words(node)
    return node


def linear(layer: Any, weight: Any, parallelism: int, rectify: bool) -> Any:
    """`layer`, of shape (batch, inputs), by `weight`, (outputs, inputs)."""
    function = nngen.relu if rectify else None
    found = nngen.matmul(layer, weight, transposed_b=True, act_func=function, sum_dtype=nngen.dtype_int(64))
    found.attribute(par_ich=parallelism, par_och=parallelism, cshamt_out=WORD.width)
    return found


def ffnn(parallelism: int, batch: int = 1) -> Model:
    """Linear(64, 48), ReLU, Linear(48, 4)."""
    given = nngen.placeholder(WORD, shape=(batch, 64), name="given")
    hidden = linear(given, weights("w0", 48, 64), parallelism, rectify=True)
    result = linear(hidden, weights("w1", 4, 48), parallelism, rectify=False)
    return given, result, lambda values: nngen.eval([result], given=values)[0]


def cnn(parallelism: int) -> Model:
    """Conv2d(3, 8, 5), ReLU, MaxPool2d((2, 3)), Flatten, Linear(5472, 2), channels last as NNgen has them.

    NNgen's software model of pooling takes the stride of columns for rows (1.3.4, verify/pool.py), so NumPy pools.
    """
    given = nngen.placeholder(WORD, shape=(1, 80, 60, 3), name="given")
    found = nngen.conv2d(
        given,
        weights("w0", 8, 5, 5, 3),
        strides=(1, 1, 1, 1),
        padding=0,
        act_func=nngen.relu,
        sum_dtype=nngen.dtype_int(64),
    )
    found.attribute(par_ich=parallelism, par_och=parallelism, cshamt_out=WORD.width)
    pooled = nngen.max_pool_serial(found, ksize=(1, 2, 3, 1), strides=(1, 2, 3, 1), padding=0)
    last = weights("w1", 2, 38 * 18 * 8)
    result = linear(nngen.reshape(pooled, [1, 38 * 18 * 8]), last, parallelism, rectify=False)

    def expected(values: Any) -> Any:
        (images,) = nngen.eval([found], given=values)
        flat = images[:, :, : 18 * 3].reshape(1, 38, 2, 18, 3, 8).max(axis=(2, 4)).reshape(1, -1)
        alone = nngen.placeholder(WORD, shape=flat.shape, name="alone")
        return nngen.eval([linear(alone, last, parallelism, rectify=False)], alone=flat)[0]

    return given, result, expected


MODELS: dict[str, Callable[[int], Model]] = {
    "FFNN batch 1": ffnn,
    "FFNN batch 64": lambda parallelism: ffnn(parallelism, 64),
    "CNN": cnn,
}


def above(byte: int) -> int:
    """The next address of a chunk."""
    return math.ceil(byte / CHUNK_BYTES) * CHUNK_BYTES


def main(model: str, parallelism: int, folder: str) -> dict[str, Any]:
    """Write, simulate; what is printed."""
    os.chdir(folder)
    bus_bits = LANE_BITS * parallelism
    given, result, software = MODELS[model](parallelism)
    values = RANDOM.integers(-1024, 1024, given.shape).astype(np.int64)
    expected = software(values)
    design = nngen.to_veriloggen([result], "network", silent=True, config={"maxi_datawidth": bus_bits})
    Path("design.v").write_text(design.to_verilog())

    parameters = nngen.export_ndarray([result], CHUNK_BYTES)
    parameters_at = above(given.addr + given.memory_size)
    expected_at = above(parameters_at + len(parameters))
    scratch_at = above(expected_at + result.memory_size)
    image = np.zeros([IMAGE_BYTES * 8 // IMAGE_BITS], dtype=np.int64)
    words_of_a_beat = max(bus_bits // WORD.width, parallelism)
    axi.set_memory(image, values, IMAGE_BITS, WORD.width, given.addr, words_of_a_beat)
    axi.set_memory(image, parameters, IMAGE_BITS, 8, parameters_at)
    axi.set_memory(image, expected, IMAGE_BITS, WORD.width, expected_at, words_of_a_beat)

    bench = Module("bench")
    bench.copy_params(design)
    ports = bench.copy_sim_ports(design)
    clock, resetn = ports["CLK"], ports["RESETN"]
    reset = bench.Wire("RST")
    reset.assign(Not(resetn))
    memory = axi.AxiMemoryModel(
        bench,
        "memory",
        clock,
        reset,
        datawidth=bus_bits,
        memimg=image,
        memimg_name="image.out",
        memimg_datawidth=IMAGE_BITS,
    )
    memory.connect(ports, "maxi")
    registers = threads.AXIMLite(bench, "registers", clock, reset, noio=True)
    registers.connect(ports, "saxi")
    elapsed = bench.Reg("elapsed", 32, initval=0)
    Seq(bench, "count", clock, reset)(elapsed.inc())

    def control() -> None:  # veriloggen compiles it: a state machine
        nngen.sim.set_global_addrs(registers, scratch_at)
        begun = elapsed.value
        nngen.sim.start(registers)
        nngen.sim.wait(registers)
        print("cycles %d" % (elapsed.value - begun))  # noqa: UP031 - veriloggen knows this form alone
        wrong = 0
        for row in range(result.shape[0]):
            for column in range(result.shape[1]):
                place = row * result.aligned_shape[1] + column
                ours = memory.read_word(place, result.addr, WORD.width)
                theirs = memory.read_word(place, expected_at, WORD.width)
                if threads.verilog.NotEql(ours, theirs):
                    wrong += 1
        print("wrong %d" % wrong)  # noqa: UP031
        threads.finish()

    threads.Thread(bench, "control", clock, reset, control).start()
    bench.Instance(design, "uut", params=bench.connect_params(design), ports=bench.connect_ports(design))
    simulation.setup_clock(bench, clock, hperiod=5)
    started = simulation.setup_reset(bench, resetn, bench.make_reset(), period=100, polarity="low")
    started.add(Delay(100_000_000), Systask("finish"))
    text = simulation.Simulator(bench, sim="iverilog").run(outputfile="bench.out")
    told = dict(line.split() for line in text.splitlines() if line.split()[:1] in (["cycles"], ["wrong"]))
    return {"cycles": int(told["cycles"]), "right": told["wrong"] == "0", "nngen": nngen.__version__}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), sys.argv[3])))
