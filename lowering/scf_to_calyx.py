"""Scheduled program → Calyx: one component a kernel, and a top component that holds memories and shared units.

The top runs the kernels one after the other: `static_seq { enable run_k0; enable run_k1; … }`, each group as long as its kernel's
latency, so the design's latency is a constant. A memory port or shared unit that several kernels use is driven in their groups;
one that a single kernel uses is simply wired to it. The host's ports reach the memories while no kernel runs.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from torch2hw.dialects.calyx_builder import Component, Design, Primitive, Wire, primitive
from torch2hw.dialects.loops import DTYPE_BITS, Buffer, Operation
from torch2hw.hwlib.memories import address_bits, ram
from torch2hw.lowering.affine_to_scf import ScheduledProgram
from torch2hw.lowering.kernel_component import KernelComponent


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
            kernel = KernelComponent(self.design, f"{program.name}_{nest.name}", nest, schedule, self.scheduled.library, shared)
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
        name, bits, width = buffer.name, address_bits(buffer.elements), DTYPE_BITS[buffer.dtype]
        if buffer.kind == "input":
            return {"addr": self.top.input(f"{name}_addr", bits), "data": self.top.input(f"{name}_data", width),
                    "we": self.top.input(f"{name}_we", 1)}
        return {"addr": self.top.input(f"{name}_addr", bits), "re": self.top.input(f"{name}_re", 1),
                "data": self.top.output(f"{name}_data", width)}

    def share(self, unit: Any, ports: dict[str, Wire], group: str) -> None:
        key = unit.hardware.name, unit.number
        if key not in self.units:
            kind: Primitive = primitive(unit.hardware)
            self.units[key] = self.top.instance(kind, f"{unit.hardware.name}{unit.number}", {})
        cell = self.units[key]
        stem = f"{unit.hardware.name}{unit.number}"
        for port in unit.operands:
            self.top.assign(cell[port], ports[f"{stem}_{port}"], group)
        self.top.assign(ports[f"{stem}_out"], cell["out"])

    def memory(self, buffer: Buffer, host: dict[str, Wire], idle: Wire) -> None:
        top = self.top
        readers = [(k, ports) for k, ports in enumerate(self.ports) if buffer in self.kernels[k].reads]
        writers = [(k, ports) for k, ports in enumerate(self.ports) if buffer in self.kernels[k].writes]
        if not readers and not writers and not host:
            return
        outside = buffer.kind == "output"
        cell = top.instance(primitive(ram(DTYPE_BITS[buffer.dtype], buffer.elements, outside)), f"{buffer.name}_memory", {},
                            buffer.source)
        for k, ports in readers:
            alone = len(readers) == 1 and not outside
            top.assign(cell["read_addr"], ports[f"{buffer.name}_addr"], None if alone else self.groups[k])
            top.assign(ports[f"{buffer.name}_data"], cell["out"])
        if outside:
            reading = self.reading([self.groups[k] for k, _ in readers], buffer)
            top.assign(cell["read_addr"], host["addr"], None, None if reading is None else top.negation(reading))
            top.assign(cell["read_en"], host["re"] if reading is None else top.operator("or", host["re"], reading))
            top.assign(host["data"], cell["out"])
        if buffer.kind == "input":
            top.assign(cell["write_addr"], host["addr"])
            top.assign(cell["write_data"], host["data"])
            top.assign(cell["write_en"], top.operator("and", host["we"], idle))
            return
        enable: Wire | None = None
        for k, ports in writers:
            group = None if len(writers) == 1 else self.groups[k]
            top.assign(cell["write_addr"], ports[f"{buffer.name}_waddr"], group)
            top.assign(cell["write_data"], ports[f"{buffer.name}_wdata"], group)
            flag = ports[f"{buffer.name}_we"]
            enable = flag if enable is None else top.operator("or", enable, flag)
        assert enable is not None, f"{buffer.name} is written by no kernel"
        top.assign(cell["write_en"], enable)

    def reading(self, groups: list[str], buffer: Buffer) -> Wire | None:
        """High while a kernel that reads `buffer` runs."""
        if not groups:
            return None
        wire = self.top.cell("std_wire", f"{buffer.name}_reading", [("in", 1), ("out", 1)])
        for group in groups:
            self.top.assign(wire["in"], self.top.constant(1, 1), group)
        return wire["out"]
