"""The wires and groups of one Calyx component as native text: names, sources, guards and assignments.

The dialect computes with values of comb operations wherever it likes. The native language has ports and constants as
sources, and logic only in guards: a computed value becomes a cell of its library, driven always.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from torch2hw.dialects.calyx_program import (
    Assign,
    Cell,
    Component,
    Cycles,
    Group,
    GroupGo,
    Literal,
    Logic,
    Port,
    PortOf,
    Value,
)
from torch2hw.dialects.names import KEYWORDS

_OWN_KEYWORDS = ("cells", "comb", "component", "control", "group", "invoke", "par", "seq", "wires", "go", "done", "clk")
_TOOLS_KEYWORDS = ("reset", "process", "main")  # what its list has beside those of Verilog
RESERVED = KEYWORDS | {*_OWN_KEYWORDS, *_TOOLS_KEYWORDS}
_COMPARISONS = {
    "eq": "eq",
    "ne": "neq",
    "ult": "lt",
    "ule": "le",
    "ugt": "gt",
    "uge": "ge",
    **{name: name for name in ("slt", "sle", "sgt", "sge")},
}
_BINARY = {"and": "and", "or": "or", "xor": "xor", "add": "add", "sub": "sub", "shl": "lsh", "shru": "rsh"}


def native_names(component: Component, ports_of: Callable[[Cell], Collection[Port]]) -> dict[str, str]:
    """A name for each cell and group that the native compiler accepts, nearest to its own: no reserved word, none that
    begins with `ref`, which its parser splits off, and none whose ports (`cell_port` in its Verilog) are called as
    others."""
    taken = set(RESERVED) | {port.name for port in component.ports}
    names: dict[str, str] = {}
    for name in component.groups:
        names[name] = _free(name, (), taken)
    for cell in component.cells.values():
        names[cell.name] = _free(cell.name, [port.name for port in ports_of(cell)], taken)
    return names


def _free(name: str, ports: Collection[str], taken: set[str]) -> str:
    stem = f"c_{name}" if name.startswith("ref") else name
    found, number = stem, 0
    while found in taken or any(f"{found}_{port}" in taken for port in ports):
        number += 1
        found = f"{stem}_{number}"
    taken.add(found)
    taken.update(f"{found}_{port}" for port in ports)
    return found


class FutilWires:
    """`added` gets the cells that computed values need, `continuous` their drivers and those of the component.

    `ports_of(cell)` are the ports that its module has: what drives others is left out.
    """

    def __init__(
        self, component: Component, names: Mapping[str, str], ports_of: Callable[[Cell], Collection[Port]]
    ) -> None:
        self.component, self.names = component, names
        self.ports = {
            PortOf(cell.name, port.name): port for cell in component.cells.values() for port in ports_of(cell)
        }
        self.added: list[str] = []
        self.computed: dict[Value, str] = {}
        self.taken = {*names.values(), *RESERVED}
        self.continuous: list[str] = []
        assigns = [line for assign in component.assigns if (line := self.assign(assign))]
        self.groups = [line for group in component.groups.values() for line in self.group(group)]
        self.continuous += assigns

    def assign(self, assign: Assign) -> str:
        """The assignment; "" if its target is no port of the module, or a clock or reset, which the tool connects."""
        target = assign.target
        if target.cell and (target not in self.ports or self.ports[target].role in ("clk", "reset")):
            return ""
        return f"{self.port(target)} = {self.guarded(assign.source, assign.guard)};"

    def guarded(self, source: Value, guard: Value | None) -> str:
        """`guard ? source`, or the source alone."""
        return self.source(source) if guard is None else f"{self.guard(guard)} ? {self.source(source)}"

    def group(self, group: Group) -> list[str]:
        """The lines of a group."""
        name = self.names[group.name]
        head = {"static": f"static<{group.latency_cycles}> group", "dynamic": "group", "comb": "comb group"}[group.kind]
        lines = [f"  {line}" for assign in group.assigns if (line := self.assign(assign))]
        if group.done:
            source, guard = group.done[0]
            if len(group.done) > 1:
                ends = [each if when is None else Logic("and", (each, when)) for each, when in group.done]
                source, guard = Logic("or", tuple(ends)), None
            lines.append(f"  {name}[done] = {self.guarded(source, guard)};")
        return [f"{head} {name} {{", *lines, "}"]

    def port(self, port: PortOf) -> str:
        """A port by name."""
        return f"{self.names[port.cell]}.{port.port}" if port.cell else port.port

    def source(self, value: Value) -> str:
        """A port or constant with that value."""
        match value:
            case Literal(number, width):
                assert number < 1 << 64, f"{self.component.name}: native Calyx has no constant {number}"
                return f"{width}'d{number}"
            case GroupGo(group):
                return f"{self.names[group]}[go]"
            case Logic():
                if value not in self.computed:
                    self.computed[value] = self._computed(value)
                return self.computed[value]
            case PortOf(cell, _) if cell:
                return self._output(value)
            case PortOf(_, port):
                return port
        raise AssertionError(f"{self.component.name}: {value} is a guard only")

    def _output(self, port: PortOf) -> str:
        cell = self.component.cells[port.cell]
        if cell.kind in ("constant", "undefined"):
            return self.source(Literal(cell.value, cell.ports[0].width_bits))
        known = self.ports[port]
        if known.is_input:
            go = self.component.port("go")
            assert known.role == "go" and cell.kind == "instance" and go, f"{port} is no output"
            return go.name
        return self.port(port)

    def guard(self, value: Value) -> str:
        """A guard with that value."""
        match value:
            case Cycles(first, last):
                return f"%{first}" if first == last else f"%[{first}:{last + 1}]"
            case Logic("xor", (operand, Literal(1, 1))):
                inner = self.guard(operand)
                return f"!({inner})" if inner.startswith(("!", "%")) else f"!{inner}"
            case Logic("and" | "or" as operation, operands, width_bits=1):
                sign = " & " if operation == "and" else " | "
                return f"({sign.join(map(self.guard, operands))})"
        return self.source(value)

    # -- computed values
    def _computed(self, value: Logic) -> str:
        operation, operands, width = value.operation, value.operands, value.width_bits
        if operation == "icmp":
            kind = _COMPARISONS[value.predicate]
            return self._cell(f"std_{kind}({self._width(operands[0])})", kind, dict(zip(_PAIR, operands, strict=True)))
        if operation == "extract":
            given, source = self._width(operands[0]), self.source(operands[0])
            if value.low_bit:
                inputs: dict[str, Value | str] = {"left": source, "right": Literal(value.low_bit, given)}
                source = self._cell(f"std_rsh({given})", "moved", inputs)
            return source if given == width else self._cell(f"std_slice({given}, {width})", "bits", {"in": source})
        if operation == "concat":
            return self._joined(operands)
        if operation == "replicate":
            return self._joined(operands * (width // self._width(operands[0])))
        if operation == "xor" and len(operands) == 2 and operands[1] == Literal((1 << width) - 1, width):
            return self._cell(f"std_not({width})", "inverse", {"in": operands[0]})
        assert operation in _BINARY, f"{self.component.name}: native Calyx has no {operation}"
        kind = _BINARY[operation]
        result = self.source(operands[0])
        for operand in operands[1:]:
            result = self._cell(f"std_{kind}({width})", f"c_{kind}", {"left": result, "right": operand})
        return result

    def _joined(self, parts: tuple[Value, ...]) -> str:
        result, width = self.source(parts[0]), self._width(parts[0])
        for part in parts[1:]:
            own = self._width(part)
            kind = f"std_cat({width}, {own}, {width + own})"
            result, width = self._cell(kind, "joined", {"left": result, "right": part}), width + own
        return result

    def _cell(self, kind: str, hint: str, inputs: Mapping[str, Value | str]) -> str:
        name = _free(hint, (*inputs, "out"), self.taken)
        self.added.append(f"{name} = {kind};")
        for port, value in inputs.items():
            self.continuous.append(f"{name}.{port} = {value if isinstance(value, str) else self.source(value)};")
        return f"{name}.out"

    def _width(self, value: Value) -> int:
        if isinstance(value, (Literal, Logic)):
            return value.width_bits
        if isinstance(value, PortOf):
            ports = self.component.ports if not value.cell else [self.ports[value]]
            return next(port.width_bits for port in ports if port.name == value.port)
        return 1


_PAIR = ("left", "right")
