"""The modules that cells of a Calyx program stand for: other components, primitives, and the library's memories and pipes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch2hw.dialects.calyx_program import Cell, Component, Port, Program

_FLOAT_MODULES = {
    "ieee754.add": "std_addFN",
    "ieee754.mul": "std_mulFN",
    "ieee754.divSqrt": "std_divSqrtFN",
    "ieee754.compare": "std_compareFN",
    "ieee754.fpToInt": "std_fpToInt",
    "ieee754.intToFp": "std_intToFp",
}


@dataclass(frozen=True)
class LibraryModule:
    """A module that cells instantiate; its ports in the order of its definition."""

    name: str
    ports: tuple[Port, ...]


class MissingDefinition(KeyError):
    """A cell names a primitive or float unit whose hardware was not given."""


class Modules:
    """Finds the module of a cell and gathers the texts of those that are used."""

    def __init__(self, program: Program, definitions: Mapping[str, str]) -> None:
        self.program, self.definitions = program, definitions
        self.texts: dict[str, str] = {}

    def of(self, cell: Cell) -> LibraryModule:
        if cell.kind == "instance":
            return component_module(self.program.components[cell.of])
        if cell.kind == "primitive":
            return self._defined(cell.of)
        assert cell.kind in _FLOAT_MODULES, f"calyx.{cell.kind} is no cell that we know"
        width = next(port.width_bits for port in cell.ports if port.name in ("left", "in"))
        return self._defined(f"{_FLOAT_MODULES[cell.kind]}_{width}")

    def _defined(self, name: str) -> LibraryModule:
        self._gather(name)
        return LibraryModule(name, _ports(self.definitions[name]))

    def _gather(self, name: str) -> None:
        if name in self.texts:
            return
        if name not in self.definitions:
            raise MissingDefinition(f"no hardware is given for the primitive {name}")
        self.texts[name] = ""
        for callee in re.findall(r"hw\.instance\b[^@]*@([\w$]+)", self.definitions[name]):
            if f"hw.module @{callee}(" not in self.definitions[name]:
                self._gather(callee)
        # again, so that a module stands after those that it instantiates
        del self.texts[name]
        self.texts[name] = self.definitions[name]


def component_module(component: Component) -> LibraryModule:
    return LibraryModule(component.name, component.ports)


def _ports(definition: str) -> tuple[Port, ...]:
    """The ports in the header of the last `hw.module` of a definition."""
    header = definition[definition.rindex("hw.module") :].split("{", 1)[0]
    ports = []
    for direction, name, kind in re.findall(r"\b(in|out) %?([\w$]+)\s*:\s*(!seq\.clock|i\d+)", header):
        role = "clk" if kind == "!seq.clock" else "reset" if name == "reset" else ""
        ports.append(Port(name, 1 if role else int(kind[1:]), direction == "in", role))
    return tuple(ports)
