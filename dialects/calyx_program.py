"""A Calyx program as plain records: what CIRCT's dialect says, read once, so that lowerings walk Python objects and
not bindings.

Values are references: `PortOf("a", "out")` is port `out` of cell `a`, `PortOf("", "go")` a port of the component
itself, `Literal(5, 8)` a constant. A guard is a reference or a tree over references. Locations are MLIR text
(`loc("m.py":12:0)`) or "".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class PortOf(NamedTuple):
    """A port by cell and name; `cell` is "" for the component's own."""

    cell: str
    port: str


@dataclass(frozen=True)
class Literal:
    """`value` is unsigned, below 2**width_bits."""

    value: int
    width_bits: int


@dataclass(frozen=True)
class Cycles:
    """High in cycles `first` to `last` (inclusive) of the static group around it."""

    first: int
    last: int


@dataclass(frozen=True)
class GroupGo:
    """High while `group` runs and has not yet signalled done."""

    group: str


@dataclass(frozen=True)
class Logic:
    """`operation` (a comb operation's name: and or xor icmp …) of `operands`; `predicate` is icmp's."""

    operation: str
    operands: tuple[Value, ...]
    predicate: str = ""
    low_bit: int = 0
    width_bits: int = 1


Value = PortOf | Literal | Cycles | GroupGo | Logic


class Assign(NamedTuple):
    """`target` is driven with `source` while `guard` is true; None is always."""

    target: PortOf
    source: Value
    guard: Value | None


@dataclass(frozen=True)
class Group:
    """`latency_cycles` is None for a dynamic group (which has `done` assignments) and for a combinational one."""

    name: str
    kind: str  # "static", "dynamic" or "comb"
    assigns: tuple[Assign, ...]
    latency_cycles: int | None = None
    done: tuple[tuple[Value, Value | None], ...] = ()


@dataclass(frozen=True)
class Port:
    """A port of a cell, component or primitive. `is_stable`: an output that follows no input within a cycle."""

    name: str
    width_bits: int
    is_input: bool
    role: str = ""  # "go", "done", "clk", "reset" or ""
    is_stable: bool = False


@dataclass(frozen=True)
class Cell:
    """`kind` is the operation without its dialect (register, std_add, instance …), `of` the component or primitive it
    names.
    """

    name: str
    kind: str
    ports: tuple[Port, ...]
    of: str = ""
    value: int = 0
    sizes: tuple[int, ...] = ()
    external: bool = False
    location: str = ""

    def port(self, role: str) -> Port | None:
        """The port with that role; None if the cell has none."""
        return next((port for port in self.ports if port.role == role), None)


@dataclass(frozen=True)
class Enable:
    """Runs a group once."""

    group: str


@dataclass(frozen=True)
class Sequence:
    """Runs its children one after the other."""

    children: tuple[Control, ...]


@dataclass(frozen=True)
class Parallel:
    """Runs its children at the same time, and ends with the last. `static`: the cycles of each are known."""

    children: tuple[Control, ...]
    static: bool


@dataclass(frozen=True)
class Repeat:
    """Runs its body `count` times."""

    count: int
    body: Control


@dataclass(frozen=True)
class While:
    """Runs its body while `condition`, which the combinational `group` computes, is true; "" if no group is needed."""

    condition: Value
    group: str
    body: Control


@dataclass(frozen=True)
class If:
    """Runs one of two branches by `condition`, which the combinational `group` computes. `static`: the cycles are
    known.
    """

    condition: Value
    group: str
    then: Control
    otherwise: Control
    static: bool


@dataclass(frozen=True)
class Invoke:
    """`cell` is started with the assignments to its ports; `references` names this component's cell for each ref cell
    of it.
    """

    cell: str
    assigns: tuple[Assign, ...]
    references: tuple[tuple[str, str], ...]


Control = Enable | Sequence | Parallel | Repeat | While | If | Invoke


def invokes(control: Control) -> list[Invoke]:
    """Every invoke in `control`, in order."""
    match control:
        case Invoke():
            return [control]
        case Sequence(children) | Parallel(children):
            return [found for child in children for found in invokes(child)]
        case Repeat(_, body) | While(_, _, body):
            return invokes(body)
        case If(_, _, then, otherwise):
            return invokes(then) + invokes(otherwise)
    return []


@dataclass(frozen=True)
class Component:
    """A component. `combinational`: it has no control and no clock; `location` is its source in MLIR's notation."""

    name: str
    ports: tuple[Port, ...]
    cells: dict[str, Cell]
    assigns: tuple[Assign, ...]
    groups: dict[str, Group]
    control: Control
    combinational: bool = False
    location: str = ""

    def port(self, role: str) -> Port | None:
        """The port with that role; None if the component has none."""
        return next((port for port in self.ports if port.role == role), None)


@dataclass(frozen=True)
class ExternModule:
    """A module defined outside the program, by its ports."""

    name: str
    ports: tuple[Port, ...]


@dataclass
class ComponentProgram:
    """Components come after the components that they instantiate."""

    entry: str
    components: dict[str, Component] = field(default_factory=dict)
    primitives: dict[str, ExternModule] = field(default_factory=dict)
