"""The host's side of a design with a bus (`--interface axi`), for cocotb: its registers by name, a memory with errors
where they are wanted, and monitors of what the master promises in every cycle.

    bus = Bus(cocotb.top, json.loads(Path("rtl/design.json").read_text()))
    await bus.start()
    bus.place({"x": 0x1000, "y": 0x8000})
    await bus.write_inputs({"x": words})
    await bus.run()
    words = bus.read("y")
"""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiSlave
from cocotbext.axi.sparse_memory import SparseMemory
from stream_interface import PERIOD_NS, count_cycles, elements, pauses, tensor_bytes, watch, words_of_bytes

REQUEST = ("addr", "len", "size", "burst", "id")


class Memory:
    """2^64 bytes. Accesses of the master to `broken` beats are answered with an error; a write outside `allowed` fails
    the test."""

    def __init__(self):
        self.bytes, self.broken, self.allowed = SparseMemory(2**64), set(), []
        self.reads = self.writes = 0
        self.strayed = None

    async def read(self, address, length):
        """A beat."""
        self.reads += 1
        if address in self.broken:
            raise ValueError("broken")
        return self.bytes.read(address, length)

    async def write(self, address, data):
        """The strobed bytes of a beat."""
        self.writes += 1
        if not any(low <= address and address + len(data) <= high for low, high in self.allowed):
            self.strayed = f"a write of {len(data)} bytes to {address:#x}"
        if any(address - address % 64 <= beat <= address for beat in self.broken):
            raise ValueError("broken")
        self.bytes.write(address, data)


class Bus:
    """Registers, memory and monitors of `dut`. `addresses` are those of the tensors, for the next run."""

    def __init__(self, dut, manifest):
        self.dut, self.manifest = dut, manifest
        self.clock, self.reset_port = getattr(dut, manifest["clock"]), getattr(dut, manifest["reset"])
        self.beat_bytes = manifest["data_bits"] // 8
        self.tensors = {tensor["name"]: tensor for tensor in [*manifest["inputs"], *manifest["outputs"]]}
        self.offsets = {register["name"]: register["offset"] for register in manifest["registers"]}
        self.memory, self.addresses, self.cycle = Memory(), {}, 0

    async def start(self):
        """Reset before the clock starts; master, memory and monitors."""
        self.reset_port.value = 0
        reset = {"reset": self.reset_port, "reset_active_level": False}
        self.host = AxiLiteMaster(AxiLiteBus.from_prefix(self.dut, "s_axi_control"), self.clock, **reset)
        self.slave = AxiSlave(AxiBus.from_prefix(self.dut, "m_axi_gmem"), self.clock, target=self.memory, **reset)
        self.channels = [
            self.slave.write_if.aw_channel,
            self.slave.write_if.w_channel,
            self.slave.write_if.b_channel,
            self.slave.read_if.ar_channel,
            self.slave.read_if.r_channel,
        ]
        for side in (self.host.write_if, self.host.read_if, self.slave.write_if, self.slave.read_if):
            side.log.setLevel("ERROR")
        cocotb.start_soon(Clock(self.clock, PERIOD_NS, unit="ns").start())
        cocotb.start_soon(count_cycles(self))
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

    def stall(self, share):
        """Every channel of the memory pauses in that share of the cycles."""
        for channel in self.channels:
            channel.set_pause_generator(pauses(share) if share else None)
            channel.pause = False

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
            await self.set(f"{name}_address", address & 0xFFFFFFFF)
            await self.set(f"{name}_address_high", address >> 32)

    async def wait(self, bit, value, within_cycles):
        """Polls CTRL until a bit has a value; what it read. The watchdog fails the test after so many cycles."""
        begun = self.cycle
        while True:
            word = await self.get("ctrl")
            if (word >> bit & 1) == value:
                return word
            assert self.cycle - begun < within_cycles, f"bit {bit} of CTRL is not {value} after {within_cycles} cycles"

    # -- memory
    def free_addresses(self, near=None):
        """Addresses for all tensors, aligned to beats, apart from each other; at random, or around `near`."""
        found, taken = {}, []
        for name, tensor in self.tensors.items():
            while True:
                base = random.choice([0x0, 0x1_0000_0000 - 0x2000, 0x7FFF_FFFF_0000, 2**64 - 0x40000])
                address = (base if near is None else near) + random.randrange(0x30000)
                address -= address % self.beat_bytes
                span = (address - 64, address + tensor["bytes"] + 128)
                if address >= 64 and span[1] < 2**64 and all(span[1] <= low or high <= span[0] for low, high in taken):
                    break
            taken.append(span)
            found[name] = address
        return found

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
        tensor, address = self.tensors[name], addresses[name]
        data = self.memory.bytes.read(address - 64, tensor["bytes"] + 128)
        assert self.memory.strayed is None, self.memory.strayed
        assert data[:64] + data[-64:] == noise[name][:64] + noise[name][-64:], f"{name}: bytes around it changed"
        return words_of_bytes(data[64:-64], tensor, self._element_bits(tensor))

    def _element_bits(self, tensor):
        return tensor["bytes"] * 8 // elements(tensor)

    def _watch(self, channel, names):
        valid, ready, *signals = (
            getattr(self.dut, f"m_axi_gmem_{channel}{name}") for name in ("valid", "ready", *names)
        )
        cocotb.start_soon(watch(self, channel, valid, ready, signals))
