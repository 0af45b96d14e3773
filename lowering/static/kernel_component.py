"""One scheduled kernel → one Calyx component: counters, addresses, a pipelined datapath with a valid bit.

Ports towards the parent: those of memories (`kernel_ports.py`), and for each shared unit its operands (outputs) and its
result (an input). Constants are ROMs inside, their words in the order in which the kernel reads them.

Control: static_seq { static_repeat round_trips { issue }; static_repeat … { drain } }. Pipeline registers advance in
every cycle; only the group `issue` steps the counters and sets the valid bit. The group `drain` does nothing but wait
until the parent starts the next kernel; it is left out if that happens before the last iteration starts.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from torch2hw.analysis.constant_reads import delays
from torch2hw.analysis.joined_tables import in_kernel, loops_of, words_beside
from torch2hw.analysis.modulo_schedule import iteration_distance
from torch2hw.analysis.rom_contents import rom_contents
from torch2hw.analysis.unit_binding import operand_register_cycles, shared_name, shared_uses, unit_of
from torch2hw.dialects.calyx_builder import ComponentBuilder, ModuleBuilder, Wire
from torch2hw.dialects.calyx_primitives import primitive
from torch2hw.dialects.loops import (
    Buffer,
    Carried,
    Constant,
    IndexValue,
    Kernel,
    Load,
    Operation,
    Statement,
    Store,
)
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.quasi_affine import Index, Variable, linearise, variable
from torch2hw.dialects.storage import CARRIED
from torch2hw.hwlib import Library, Unit
from torch2hw.hwlib.memories import address_bits, ram, rom
from torch2hw.lowering.static.index_streams import IndexStreams, bits_for
from torch2hw.lowering.static.kernel_pipeline import KernelPipeline
from torch2hw.lowering.static.kernel_ports import KernelPorts, Moment, select
from torch2hw.lowering.static.moving_banks import MovingBanks


@dataclass
class SharedUnit:
    """A unit in the parent that this kernel feeds. `select` names the kernel's port that is high in the cycles in which
    it does; None where the parent need not know."""

    hardware: Unit
    number: int
    select: str | None


class KernelComponent(KernelPipeline):
    """`shared`: how many units of each name the parent owns. `announced`: the banks and the shared units (by name and
    number) that later kernels use too, or the host: for them this kernel has a select port, which the parent's
    multiplexers need.

    The component runs for `control_cycles`, at least as long as it starts iterations; those in flight end by
    themselves. That of a kernel in rounds runs for one round, and its counters keep their values for the next.
    """

    def __init__(
        self,
        design: ModuleBuilder,
        name: str,
        kernel: Kernel,
        library: Library,
        shared: Mapping[str, int],
        announced: Container[tuple[Buffer | str, int]] = (),
        control_cycles: int = 0,
    ) -> None:
        super().__init__(ComponentBuilder(design, name, kernel.source), kernel)
        self.library = library
        self.numbers = {use.result: number for use, _, number in shared_uses(kernel, library, shared)}
        self.announced = announced
        self.control_cycles = max(control_cycles, kernel.round_trips * kernel.plan.interval_cycles)
        self.shared: list[SharedUnit] = []
        self.ports = KernelPorts(self.component)
        self.moving = MovingBanks()
        self.states: list[tuple[int, Carried, Wire]] = []
        self.joined = {load.result: loads for loads in in_kernel(kernel) for load in loads}
        self.roms: dict[str, Wire] = {}
        self.build()

    @property
    def latency_cycles(self) -> int:
        """Cycles from go to the last store of a round."""
        return self.schedule.latency_cycles(self.kernel.round_trips)

    def build(self) -> None:
        """Adds counters, datapath, ports and control to the component."""
        component, interval = self.component, self.schedule.interval_cycles
        group = component.static_group("issue", interval)
        step = component.cycle(group, interval - 1) if interval > 1 else None
        start = component.cycle(group, 0) if interval > 1 else None
        issue = component.wire("valid", 1)
        component.assign(issue["in"], component.constant(1, 1), group, start)
        self.valids = [issue["out"]]
        self.indices = IndexStreams(component, self.kernel.loops, group, step)
        for number, stage in enumerate(self.kernel.stages):
            early, late = stage.in_order()
            for statement in early:
                self.statement(number, statement)
            for carried in stage.carried:
                self.open_state(number, carried)
            for statement in late:
                self.statement(number, statement)
        for number, carried, wire in self.states:
            self.close_state(number, carried, wire)
        for (number, store), cycle in zip(self.numbered_stores(), self.schedule.store_cycles, strict=True):
            self.store(number, store, cycle)
        for key, port in self.ports.reads.items():
            if key in self.announced:
                port.select = self.select_port(*sorted(port.cycles))
        self.ports.connect()
        drain = self.control_cycles - self.kernel.round_trips * interval
        component.control = [
            "calyx.static_seq {",
            f"  calyx.static_repeat {self.kernel.round_trips} {{",
            "    calyx.enable @issue",
            "  }",
        ]
        if drain:
            component.static_group("drain", 1)
            component.assign(issue["in"], component.constant(0, 1), "drain")
            component.control += [f"  calyx.static_repeat {drain} {{", "    calyx.enable @drain", "  }"]
        component.control.append("}")

    def numbered_stores(self) -> list[tuple[int, Store]]:
        """The stores of all stages, each with the number of its stage."""
        return [(number, store) for number, stage in enumerate(self.kernel.stages) for store in stage.stores]

    # -- statements ----------------------------------------------------------------------------------------------------
    def statement(self, stage: int, statement: Statement) -> None:
        """Builds what computes a statement; `values` has its wire and the cycle in which it is ready."""
        name = statement.result
        if isinstance(statement, Constant):
            self.values[name] = self.component.constant(statement.bits, number_type(statement.type).bits), 0
        elif isinstance(statement, IndexValue):
            start = self.schedule.start[name]
            self.values[name] = self.stream_at(statement.index, 64, start), start
        elif isinstance(statement, Load):
            self.load(statement)
        else:
            self.operation(stage, statement)

    def operation(self, stage: int, operation: Operation) -> None:
        """Feeds an operation's unit in the cycle of the schedule."""
        start = self.schedule.start[operation.result]
        unit = unit_of(operation, self.library)
        operands = {
            port.name: self.at_in(stage, value, start)
            for port, value in zip(unit.inputs, operation.operands, strict=True)
        }
        operands |= {port.name: self.runs(stage, start) for port in unit.controls}  # when there are operands
        wait = operand_register_cycles(unit)
        self.values[operation.result] = self.place(unit, operands, operation, start), start + wait + unit.latency_cycles

    def place(self, unit: Unit, operands: dict[str, Wire], operation: Operation, start: int) -> Wire:
        """The output of the unit: a cell of this component, or ports to one that the parent owns."""
        if operation.result in self.numbers:
            number = self.numbers[operation.result]
            stem = shared_name(unit, number)
            for port in (*unit.inputs, *unit.controls):
                output = self.component.output(f"{stem}_{port.name}", port.width_bits)
                self.component.assign(output, operands[port.name])
            result = self.component.input(f"{stem}_out", unit.output.width_bits)
            select = None
            if (unit.name, number) in self.announced:  # of an iterative unit, its start port
                select = f"{stem}_{unit.controls[0].name}" if unit.controls else self.select_port(start)
            self.shared.append(SharedUnit(unit, number, select))
            return result
        hint = f"{operation.name.split('.')[1]}_{operation.result}"
        operands = {
            port: self.component.delayed(wire, operand_register_cycles(unit)) for port, wire in operands.items()
        }
        return self.component.instance(primitive(unit), hint, operands, operation.source)["out"]

    def load(self, load: Load) -> None:
        """A read: of a ROM in this component, or through a port of the bank that holds the element."""
        start, width, storage = self.schedule.start[load.result], number_type(load.type).bits, load.buffer.storage
        ready = start + storage.read_latency_cycles
        runtime = [
            v
            for index in load.indices
            for v in index.variables()
            if v not in {loop.variable for loop in self.kernel.loops}
        ]
        if storage.in_kernel and not runtime:
            self.values[load.result] = self.rom(load, start), ready
            return
        if storage.in_kernel:
            assert load.buffer.data is not None
            address = self.runtime_address(
                load, linearise(load.indices, load.buffer.shape), address_bits(load.buffer.elements), start
            )
            name = f"{self.component.name}_{load.buffer.name}"
            data = self.constants(load, name, width, load.buffer.data.reshape(-1), address)
        else:
            data = self.read(load, start)
        flags = [self.flag_at(self.indices.at_least_zero(index), ready) for index in load.guard]
        flags = [flag for flag in flags if flag != self.component.constant(1, 1)]
        if flags:
            data = self.component.mux(
                self.component.conjunction(*flags), data, self.component.constant(load.otherwise_bits, width)
            )
        self.values[load.result] = data, ready

    def read(self, load: Load, start: int) -> Wire:
        """Reads the bank that holds the element. If its number is no constant, reads every bank that may hold it, and
        selects."""
        buffer, factors = load.buffer, load.buffer.bank_factors
        offset = linearise([i.floordiv(f) for i, f in zip(load.indices, factors, strict=True)], buffer.bank_shape)
        address = self.runtime_address(load, offset, address_bits(buffer.bank_elements), start)
        when = self.valid(start) if self.schedule.interval_cycles > 1 else self.component.constant(1, 1)
        places = self.moving.places(buffer, load.indices, start)
        if len(places.banks) == 1:
            port = self.ports.read(buffer, next(iter(places.banks.values())), start)
            port.requests.setdefault(Moment(when), {}).setdefault(0, address)
            return port.data
        chosen = self.stream_at(places.index, bits_for(buffer.banks), start)
        words = []
        for number, bank in places.banks.items():
            port = self.ports.read(buffer, bank, start)
            port.requests.setdefault(Moment(when, chosen, frozenset(places.banks)), {}).setdefault(number, address)
            words.append((number, port.data))
        return select(self.component, self.component.delayed(chosen, buffer.storage.read_latency_cycles), words)

    def runtime_address(self, load: Load, address: Index, bits: int, start: int) -> Wire:
        """An address; indices computed at run time enter as constant multiples of their values."""
        loops = {loop.variable for loop in self.kernel.loops}
        if address.variables() <= loops:
            return self.stream_at(address, bits, start)
        fixed = tuple(term for term in address.terms if Index((term,), 0).variables() <= loops)
        total = self.stream_at(Index(fixed, address.constant), bits, start)
        for atom, coefficient in address.terms:
            if (atom, coefficient) in fixed:
                continue
            assert isinstance(atom, Variable), "an index computed at run time is not divided"
            value = self.component.resize(self.at(atom.name, start), bits)
            for bit in range(bits):
                if coefficient % (1 << bits) >> bit & 1:
                    part = (
                        value if bit == 0 else self.component.operator("lsh", value, self.component.constant(bit, bits))
                    )
                    total = self.component.operator("add", total, part)
        return total

    def rom(self, load: Load, start: int) -> Wire:
        """A constant with its words in the order in which this kernel reads them: the address counts through the loops
        in its indices. Narrow ones that are read together lie side by side."""
        width, loads = number_type(load.type).bits, self.joined.get(load.result, [load])
        first, loops = loads[0], loops_of(self.kernel, load)
        if first.result not in self.roms:
            columns = [rom_contents(each, loops) for each in loads]
            if columns[0].size == 1:
                return self.component.constant(int(columns[0][0]), width)
            words = columns[0] if len(loads) == 1 else words_beside(columns, width)
            address = linearise([variable(loop.variable) for loop in loops], [loop.extent for loop in loops])
            name = f"{self.component.name}_{first.buffer.name}_{first.result}"
            place = self.stream_at(address, address_bits(words.size), start)
            self.roms[first.result] = self.constants(first, name, width * len(loads), words, place, len(loads) > 1)
        word = self.roms[first.result]
        return self.component.part(word, [each.result for each in loads].index(load.result), width)

    def constants(
        self, load: Load, name: str, width_bits: int, words: NDArray[np.generic], address: Wire, block: bool = False
    ) -> Wire:
        """What a load reads of a ROM with these words; `block`: it is to be in block RAM."""
        late = delays(words.size, block, load.buffer.storage.read_latency_cycles)
        wires = {"addr": self.component.delayed(address, late.address)}
        record = rom(name, width_bits, words, block, late.word)
        word = self.component.instance(primitive(record), load.buffer.name, wires, load.source)["out"]
        return self.component.delayed(word, late.word - record.latency_cycles)

    # -- carried values ------------------------------------------------------------------------------------------------
    def open_state(self, number: int, carried: Carried) -> None:
        """Makes a carried value a multiplexer of its initial value and its state; `close_state` drives the state once
        `next` exists."""
        width = number_type(carried.type).bits
        state = self.component.wire(f"{carried.name}_state", width)
        self.states.append((number, carried, state["in"]))
        self.values[carried.name] = state["out"], self.schedule.start[carried.name]
        read = self.schedule.start[carried.name]
        first = self.flag_at(self.indices.all_at(self.kernel.reduction_loops(number), last=False), read)
        self.values[carried.name] = self.component.mux(first, self.at(carried.init, read), state["out"]), read

    def close_state(self, number: int, carried: Carried, state: Wire) -> None:
        """Drives the state of a carried value with its next value: delayed, held in a register, or stored in a memory
        with a word for each iteration of the inner loops."""
        wire, ready = self.values[carried.next]
        read = self.schedule.start[carried.name]
        if number == 0:
            wait = iteration_distance(self.kernel, number) * self.schedule.interval_cycles + read - ready
            self.component.assign(state, self.component.delayed(wire, wait))
            return
        inner = self.kernel.state_loops(number)
        depth = int(np.prod([loop.extent for loop in inner], dtype=np.int64))
        if depth == 1:
            register = self.component.register(f"{carried.name}_held", wire.width)
            self.component.assign(register.data, wire)
            self.component.assign(register.enable, self.runs(number, ready))
            self.component.assign(state, register.out)
            return
        place = linearise([variable(loop.variable) for loop in inner], [loop.extent for loop in inner])
        bits = address_bits(depth)
        wires = {
            "read_addr": self.stream_at(place, bits, read - CARRIED.read_latency_cycles),
            "write_addr": self.stream_at(place, bits, ready),
            "write_en": self.runs(number, ready),
            "write_data": wire,
        }
        self.component.assign(
            state, self.component.instance(primitive(ram(wire.width, depth)), carried.name, wires)["out"]
        )

    # -- memories of the parent ----------------------------------------------------------------------------------------
    def store(self, number: int, store: Store, cycle: int) -> None:
        """Writes to the bank that holds the element. If its number is no constant, it enables one of the banks that may
        hold it."""
        buffer, factors = store.buffer, store.buffer.bank_factors
        flags = [self.flag_at(self.indices.at_least_zero(index), cycle) for index in store.guard]
        flags = [flag for flag in flags if flag != self.component.constant(1, 1)]
        enable = self.component.conjunction(self.runs(number, cycle), *flags)
        offset = linearise([i.floordiv(f) for i, f in zip(store.indices, factors, strict=True)], buffer.bank_shape)
        address = self.stream_in(number, offset, address_bits(buffer.bank_elements), cycle)
        places = self.moving.places(buffer, store.indices, cycle)
        moment, value = Moment(enable), self.at_in(number, store.value, cycle)
        if len(places.banks) > 1:
            chosen = self.stream_in(number, places.index, bits_for(buffer.banks), cycle)
            moment = Moment(enable, chosen, frozenset(places.banks))
        for turn, bank in places.banks.items():
            self.ports.write(buffer, bank).requests.setdefault(moment, {}).setdefault(turn, (address, value))
