"""A kernel's ports to the memories of its parent, one for each bank, and the accesses that share a port.

Their names, directions and widths: dialects/bank_ports.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import reduce

from torch2hw.dialects.bank_ports import bank_ports
from torch2hw.dialects.calyx_builder import ComponentBuilder, Wire
from torch2hw.dialects.loops import Buffer
from torch2hw.hwlib.memories import address_bits


@dataclass(frozen=True)
class Moment:
    """When an access is at a port: `when` is high, and the number `chosen` is the access's. Accesses that take turns
    at a port share both. `numbers` are all that `chosen` can be; it is None where the access is always at this port."""

    when: Wire
    chosen: Wire | None = None
    numbers: frozenset[int] = frozenset()


@dataclass
class ReadPort:
    """A read port of a bank: the address goes out, the word comes in a read latency later."""

    address: Wire
    data: Wire
    requests: dict[Moment, dict[int, Wire]] = field(default_factory=dict)  # addresses, by the access's number
    cycles: set[int] = field(default_factory=set)  # of an iteration, in which it may be used
    select: str | None = None  # the kernel's port that is high in these cycles; None: the parent need not know


@dataclass
class WritePort:
    """A write port of a bank; all go out in the cycle of the write."""

    address: Wire
    data: Wire
    enable: Wire
    requests: dict[Moment, dict[int, tuple[Wire, Wire]]] = field(default_factory=dict)  # addresses and data, likewise


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
            found = [(moment, self.one_of(moment, turns)) for moment, turns in read.requests.items()]
            address = found[-1][1]
            for moment, other in reversed(found[:-1]):
                address = component.mux(self.flag(moment, read.requests[moment]), other, address)
            component.assign(read.address, address)
        for write in self.writes.values():
            driven: tuple[Wire, Wire, Wire] | None = None
            for moment, turns in reversed(write.requests.items()):
                flag = self.flag(moment, turns)
                address = self.one_of(moment, {number: turn[0] for number, turn in turns.items()})
                data = self.one_of(moment, {number: turn[1] for number, turn in turns.items()})
                if driven is not None:
                    address, data = component.mux(flag, address, driven[0]), component.mux(flag, data, driven[1])
                driven = address, data, flag if driven is None else component.operator("or", driven[2], flag)
            assert driven is not None
            for port, wire in zip((write.address, write.data, write.enable), driven, strict=True):
                component.assign(port, wire)

    def one_of(self, moment: Moment, turns: Mapping[int, Wire]) -> Wire:
        """What the access whose turn it is has at a port."""
        if moment.chosen is None:
            return next(iter(turns.values()))
        return select(self.component, moment.chosen, list(turns.items()))

    def flag(self, moment: Moment, numbers: Collection[int]) -> Wire:
        """High while an access with one of these numbers is at its port."""
        if moment.chosen is None or moment.numbers <= set(numbers):
            return moment.when
        width = moment.chosen.width
        each = (self.component.constant(number, width) for number in numbers)
        flags = [self.component.operator("eq", moment.chosen, number, 1) for number in each]
        any_of = reduce(lambda one, other: self.component.operator("or", one, other), flags)
        return self.component.conjunction(moment.when, any_of)


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
