"""Scheduled program → Calyx: a component for each kernel, and a top component with the memories and shared units.

The top starts the kernels: `static_seq { enable run_k0; enable run_k1; … }`. Each group starts the kernels of one cycle
and lasts until the next kernels start; the last group lasts until all kernels have ended. So the latency of the design
is a constant. `Rounds` are a `static_repeat`. If several kernels use a read port or a unit, each has a select flag for
a multiplexer; the last kernel is the default. The host's ports reach the memories while no kernel runs.

With an interface that surrounds the design, inputs and outputs are memories of that interface, and the top component is
its core, with ports for their banks (dialects/bank_ports.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise

from torch2hw.analysis.banks import bank_number, selection
from torch2hw.analysis.constant_reads import delays_of_tables
from torch2hw.analysis.joined_banks import banks_side_by_side, name_of_banks
from torch2hw.analysis.joined_tables import joined_words, memory_name, side_by_side
from torch2hw.analysis.memory_needs import is_in_ultra_ram
from torch2hw.analysis.unit_binding import operand_register_cycles, shared_name, shared_uses
from torch2hw.dialects.bank_ports import bank_ports
from torch2hw.dialects.calyx_builder import ComponentBuilder, ModuleBuilder, Wire
from torch2hw.dialects.calyx_primitives import primitive
from torch2hw.dialects.interface import CONTROL, MEMORY, Interface
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.memref_text import banked_data
from torch2hw.dialects.names import UniqueNames
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.program import Program, Rounds
from torch2hw.dialects.storage import MADE
from torch2hw.hwlib import Library
from torch2hw.hwlib.bank_ram import bank_ram
from torch2hw.hwlib.contents import Contents
from torch2hw.hwlib.memories import address_bits, ram, rom, state_ram
from torch2hw.lowering.hardware.surroundings import surroundings
from torch2hw.lowering.static.kernel_component import KernelComponent, SharedUnit
from torch2hw.lowering.static.kernel_ports import select
from torch2hw.lowering.top_name import check_top

Phase = tuple[int, list[int]]  # cycles, and the numbers of the kernels that start in the first of them


@dataclass(frozen=True)
class CalyxProgram:
    """Calyx text, the definitions of its primitives, the contents that these refer to, and the figures for the
    manifest. `core` is the component that the interface surrounds, or the top component. `ultra` are its memories in
    UltraRAM."""

    calyx: str
    definitions: dict[str, str]
    contents: dict[str, Contents] = field(repr=False)
    latency_cycles: int
    circuits: tuple[KernelComponent, ...] = field(repr=False)
    program: Program = field(repr=False)
    interface: Interface = MEMORY
    core: str = ""
    ultra: tuple[str, ...] = ()

    def text(self, weights: bool = True) -> str:
        """Calyx text; weights are beside it in any case."""
        return self.calyx


def lower(program: Program, library: Library, interface: Interface = MEMORY, ultra_ram: bool = False) -> CalyxProgram:
    """The Calyx program of a scheduled one, with units from `library`; `ultra_ram`: there is UltraRAM to use."""
    return _Top(program, library, interface, ultra_ram).lower()


class HostWires:
    """The host's ports of a tensor, made at the top component."""

    def __init__(self, top: ComponentBuilder, buffer: Buffer) -> None:
        self.ports = MEMORY.addressed(buffer)
        made = [
            top.input(port.name, port.width_bits) if port.is_input else top.output(port.name, port.width_bits)
            for port in MEMORY.tensor_ports(buffer)
        ]
        self.address, self.data, self.enable = made[:3]
        self.read_address, self.read_data, self.read_enable = made[-3:]  # others for a state, the same for an output

    def bank(self, top: ComponentBuilder, address: Wire) -> Wire | None:
        """The number of the bank that an address names, if there are several."""
        if not self.ports.bank_bits:
            return None
        shifted = top.operator("rsh", address, top.constant(self.ports.offset_bits, address.width))
        return top.resize(shifted, self.ports.bank_bits)

    def offset(self, top: ComponentBuilder, address: Wire, width: int) -> Wire:
        """The address within a bank of the word that an address names."""
        return top.resize(address, width) if self.ports.offset_bits else top.constant(0, width)


class _Top:
    def __init__(self, program: Program, library: Library, interface: Interface, ultra_ram: bool) -> None:
        self.program, self.library, self.interface, self.ultra_ram = program, library, interface, ultra_ram
        self.ultra: list[str] = []
        self.design = ModuleBuilder(self.program.name)
        self.top = ComponentBuilder(self.design, self.program.name)
        self.circuits: list[KernelComponent] = []
        self.ports: list[dict[str, Wire]] = []

    def lower(self) -> CalyxProgram:
        top, program = self.top, self.program
        for buffer in program.buffers():
            assert buffer.storage in MADE, f"{buffer.name}: {buffer.storage.name} is not made yet"
        assert not (self.interface.surrounds and program.states), "states are reached by the host alone"
        tensors = () if self.interface.surrounds else program.tensors
        host = {buffer: HostWires(top, buffer) for buffer in tensors}
        busy = top.wire("busy", 1)
        if self.interface.surrounds:
            top.always.add("busy")  # no host asks for it, and a group of nothing else would be empty
        phases = self.phases()
        announced = self.announced()
        every = [phase for _, inner in phases for phase in inner]
        for number, kernel in enumerate(program.kernels):
            alone = next((length for length, numbers in every if numbers == [number]), 0)
            circuit = KernelComponent(
                self.design,
                f"{program.name}_{kernel.name}",
                kernel,
                self.library,
                program.shared,
                announced[number],
                alone,
            )
            self.design.components += circuit.component.text()
            self.circuits.append(circuit)
            self.ports.append(top.subcomponent(circuit.component, kernel.name))
        control = []
        for rounds, inner in phases:
            enables = []
            for length, numbers in inner:
                names = [program.kernels[number].name for number in numbers]
                group = top.static_group("_".join(["run", *names] if names else ["drain"]), length)
                enables.append(f"calyx.enable @{group}")
                start = top.cycle(group, 0) if length > 1 else None
                for number in numbers:
                    top.assign(self.ports[number][CONTROL.start.name], top.constant(1, 1), group, start)
                top.assign(busy["in"], top.constant(1, 1), group)
            if rounds > 1:
                enables = ["calyx.static_seq {", *("  " + line for line in enables), "}"]
                enables = [f"calyx.static_repeat {rounds} {{", *("  " + line for line in enables), "}"]
            control += enables
        self.connect_units()
        idle = top.negation(busy["out"])
        tables = {each[0]: each for each in side_by_side(program)}
        for buffer in program.buffers():
            if buffer.storage.in_kernel:
                continue
            if buffer.storage.is_read_only:
                if buffer in tables:
                    self.tables(tables[buffer])
            elif self.interface.surrounds and (buffer.storage.host_writes or buffer.storage.host_reads):
                self.bank_ports(buffer)
            else:
                self.memory(buffer, host.get(buffer), idle)
        top.control = ["calyx.static_seq {", *("  " + line for line in control), "}"]
        definitions = {name: item.definition for name, item in self.design.primitives.items()}
        check_top(program, definitions.values())
        if self.interface.surrounds:
            definitions |= self.surroundings(definitions)
        self.design.components += top.text()
        contents = {name: held for item in self.design.primitives.values() for name, held in item.contents.items()}
        latency = sum(rounds * length for rounds, inner in phases for length, _ in inner)
        assert latency == program.latency_cycles
        text, circuits = self.design.text(), tuple(self.circuits)
        return CalyxProgram(
            text, definitions, contents, latency, circuits, program, self.interface, self.top.name, tuple(self.ultra)
        )

    def phases(self) -> list[tuple[int, list[Phase]]]:
        """The phases in order, each with its number of repetitions, which is more than one only in `Rounds`."""
        rounds: dict[int, tuple[Rounds, list[int]]] = {}  # by their first cycle, with the numbers of their kernels
        alone: dict[int, list[int]] = {}  # the numbers of other kernels, by their first cycle
        number = 0
        for node in self.program.sequence:
            inside = len(list(node.kernels))
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
            for index, kernel in zip(numbers, node.kernels, strict=True):
                begun.setdefault(kernel.start_cycle, []).append(index)
            within = pairwise([*sorted(begun), node.period_cycles])
            found.append((node.count, [(b - a, begun[a]) for a, b in within]))
            if start + node.span_cycles < end:
                found.append((1, [(end - start - node.span_cycles, [])]))
        return found

    def announced(self) -> list[set[tuple[Buffer | str, int]]]:
        """For each kernel, the banks that it reads and the units that it uses for which it has a select port: all but
        the last user of each, and every reader of an output, which the host reads too."""
        users: dict[tuple[Buffer | str, int], list[int]] = {}
        for number, kernel in enumerate(self.program.kernels):
            uses: list[tuple[Buffer | str, int]] = [
                (unit.name, which) for _, unit, which in shared_uses(kernel, self.library, self.program.shared)
            ]
            for load in kernel.loads():
                if not load.buffer.storage.in_kernel:
                    factors = load.buffer.bank_factors
                    uses += [(load.buffer, bank_number(bank, factors)) for bank in selection(load.indices, factors)]
            for use in dict.fromkeys(uses):
                users.setdefault(use, []).append(number)
        told: list[set[tuple[Buffer | str, int]]] = [set() for _ in self.program.kernels]
        for use, numbers in users.items():
            outside = isinstance(use[0], Buffer) and use[0].storage.host_reads
            for number in numbers if outside else numbers[:-1]:
                told[number].add(use)
        return told

    def connect_units(self) -> None:
        """The shared units: operands from the kernel that is selected, registered; the result goes to all of them."""
        users: dict[tuple[str, int], list[tuple[SharedUnit, dict[str, Wire]]]] = {}
        for circuit, ports in zip(self.circuits, self.ports, strict=True):
            for unit in circuit.shared:
                users.setdefault((unit.hardware.name, unit.number), []).append((unit, ports))
        for (_, number), found in users.items():
            hardware = found[0][0].hardware
            stem = shared_name(hardware, number)
            cell = self.top.instance(primitive(hardware), stem, {})
            for port in hardware.inputs:
                choices = [(select_of(unit.select, ports), ports[f"{stem}_{port.name}"]) for unit, ports in found]
                operand = self.top.delayed(self.selected(choices), operand_register_cycles(hardware))
                self.top.assign(cell[port.name], operand)
            for port in hardware.controls:
                flags = [ports[f"{stem}_{port.name}"] for _, ports in found]
                flag = reduce(lambda one, other: self.top.operator("or", one, other), flags)
                self.top.assign(cell[port.name], self.top.delayed(flag, operand_register_cycles(hardware)))
            for _, ports in found:
                self.top.assign(ports[f"{stem}_out"], cell["out"])

    def selected(self, choices: list[tuple[Wire | None, Wire]]) -> Wire:
        """The wire whose flag is high (at most one is), otherwise the last wire."""
        wire = choices[-1][1]
        for flag, other in reversed(choices[:-1]):
            assert flag is not None, "only the last one needs no select port"
            wire = self.top.mux(flag, other, wire)
        return wire

    def memory(self, buffer: Buffer, host: HostWires | None, idle: Wire) -> None:
        """Adds the banks of a buffer, and connects all that read and write them."""
        top, storage = self.top, buffer.storage
        number = named = host.bank(top, host.address) if host is not None else None
        if host is not None and host.read_address is not host.address:
            number = host.bank(top, host.read_address)
        words = []
        alone = [[bank] for bank in range(buffer.banks)]
        for banks in alone if host is None else banks_side_by_side(self.program, buffer):
            bank = banks[0]
            cell = self.bank(buffer, bank, host) if len(banks) == 1 else self.banks(buffer, banks)
            if host is not None and storage.host_writes:
                offset = host.offset(top, host.address, cell["write_addr"].width)
                given = {"write_addr": offset, "write_data": host.data}
                for place, own in enumerate(banks):
                    here = [] if named is None else [top.operator("eq", named, top.constant(own, named.width), 1)]
                    loads = top.conjunction(host.enable, idle, *here)
                    given["write_en" if len(banks) == 1 else f"write_en{place}"] = loads
                if storage.kernels_write:  # a state
                    ours = dict(self.writers(buffer, bank))
                    given = {port: top.mux(loads, wire, ours[port]) for port, wire in given.items()}
                for port, wire in given.items():
                    top.assign(cell[port], wire)
            words.append((bank, cell["out"]))
        if host is not None and storage.host_reads:
            asked = top.constant(0, 1)
            if number is not None:
                held = top.register(f"{buffer.name}_bank", number.width)
                top.assign(held.data, number)
                top.assign(held.enable, host.read_enable)
                asked = held.out
            top.assign(host.read_data, select(top, asked, words))

    def bank_ports(self, buffer: Buffer) -> None:
        """Ports in place of the banks of an input or output, whose memories are outside: of each bank of an input that
        is read, and of every bank of an output. An output that kernels read has memories here too."""
        top = self.top
        for bank in range(buffer.banks):
            names = bank_ports(buffer, bank)
            is_read = any((buffer, bank) in circuit.ports.reads for circuit in self.circuits)
            if buffer.storage.host_writes:
                if is_read:
                    data = top.input(names.data, buffer.width_bits)
                    address = self.selected(self.readers(buffer, bank, data, 1))
                    top.assign(top.output(names.address, address.width), address)
                continue
            for port, name in (
                ("write_addr", names.write_address),
                ("write_data", names.write_data),
                ("write_en", names.write_enable),
            ):
                wire = dict(self.writers(buffer, bank))[port]
                top.assign(top.output(name, wire.width), wire)
            if is_read:
                self.bank(buffer, bank, None)

    def surroundings(self, definitions: Mapping[str, str]) -> dict[str, str]:
        """What the interface puts around the design, which is then the core of it: definitions by name. The core gets
        a name of its own."""
        program = self.program
        names = UniqueNames(frozenset(definitions) | {circuit.component.name for circuit in self.circuits})
        self.top.name = self.design.entry = names.take(f"{program.name}_core")
        reads = {
            buffer: [
                bank
                for bank in range(buffer.banks)
                if any((buffer, bank) in circuit.ports.reads for circuit in self.circuits)
            ]
            for buffer in program.inputs
        }
        return surroundings(self.interface, program, self.top, reads, names)

    def tables(self, tables: Sequence[Buffer]) -> None:
        """Adds constants that several kernels read, at different times: side by side in one memory."""
        first, top = tables[0], self.top
        width, name = number_type(first.dtype).bits, memory_name(tables)
        stem = f"{self.program.name}_{name.removesuffix('_memory')}"
        late = delays_of_tables(tables)
        record = rom(stem, width * len(tables), joined_words(tables), len(tables) > 1, late.word)
        cell = top.instance(primitive(record), name, {}, first.source)
        for number, buffer in enumerate(tables):
            word = top.part(cell["out"], number, width)
            readers = self.readers(buffer, 0, word, late.word - record.latency_cycles)
            if not number:
                top.assign(cell["addr"], top.delayed(self.selected(readers), late.address))

    def readers(self, buffer: Buffer, bank: int, data: Wire, late: int) -> list[tuple[Wire | None, Wire]]:
        """For each kernel that reads a bank, its select flag and its address. All of them get `data`, `late` cycles
        later."""
        found: list[tuple[Wire | None, Wire]] = []
        names = bank_ports(buffer, bank)
        for circuit, ports in zip(self.circuits, self.ports, strict=True):
            if (buffer, bank) in circuit.ports.reads:
                found.append((select_of(circuit.ports.reads[buffer, bank].select, ports), ports[names.address]))
                self.top.assign(ports[names.data], self.top.delayed(data, late))
        return found

    def bank(self, buffer: Buffer, bank: int, host: HostWires | None) -> dict[str, Wire]:
        """One bank's memory, wired to the kernels."""
        top, names = self.top, bank_ports(buffer, bank)
        read, cycles = host is not None and buffer.storage.host_reads, buffer.storage.read_latency_cycles
        if buffer.data is None:
            ultra = self.ultra_ram and is_in_ultra_ram(buffer)
            record = ram(buffer.width_bits, buffer.bank_elements, read, ultra, cycles)
            self.ultra += [names.memory] if ultra else []
        else:
            words = banked_data(buffer).reshape(buffer.banks, -1)[bank]
            record = state_ram(f"{self.program.name}_{names.stem}_state", buffer.width_bits, words, read, cycles)
        cell = top.instance(primitive(record), names.memory, {}, buffer.source)
        reads = self.readers(buffer, bank, cell["out"], cycles - record.latency_cycles)
        if host is not None and buffer.storage.host_reads:
            enable = host.read_enable
            for flag, _ in reads:
                assert flag is not None, "every reader of an output says when"
                enable = top.operator("or", enable, flag)
            top.assign(cell["read_en"], enable)
            reads.append((None, host.offset(top, host.read_address, cell["read_addr"].width)))
        unread = top.constant(0, cell["read_addr"].width)
        top.assign(cell["read_addr"], self.selected(reads) if reads else unread)
        if buffer.storage.kernels_write and not buffer.storage.host_writes:
            for port, wire in self.writers(buffer, bank):
                top.assign(cell[port], wire)
        return cell

    def banks(self, buffer: Buffer, banks: list[int]) -> dict[str, Wire]:
        """The memory of several banks that only the host writes and kernels read together, wired to the kernels."""
        top, width = self.top, buffer.width_bits
        record = bank_ram(width, buffer.bank_elements, len(banks))
        cell = top.instance(primitive(record), name_of_banks(buffer, banks), {}, buffer.source)
        late = buffer.storage.read_latency_cycles - record.latency_cycles
        for number, bank in enumerate(banks):
            reads = self.readers(buffer, bank, top.part(cell["out"], number, width), late)
            if not number:
                unread = top.constant(0, cell["read_addr"].width)
                top.assign(cell["read_addr"], self.selected(reads) if reads else unread)
        return cell

    def writers(self, buffer: Buffer, bank: int) -> Iterator[tuple[str, Wire]]:
        """What the kernels write to a bank, by the port of a memory."""
        top, names = self.top, bank_ports(buffer, bank)
        writes: list[tuple[Wire, dict[str, Wire]]] = [
            (ports[names.write_enable], ports)
            for circuit, ports in zip(self.circuits, self.ports, strict=True)
            if (buffer, bank) in circuit.ports.writes
        ]
        for port, name, width in (
            ("write_addr", names.write_address, address_bits(buffer.bank_elements)),
            ("write_data", names.write_data, buffer.width_bits),
        ):
            choices: list[tuple[Wire | None, Wire]] = [(flag, ports[name]) for flag, ports in writes]
            padding = top.constant(0, width)  # of a bank in which nothing is ever stored
            yield port, self.selected(choices) if choices else padding
        enable = writes[0][0] if writes else top.constant(0, 1)
        for flag, _ in writes[1:]:
            enable = top.operator("or", enable, flag)
        yield "write_en", enable


def select_of(name: str | None, ports: dict[str, Wire]) -> Wire | None:
    """A kernel's select flag; None where it has none."""
    return None if name is None else ports[name]
