"""Scheduled program → Calyx: one component a kernel, and a top component that holds memories and shared units.

The top runs the kernels one after the other: `static_seq { enable run_k0; enable run_k1; … }`, each group as long as
its kernel's latency, so the design's latency is a constant. A memory port or shared unit that several kernels use is
driven in their groups; one that a single kernel uses is simply wired to it. The host's ports reach the memories while
no kernel runs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from torch2hw.dialects.calyx_builder import Component, Design, Wire, primitive
from torch2hw.dialects.loops import DTYPE_BITS, Buffer, Operation
from torch2hw.hwlib.memories import ram
from torch2hw.lowering.affine_to_scf import ScheduledProgram, operand_register_cycles
from torch2hw.lowering.kernel_component import KernelComponent, bank_name, select, shared_name
from torch2hw.lowering.modulo_schedule import READ_LATENCY_CYCLES


@dataclass(frozen=True)
class CalyxProgram:
    """Calyx text, the hardware of its primitives, and what the manifest needs to know."""

    calyx: str
    definitions: dict[str, str]
    latency_cycles: int
    kernels: tuple[KernelComponent, ...] = field(repr=False)
    program: ScheduledProgram = field(repr=False)

    def text(self) -> str:
        return self.calyx


def lower(scheduled: ScheduledProgram) -> CalyxProgram:
    return _Top(scheduled).lower()


def shared_units(scheduled: ScheduledProgram) -> dict[str, int]:
    """How many of each pipelined unit more than one kernel can use: kernels never run at the same time."""
    counts: list[Counter[str]] = []
    for nest in scheduled.program.nests:
        units = [scheduled.unit(s) for s in nest.statements() if isinstance(s, Operation)]
        counts.append(Counter(unit.name for unit in units if unit.latency_cycles > 0))
    shared = {}
    for name in sorted(set().union(*counts)) if counts else []:
        uses = sorted((count[name] for count in counts), reverse=True)
        if len(uses) > 1 and uses[1] > 0:
            shared[name] = uses[1]
    return shared


class _Top:
    def __init__(self, scheduled: ScheduledProgram) -> None:
        self.scheduled = scheduled
        self.program = scheduled.program
        self.design = Design(self.program.name)
        self.top = Component(self.design, self.program.name)
        self.kernels: list[KernelComponent] = []
        self.ports: list[dict[str, Wire]] = []
        self.groups: list[str] = []
        self.units: dict[tuple[str, int], dict[str, Wire]] = {}

    def lower(self) -> CalyxProgram:
        top, program = self.top, self.program
        host = {buffer: self.host_ports(buffer) for buffer in (*program.inputs, *program.outputs)}
        busy = top.cell("std_wire", "busy", [("in", 1), ("out", 1)])
        shared = shared_units(self.scheduled)
        for nest, schedule in zip(program.nests, self.scheduled.schedules, strict=True):
            kernel = KernelComponent(
                self.design, f"{program.name}_{nest.name}", nest, schedule, self.scheduled.library, shared
            )
            self.design.components += kernel.component.text()
            self.kernels.append(kernel)
            ports = top.subcomponent(kernel.component, nest.name)
            self.ports.append(ports)
            group = top.static_group(f"run_{nest.name}", kernel.latency_cycles)
            self.groups.append(group)
            start = top.cycle(group, 0) if kernel.latency_cycles > 1 else None
            top.assign(ports["go"], top.constant(1, 1), group, start)
            top.assign(busy["in"], top.constant(1, 1), group)
            for unit in kernel.shared:
                self.share(unit, ports, group)
        idle = top.negation(busy["out"])
        for buffer in program.buffers():
            if buffer.kind != "constant":
                self.memory(buffer, host.get(buffer, {}), idle)
        top.control = ["calyx.static_seq {", *(f"  calyx.enable @{group}" for group in self.groups), "}"]
        self.design.components += top.text()
        definitions = {name: item.definition for name, item in self.design.primitives.items()}
        latency = sum(kernel.latency_cycles for kernel in self.kernels)
        return CalyxProgram(self.design.text(), definitions, latency, tuple(self.kernels), self.scheduled)

    def host_ports(self, buffer: Buffer) -> dict[str, Wire]:
        name, width = buffer.name, DTYPE_BITS[buffer.dtype]
        bits = max(1, offset_bits(buffer) + (buffer.banks - 1).bit_length())
        if buffer.kind == "input":
            return {
                "addr": self.top.input(f"{name}_addr", bits),
                "data": self.top.input(f"{name}_data", width),
                "we": self.top.input(f"{name}_we", 1),
            }
        return {
            "addr": self.top.input(f"{name}_addr", bits),
            "re": self.top.input(f"{name}_re", 1),
            "data": self.top.output(f"{name}_data", width),
        }

    def share(self, unit: Any, ports: dict[str, Wire], group: str) -> None:
        key = unit.hardware.name, unit.number
        if key not in self.units:
            self.units[key] = self.unit(unit.hardware, unit.number)
        cell = self.units[key]
        stem = shared_name(unit.hardware, unit.number)
        for port in unit.operands:
            self.top.assign(cell[port], ports[f"{stem}_{port}"], group)
        self.top.assign(ports[f"{stem}_out"], cell["out"])

    def unit(self, hardware: Any, number: int) -> dict[str, Wire]:
        """A unit that kernels take turns with: wires for its operands, which are registered, and its result."""
        name = shared_name(hardware, number)
        cell = self.top.instance(primitive(hardware), name, {})
        ports = {"out": cell["out"]}
        for port in hardware.inputs:
            operand = self.top.cell(
                "std_wire", f"{name}_{port.name}", [("in", port.width_bits), ("out", port.width_bits)]
            )
            self.top.assign(cell[port.name], self.top.delayed(operand["out"], operand_register_cycles(hardware)))
            ports[port.name] = operand["in"]
        return ports

    def memory(self, buffer: Buffer, host: dict[str, Wire], idle: Wire) -> None:
        """The banks of one buffer with all that reads and writes them."""
        reading = (
            self.reading(
                [self.groups[k] for k, kernel in enumerate(self.kernels) if any(b is buffer for b, _ in kernel.reads)],
                buffer,
            )
            if buffer.kind == "output"
            else None
        )
        bank_bits = (buffer.banks - 1).bit_length()
        top, number = self.top, None
        if host and buffer.banks > 1:
            shifted = top.operator("rsh", host["addr"], top.constant(offset_bits(buffer), host["addr"].width))
            number = top.resize(shifted, bank_bits)
        words = []
        for bank in range(buffer.banks):
            cell = self.bank(buffer, bank, host, reading)
            if buffer.kind == "input":
                here = [] if number is None else [top.operator("eq", number, top.constant(bank, bank_bits), 1)]
                top.assign(cell["write_addr"], self.offset(buffer, host["addr"], cell["write_addr"].width))
                top.assign(cell["write_data"], host["data"])
                top.assign(cell["write_en"], top.conjunction(host["we"], idle, *here))
            words.append((bank, cell["out"]))
        if buffer.kind == "output":
            asked = top.constant(0, 1)
            if number is not None:
                held = top.register(f"{buffer.name}_bank", bank_bits)
                top.assign(held.data, number)
                top.assign(held.enable, host["re"])
                asked = held.out
            top.assign(host["data"], select(top, asked, words))

    def bank(self, buffer: Buffer, bank: int, host: dict[str, Wire], reading: Wire | None) -> dict[str, Wire]:
        """One bank's memory, wired to the kernels."""
        top, stem, outside = self.top, bank_name(buffer, bank), buffer.kind == "output"
        readers = [(k, ports) for k, ports in enumerate(self.ports) if (buffer, bank) in self.kernels[k].reads]
        writers = [(k, ports) for k, ports in enumerate(self.ports) if (buffer, bank) in self.kernels[k].writes]
        cell = top.instance(
            primitive(ram(DTYPE_BITS[buffer.dtype], buffer.bank_elements, outside)), f"{stem}_memory", {}, buffer.source
        )
        for k, ports in readers:
            alone = len(readers) == 1 and not outside
            top.assign(cell["read_addr"], ports[f"{stem}_addr"], None if alone else self.groups[k])
            top.assign(ports[f"{stem}_data"], top.delayed(cell["out"], READ_LATENCY_CYCLES - 1))
        if outside:
            address = self.offset(buffer, host["addr"], cell["read_addr"].width)
            top.assign(
                cell["read_addr"], address, None, None if not readers or reading is None else top.negation(reading)
            )
            top.assign(cell["read_en"], host["re"] if reading is None else top.operator("or", host["re"], reading))
        elif not readers:
            top.assign(cell["read_addr"], top.constant(0, cell["read_addr"].width))
        enable: Wire | None = None
        for k, ports in writers:
            group = None if len(writers) == 1 else self.groups[k]
            top.assign(cell["write_addr"], ports[f"{stem}_waddr"], group)
            top.assign(cell["write_data"], ports[f"{stem}_wdata"], group)
            flag = ports[f"{stem}_we"]
            enable = flag if enable is None else top.operator("or", enable, flag)
        if buffer.kind != "input":
            if enable is None:  # a bank of padding: nothing is ever stored there
                enable = top.constant(0, 1)
                top.assign(cell["write_addr"], top.constant(0, cell["write_addr"].width))
                top.assign(cell["write_data"], top.constant(0, cell["write_data"].width))
            top.assign(cell["write_en"], enable)
        return cell

    def offset(self, buffer: Buffer, address: Wire, width: int) -> Wire:
        """The place within a bank that a host's address names."""
        return self.top.resize(address, width) if offset_bits(buffer) else self.top.constant(0, width)

    def reading(self, groups: list[str], buffer: Buffer) -> Wire | None:
        """High while a kernel that reads `buffer` runs."""
        if not groups:
            return None
        wire = self.top.cell("std_wire", f"{buffer.name}_reading", [("in", 1), ("out", 1)])
        for group in groups:
            self.top.assign(wire["in"], self.top.constant(1, 1), group)
        return wire["out"]


def offset_bits(buffer: Buffer) -> int:
    """Bits of an address within a bank, as in the manifest."""
    return (buffer.bank_elements - 1).bit_length()
