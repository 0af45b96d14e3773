"""Simulated boards: designs as devices in a process, and stand-ins for pynq and pyxrt that drive them.

A device is built of a package's files alone; `driver.py` of the package runs on the stand-ins unchanged.
"""

from __future__ import annotations

import enum
import subprocess
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from torch2hw.sim.bus_bench_header import bus_header
from torch2hw.sim.stream_bench_header import stream_header
from torch2hw.sim.verilator import BenchKind, build

HERE = Path(__file__).resolve().parent
SHARED = (HERE / "device.h",)
BUS = BenchKind(HERE / "bus_device.cpp", bus_header, SHARED)
STREAMS = BenchKind(HERE / "stream_device.cpp", stream_header, SHARED)


class Device:
    """A process that simulates a design."""

    def __init__(self, rtl: Path, manifest: Any, kind: BenchKind) -> None:
        self.program = build(rtl, manifest, fast_build=True, bench=kind)
        self.process = subprocess.Popen(
            [self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=rtl
        )

    def ask(self, *words: object) -> str:
        """The answer to a command."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(*words, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    # -- the registers, as pynq's DefaultIP has them
    def read(self, offset: int) -> int:
        return int(self.ask("r", offset))

    def write(self, offset: int, value: int) -> None:
        self.ask("w", offset, value)


class Engines:
    """AXI DMA engines in simple mode (PG021), one for each stream, between a design and a memory.

    Commands are `r TENSOR OFFSET` and `w TENSOR OFFSET VALUE`; `cut` takes a beat from the outputs' packets, `gather`
    makes engines of the other kind.
    """

    def __init__(self, device: Device, manifest: dict[str, Any]) -> None:
        self.device, self.memory = device, dict[int, int]()
        self.beat_bytes = manifest["data_bits"] // 8
        ways = [(k, True) for k in range(len(manifest["inputs"]))]
        ways += [(k, False) for k in range(len(manifest["outputs"]))]
        self.engines = [Engine(self, number, sends) for number, sends in ways]
        self.cuts = self.gathers = False

    def put(self, at: int, data: bytes) -> None:
        self.memory.update(enumerate(data, at))

    def get(self, at: int, count: int) -> bytes:
        return bytes(self.memory[at + k] for k in range(count))

    def ask(self, line: str) -> str:
        """The answer to a command."""
        command, *numbers = line.split()
        if command == "cut":
            self.cuts = True
        elif command == "gather":
            self.gathers = True
        else:
            tensor, offset, *value = map(int, numbers)
            engine = self.engines[tensor]
            offset -= 0 if engine.sends else 0x30
            if command == "r":
                return str(engine.read(offset))
            engine.write(offset, *value)
        return "ok"

    @property
    def runs(self) -> int:
        """Of the design, by its inputs."""
        return min(engine.finished for engine in self.engines if engine.sends)


class Engine:
    """One channel. A transfer begins when its length is written, and ends when its status is read next."""

    CONTROL, STATUS, ADDRESS, ADDRESS_HIGH, LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28
    HALTED, IDLE, GATHERS, INTERNAL, DECODE, FINISHED = 1, 2, 8, 0x10, 0x40, 0x1000

    def __init__(self, board: Engines, number: int, sends: bool) -> None:
        self.board, self.number, self.sends, self.finished = board, number, sends, 0
        self.words = dict.fromkeys((self.CONTROL, self.ADDRESS, self.ADDRESS_HIGH, self.LENGTH), 0)
        self.flags, self.is_busy, self.resets = self.HALTED, False, 0

    def write(self, offset: int, value: int) -> None:
        if offset == self.STATUS:
            self.flags &= ~(value & 0x7000)
            return
        self.words[offset] = value
        if offset == self.CONTROL and value & 4:
            self.words = dict.fromkeys(self.words, 0)
            self.flags, self.is_busy, self.resets = self.HALTED, False, 3
        elif offset == self.CONTROL and value & 1:
            self.flags &= ~self.HALTED
        elif offset == self.LENGTH:
            assert not self.is_busy and not self.flags & self.HALTED and not self.resets and value < 1 << 26
            self.is_busy, self.flags = True, self.flags & ~self.IDLE

    def read(self, offset: int) -> int:
        if offset == self.CONTROL and self.resets:
            self.resets -= 1
            return 4
        if offset == self.STATUS:
            if self.is_busy:
                self._transfer()
            return self.flags | (self.GATHERS if self.board.gathers else 0)
        return self.words[offset]

    def _transfer(self) -> None:
        at, length = self.words[self.ADDRESS] | self.words[self.ADDRESS_HIGH] << 32, self.words[self.LENGTH]
        assert at % self.board.beat_bytes == 0, "no data realignment engine"
        if at not in self.board.memory:
            self._stop(self.DECODE)
        elif self.sends:
            self.board.device.ask("s", self.number, self.board.get(at, length).hex())
            self._end()
        elif self.board.runs > self.finished:
            packet = bytes.fromhex(self.board.device.ask("g", self.number))
            packet = packet[: -self.board.beat_bytes] if self.board.cuts else packet
            self.board.put(at, packet[:length])
            self.words[self.LENGTH] = len(packet)
            self._end() if len(packet) <= length else self._stop(self.INTERNAL)

    def _end(self) -> None:
        self.finished += 1
        self.is_busy, self.flags = False, self.flags | self.FINISHED | self.IDLE

    def _stop(self, error: int) -> None:
        self.is_busy, self.flags = False, self.flags | error | self.HALTED


class Buffer(np.ndarray):
    """pynq's buffer: what the device sees of it is in the device, until `flush` and `invalidate`."""

    board: Device | None
    physical_address: int

    def flush(self) -> None:
        if self.board is not None:
            self.board.ask("p", self.physical_address, self.tobytes().hex())

    def invalidate(self) -> None:
        if self.board is not None:
            found = bytes.fromhex(self.board.ask("g", self.physical_address, self.nbytes))
            self[:] = np.frombuffer(found, np.uint8)


def pynq_of(device: Device, manifest: dict[str, Any]) -> types.ModuleType:
    """The module `pynq` on a board with this device; buffers are beyond 4 GiB."""
    module: Any = types.ModuleType("pynq")
    is_bus, places = manifest["interface"] == "axi", [0x1_0000_0000]

    def allocate(shape: tuple[int, ...], dtype: Any) -> Buffer:
        made = np.full(shape, 0xA5, dtype).view(Buffer)
        made.board, made.physical_address = device if is_bus else None, places[0]
        places[0] += -(-made.nbytes // 4096) * 4096
        return made

    class Channel:
        """A DMA engine's channel. `wait` is where packets come."""

        def __init__(self, number: int, sends: bool) -> None:
            self.number, self.sends, self.buffer = number, sends, None
            self.running, self.error, self.idle = True, False, True

        def transfer(self, buffer: Buffer) -> None:
            assert self.buffer is None, "the channel is busy"
            self.buffer = buffer
            if self.sends:
                device.ask("s", self.number, buffer.tobytes().hex())

        def wait(self) -> None:
            buffer, self.buffer = self.buffer, None
            assert buffer is not None
            if not self.sends:
                found = np.frombuffer(bytes.fromhex(device.ask("g", self.number)), np.uint8)
                buffer[: found.size] = found

    class Overlay:
        def __init__(self, file: str) -> None:
            assert file.endswith(".bit")
            self.accelerator = device
            if not is_bus:
                for name, sends in (("inputs", True), ("outputs", False)):
                    for number, entry in enumerate(manifest[name]):
                        channel = {"sendchannel" if sends else "recvchannel": Channel(number, sends)}
                        setattr(self, f"dma_{entry['name']}", types.SimpleNamespace(**channel))

    module.allocate, module.Overlay = allocate, Overlay
    return module


def pyxrt_of(device: Device, manifest: dict[str, Any]) -> types.ModuleType:
    """The module `pyxrt` with this device on a card. It starts kernels as XRT does: ap_ctrl_hs."""
    module: Any = types.ModuleType("pyxrt")
    entries = [*manifest["inputs"], *manifest["outputs"]]
    places = [0x4_0000_0000]

    class Object:
        normal = "normal"

        def __init__(self, card: object, size: int, flags: str, group: int) -> None:
            self.host, self.address = bytearray(size), places[0]
            places[0] += -(-size // 4096) * 4096

        def write(self, data: bytes, seek: int) -> None:
            self.host[seek : seek + len(data)] = data

        def read(self, size: int, skip: int) -> bytes:
            return bytes(self.host[skip : skip + size])

        def sync(self, way: Way, size: int, offset: int) -> None:
            if way is Way.XCL_BO_SYNC_BO_TO_DEVICE:
                device.ask("p", self.address + offset, bytes(self.host[offset : offset + size]).hex())
            else:
                self.host[offset : offset + size] = bytes.fromhex(device.ask("g", self.address + offset, size))

    class Way(enum.Enum):
        XCL_BO_SYNC_BO_TO_DEVICE = 0
        XCL_BO_SYNC_BO_FROM_DEVICE = 1

    class State(enum.Enum):
        ERT_CMD_STATE_COMPLETED = 4

    class Card:
        def __init__(self, index: int) -> None:
            assert index == 0

        def load_xclbin(self, file: str) -> str:
            assert file.endswith(".xclbin")
            return "uuid"

    class Run:
        def wait(self, milliseconds: int) -> State:
            while not device.read(0) & 2:
                pass
            return State.ERT_CMD_STATE_COMPLETED

    class Kernel:
        def __init__(self, card: Card, uuid: str, name: str) -> None:
            assert name == manifest["top"]
            self.group_id: Callable[[int], int] = lambda number: 0

        def __call__(self, *buffers: Object) -> Run:
            for entry, buffer in zip(entries, buffers, strict=True):
                device.write(entry["address_register"], buffer.address & 0xFFFFFFFF)
                device.write(entry["address_register"] + 4, buffer.address >> 32)
            device.read(0)  # clears ap_done of another host's run
            device.write(0, 1)
            return Run()

    module.device, module.kernel, module.bo = Card, Kernel, Object
    module.xclBOSyncDirection, module.ert_cmd_state = Way, State
    return module
