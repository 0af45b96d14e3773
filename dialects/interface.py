"""Interfaces: the ports by which a host reaches a design. Nothing else spells the name of a host's port.

Ports of MEMORY (section 5 of the contract is its protocol); x and y are the names of tensors, as in the manifest:

port      width         direction  of
clk       1             input      the design: everything is on its rising edge
reset     1             input      the design: synchronous, active high
go        1             input      the design: starts a run
done      1             output     the design: high in one cycle, at the end of a run
x_addr    address bits  input      every input, output and state x
x_data    element bits  input      an input: the element to be written at x_addr while x_we is high
x_we      1             input      an input
y_data    element bits  output     an output: the element that was at y_addr in the cycle before, where y_re was high
y_re      1             input      an output
s_data    element bits  input      a state s: the element to be written at s_addr while s_we is high
s_we      1             input      a state
s_raddr   address bits  input      a state
s_rdata   element bits  output     a state: the element that was at s_raddr in the cycle before, where s_re was high
s_re      1             input      a state

An address is `bank · 2^offset_bits + offset`: offset_bits is clog2(elements of a bank), address bits are max(1,
offset_bits + clog2(banks)).

The control ports are those of every component of a design, kernels too (Calyx asks each for them). A wrapper that
speaks another protocol stands around a design with these ports, and is another `Interface`: the manifest is written
from the outermost one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from torch2hw.dialects.loops import Buffer


DATA_BITS = (32, 64, 128, 256, 512)
"""Widths of a beat of the interfaces that have beats."""


@dataclass(frozen=True)
class HostPort:
    """A port of the top component; `is_input` as the design sees it."""

    name: str
    width_bits: int
    is_input: bool


class Interface(ABC):
    """What a host sees of a design. `name` is its name on the command line. `surrounds`: it holds the memories of
    inputs and outputs itself, around the design."""

    name: ClassVar[str]
    surrounds: ClassVar[bool] = False

    @abstractmethod
    def control_ports(self) -> tuple[HostPort, ...]:
        """The ports that belong to no tensor. No tensor and no top component may have their names."""

    @abstractmethod
    def tensor_ports(self, buffer: Buffer) -> tuple[HostPort, ...]:
        """The ports of an input or output."""

    @abstractmethod
    def control_entries(self) -> dict[str, Any]:
        """The manifest's entries about the control ports."""

    def state_entries(self, buffer: Buffer) -> dict[str, Any]:
        """The manifest's entries about how the host reaches a state; an interface without states has none."""
        raise AssertionError(f"{buffer.name}: no states with the interface {self.name}")

    @abstractmethod
    def tensor_entries(self, buffer: Buffer) -> dict[str, Any]:
        """The manifest's entries about how the host reaches an input or output."""

    def numbered_entries(self, number: int) -> dict[str, Any]:
        """The manifest's entries about a tensor that follow from its number, inputs first, then outputs."""
        return {}

    @abstractmethod
    def run_entries(self, tensors: Sequence[Buffer], latency_cycles: int) -> dict[str, Any]:
        """The manifest's entries about the runs of a design of this latency, with all its inputs and outputs."""


@dataclass(frozen=True)
class Control:
    """The control ports of a component, by their purpose."""

    clock: HostPort = HostPort("clk", 1, True)
    reset: HostPort = HostPort("reset", 1, True)
    start: HostPort = HostPort("go", 1, True)
    finish: HostPort = HostPort("done", 1, False)


@dataclass(frozen=True)
class Addressed:
    """The ports of a tensor in a memory; `data` and `enable` are for writing or for reading it."""

    address: HostPort
    data: HostPort
    enable: HostPort
    offset_bits: int
    bank_bits: int


class MemoryInterface(Interface):
    """`mem`, the design's own interface: each input and output is a memory with address, data and enable."""

    name = "mem"
    control = Control()

    def addressed(self, buffer: Buffer) -> Addressed:
        """The ports by which the host writes an input or a state, or reads an output."""
        writes = buffer.storage.host_writes
        assert writes or buffer.storage.host_reads, f"{buffer.name}: the host neither writes nor reads it"
        offset_bits = (buffer.bank_elements - 1).bit_length()
        bank_bits = (buffer.banks - 1).bit_length()
        return Addressed(
            HostPort(f"{buffer.name}_addr", max(1, offset_bits + bank_bits), True),
            HostPort(f"{buffer.name}_data", buffer.width_bits, writes),
            HostPort(f"{buffer.name}_{'we' if writes else 're'}", 1, True),
            offset_bits,
            bank_bits,
        )

    def read_back(self, buffer: Buffer) -> Addressed:
        """The ports by which the host reads a state."""
        assert buffer.storage.host_writes and buffer.storage.host_reads, f"{buffer.name} is no state"
        ports = self.addressed(buffer)
        return replace(
            ports,
            address=HostPort(f"{buffer.name}_raddr", ports.address.width_bits, True),
            data=HostPort(f"{buffer.name}_rdata", buffer.width_bits, False),
            enable=HostPort(f"{buffer.name}_re", 1, True),
        )

    def control_ports(self) -> tuple[HostPort, ...]:
        """Clock, reset, start and finish."""
        control = self.control
        return (control.clock, control.reset, control.start, control.finish)

    def tensor_ports(self, buffer: Buffer) -> tuple[HostPort, ...]:
        """Address, data, enable, in the order of the top component's port list; of a state for both ways."""
        ports = self.addressed(buffer)
        own = (ports.address, ports.data, ports.enable)
        if not (buffer.storage.host_writes and buffer.storage.host_reads):
            return own
        back = self.read_back(buffer)
        return (*own, back.address, back.data, back.enable)

    def control_entries(self) -> dict[str, Any]:
        """The manifest's clock, reset, start, finish: the names of the ports."""
        control = self.control
        return {
            "clock": control.clock.name,
            "reset": control.reset.name,
            "start": control.start.name,
            "finish": control.finish.name,
        }

    def tensor_entries(self, buffer: Buffer) -> dict[str, Any]:
        """The names of the ports, and the fields of the address formula."""
        ports = self.addressed(buffer)
        return {
            "address_port": ports.address.name,
            "data_port": ports.data.name,
            "enable_port": ports.enable.name,
            "bank_factors": list(buffer.bank_factors),
            "offset_bits": ports.offset_bits,
        }

    def state_entries(self, buffer: Buffer) -> dict[str, Any]:
        """As an input's, and the ports that read."""
        ports = self.read_back(buffer)
        return {
            **self.tensor_entries(buffer),
            "read_address_port": ports.address.name,
            "read_data_port": ports.data.name,
            "read_enable_port": ports.enable.name,
        }

    def run_entries(self, tensors: Sequence[Buffer], latency_cycles: int) -> dict[str, Any]:
        """What becomes of writes in a run."""
        return {"writes_while_running": "ignored"}


MEMORY = MemoryInterface()
CONTROL = MEMORY.control
