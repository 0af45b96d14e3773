"""Builds the text of Calyx components (CIRCT's dialect): cells, wires, groups, control.

A *wire* is the SSA name of a port's value (`%add0.out`) with its width in bits. Cells are made on request and constants
are shared. Everything is deterministic: names come from the caller's hints, numbered where they repeat.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch2hw.dialects.calyx_primitives import Primitive, forward, primitive
from torch2hw.dialects.interface import CONTROL
from torch2hw.dialects.loops import Source
from torch2hw.hwlib.memories import delay

MANY_CELLS = 4
_OF = re.compile(r" = calyx\.primitive @\S+ of @(\S+) ")


@dataclass(frozen=True)
class Wire:
    """A value by its SSA name, `%` included, and its width in bits."""

    name: str
    width: int

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Register:
    """A register with write enable and synchronous reset to 0: `out` follows `data` a cycle after `enable` was high."""

    data: Wire
    enable: Wire
    out: Wire


CONTROL_INPUTS = ((CONTROL.start, "go"), (CONTROL.clock, "clk"), (CONTROL.reset, "reset"))
"""The control ports that are inputs, as components have them, with Calyx's name for what each is for."""


@dataclass
class ModuleBuilder:
    """Builds a Calyx module: components in the order in which they are finished, and the primitives that they use."""

    entry: str
    components: list[str] = field(default_factory=list)
    primitives: dict[str, Primitive] = field(default_factory=dict)

    def text(self) -> str:
        """The module in MLIR: primitives with many cells, then components in the order in which they were finished,
        then the other primitives.

        Whatever CIRCT asks of a cell, it goes through the module from its start to what the cell is of: with all
        primitives before the components, a network with 433 of them took twice as long to verify.
        """
        cells = Counter(_OF.findall("\n".join(self.components)))
        kinds = sorted(self.primitives.values(), key=lambda kind: -cells[kind.name])
        often = sum(cells[kind.name] >= MANY_CELLS for kind in kinds)
        lines = [_extern(kind) for kind in kinds]
        first = f'module attributes {{calyx.entrypoint = "{self.entry}"}} {{'
        return "\n".join([first, *lines[:often], *self.components, *lines[often:], "}", ""])


def _extern(kind: Primitive) -> str:
    """The line that declares a primitive."""
    ports = [f"in %{name}: i{width}" for name, width in kind.inputs]
    ports += ["in %clk: i1 {calyx.clk}"] if kind.clocked else []
    # what a clocked primitive puts out does not follow its inputs within a cycle
    stable = " {calyx.stable}" if kind.clocked else ""
    ports += [f"out {name}: i{width}{stable}" for name, width in kind.outputs]
    return f'  hw.module.extern @{kind.name}({", ".join(ports)}) attributes {{filename = "units.sv"}}'


class ComponentBuilder:
    """Builds one Calyx component. Ports are (name, width); the control ports are added."""

    def __init__(self, design: ModuleBuilder, name: str, source: Source | None = None) -> None:
        self.design = design
        self.name = name
        self.source = source
        self.inputs: list[tuple[str, int]] = []
        self.outputs: list[tuple[str, int]] = []
        self.cells: list[tuple[str, str]] = []  # name and text
        self.always: set[str] = set()  # cells that stay even if nothing reads them
        self.sources: list[tuple[Wire, tuple[Wire, ...]]] = []
        self.constants: dict[tuple[int, int], Wire] = {}
        self.continuous: list[str] = []
        self.groups: dict[str, tuple[int, list[str]]] = {}
        self.control: list[str] = []
        self.names: set[str] = set()
        self.numbers: dict[str, int] = {}  # by hint, the last one given: names are never taken back
        self.operators: dict[tuple[str, ...], Wire] = {}
        self.taps: dict[Wire, dict[int, Wire]] = {}

    # -- names and ports -----------------------------------------------------------------------------------------------
    def unique(self, hint: str) -> str:
        """`hint`, or the first of `hint_1`, `hint_2` … that is not in use."""
        name, number = hint, self.numbers.get(hint, 0)
        while name in self.names:
            number += 1
            name = f"{hint}_{number}"
        self.names.add(name)
        self.numbers[hint] = number
        return name

    def input(self, name: str, width: int) -> Wire:
        """Adds an input port."""
        self.names.add(name)
        self.inputs.append((name, width))
        return Wire(f"%{name}", width)

    def output(self, name: str, width: int) -> Wire:
        """Adds an output port; the result is what to assign."""
        self.names.add(name)
        self.outputs.append((name, width))
        return Wire(f"%{name}", width)

    # -- cells ---------------------------------------------------------------------------------------------------------
    def constant(self, value: int, width: int) -> Wire:
        """The constant `value` modulo 2**`width`."""
        value &= (1 << width) - 1
        key = value, width
        if key not in self.constants:
            self.constants[key] = Wire(f"%k{value}_{width}", width)
        return self.constants[key]

    def cell(self, kind: str, hint: str, ports: list[tuple[str, int]], source: Source | None = None) -> dict[str, Wire]:
        """Adds a cell with these ports, in the order of its operation; its wires by port."""
        name = self.unique(hint)
        wires = {port: Wire(f"%{name}.{port}", width) for port, width in ports}
        place = f' loc("{source.file}":{source.line}:1)' if source else ""
        operation = f"primitive @{name} of @{kind}" if kind in self.design.primitives else f"{kind} @{name}"
        results, types = ", ".join(map(str, wires.values())), ", ".join(f"i{width}" for _, width in ports)
        self.cells.append((name, f"{results} = calyx.{operation} : {types}{place}"))
        return wires

    def register(self, hint: str, width: int, source: Source | None = None) -> Register:
        """Adds a register; it keeps its word unless `enable` is high."""
        ports = self.cell(
            "register",
            hint,
            [("in", width), ("write_en", 1), ("clk", 1), ("reset", 1), ("out", width), ("done", 1)],
            source,
        )
        return Register(ports["in"], ports["write_en"], ports["out"])

    def wire(self, hint: str, width: int) -> dict[str, Wire]:
        """Adds a wire, ports `in` and `out`: it is 0 while nothing drives it."""
        return self.instance(forward(width), hint, {})

    def operator(self, kind: str, left: Wire, right: Wire, out_width: int | None = None) -> Wire:
        """A binary std_ cell (std_add, std_eq, …) on two wires, one for each distinct pair of operands."""
        key = (kind, left.name, right.name)
        if key not in self.operators:
            width = left.width if out_width is None else out_width
            ports = self.cell(f"std_{kind}", kind, [("left", left.width), ("right", right.width), ("out", width)])
            self.assign(ports["left"], left)
            self.assign(ports["right"], right)
            self.operators[key] = ports["out"]
        return self.operators[key]

    def conjunction(self, *flags: Wire) -> Wire:
        """The logical and of one-bit wires (the constant 1 where there are none)."""
        if not flags:
            return self.constant(1, 1)
        total = flags[0]
        for flag in flags[1:]:
            total = self.operator("and", total, flag)
        return total

    def negation(self, flag: Wire) -> Wire:
        """The bitwise complement; one cell for each wire."""
        key = ("not", flag.name)
        if key not in self.operators:
            ports = self.cell("std_not", "not", [("in", flag.width), ("out", flag.width)])
            self.assign(ports["in"], flag)
            self.operators[key] = ports["out"]
        return self.operators[key]

    def mux(self, condition: Wire, on_true: Wire, on_false: Wire) -> Wire:
        """`condition ? on_true : on_false`; one cell for equal operands, none if both wires are one."""
        if on_true == on_false:
            return on_true
        key = ("mux", condition.name, on_true.name, on_false.name)
        if key not in self.operators:
            width = on_true.width
            ports = self.cell("std_mux", "mux", [("cond", 1), ("tru", width), ("fal", width), ("out", width)])
            for port, wire in (("cond", condition), ("tru", on_true), ("fal", on_false)):
                self.assign(ports[port], wire)
            self.operators[key] = ports["out"]
        return self.operators[key]

    def resize(self, wire: Wire, width: int) -> Wire:
        """The wire, truncated or zero-extended to `width`."""
        if wire.width == width:
            return wire
        kind = "std_slice" if width < wire.width else "std_pad"
        key = (kind, wire.name, str(width))
        if key not in self.operators:
            ports = self.cell(kind, kind[4:], [("in", wire.width), ("out", width)])
            self.assign(ports["in"], wire)
            self.operators[key] = ports["out"]
        return self.operators[key]

    def part(self, word: Wire, number: int, width: int) -> Wire:
        """Part `number` of a word with parts of `width` bits, the first one the lowest."""
        if number:
            word = self.operator("rsh", word, self.constant(number * width, word.width))
        return self.resize(word, width)

    def instance(
        self, kind: Primitive, hint: str, operands: dict[str, Wire], source: Source | None = None
    ) -> dict[str, Wire]:
        """Adds a cell of a primitive and connects the inputs in `operands`; all its ports by name."""
        self.design.primitives.setdefault(kind.name, kind)
        ports = self.cell(
            kind.name, hint, [*kind.inputs, *([("clk", 1)] if kind.clocked else []), *kind.outputs], source
        )
        for port, wire in operands.items():
            self.assign(ports[port], wire)
        return ports

    def subcomponent(self, component: ComponentBuilder, hint: str) -> dict[str, Wire]:
        """Adds an instance, which stays even if nothing uses its outputs; its wires by port, control ports included."""
        name = self.unique(hint)
        control = [(port.name, port.width_bits) for port, _ in CONTROL_INPUTS]
        ports = [*component.inputs, *control, *component.outputs, (CONTROL.finish.name, 1)]
        wires = {port: Wire(f"%{name}.{port}", width) for port, width in ports}
        results, types = ", ".join(map(str, wires.values())), ", ".join(f"i{width}" for _, width in ports)
        self.cells.append((name, f"{results} = calyx.instance @{name} of @{component.name} : {types}"))
        self.always.add(name)
        return wires

    # -- wires ---------------------------------------------------------------------------------------------------------
    def assign(self, target: Wire, value: Wire, group: str | None = None, guard: Wire | None = None) -> None:
        """Drives `target` with `value` while `guard` is high: in cycles of `group`, or always if that is None. Both
        have one width.
        """
        condition = f" {guard} ?" if guard is not None else ""
        line = f"calyx.assign {target} ={condition} {value} : i{target.width}"
        assert target.width == value.width, f"{self.name}: {line} has i{value.width}"
        (self.continuous if group is None else self.groups[group][1]).append(line)
        self.sources.append((target, (value,) if guard is None else (value, guard)))

    def static_group(self, name: str, latency_cycles: int) -> str:
        """Adds a static group of this many cycles, and gives the name that it got."""
        name = self.unique(name)
        self.groups[name] = (latency_cycles, [])
        return name

    def cycle(self, group: str, number: int) -> Wire:
        """The guard that is high in cycle `number` of a static group."""
        wire = Wire(f"%{group}_cycle{number}", 1)
        line = f"{wire} = calyx.cycle {number}"
        if line not in self.groups[group][1]:
            self.groups[group][1].insert(0, line)
        return wire

    def delayed(self, wire: Wire, cycles: int) -> Wire:
        """`wire` as it was `cycles` cycles ago, from registers without reset; taps of one wire share them."""
        if cycles == 0 or wire in self.constants.values():
            return wire
        taps = self.taps.setdefault(wire, {0: wire})
        if cycles not in taps:
            base = max(k for k in taps if k < cycles)
            hint = wire.name.strip("%").split(".")[0] + f"_d{cycles}"
            ports = self.instance(primitive(delay(wire.width, cycles - base)), hint, {"in": taps[base]})
            taps[cycles] = ports["out"]
        return taps[cycles]

    def live_cells(self) -> set[str]:
        """The cells that some output or subcomponent depends on."""
        feeding: dict[str, set[str]] = {}
        for target, values in self.sources:
            feeding.setdefault(cell_of(target), set()).update(cell_of(value) for value in values)
        live, pending = set[str](), ["", *self.always]
        while pending:
            cell = pending.pop()
            if cell not in live:
                live.add(cell)
                pending += feeding.get(cell, ())
        return live

    def text(self) -> list[str]:
        """The lines of the component, without cells whose outputs nothing uses."""
        live = self.live_cells()

        def kept(line: str) -> bool:
            target = line.split(" ")[1] if line.startswith("calyx.assign") else ""
            return "." not in target or target.strip("%").split(".")[0] in live

        inputs, outputs = ([f"%{n}: i{w}" for n, w in ports] for ports in (self.inputs, self.outputs))
        lines = [f"  {component_header(self.name, inputs, outputs)} {{"]
        lines += [
            f"    {wire} = hw.constant {_signed(value, width)} : i{width}"
            for (value, width), wire in self.constants.items()
        ]
        lines += [f"    {text}" for name, text in self.cells if name in live]
        lines += ["    calyx.wires {", *(f"      {line}" for line in self.continuous if kept(line))]
        for name, (latency, body) in self.groups.items():
            lines += [
                f"      calyx.static_group latency<{latency}> @{name} {{",
                *(f"        {line}" for line in body if kept(line)),
                "      }",
            ]
        lines += ["    }", "    calyx.control {", *(f"      {line}" for line in self.control), "    }"]
        place = f' loc("{self.source.file}":{self.source.line}:1)' if self.source else ""
        entry = " {toplevel}" if self.name == self.design.entry else ""
        return [*lines, f"  }}{entry}{place}"]


def component_header(name: str, inputs: Sequence[str], outputs: Sequence[str]) -> str:
    """`calyx.component @name(inputs and control inputs) -> (outputs and the finish port)`."""
    before = [*inputs, *(f"%{port.name}: i{port.width_bits} {{{role}}}" for port, role in CONTROL_INPUTS)]
    after = [*outputs, f"%{CONTROL.finish.name}: i{CONTROL.finish.width_bits} {{done}}"]
    return f"calyx.component @{name}({', '.join(before)}) -> ({', '.join(after)})"


def cell_of(wire: Wire) -> str:
    """The cell that a wire is a port of; "" for the component's own ports, constants and cycle guards."""
    return wire.name.strip("%").split(".")[0] if "." in wire.name else ""


def _signed(value: int, width: int) -> str:
    if width == 1:
        return "true" if value else "false"
    return str(value - (1 << width) if value >> (width - 1) else value)
