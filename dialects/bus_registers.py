"""The registers of `--interface axi`, described once: hardware, manifest, SystemRDL and drivers are made of this table.

How software reaches a field (`Field.access`), as SystemRDL has it:

access   reading     writing
rw       its value   sets it to what is written
set      its value   1 sets it, 0 does nothing; hardware clears it
clear    clears it   nothing; hardware sets it
toggle   its value   1 changes it; hardware sets it
r        its value   nothing
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

VERSION = 1
FIRST_ADDRESS, ADDRESS_STEP = 0x10, 12
FIRST_STATUS = 0x800
MAX_TENSORS = (FIRST_STATUS - FIRST_ADDRESS) // ADDRESS_STEP
SPACE_BYTES = 0x1000


@dataclass(frozen=True)
class Field:
    """Bits of a register; `reset` is what they read after a reset."""

    name: str
    low: int
    bits: int
    access: str
    meaning: str
    reset: int = 0


@dataclass(frozen=True)
class Register:
    """32 bits at an offset; bits of no field read 0."""

    name: str
    offset: int
    fields: tuple[Field, ...]
    meaning: str

    @property
    def bits(self) -> int:
        """Bits up to the highest one of a field."""
        return max(field.low + field.bits for field in self.fields)

    @property
    def access(self) -> str:
        """`r`, or `rw` where some field may be written."""
        return "r" if all(field.access in ("r", "clear") for field in self.fields) else "rw"

    def bit(self, name: str) -> int:
        """The lowest bit of a field."""
        return next(field.low for field in self.fields if field.name == name)


def _word(name: str, offset: int, meaning: str, access: str = "r", reset: int = 0) -> Register:
    return Register(name, offset, (Field("value", 0, 32, access, meaning, reset),), meaning)


CTRL = Register(
    "ctrl",
    0x00,
    (
        Field("ap_start", 0, 1, "set", "start a run; cleared once its inputs are fetched"),
        Field("ap_done", 1, 1, "clear", "a run is finished"),
        Field("ap_idle", 2, 1, "r", "no run is under way", 1),
        Field("ap_ready", 3, 1, "clear", "the inputs of a run are fetched"),
        Field("auto_restart", 7, 1, "rw", "ap_start is not cleared"),
    ),
    "starts runs",
)
GIE = Register("gie", 0x04, (Field("enable", 0, 1, "rw", "the port interrupt follows ISR"),), "enables interrupts")
IER = Register(
    "ier",
    0x08,
    (Field("done", 0, 1, "rw", "of finished runs"), Field("ready", 1, 1, "rw", "of fetched inputs")),
    "which events ISR takes",
)
ISR = Register(
    "isr",
    0x0C,
    (
        Field("done", 0, 1, "toggle", "a run is finished"),
        Field("ready", 1, 1, "toggle", "the inputs of a run are fetched"),
    ),
    "events",
)
ERROR = Register(
    "error",
    0x804,
    (
        Field("misaligned", 0, 1, "r", "an address is not a multiple of a beat"),
        Field("read", 1, 1, "r", "a read response was an error"),
        Field("write", 2, 1, "r", "a write response was an error"),
    ),
    "of the run that finished last",
)
STATUS = (
    _word("version", FIRST_STATUS, "of these registers", reset=VERSION),
    ERROR,
    _word("runs", 0x808, "finished runs"),
    _word("cycles", 0x80C, "of the last run, low half"),
    _word("cycles_high", 0x810, "of the last run, high half"),
    _word("read_errors", 0x814, "read beats with an error"),
    _word("write_errors", 0x818, "write responses with an error"),
)


def address_register(number: int) -> int:
    """The offset of the low half of a tensor's address; inputs are numbered first, then outputs."""
    return FIRST_ADDRESS + ADDRESS_STEP * number


def bus_registers(tensors: Sequence[str]) -> list[Register]:
    """Every register of a design with these tensors, by ascending offset."""
    addresses = []
    for number, name in enumerate(tensors):
        offset = address_register(number)
        addresses.append(_word(f"{name}_address", offset, f"of {name} in memory, low half", "rw"))
        addresses.append(_word(f"{name}_address_high", offset + 4, f"of {name} in memory, high half", "rw"))
    return [CTRL, GIE, IER, ISR, *addresses, *STATUS]
