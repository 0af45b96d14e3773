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
        """A DMA engine's channel."""

        def __init__(self, number: int, sends: bool) -> None:
            self.number, self.sends, self.buffer = number, sends, None

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
