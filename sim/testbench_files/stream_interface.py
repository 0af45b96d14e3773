"""The host's side of a design with streams (`--interface axis`), for cocotb: cocotbext-axi's sources and sinks by the
manifest, bytes of tensors, and a monitor of what the design promises in every cycle. In Verilator the assertions of
rtl/protocol_checks.sv are that monitor, because Python takes far longer for a cycle than the simulator.

    streams = Streams(cocotb.top, json.loads(Path("rtl/design.json").read_text()))
    await streams.start()
    await streams.send("x", words)                      # bit patterns, row-major
    words = await streams.receive("y", within_cycles=1000)
"""

import math
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, Timer, with_timeout
from cocotb.utils import get_sim_steps, get_sim_time
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


async def stalls(sides, share, longest=6):
    """Sources and sinks pause in about `share` of the cycles, in stretches, independently of each other."""
    while True:
        for side in sides:
            if random.random() < 0.5:
                side.pause = random.random() < share
        await Timer(random.randint(1, longest) * PERIOD_NS, "ns")


async def accept_what_is_offered(clock, valid, sink):
    """A sink is ready only after something is offered, and for one beat."""
    while True:
        sink.pause = True
        await FallingEdge(clock)
        if valid.value == 1:
            sink.pause = False  # it is ready after the next edge
            await Timer(1, "ns")


def start_clock(clock):
    """The simulator's own clock: no Python runs at its edges. The first rising one is after what is set now."""
    Clock(clock, PERIOD_NS, unit="ns", impl="gpi").start(start_high=False)


def cycle_now():
    """Cycles since time 0."""
    return int(get_sim_time("ns")) // PERIOD_NS


def assertions_are_bound():
    """Whether the simulator checks rtl/protocol_checks.sv: Icarus does not know `bind`."""
    return cocotb.SIM_NAME.lower().startswith("verilator")


def elements(tensor):
    """How many a tensor of the manifest has."""
    return math.prod(tensor["shape"])


async def watch(host, name, valid, ready, signals):
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
        else:
            offered = None
        in_reset = now


class Streams:
    """Sources, sinks and monitors of all streams of `dut`. `last_beats[NAME]` has the cycles of the beats with tlast of
    the packets that were received."""

    def __init__(self, dut, manifest):
        self.dut, self.manifest = dut, manifest
        self.clock, self.reset_port = getattr(dut, manifest["clock"]), getattr(dut, manifest["reset"])
        self.bytes_per_beat = manifest["data_bits"] // 8
        self.tensors = {tensor["name"]: tensor for tensor in [*manifest["inputs"], *manifest["outputs"]]}
        self.sources, self.sinks = {}, {}
        self.last_beats, self.stalling = {}, None

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
        for source in self.sources.values():
            source.queue_occupancy_limit_frames = 2  # of `send`; `offer` queues any number
        start_clock(self.clock)
        if not assertions_are_bound():
            for name, sink in self.sinks.items():
                bus = sink.bus
                cocotb.start_soon(watch(self, name, bus.tvalid, bus.tready, (bus.tdata, bus.tkeep, bus.tlast)))
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

    async def moved(self, side, beats, within_cycles):
        """Waits until so many more beats of a source or sink have moved."""

        async def count():
            moved = 0
            while moved < beats:
                await RisingEdge(self.clock)
                moved += side.bus.tvalid.value == 1 and side.bus.tready.value == 1

        await with_timeout(count(), within_cycles * PERIOD_NS, "ns")

    def stall(self, share):
        """Every source and sink pauses in that share of the cycles."""
        sides = [*self.sources.values(), *self.sinks.values()]
        if self.stalling is not None:
            self.stalling.cancel()
        for side in sides:
            side.pause = False
        self.stalling = cocotb.start_soon(stalls(sides, share)) if share else None

    def packet(self, name, words, beats=None):
        """A packet of an input; `beats` makes it too short or too long. The padding is random."""
        tensor = self.tensors[name]
        data = tensor_bytes(words, tensor, tensor["stream"]["element_bits"], noise=True)
        length = (tensor["stream"]["beats"] if beats is None else beats) * self.bytes_per_beat
        data = (data + random.randbytes(max(0, length - len(data))))[:length]
        return AxiStreamFrame(data)

    def offer(self, name, words):
        """Queues a packet of an input."""
        self.sources[name].send_nowait(self.packet(name, words))

    async def send(self, name, words, beats=None):
        """Queues a packet when few are waiting."""
        await self.sources[name].send(self.packet(name, words, beats))

    def dropped(self, name):
        """The count of an input's dropped packets."""
        return int(getattr(self.dut, self.tensors[name]["stream"]["dropped_port"]).value)

    async def receive(self, name, within_cycles):
        """The words of an output's next packet. The watchdog fails the test after so many cycles."""
        tensor = self.tensors[name]
        frame = await with_timeout(self.sinks[name].recv(compact=False), within_cycles * PERIOD_NS, "ns")
        self.last_beats[name].append(frame.sim_time_end // get_sim_steps(PERIOD_NS, "ns"))
        size = elements(tensor) * tensor["stream"]["element_bits"] // 8
        assert len(frame.tdata) == tensor["stream"]["beats"] * self.bytes_per_beat, f"{name}: {len(frame.tdata)} bytes"
        keep = frame.tkeep or [1] * len(frame.tdata)
        assert keep == [1] * size + [0] * (len(frame.tdata) - size), f"{name}: tkeep {keep}"
        assert not any(frame.tdata[size:]), f"{name}: the padding is not zero"
        return words_of_bytes(frame.tdata[:size], tensor, tensor["stream"]["element_bits"])
