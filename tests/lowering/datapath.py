"""Calyx components with data in them: the interpreter of control, and what cells and units compute in every cycle."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping

from tests.lowering.calyx_interpreter import Machine
from torch2hw.dialects import calyx, calyx_reader
from torch2hw.dialects.calyx_builder import ComponentBuilder
from torch2hw.dialects.calyx_primitives import Primitive
from torch2hw.dialects.calyx_program import Assign, PortOf

Function = Callable[[dict[str, int]], int]
BINARY: dict[str, Callable[[int, int], int]] = {
    "std_add": lambda left, right: left + right,
    "std_sub": lambda left, right: left - right,
    "std_and": lambda left, right: left & right,
    "std_or": lambda left, right: left | right,
    "std_xor": lambda left, right: left ^ right,
    "std_eq": lambda left, right: int(left == right),
    "std_ge": lambda left, right: int(left >= right),
    "std_le": lambda left, right: int(left <= right),
    "std_lsh": lambda left, right: left << right,
    "std_rsh": lambda left, right: left >> right,
}


class Datapath(Machine):
    """A component as a module of its own. `units`: by the name of a primitive, its latency in cycles and the result of
    its inputs; wires, delays, tables and memories of one read and one write are known."""

    def __init__(self, component: ComponentBuilder, units: Mapping[str, tuple[int, Function]] | None = None) -> None:
        component.design.components += component.text()
        program = calyx_reader.read(calyx.verified(component.design.text()))
        super().__init__(program, program.components[program.entry])
        self.functions: dict[str, Function] = {}
        self.flight: dict[str, list[int]] = {}  # results that have not come out yet, the youngest first
        for cell in self.component.cells.values():
            if cell.kind == "primitive":
                latency, self.functions[cell.name] = (units or {}).get(cell.of) or known(
                    component.design.primitives[cell.of]
                )
                self.flight[cell.name] = [0] * latency
        self.drivers: dict[tuple[str, PortOf], list[Assign]] = defaultdict(list)  # by group, "" for always
        for name, assigns in [
            ("", self.component.assigns),
            *((g.name, g.assigns) for g in self.component.groups.values()),
        ]:
            for assign in assigns:
                self.drivers[name, assign.target].append(assign)
        self.known: dict[PortOf, int] = {}

    def cycle(self, inputs: dict[str, int]) -> dict[str, int]:
        self.known = {}
        return super().cycle(inputs)

    def _clock(self, reset: int) -> None:
        following = {name: [self.computed(name), *held[:-1]] for name, held in self.flight.items() if held}
        super()._clock(reset)
        self.flight |= following

    def driven(self, target: PortOf) -> int:
        if target not in self.known:
            values = [
                self.value(assign.source, name, cycle)
                for name, cycle in [("", 0), *self.active]
                for assign in self.drivers.get((name, target), ())
                if assign.guard is None or self.value(assign.guard, name, cycle)
            ]
            assert len(set(values)) < 2, f"{target} is driven by {values}"
            self.known[target] = values[0] if values else 0
        return self.known[target]

    def computed(self, name: str) -> int:
        """What a primitive makes of the inputs of this cycle."""
        cell = self.component.cells[name]
        given = {
            port.name: self.driven(PortOf(name, port.name)) for port in cell.ports if port.is_input and not port.role
        }
        return self.functions[name](given)

    def cell_output(self, name: str, port: str) -> int:
        cell = self.component.cells[name]
        if cell.kind == "primitive":
            return self.flight[name][-1] if self.flight[name] else self.computed(name)
        if cell.kind in ("register", "constant"):
            return super().cell_output(name, port)
        width = next(p.width_bits for p in cell.ports if p.name == port)
        given = [self.driven(PortOf(name, p.name)) for p in cell.ports if p.is_input]
        if cell.kind == "std_mux":
            result = given[1] if given[0] else given[2]
        elif cell.kind == "std_not":
            result = ~given[0]
        elif cell.kind in ("std_slice", "std_pad"):
            result = given[0]
        elif cell.kind == "std_sge":
            half = 1 << next(p.width_bits for p in cell.ports if p.is_input) - 1
            result = int(given[0] ^ half >= given[1] ^ half)
        else:
            result = BINARY[cell.kind](*given)
        return result & (1 << width) - 1


def known(kind: Primitive) -> tuple[int, Function]:
    """The latency and the function of a wire, a delay, a table or a memory."""
    table = re.search(r"hw.aggregate_constant \[(.*)\]", kind.definition)
    if table:
        words = [int(word.split(" : ")[0]) for word in reversed(table[1].split(", "))]
        return 0, lambda given: words[given["place"]] & (1 << kind.outputs[0][1]) - 1
    name, size = kind.name.split("_", 1)
    if name == "ram":
        cells = [0] * int(size.split("x")[1])
        return 1, lambda given: _accessed(cells, **given)
    return (0 if name == "forward" else int(size.split("x")[1])), lambda given: given["in"]


def _accessed(words: list[int], read_addr: int, write_addr: int, write_en: int, write_data: int) -> int:
    before = words[read_addr] if read_addr < len(words) else 0
    if write_en:
        words[write_addr] = write_data
    return before
