"""The host's side of a design, for cocotb: a driver, a protocol monitor, and coverage of what was exercised.

`Host` drives the ports that the manifest describes; reuse it in benches of your own:

    host = Host(cocotb.top, json.loads(Path("rtl/design.json").read_text()))
    await host.start_clock_and_reset()
    await host.write("x", words)            # bit patterns, row-major
    cycles = await host.run()
    words = await host.read("y")

Everything happens on falling edges of the clock, so that what is driven is stable at the rising edge and what is
sampled has settled after the one before. Cycle 0 of a run is the first in which go is high; done is high in cycle
`latency_cycles`.
"""

import json
import math
import random
from collections import Counter
from itertools import chain, repeat

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, with_timeout
from cocotb.utils import get_sim_time

PERIOD_NS = 10
FLOATS = {"f16": (5, 10), "bf16": (8, 7), "f32": (8, 23), "f64": (11, 52)}


def addresses(tensor):
    """The address of every element, row-major: the tensor is stored cyclically, the bank leading."""
    found = []
    for element in range(math.prod(tensor["shape"])):
        index, rest = [], element
        for extent in reversed(tensor["shape"]):
            rest, position = divmod(rest, extent)
            index.insert(0, position)
        bank = offset = 0
        for position, extent, factor in zip(index, tensor["shape"], tensor["bank_factors"], strict=True):
            bank = bank * factor + position % factor
            offset = offset * -(-extent // factor) + position // factor
        found.append(bank << tensor["offset_bits"] | offset)
    return found


def word_of(handle, what):
    """The bits of a port or memory word as a number; unknown bits fail the test."""
    value = handle.value
    assert value.is_resolvable, f"{what} has unknown bits: {value}"
    return int(str(value), 2)


def canonical(word, dtype):
    """The word, or the one NaN that stands for all of them."""
    return canonical_nan(dtype) if classify(word, dtype) == "nan" else word


def canonical_nan(dtype):
    """The pattern of the one NaN of a format: quiet, sign and payload zero."""
    exponent_bits, fraction_bits = FLOATS[dtype]
    return ((1 << exponent_bits + 1) - 1) << (fraction_bits - 1)


def classify(word, dtype):
    """What kind of value a bit pattern is, for coverage."""
    if dtype not in FLOATS:
        return "zero" if word == 0 else "nonzero"
    exponent_bits, fraction_bits = FLOATS[dtype]
    exponent = word >> fraction_bits & (1 << exponent_bits) - 1
    fraction = word & (1 << fraction_bits) - 1
    sign = "negative " if word >> exponent_bits + fraction_bits else ""
    if exponent == (1 << exponent_bits) - 1:
        return "nan" if fraction else sign + "infinity"
    if exponent == 0:
        return sign + ("subnormal" if fraction else "zero")
    return sign + "normal"


class Coverage(Counter):
    """Named bins and how often each was hit. `missing` names the bins of `wanted` that no test hit."""

    def missing(self, wanted):
        """The names in `wanted` that were never hit."""
        return [name for name in wanted if not self[name]]

    def report(self, log):
        """Logs every bin and its hits."""
        for name, hits in sorted(self.items()):
            log.info("coverage: %-40s %d", name, hits)


class Host:
    """Drives the host's ports of `dut` as its manifest describes them, and checks the protocol while it does."""

    def __init__(self, dut, manifest, coverage=None):
        self.dut, self.manifest = dut, manifest
        self.coverage = Coverage() if coverage is None else coverage
        self.clock = getattr(dut, manifest["clock"])
        self.reset_port = getattr(dut, manifest["reset"])
        self.go = getattr(dut, manifest["start"])
        self.done = getattr(dut, manifest["finish"])
        self.latency = manifest["latency_cycles"]
        self.inputs = {tensor["name"]: tensor for tensor in manifest["inputs"]}
        self.outputs = {tensor["name"]: tensor for tensor in manifest["outputs"]}
        self.running = False

    def port(self, tensor, kind):
        """A port of a tensor: `kind` is enable, address, data or write, as in the manifest's `…_port`."""
        return getattr(self.dut, tensor[kind + "_port"])

    async def start_clock_and_reset(self):
        """Starts the clock and the monitor; two cycles of reset."""
        self.go.value = 0
        self.reset_port.value = 0
        for tensor in [*self.inputs.values(), *self.outputs.values()]:
            self.port(tensor, "enable").value = 0
        cocotb.start_soon(Clock(self.clock, PERIOD_NS, unit="ns").start())
        await FallingEdge(self.clock)
        await self.reset(2)
        cocotb.start_soon(self.monitor())

    async def reset(self, cycles=1):
        """Holds `reset` for some cycles; a run that was under way is over."""
        self.reset_port.value = 1
        self.go.value = 0
        for _ in range(cycles):
            await FallingEdge(self.clock)
        self.reset_port.value = 0
        self.running = False

    async def idle(self, cycles):
        """Waits some cycles."""
        for _ in range(cycles):
            await FallingEdge(self.clock)

    async def write(self, name, words):
        """Write a whole tensor, one element a cycle."""
        tensor = self.inputs[name]
        self.port(tensor, "enable").value = 1
        for address, word in zip(addresses(tensor), words, strict=True):
            self.port(tensor, "address").value = address
            self.port(tensor, "data").value = word
            self.coverage[f"input {name}: {classify(word, tensor['dtype'])}"] += 1
            await FallingEdge(self.clock)
        self.port(tensor, "enable").value = 0

    async def write_mixed(self, words_of):
        """Write tensors, all of them at once: elements in any order, now and then none, in the first cycle one each."""
        left = {name: list(zip(addresses(self.inputs[name]), words, strict=True)) for name, words in words_of.items()}
        for name, elements in left.items():
            random.shuffle(elements)
            for _, word in elements:
                self.coverage[f"input {name}: {classify(word, self.inputs[name]['dtype'])}"] += 1
        for share in chain([1], repeat(0.8)):
            if not any(left.values()):
                break
            for name, elements in left.items():
                now = bool(elements) and random.random() < share
                self.port(self.inputs[name], "enable").value = now
                if now:
                    address, word = elements.pop()
                    self.port(self.inputs[name], "address").value = address
                    self.port(self.inputs[name], "data").value = word
            await FallingEdge(self.clock)
        for name in left:
            self.port(self.inputs[name], "enable").value = 0

    async def read_mixed(self):
        """Read all outputs at once, as `write_mixed` writes: name -> words in row-major order."""
        left = {name: list(enumerate(addresses(tensor))) for name, tensor in self.outputs.items()}
        words = {name: [None] * len(elements) for name, elements in left.items()}
        for elements in left.values():
            random.shuffle(elements)
        for share in chain([1], repeat(0.8)):
            if not any(left.values()):
                break
            asked = {}
            for name, elements in left.items():
                now = bool(elements) and random.random() < share
                self.port(self.outputs[name], "enable").value = now
                if now:
                    asked[name] = elements.pop()
                    self.port(self.outputs[name], "address").value = asked[name][1]
            await FallingEdge(self.clock)
            for name, (element, address) in asked.items():
                words[name][element] = word_of(self.port(self.outputs[name], "data"), f"{name} at address {address}")
        for name in left:
            self.port(self.outputs[name], "enable").value = 0
        return words

    async def read(self, name):
        """Read a whole tensor: the data of an address stands one cycle after it."""
        tensor = self.outputs[name]
        words = []
        self.port(tensor, "enable").value = 1
        for address in addresses(tensor):
            self.port(tensor, "address").value = address
            await FallingEdge(self.clock)
            words.append(word_of(self.port(tensor, "data"), f"{name} at address {address}"))
            self.coverage[f"output {name}: {classify(words[-1], tensor['dtype'])}"] += 1
        self.port(tensor, "enable").value = 0
        return words

    async def run(self, hold=False):
        """One run; the cycles from go to done. With `hold`, go stays high until it is over."""
        begun = get_sim_time("ns")
        self.running = True
        self.go.value = 1
        await FallingEdge(self.clock)
        if not hold:
            self.go.value = 0
        budget = 2 * self.latency + 1000
        await with_timeout(self._finished(), budget * PERIOD_NS, "ns")
        cycles = round((get_sim_time("ns") - begun) / PERIOD_NS)
        await FallingEdge(self.clock)
        self.go.value = 0  # unless the caller starts the next run now, before the rising edge
        assert self.done.value == 0, "done is high for more than one cycle"
        self.running = False
        assert cycles == self.latency, f"done came after {cycles} cycles, latency_cycles is {self.latency}"
        self.coverage["run: go held" if hold else "run: go pulsed"] += 1
        return cycles

    async def _finished(self):
        while self.done.value != 1:
            await RisingEdge(self.done)
            await FallingEdge(self.clock)

    async def abandon(self, cycles):
        """Start a run, and reset the design in cycle `cycles` of it."""
        self.running = True
        self.go.value = 1
        await FallingEdge(self.clock)
        self.go.value = 0
        if cycles > 1:
            await self.idle(cycles - 1)
        await self.reset()
        self.coverage[f"reset: in the {'first' if 2 * cycles < self.latency else 'second'} half of a run"] += 1

    async def monitor(self):
        """Fails the test when done is high while no run was started."""
        while True:
            await RisingEdge(self.done)
            running = self.running
            await FallingEdge(self.clock)
            assert running or self.done.value != 1, "done is high outside a run"


def load_hex(path):
    """Rows of bit patterns from a text file of hexadecimal columns; `//` begins a comment."""
    lines = (line.partition("//")[0].split() for line in path.read_text().splitlines())
    return [[int(word, 16) for word in line] for line in lines if line]


def load_json(path):
    """What a JSON file holds."""
    return json.loads(path.read_text())


def load_vectors(path):
    """The vectors of a top module, with the bit patterns of inputs and outputs as integers."""
    return [
        {
            side: {name: [int(word, 16) for word in words] for name, words in vector[side].items()}
            for side in ("inputs", "outputs")
        }
        for vector in load_json(path)
    ]


def same_words(found, expected, tensor):
    """Fails the test where the bit patterns of a tensor are others than expected, NaNs canonical."""
    if found != expected:
        name, dtype = tensor["name"], tensor["dtype"]
        pairs = zip(found, expected, strict=True)
        wrong = [(k, a, b) for k, (a, b) in enumerate(pairs) if canonical(a, dtype) != canonical(b, dtype)]
        assert not wrong, f"{name}, element {wrong[0][0]}: {wrong[0][1]:#x}, expected {wrong[0][2]:#x}"
