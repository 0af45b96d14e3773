"""Names around the banks of buffers: a kernel's ports towards each, and its memory in the top component.

port       width         direction  of
x_addr     address bits  output     a kernel that reads x: the word to be read
x_data     element bits  input      a kernel that reads x: that word, the storage's read latency later
x_waddr    address bits  output     a kernel that writes x
x_wdata    element bits  output     a kernel that writes x
x_we       1             output     a kernel that writes x: high in the cycle of the write

x is the stem: the buffer's name, or NAME_bK for bank K of several. Address bits are those of one bank. Nothing else
spells these names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch2hw.dialects.loops import Buffer


@dataclass(frozen=True)
class BankPorts:
    """The names around one bank, by its stem."""

    stem: str

    @property
    def address(self) -> str:
        """The port for the address of the word to read."""
        return f"{self.stem}_addr"

    @property
    def data(self) -> str:
        """The port for the word that was read."""
        return f"{self.stem}_data"

    @property
    def write_address(self) -> str:
        """The port for the address of the word to write."""
        return f"{self.stem}_waddr"

    @property
    def write_data(self) -> str:
        """The port for the word to write."""
        return f"{self.stem}_wdata"

    @property
    def write_enable(self) -> str:
        """The port that is high in the cycle of a write."""
        return f"{self.stem}_we"

    @property
    def memory(self) -> str:
        """The name of the bank's memory, an instance in the top component."""
        return f"{self.stem}_memory"


def bank_ports(buffer: Buffer, bank: int) -> BankPorts:
    """The names around bank number `bank`."""
    return BankPorts(buffer.name if buffer.banks == 1 else f"{buffer.name}_b{bank}")


def is_like_a_bank(name: str) -> bool:
    """Whether a buffer of this name could be confused with a bank of another buffer."""
    return re.search(r"_b\d+$", name) is not None
