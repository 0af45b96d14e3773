"""Scheduled program → Calyx: one component a kernel, and a top component that holds memories and shared units.

The top starts the kernels: `static_seq { enable run_k0; enable run_k1; … }`. A group starts the kernels of one cycle
and lasts until the next ones start, the last until all have ended, so the design's latency is a constant. `Rounds` are
a `static_repeat`. Where several kernels use a memory's read port or a unit, the one whose turn it is says so; the last
of them has what is left. The host's ports reach the memories while no kernel runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from typing import Any

from torch2hw.dialects.calyx_builder import Component, Design, Wire, primitive
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.program import Program, Rounds
from torch2hw.dialects.storage import MADE
from torch2hw.hwlib.contents import Contents
from torch2hw.hwlib.memories import ram, rom
from torch2hw.lowering.kernel_component import KernelComponent, SharedUnit
from torch2hw.lowering.kernel_ports import bank_name, select
from torch2hw.lowering.units import operand_register_cycles, shared_name, shared_uses
from torch2hw.passes.bank_analysis import bank_number, selection

Phase = tuple[int, list[int]]  # cycles, and the numbers of the kernels that start in the first of them


@dataclass(frozen=True)
class CalyxProgram:
    """Calyx text, its primitives as hardware, the contents that this refers to, and what the manifest needs to know."""

    calyx: str
    definitions: dict[str, str]
    contents: dict[str, Contents] = field(repr=False)
    latency_cycles: int
    kernels: tuple[KernelComponent, ...] = field(repr=False)
    program: Program = field(repr=False)

    def text(self, weights: bool = True) -> str:
        """Calyx text; weights are beside it in any case."""
        return self.calyx


def lower(program: Program, library: Any) -> CalyxProgram:
    """The Calyx program of a scheduled one, with units from `library`."""
    return _Top(program, library).lower()


class _Top:
    def __init__(self, program: Program, library: Any) -> None:
        self.program, self.library = program, library
        self.design = Design(self.program.name)
        self.top = Component(self.design, self.program.name)
        self.kernels: list[KernelComponent] = []
        self.ports: list[dict[str, Wire]] = []

    def lower(self) -> CalyxProgram:
        top, program = self.top, self.program
        host = {buffer: self.host_ports(buffer) for buffer in (*program.inputs, *program.outputs)}
        busy = top.cell("std_wire", "busy", [("in", 1), ("out", 1)])
        phases = self.phases()
        announced = self.announced()
        every = [phase for _, inner in phases for phase in inner]
        for number, nest in enumerate(program.nests):
            alone = next((length for length, numbers in every if numbers == [number]), 0)
            kernel = KernelComponent(
                self.design,
                f"{program.name}_{nest.name}",
                nest,
                self.library,
                program.shared,
                announced[number],
                alone,
            )
            self.design.components += kernel.component.text()
            self.kernels.append(kernel)
            self.ports.append(top.subcomponent(kernel.component, nest.name))
        control = []
        for rounds, inner in phases:
            enables = []
            for length, numbers in inner:
                names = [program.nests[number].name for number in numbers]
                group = top.static_group("_".join(["run", *names] if names else ["drain"]), length)
                enables.append(f"calyx.enable @{group}")
                start = top.cycle(group, 0) if length > 1 else None
                for number in numbers:
                    top.assign(self.ports[number]["go"], top.constant(1, 1), group, start)
                top.assign(busy["in"], top.constant(1, 1), group)
            if rounds > 1:
                enables = ["calyx.static_seq {", *("  " + line for line in enables), "}"]
                enables = [f"calyx.static_repeat {rounds} {{", *("  " + line for line in enables), "}"]
            control += enables
        self.connect_units()
        idle = top.negation(busy["out"])
        for buffer in program.buffers():
            assert buffer.storage in MADE, f"{buffer.name}: {buffer.storage.name} is not made yet"
            if buffer.storage.in_kernel:
                continue
            if buffer.storage.is_read_only:
                self.table(buffer)
            else:
                self.memory(buffer, host.get(buffer, {}), idle)
        top.control = ["calyx.static_seq {", *("  " + line for line in control), "}"]
        self.design.components += top.text()
        definitions = {name: item.definition for name, item in self.design.primitives.items()}
        contents = {name: held for item in self.design.primitives.values() for name, held in item.contents.items()}
        latency = sum(rounds * length for rounds, inner in phases for length, _ in inner)
        assert latency == program.latency_cycles
        return CalyxProgram(self.design.text(), definitions, contents, latency, tuple(self.kernels), program)

    def phases(self) -> list[tuple[int, list[Phase]]]:
        """How often what is done, in order: phases once, and those of kernels in rounds in every round."""
        rounds: dict[int, tuple[Rounds, list[int]]] = {}  # by their first cycle, with the numbers of their kernels
        alone: dict[int, list[int]] = {}  # the numbers of other kernels, by their first cycle
        number = 0
        for node in self.program.sequence:
            inside = len(list(node.kernels()))
            numbers = list(range(number, number + inside))
            number += inside
            if isinstance(node, Rounds):
                rounds[node.start_cycle] = node, numbers
            else:
                alone.setdefault(node.start_cycle, []).extend(numbers)
        found: list[tuple[int, list[Phase]]] = []
        for start, end in pairwise([*sorted({*alone, *rounds}), self.program.latency_cycles]):
            if start not in rounds:
                found.append((1, [(end - start, alone[start])]))
                continue
            node, numbers = rounds[start]
            begun: dict[int, list[int]] = {}  # cycles after the round's start
            for kernel, nest in zip(numbers, node.kernels(), strict=True):
                begun.setdefault(nest.start_cycle, []).append(kernel)
            within = pairwise([*sorted(begun), node.period_cycles])
            found.append((node.count, [(b - a, begun[a]) for a, b in within]))
            if start + node.span_cycles < end:
                found.append((1, [(end - start - node.span_cycles, [])]))
        return found

    def announced(self) -> list[set[tuple[Buffer | str, int]]]:
        """For each kernel the banks that it reads and the units it uses, where it must say when: all users but the
        last, and every reader of an output, which the host reads too."""
        users: dict[tuple[Buffer | str, int], list[int]] = {}
        for number, nest in enumerate(self.program.nests):
            uses: list[tuple[Buffer | str, int]] = [
                (unit.name, which) for _, unit, which in shared_uses(nest, self.library, self.program.shared)
            ]
            for load in nest.loads():
                if not load.buffer.storage.in_kernel:
                    factors = load.buffer.bank_factors
                    uses += [(load.buffer, bank_number(bank, factors)) for bank in selection(load.indices, factors)]
            for use in dict.fromkeys(uses):
                users.setdefault(use, []).append(number)
        told: list[set[tuple[Buffer | str, int]]] = [set() for _ in self.program.nests]
        for use, numbers in users.items():
            outside = isinstance(use[0], Buffer) and use[0].storage.host_reads
            for number in numbers if outside else numbers[:-1]:
                told[number].add(use)
        return told

    def host_ports(self, buffer: Buffer) -> dict[str, Wire]:
        name, width = buffer.name, number_type(buffer.dtype).bits
        bits = max(1, offset_bits(buffer) + (buffer.banks - 1).bit_length())
        if buffer.storage.host_writes:
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

    def connect_units(self) -> None:
        """The units that kernels take turns with: operands from the kernel whose turn it is, registered; the result to
        all of them."""
        users: dict[tuple[str, int], list[tuple[SharedUnit, dict[str, Wire]]]] = {}
        for kernel, ports in zip(self.kernels, self.ports, strict=True):
            for unit in kernel.shared:
                users.setdefault((unit.hardware.name, unit.number), []).append((unit, ports))
        for (_, number), found in users.items():
            hardware = found[0][0].hardware
            stem = shared_name(hardware, number)
            cell = self.top.instance(primitive(hardware), stem, {})
            for port in hardware.inputs:
                choices = [(turn_of(unit.turn, ports), ports[f"{stem}_{port.name}"]) for unit, ports in found]
                operand = self.top.delayed(self.taken_in_turns(choices), operand_register_cycles(hardware))
                self.top.assign(cell[port.name], operand)
            for port in hardware.controls:
                flags = [ports[f"{stem}_{port.name}"] for _, ports in found]
                flag = reduce(lambda one, other: self.top.operator("or", one, other), flags)
                self.top.assign(cell[port.name], self.top.delayed(flag, operand_register_cycles(hardware)))
            for _, ports in found:
                self.top.assign(ports[f"{stem}_out"], cell["out"])

    def taken_in_turns(self, choices: list[tuple[Wire | None, Wire]]) -> Wire:
        """The wire whose flag is high (one at most is), the last one otherwise."""
        wire = choices[-1][1]
        for flag, other in reversed(choices[:-1]):
            assert flag is not None, "only the last one need not say when its turn is"
            wire = self.top.mux(flag, other, wire)
        return wire

    def memory(self, buffer: Buffer, host: dict[str, Wire], idle: Wire) -> None:
        """The banks of one buffer with all that reads and writes them."""
        bank_bits = (buffer.banks - 1).bit_length()
        top, number = self.top, None
        if host and buffer.banks > 1:
            shifted = top.operator("rsh", host["addr"], top.constant(offset_bits(buffer), host["addr"].width))
            number = top.resize(shifted, bank_bits)
        words = []
        for bank in range(buffer.banks):
            cell = self.bank(buffer, bank, host)
            if buffer.storage.host_writes:
                here = [] if number is None else [top.operator("eq", number, top.constant(bank, bank_bits), 1)]
                top.assign(cell["write_addr"], self.offset(buffer, host["addr"], cell["write_addr"].width))
                top.assign(cell["write_data"], host["data"])
                top.assign(cell["write_en"], top.conjunction(host["we"], idle, *here))
            words.append((bank, cell["out"]))
        if buffer.storage.host_reads:
            asked = top.constant(0, 1)
            if number is not None:
                held = top.register(f"{buffer.name}_bank", bank_bits)
                top.assign(held.data, number)
                top.assign(held.enable, host["re"])
                asked = held.out
            top.assign(host["data"], select(top, asked, words))

    def table(self, buffer: Buffer) -> None:
        """A constant that kernels read in turns."""
        assert buffer.data is not None
        record = rom(f"{self.program.name}_{buffer.name}", number_type(buffer.dtype).bits, buffer.data)
        cell = self.top.instance(primitive(record), f"{buffer.name}_memory", {}, buffer.source)
        self.top.assign(cell["addr"], self.taken_in_turns(self.readers(buffer, 0, cell["out"], record.latency_cycles)))

    def readers(self, buffer: Buffer, bank: int, data: Wire, latency_cycles: int) -> list[tuple[Wire | None, Wire]]:
        """For each kernel that reads a bank, when its turn is and the address; all of them get `data`, which the memory
        gives after `latency_cycles`, when the storage says."""
        late = buffer.storage.read_latency_cycles - latency_cycles
        found: list[tuple[Wire | None, Wire]] = []
        stem = bank_name(buffer, bank)
        for kernel, ports in zip(self.kernels, self.ports, strict=True):
            if (buffer, bank) in kernel.ports.reads:
                found.append((turn_of(kernel.ports.reads[buffer, bank].turn, ports), ports[f"{stem}_addr"]))
                self.top.assign(ports[f"{stem}_data"], self.top.delayed(data, late))
        return found

    def bank(self, buffer: Buffer, bank: int, host: dict[str, Wire]) -> dict[str, Wire]:
        """One bank's memory, wired to the kernels."""
        top, stem, outside = self.top, bank_name(buffer, bank), buffer.storage.host_reads
        record = ram(number_type(buffer.dtype).bits, buffer.bank_elements, outside)
        cell = top.instance(primitive(record), f"{stem}_memory", {}, buffer.source)
        reads = self.readers(buffer, bank, cell["out"], record.latency_cycles)
        writes: list[tuple[Wire, dict[str, Wire]]] = [
            (ports[f"{stem}_we"], ports)
            for kernel, ports in zip(self.kernels, self.ports, strict=True)
            if (buffer, bank) in kernel.ports.writes
        ]
        if outside:
            enable = host["re"]
            for flag, _ in reads:
                assert flag is not None, "every reader of an output says when"
                enable = top.operator("or", enable, flag)
            top.assign(cell["read_en"], enable)
            reads.append((None, self.offset(buffer, host["addr"], cell["read_addr"].width)))
        unread = top.constant(0, cell["read_addr"].width)
        top.assign(cell["read_addr"], self.taken_in_turns(reads) if reads else unread)
        if not buffer.storage.kernels_write:
            return cell
        for port, suffix in (("write_addr", "waddr"), ("write_data", "wdata")):
            choices: list[tuple[Wire | None, Wire]] = [(flag, ports[f"{stem}_{suffix}"]) for flag, ports in writes]
            padding = top.constant(0, cell[port].width)  # of a bank in which nothing is ever stored
            top.assign(cell[port], self.taken_in_turns(choices) if choices else padding)
        enable = writes[0][0] if writes else top.constant(0, 1)
        for flag, _ in writes[1:]:
            enable = top.operator("or", enable, flag)
        top.assign(cell["write_en"], enable)
        return cell

    def offset(self, buffer: Buffer, address: Wire, width: int) -> Wire:
        """The place within a bank that a host's address names."""
        return self.top.resize(address, width) if offset_bits(buffer) else self.top.constant(0, width)


def turn_of(name: str | None, ports: dict[str, Wire]) -> Wire | None:
    """The flag that a kernel sets when its turn is, if it has one."""
    return None if name is None else ports[name]


def offset_bits(buffer: Buffer) -> int:
    """Bits of an address within a bank, as in the manifest."""
    return (buffer.bank_elements - 1).bit_length()
