"""Boards for which `torch2hw package` writes systems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch2hw.tools.errors import UsageError


@dataclass(frozen=True)
class Board:
    """A board. `part`: the device; `board_part`: its files in Vivado, or "" for `platform`, what v++ builds for.
    `max_mhz`: the clock that a system asks for at most; `address_bits` of the processor's memory port."""

    name: str
    kind: Literal["zynq", "zynqmp", "alveo"]
    part: str
    board_part: str
    platform: str
    max_mhz: int
    address_bits: int

    def mhz(self, clock_ns: float) -> int:
        """The clock of a system whose design is pipelined for a period."""
        return max(1, min(self.max_mhz, int(1000 / clock_ns)))


BOARDS = {
    board.name: board
    for board in (
        Board("pynq-z2", "zynq", "xc7z020clg400-1", "tul.com.tw:pynq-z2:part0:1.0", "", 100, 32),
        Board("kv260", "zynqmp", "xck26-sfvc784-2LV-c", "xilinx.com:kv260_som:part0:1.4", "", 250, 49),
        Board("zcu104", "zynqmp", "xczu7ev-ffvc1156-2-e", "xilinx.com:zcu104:part0:1.1", "", 250, 49),
        Board("u50", "alveo", "xcu50-fsvh2104-2-e", "", "xilinx_u50_gen3x16_xdma_5_202210_1", 300, 64),
    )
}


def board_of(name: str, interface: str) -> Board:
    """The board of this name. UsageError where there is none, or it does not take the interface."""
    if name not in BOARDS:
        raise UsageError(f"--board {name}: unknown", fix=f"the boards are {', '.join(BOARDS)}")
    board = BOARDS[name]
    if interface == "mem":
        raise UsageError(
            "package: unsupported with --interface mem",
            why="nothing on a board drives its ports",
            fix="use --interface axi or axis",
        )
    if interface == "axis" and board.kind == "alveo":
        raise UsageError(
            f"--board {name}: unsupported with --interface axis",
            why="XRT gives kernels addresses in the card's memory, and starts them through registers",
            fix="use --interface axi",
        )
    return board
