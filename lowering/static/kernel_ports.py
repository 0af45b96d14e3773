"""A kernel's ports to the memories of its parent, one for each bank, and the accesses that share a port.

Their names, directions and widths: dialects/bank_ports.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch2hw.dialects.bank_ports import bank_ports
from torch2hw.dialects.calyx_builder import ComponentBuilder, Wire
from torch2hw.dialects.loops import Buffer
from torch2hw.hwlib.memories import address_bits


@dataclass
class ReadPort:
    """A read port of a bank: the address goes out, the word comes in a read latency later."""

    address: Wire
    data: Wire
    requests: list[tuple[Wire, Wire]] = field(default_factory=list)  # (high in the request's cycle, address)
    cycles: set[int] = field(default_factory=set)  # of an iteration, in which it may be used
    select: str | None = None  # the kernel's port that is high in these cycles; None: the parent need not know


@dataclass
class WritePort:
    """A write port of a bank; all go out in the cycle of the write."""

    address: Wire
    data: Wire
    enable: Wire
    requests: list[tuple[Wire, Wire, Wire]] = field(default_factory=list)  # (enable, address, data)


class KernelPorts:
    """The ports of one component, made when they are first asked for."""

    def __init__(self, component: ComponentBuilder) -> None:
        self.component = component
        self.reads: dict[tuple[Buffer, int], ReadPort] = {}
        self.writes: dict[tuple[Buffer, int], WritePort] = {}

    def banks(self) -> list[tuple[Buffer, int]]:
        """Every bank that has a port, by name."""
        return sorted({*self.reads, *self.writes}, key=lambda key: (key[0].name, key[1]))

    def read(self, buffer: Buffer, bank: int, cycle: int) -> ReadPort:
        """The port for reads of a bank in this cycle of an iteration."""
        if (buffer, bank) not in self.reads:
            names = bank_ports(buffer, bank)
            address = self.component.output(names.address, address_bits(buffer.bank_elements))
            data = self.component.input(names.data, buffer.width_bits)
            self.reads[buffer, bank] = ReadPort(address, data)
        self.reads[buffer, bank].cycles.add(cycle)
        return self.reads[buffer, bank]

    def write(self, buffer: Buffer, bank: int) -> WritePort:
        """The port for writes to a bank."""
        if (buffer, bank) not in self.writes:
            names = bank_ports(buffer, bank)
            self.writes[buffer, bank] = WritePort(
                self.component.output(names.write_address, address_bits(buffer.bank_elements)),
                self.component.output(names.write_data, buffer.width_bits),
                self.component.output(names.write_enable, 1),
            )
        return self.writes[buffer, bank]

    def connect(self) -> None:
        """Drives every port with the access of the cycle."""
        component = self.component
        for read in self.reads.values():
            distinct = list(dict.fromkeys(read.requests))
            address = distinct[-1][1]
            for selected, other in reversed(distinct[:-1]):
                address = component.mux(selected, other, address)
            component.assign(read.address, address)
        for write in self.writes.values():
            enable, address, data = write.requests[-1]
            for flag, other_address, other_data in reversed(write.requests[:-1]):
                address, data = component.mux(flag, other_address, address), component.mux(flag, other_data, data)
                enable = component.operator("or", enable, flag)
            component.assign(write.enable, enable)
            component.assign(write.address, address)
            component.assign(write.data, data)


def select(component: ComponentBuilder, chosen: Wire, values: list[tuple[int, Wire]]) -> Wire:
    """The value with the number `chosen`, which exists: a tree of multiplexers over the bits of the number, the highest
    first."""
    if len(values) == 1:
        return values[0][1]
    bit = max((values[0][0] ^ number).bit_length() for number, _ in values[1:]) - 1
    low = [(number, wire) for number, wire in values if not number >> bit & 1]
    high = [(number, wire) for number, wire in values if number >> bit & 1]
    flag = chosen
    if bit:
        flag = component.operator("rsh", chosen, component.constant(bit, chosen.width))
    return component.mux(component.resize(flag, 1), select(component, chosen, high), select(component, chosen, low))
