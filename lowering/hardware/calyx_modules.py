"""The modules that cells of a Calyx program stand for: other components, primitives, and the library's memories and
pipes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch2hw.dialects.calyx_program import Cell, Component, ComponentProgram, Port, invokes
from torch2hw.lowering.hardware.calyx_memories import memory, memory_name
from torch2hw.lowering.sequential.handshakes import divider, multiplier

FLOAT_MODULES = {
    "ieee754.add": "std_addFN",
    "ieee754.mul": "std_mulFN",
    "ieee754.divSqrt": "std_divSqrtFN",
    "ieee754.compare": "std_compareFN",
    "ieee754.fpToInt": "std_fpToInt",
    "ieee754.intToFp": "std_intToFp",
}
_DIVISIONS = {  # signed, remainder
    "std_divs_pipe": (True, False),
    "std_divu_pipe": (False, False),
    "std_rems_pipe": (True, True),
    "std_remu_pipe": (False, True),
}


@dataclass(frozen=True)
class LibraryModule:
    """A module that cells instantiate; its ports in the order of its definition."""

    name: str
    ports: tuple[Port, ...]


class MissingDefinition(KeyError):
    """A cell instantiates a primitive or float unit that has no definition."""


class Modules:
    """Finds the module of a cell, and collects the texts of the modules that are used.

    A definition with a component's name replaces the component. A definition called `component.cell` belongs to that
    cell alone: a memory with contents, or a unit with the outputs that are used.
    """

    def __init__(self, program: ComponentProgram, definitions: Mapping[str, str]) -> None:
        self.program, self.definitions = program, dict(definitions)
        self.texts: dict[str, str] = {}
        self.references = _referenced_cells(program)
        self.unused: set[tuple[str, str, str]] = set()  # component, ref cell, port

    def of(self, component: Component, cell: Cell) -> LibraryModule:
        """The module of a cell; its text and those that it instantiates are then part of the output."""
        own = self.definitions.get(f"{component.name}.{cell.name}")
        if own is not None:
            name = re.findall(r"hw\.module @([\w$]+)\(", own)[-1]
            self.definitions.setdefault(name, own)
            return self._defined(name)
        if cell.kind == "instance" and cell.of not in self.definitions:
            callee = self.program.components[cell.of]
            return LibraryModule(callee.name, (*callee.ports, *self.reference_ports(callee)))
        if cell.kind in ("instance", "primitive"):
            return self._defined(cell.of)
        if cell.kind in ("seq_mem", "memory"):
            name = memory_name(cell)
            self.definitions.setdefault(name, memory(cell))
            return self._defined(name)
        width = next(port.width_bits for port in cell.ports if port.name in ("left", "in"))
        if cell.kind in FLOAT_MODULES:
            return self._defined(f"{FLOAT_MODULES[cell.kind]}_{width}")
        name = f"{cell.kind}_{width}"
        if cell.kind == "std_mult_pipe":
            self.definitions.setdefault(name, multiplier(name, width))
        else:
            signed, remainder = _DIVISIONS[cell.kind]
            self.definitions.setdefault(name, divider(name, width, signed, remainder))
        return self._defined(name)

    def reference_ports(self, component: Component) -> tuple[Port, ...]:
        """The ports that stand for the component's ref cells: a cell's inputs are outputs of the module. Once the
        component is lowered, ports that it does not use (`unused`) are left out."""
        ports = []
        for name in self.references.get(component.name, ()):
            for port in component.cells[name].ports:
                if port.role not in ("clk", "reset") and (component.name, name, port.name) not in self.unused:
                    ports.append(Port(f"{name}_{port.name}", port.width_bits, not port.is_input))
        return tuple(ports)

    def around(self, entry: str) -> list[str]:
        """The texts of the definitions that instantiate the component `entry`, and of all that they need beside it."""
        before = set(self.texts)
        self.texts[entry] = ""
        for name, text in self.definitions.items():
            if entry in _instantiated(text):
                self._gather(name)
        del self.texts[entry]
        return [text for name, text in self.texts.items() if name not in before]

    def _defined(self, name: str) -> LibraryModule:
        self._gather(name)
        return LibraryModule(name, _ports(self.definitions[name]))

    def _gather(self, name: str) -> None:
        if name in self.texts:
            return
        if name not in self.definitions:
            raise MissingDefinition(f"no hardware is given for the primitive {name}")
        self.texts[name] = ""
        for callee in _instantiated(self.definitions[name]):
            if f"hw.module @{callee}(" not in self.definitions[name]:
                self._gather(callee)
        # again, so that a module stands after those that it instantiates
        del self.texts[name]
        self.texts[name] = self.definitions[name]


def _referenced_cells(program: ComponentProgram) -> dict[str, tuple[str, ...]]:
    """The ref cells of each component: the cells that some invoke of it binds."""
    found: dict[str, dict[str, None]] = {}
    for component in program.components.values():
        for invoke in invokes(component.control):
            bound = found.setdefault(component.cells[invoke.cell].of, {})
            bound.update((name, None) for name, _ in invoke.references)
    return {name: tuple(cells) for name, cells in found.items()}


def _instantiated(definition: str) -> list[str]:
    """The modules that a definition instantiates."""
    return re.findall(r"hw\.instance\b[^@]*@([\w$]+)", definition)


def _ports(definition: str) -> tuple[Port, ...]:
    """The ports in the header of the last `hw.module` of a definition."""
    header = definition[definition.rindex("hw.module") :].split("{", 1)[0]
    ports = []
    for direction, name, kind in re.findall(r"\b(in|out) %?([\w$]+)\s*:\s*(!seq\.clock|i\d+)", header):
        role = "clk" if kind == "!seq.clock" else "reset" if name == "reset" else ""
        ports.append(Port(name, 1 if role else int(kind[1:]), direction == "in", role))
    return tuple(ports)
