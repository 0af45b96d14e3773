"""The host's side of a design with streams (`--interface axis`), for cocotb: cocotbext-axi's sources and sinks by the
manifest, bytes of tensors, and a monitor of what the design promises in every cycle.

    streams = Streams(cocotb.top, json.loads(Path("rtl/design.json").read_text()))
    await streams.start()
    await streams.send({"x": words})                    # bit patterns, row-major
    words = await streams.receive("y")
"""

import math
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, with_timeout
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

PERIOD_NS = 10
SIGNED = ("i8", "i16", "i32", "i64")


def tensor_bytes(words, tensor, element_bits, noise=False):
    """The bytes of a tensor: little-endian elements. With `noise`, the bits of a bool that nobody reads are random."""
    data = bytearray()
    for word in words:
        if tensor["width"] < element_bits and tensor["dtype"] in SIGNED and word >> (tensor["width"] - 1):
            word |= (1 << element_bits) - (1 << tensor["width"])
        if noise and tensor["dtype"] == "i1":
            word |= random.getrandbits(element_bits) & ~1
        data += word.to_bytes(element_bits // 8, "little")
    return bytes(data)


def words_of_bytes(data, tensor, element_bits):
    """The inverse; bits above an element's width must be its sign, or zeros."""
    size = element_bits // 8
    words = [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)]
    words = [word & ((1 << tensor["width"]) - 1) for word in words]
    assert tensor_bytes(words, tensor, element_bits) == bytes(data), "bits above an element's width"
    return words


def pauses(share, longest=8):
    """True in about `share` of the cycles, in stretches."""
    while True:
        yield from [random.random() < share] * random.randint(1, longest)


def elements(tensor):
    """How many a tensor of the manifest has."""
    return math.prod(tensor["shape"])


async def watch(host, name, valid, ready, signals, taken=lambda: None):
    """In every cycle of `host`: what a channel offers stays until it is taken, and nothing is offered after a reset."""
    offered, in_reset = None, False
    while True:
        await FallingEdge(host.clock)
        offers, now = valid.value, host.reset_port.value == 0
        if in_reset:
            assert offers == 0, f"{name}: valid in reset"
        if offered is not None:
            assert offers == 1, f"{name}: valid fell before ready"
        if offers == 1 and not now:
            beat = [str(signal.value) for signal in signals]
            assert offered in (None, beat), f"{name}: the beat changed before ready"
            offered = None if ready.value == 1 else beat
            if offered is None:
                taken()
        else:
            offered = None
        in_reset = now


async def count_cycles(host):
    """`host.cycle` counts from now on."""
    while True:
        await FallingEdge(host.clock)
        host.cycle += 1


class Streams:
    """Sources, sinks and monitors of all streams of `dut`. `last_beats[NAME]` has the cycles of the beats with tlast;
    `cycle` counts from the first reset."""

    def __init__(self, dut, manifest):
        self.dut, self.manifest = dut, manifest
        self.clock, self.reset_port = getattr(dut, manifest["clock"]), getattr(dut, manifest["reset"])
        self.bytes_per_beat = manifest["data_bits"] // 8
        self.tensors = {tensor["name"]: tensor for tensor in [*manifest["inputs"], *manifest["outputs"]]}
        self.sources, self.sinks = {}, {}
        self.cycle, self.last_beats = 0, {}

    async def start(self):
        """Reset before the clock starts, sources and sinks, and a monitor for each output."""
        self.reset_port.value = 0
        for kind, made, tensors in (
            (AxiStreamSource, self.sources, self.manifest["inputs"]),
            (AxiStreamSink, self.sinks, self.manifest["outputs"]),
        ):
            for tensor in tensors:
                bus = AxiStreamBus.from_prefix(self.dut, tensor["stream"]["prefix"])
                made[tensor["name"]] = kind(bus, self.clock, self.reset_port, reset_active_level=False)
        for side in [*self.sources.values(), *self.sinks.values()]:
            side.log.setLevel("ERROR")
        cocotb.start_soon(Clock(self.clock, PERIOD_NS, unit="ns").start())
        cocotb.start_soon(count_cycles(self))
        for name in self.sinks:
            self._watch(name)
        await self.reset(3)

    async def reset(self, cycles=2):
        """Reset, with what is on the other side: packets on their way are gone."""
        self.reset_port.value = 0
        for source in self.sources.values():
            source.clear()
        for _ in range(cycles):
            await RisingEdge(self.clock)
        for sink in self.sinks.values():
            sink.clear()
        self.last_beats = {name: [] for name in self.sinks}
        self.reset_port.value = 1
        await RisingEdge(self.clock)

    def stall(self, share):
        """Every source and sink pauses in that share of the cycles."""
        for side in [*self.sources.values(), *self.sinks.values()]:
            side.set_pause_generator(pauses(share) if share else None)
            side.pause = False

    def offer(self, name, words, beats=None):
        """Queues a packet of an input; `beats` makes it too short or too long. The padding is random."""
        tensor = self.tensors[name]
        data = tensor_bytes(words, tensor, tensor["stream"]["element_bits"], noise=True)
        length = (tensor["stream"]["beats"] if beats is None else beats) * self.bytes_per_beat
        data = (data + random.randbytes(max(0, length - len(data))))[:length]
        self.sources[name].send_nowait(AxiStreamFrame(data))

    def offer_all(self, words_of):
        """Queues a packet of every input."""
        for name, words in words_of.items():
            self.offer(name, words)

    def dropped(self, name):
        """The count of an input's dropped packets."""
        return int(getattr(self.dut, self.tensors[name]["stream"]["dropped_port"]).value)

    async def receive(self, name, within_cycles):
        """The words of an output's next packet. The watchdog fails the test after so many cycles."""
        tensor = self.tensors[name]
        frame = await with_timeout(self.sinks[name].recv(compact=False), within_cycles * PERIOD_NS, "ns")
        size = elements(tensor) * tensor["stream"]["element_bits"] // 8
        assert len(frame.tdata) == tensor["stream"]["beats"] * self.bytes_per_beat, f"{name}: {len(frame.tdata)} bytes"
        keep = frame.tkeep or [1] * len(frame.tdata)
        assert keep == [1] * size + [0] * (len(frame.tdata) - size), f"{name}: tkeep {keep}"
        assert not any(frame.tdata[size:]), f"{name}: the padding is not zero"
        return words_of_bytes(frame.tdata[:size], tensor, tensor["stream"]["element_bits"])

    def _watch(self, name):
        bus = self.sinks[name].bus

        def taken():
            if bus.tlast.value == 1:
                self.last_beats[name].append(self.cycle)

        cocotb.start_soon(watch(self, name, bus.tvalid, bus.tready, (bus.tdata, bus.tkeep, bus.tlast), taken))
