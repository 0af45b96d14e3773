"""The host's side of a design with a bus (`--interface axi`), for cocotb: its registers by name, a memory with errors
where they are wanted, and monitors of what the master promises in every cycle (in Verilator: the assertions of
rtl/protocol_checks.sv).

    bus = Bus(cocotb.top, json.loads(Path("rtl/design.json").read_text()))
    await bus.start()
    addresses = bus.free_addresses()
    bus.store(addresses, {"x": words})                  # bit patterns, row-major
    noise = bus.prepare(addresses)
    await bus.set_addresses(addresses)
    await bus.set("ctrl", 1)
    await bus.wait(1, 1, within_cycles=1000)
    words = bus.load("y", addresses, noise)
"""

import random
from collections import Counter

import cocotb
from cocotb.triggers import Event, RisingEdge, Timer, with_timeout
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiResp, AxiSlave
from cocotbext.axi.sparse_memory import SparseMemory
from stream_interface import (
    PERIOD_NS,
    assertions_are_bound,
    cycle_now,
    elements,
    stalls,
    start_clock,
    tensor_bytes,
    watch,
    words_of_bytes,
)

REQUEST = ("addr", "len", "size", "burst", "id")
POLLED_EVERY = 24  # cycles, at most


class Memory:
    """2^64 bytes. Accesses of the master to `broken` beats are answered with an error; a write outside `allowed` fails
    the test. `reads` and `writes` are beats."""

    def __init__(self, beat_bytes):
        self.beat_bytes = beat_bytes
        self.bytes, self.broken, self.allowed = SparseMemory(2**64), set(), []
        self.reads = self.writes = 0
        self.strayed, self.awaited = None, []

    async def read(self, address, length):
        """A beat."""
        self.reads += 1
        self._reached("reads", self.reads)
        if address in self.broken:
            raise ValueError("broken")
        return self.bytes.read(address, length)

    async def write(self, address, data):
        """The strobed bytes of a beat."""
        self.writes += 1
        self._reached("writes", self.writes)
        if not any(low <= address and address + len(data) <= high for low, high in self.allowed):
            self.strayed = f"a write of {len(data)} bytes to {address:#x}"
        if address - address % self.beat_bytes in self.broken:
            raise ValueError("broken")
        self.bytes.write(address, data)

    def _reached(self, kind, count):
        for wanted, beats, reached in self.awaited:
            if (wanted, beats) == (kind, count):
                reached.set()

    async def until(self, kind, more, within_cycles):
        """Waits for so many more "reads" or "writes"."""
        awaited = kind, getattr(self, kind) + more, Event()
        self.awaited.append(awaited)
        await with_timeout(awaited[2].wait(), within_cycles * PERIOD_NS, "ns")
        self.awaited.remove(awaited)


def answer_with_any_error(channel, name, errors):
    """Of the two errors, one at random: the slave of cocotbext-axi knows one alone. `errors` counts them by `name`."""
    send = channel.send

    async def answer(response):
        if getattr(response, name) == AxiResp.SLVERR:
            setattr(response, name, random.choice((AxiResp.SLVERR, AxiResp.DECERR)))
            errors[name] += 1
        await send(response)

    channel.send = answer


class Bus:
    """Registers, memory and monitors of `dut`."""

    def __init__(self, dut, manifest):
        self.dut, self.manifest = dut, manifest
        self.clock, self.reset_port = getattr(dut, manifest["clock"]), getattr(dut, manifest["reset"])
        self.beat_bytes = manifest["data_bits"] // 8
        self.tensors = {tensor["name"]: tensor for tensor in [*manifest["inputs"], *manifest["outputs"]]}
        self.offsets = {register["name"]: register["offset"] for register in manifest["registers"]}
        self.memory, self.stalling = Memory(self.beat_bytes), None
        self.errors = Counter()  # that were answered: `rresp` beats, `bresp` bursts

    async def start(self):
        """Reset before the clock starts; master, memory and monitors."""
        self.reset_port.value = 0
        reset = {"reset": self.reset_port, "reset_active_level": False}
        self.host = AxiLiteMaster(AxiLiteBus.from_prefix(self.dut, "s_axi_control"), self.clock, **reset)
        self.slave = AxiSlave(AxiBus.from_prefix(self.dut, "m_axi_gmem"), self.clock, target=self.memory, **reset)
        ways = ("aw", "w", "b"), ("ar", "r")
        self.channels, self.host_channels = (
            [getattr(half, f"{name}_channel") for half, names in zip(sides, ways, strict=True) for name in names]
            for sides in ((self.slave.write_if, self.slave.read_if), (self.host.write_if, self.host.read_if))
        )
        self.request_channels = self.slave.write_if.aw_channel, self.slave.read_if.ar_channel
        for side in (self.host.write_if, self.host.read_if, self.slave.write_if, self.slave.read_if):
            side.log.setLevel("CRITICAL")
        answer_with_any_error(self.slave.write_if.b_channel, "bresp", self.errors)
        answer_with_any_error(self.slave.read_if.r_channel, "rresp", self.errors)
        start_clock(self.clock)
        if not assertions_are_bound():
            for channel in ("aw", "ar"):
                self._watch(channel, REQUEST)
            self._watch("w", ("data", "strb", "last"))
        await self.reset(3)

    async def reset(self, cycles=2):
        """Reset, with the memory's side of the bus."""
        self.reset_port.value = 0
        for _ in range(cycles):
            await RisingEdge(self.clock)
        self.reset_port.value = 1
        for _ in range(2):
            await RisingEdge(self.clock)

    def stall(self, share, writes_alone=False):
        """Every channel of memory and host pauses in that share of the cycles, or those of the memory's writes alone:
        runs then wait for each other."""
        sides = [*self.channels, *self.host_channels]
        if self.stalling is not None:
            self.stalling.cancel()
        for side in sides:
            side.pause = False
        some = self.channels[:3] if writes_alone else sides
        self.stalling = cocotb.start_soon(stalls(some, share)) if share else None

    # -- registers
    async def get(self, name):
        """A register, by its name in the manifest."""
        return await self.host.read_dword(self.offsets[name])

    async def set(self, name, value):
        """A register, all four bytes."""
        await self.host.write_dword(self.offsets[name], value)

    async def set_addresses(self, addresses):
        """The address registers of all tensors."""
        for name, address in addresses.items():
            await self.host.write(self.offsets[f"{name}_address"], address.to_bytes(8, "little"))

    async def wait(self, bit, value, within_cycles):
        """Reads CTRL until a bit has a value; what it read. The watchdog fails the test after so many cycles."""
        begun = cycle_now()
        while True:
            word = await self.get("ctrl")
            if (word >> bit & 1) == value:
                return word
            assert cycle_now() - begun < within_cycles, f"bit {bit} of CTRL is not {value} after {within_cycles} cycles"
            await Timer(random.randint(1, POLLED_EVERY) * PERIOD_NS, "ns")

    # -- memory
    def free_addresses(self, taken=None):
        """Random addresses for all tensors, aligned to beats, apart from each other and from what is `taken`, a list of
        spans, which they are added to. Some are around 4 GiB and at both ends of the memory."""
        found, taken = {}, [] if taken is None else taken
        for name, tensor in self.tensors.items():
            while True:
                base = random.choice([0x0, 0x1_0000_0000 - 0x2000, 0x7FFF_FFFF_0000, 2**64 - 0x40000])
                address = base + random.randrange(0x40000)
                address -= address % self.beat_bytes
                span = (address - 64, address + tensor["bytes"] + 128)
                if address >= 64 and span[1] < 2**64 and all(span[1] <= low or high <= span[0] for low, high in taken):
                    break
            taken.append(span)
            found[name] = address
        return found

    def beats(self, name):
        """The beats of a tensor."""
        return -(-self.tensors[name]["bytes"] // self.beat_bytes)

    def store(self, addresses, words_of):
        """Puts inputs into the memory."""
        for name, words in words_of.items():
            tensor = self.tensors[name]
            data = tensor_bytes(words, tensor, self._element_bits(tensor), noise=True)
            self.memory.bytes.write(addresses[name], data)

    def prepare(self, addresses):
        """Fills the places of outputs, and what is around them, with noise; the noise. Only they may be written."""
        noise = {}
        for tensor in self.manifest["outputs"]:
            address = addresses[tensor["name"]]
            noise[tensor["name"]] = random.randbytes(tensor["bytes"] + 128)
            self.memory.bytes.write(address - 64, noise[tensor["name"]])
            self.memory.allowed.append((address, address + tensor["bytes"]))
        return noise

    def load(self, name, addresses, noise):
        """The words of an output. What is around it must be as it was."""
        self.check_around(name, addresses, noise)
        tensor = self.tensors[name]
        data = self.memory.bytes.read(addresses[name], tensor["bytes"])
        return words_of_bytes(data, tensor, self._element_bits(tensor))

    def check_around(self, name, addresses, noise):
        """No write was outside an output, and what is around this one is as it was."""
        assert self.memory.strayed is None, self.memory.strayed
        data = self.memory.bytes.read(addresses[name] - 64, self.tensors[name]["bytes"] + 128)
        assert data[:64] + data[-64:] == noise[name][:64] + noise[name][-64:], f"{name}: bytes around it changed"

    def _element_bits(self, tensor):
        return tensor["bytes"] * 8 // elements(tensor)

    def _watch(self, channel, names):
        valid, ready, *signals = (
            getattr(self.dut, f"m_axi_gmem_{channel}{name}") for name in ("valid", "ready", *names)
        )
        cocotb.start_soon(watch(self, channel, valid, ready, signals))
