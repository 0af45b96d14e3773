"""Reads a verified module of CIRCT's Calyx dialect into the records of calyx_program."""

from __future__ import annotations

import re
from typing import Any

from torch2hw.dialects.calyx_program import (
    Assign,
    Cell,
    Component,
    ComponentProgram,
    Control,
    Cycles,
    Enable,
    ExternModule,
    Group,
    GroupGo,
    If,
    Invoke,
    Literal,
    Logic,
    Parallel,
    Port,
    PortOf,
    Repeat,
    Sequence,
    Value,
    While,
)
from torch2hw.dialects.number_types import number_type

_PIPE = (("clk", "reset", "go", "left", "right"), ("out", "done"))
_COMPARE = (("left", "right"), ("out",))
_UNARY = (("in",), ("out",))
# Input and output port names, in the order of the operation's results.
_PORTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "register": (("in", "write_en", "clk", "reset"), ("out", "done")),
    "constant": ((), ("out",)),
    "undefined": ((), ("out",)),
    "std_mux": (("cond", "tru", "fal"), ("out",)),
    **{f"std_{name}": _UNARY for name in ("not", "wire", "pad", "slice", "signext")},
    **{f"std_{name}_pipe": _PIPE for name in ("mult", "divs", "divu", "rems", "remu")},
    "ieee754.add": (
        ("clk", "reset", "go", "control", "subOp", "left", "right", "roundingMode"),
        ("out", "exceptionalFlags", "done"),
    ),
    "ieee754.mul": (
        ("clk", "reset", "go", "control", "left", "right", "roundingMode"),
        ("out", "exceptionalFlags", "done"),
    ),
    "ieee754.divSqrt": (
        ("clk", "reset", "go", "control", "sqrtOp", "left", "right", "roundingMode"),
        ("out", "exceptionalFlags", "done"),
    ),
    "ieee754.compare": (
        ("clk", "reset", "go", "left", "right", "signaling"),
        ("lt", "eq", "gt", "unordered", "exceptionalFlags", "done"),
    ),
    "ieee754.fpToInt": (("clk", "reset", "go", "in", "signedOut"), ("out", "done")),
    "ieee754.intToFp": (("clk", "reset", "go", "in", "signedIn"), ("out", "done")),
}
_MEMORY_PORTS = {
    "memory": (("write_data", "write_en", "clk"), ("read_data", "done")),
    "seq_mem": (("clk", "reset", "content_en", "write_en", "write_data"), ("read_data", "done")),
}
_ROLES = ("go", "done", "clk", "reset")
_LINE = re.compile(r'"([^"]+)":(\d+):\d+')
_PREDICATES = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")


def read(module: Any) -> ComponentProgram:
    """The records of `module` (a parsed, verified builtin.module with Calyx components)."""
    operations = [op.operation for op in module.body.operations]
    program = ComponentProgram(entry="")
    for op in operations:
        if op.name == "hw.module.extern":
            program.primitives[_text(op, "sym_name")] = _primitive(op)
    pending = [op for op in operations if op.name in ("calyx.component", "calyx.comb_component")]
    ports = {_text(op, "sym_name"): _component_ports(op) for op in pending}
    for op in pending:
        component = _ComponentReader(program, ports).read(op)
        program.components[component.name] = component
        if "toplevel" in op.attributes:
            program.entry = component.name
    if "calyx.entrypoint" in module.operation.attributes:
        program.entry = module.operation.attributes["calyx.entrypoint"].value
    program.components = _callees_first(program.components)
    return program


def _callees_first(components: dict[str, Component]) -> dict[str, Component]:
    ordered: dict[str, Component] = {}

    def place(component: Component) -> None:
        for cell in component.cells.values():
            if cell.kind == "instance" and cell.of not in ordered:
                place(components[cell.of])
        ordered.setdefault(component.name, component)

    for component in components.values():
        place(component)
    return ordered


def _text(op: Any, attribute: str) -> str:
    return str(op.attributes[attribute].value)


def _place(op: Any) -> str:
    """The first file and line of the operation's location, without a column; "" if it names only intermediate text."""
    found = _LINE.search(str(op.location))
    return f'loc("{found[1]}":{found[2]}:0)' if found and found[1] != "-" else ""


def _primitive(op: Any) -> ExternModule:
    ports = []
    roles = list(op.attributes["per_port_attrs"]) if "per_port_attrs" in op.attributes else []
    found = re.findall(r"(input|output) ([\w$]+)\s*: i(\d+)", str(op.attributes["module_type"]))
    for (direction, name, width), role in zip(found, roles or [{}] * len(found), strict=True):
        clock = "clk" if "calyx.clk" in role else ""
        ports.append(Port(name, int(width), direction == "input", clock, "calyx.stable" in role))
    return ExternModule(_text(op, "sym_name"), tuple(ports))


def _component_ports(op: Any) -> tuple[Port, ...]:
    names = [name.value for name in op.attributes["portNames"]]
    directions = str(op.attributes["portDirections"])
    bits = int(re.match(r"-?\d+", directions)[0]) if directions[0] in "-0123456789" else int(directions == "true")  # type: ignore[index]
    roles = list(op.attributes["portAttributes"])
    ports = []
    for index, (name, argument, attributes) in enumerate(
        zip(names, op.regions[0].blocks[0].arguments, roles, strict=True)
    ):
        role = next((role for role in _ROLES if role in attributes), "")
        ports.append(Port(name, _width(argument), not bits >> index & 1, role))
    return tuple(ports)


def _width(value: Any) -> int:
    width: int = value.type.width
    return width


class _ComponentReader:
    def __init__(self, program: ComponentProgram, ports: dict[str, tuple[Port, ...]]) -> None:
        self.program, self.ports = program, ports
        self.values: dict[Any, Value] = {}
        self.cells: dict[str, Cell] = {}
        self.groups: dict[str, Group] = {}
        self.assigns: list[Assign] = []

    def read(self, op: Any) -> Component:
        name, block = _text(op, "sym_name"), op.regions[0].blocks[0]
        for port, argument in zip(self.ports[name], block.arguments, strict=True):
            self.values[argument] = PortOf("", port.name)
        control: Control = Sequence(())
        for each in block.operations:
            inner = each.operation
            if inner.name == "calyx.wires":
                self.wires(inner)
            elif inner.name == "calyx.control":
                control = self.block(inner)
            elif inner.name == "hw.constant":
                self.logic(inner)
            else:
                self.cell(inner)
        return Component(
            name,
            self.ports[name],
            self.cells,
            tuple(self.assigns),
            self.groups,
            control,
            op.name == "calyx.comb_component",
            _place(op),
        )

    def cell(self, op: Any) -> None:
        name, kind = _text(op, "sym_name"), op.name.removeprefix("calyx.")
        attributes = op.attributes
        of = ""
        if kind == "instance":
            of = attributes["componentName"].value
            ports = self.ports[of]
        elif kind == "primitive":
            of = attributes["primitiveName"].value
            ports = self.program.primitives[of].ports
        else:
            inputs, outputs = _port_names(kind, len(op.results))
            ports = tuple(
                Port(port, _width(result), index < len(inputs), port if port in _ROLES else "")
                for index, (port, result) in enumerate(zip(inputs + outputs, op.results, strict=True))
            )
        for port, result in zip(ports, op.results, strict=True):
            self.values[result] = PortOf(name, port.name)
        value = _constant_bits(attributes["value"]) if kind == "constant" else 0
        sizes = tuple(size.value for size in attributes["sizes"]) if "sizes" in attributes else ()
        external = "external" in attributes and str(attributes["external"]) != "false"
        self.cells[name] = Cell(name, kind, ports, of, value, sizes, external, _place(op))

    # -- wires
    def wires(self, op: Any) -> None:
        # Guards may use group_go values and comb results that stand further down: names first.
        groups = []
        for each in op.regions[0].blocks[0].operations:
            inner = each.operation
            if inner.name in ("calyx.group", "calyx.static_group", "calyx.comb_group"):
                groups.append(inner)
            elif inner.name != "calyx.assign":
                self.logic(inner)
        self.assigns += self.assignments(op)
        for group in groups:
            self.group(group)

    def group(self, op: Any) -> None:
        name = _text(op, "sym_name")
        latency = op.attributes["latency"].value if op.name == "calyx.static_group" else None
        done = []
        for each in op.regions[0].blocks[0].operations:
            inner = each.operation
            if inner.name == "calyx.group_go":
                self.values[inner.results[0]] = GroupGo(name)
            elif inner.name == "calyx.cycle":
                first = inner.attributes["start"].value
                last = inner.attributes["end"].value if "end" in inner.attributes else first
                self.values[inner.results[0]] = Cycles(first, last)
            elif inner.name not in ("calyx.assign", "calyx.group_done"):
                self.logic(inner)
        for each in op.regions[0].blocks[0].operations:
            inner = each.operation
            if inner.name == "calyx.group_done":
                source, *guard = (self.values[operand] for operand in inner.operands)
                done.append((source, guard[0] if guard else None))
        kind = {"calyx.group": "dynamic", "calyx.static_group": "static", "calyx.comb_group": "comb"}[op.name]
        self.groups[name] = Group(name, kind, tuple(self.assignments(op)), latency, tuple(done))

    def assignments(self, op: Any) -> list[Assign]:
        found = []
        for each in op.regions[0].blocks[0].operations:
            inner = each.operation
            if inner.name == "calyx.assign":
                target, source, *guard = (self.values[operand] for operand in inner.operands)
                assert isinstance(target, PortOf)
                found.append(Assign(target, source, guard[0] if guard else None))
        return found

    def logic(self, op: Any) -> None:
        result = op.results[0]
        if op.name == "hw.constant":
            width = _width(result)
            self.values[result] = Literal(op.attributes["value"].value & (1 << width) - 1, width)
            return
        operands = tuple(self.values[operand] for operand in op.operands)
        predicate = _PREDICATES[op.attributes["predicate"].value] if op.name == "comb.icmp" else ""
        low_bit = op.attributes["lowBit"].value if op.name == "comb.extract" else 0
        self.values[result] = Logic(op.name.removeprefix("comb."), operands, predicate, low_bit, _width(result))

    # -- control
    def block(self, op: Any, region: int = 0) -> Control:
        if len(op.regions) <= region or not len(op.regions[region].blocks):
            return Sequence(())
        children = tuple(self.control(each.operation) for each in op.regions[region].blocks[0].operations)
        return children[0] if len(children) == 1 else Sequence(children)

    def control(self, op: Any) -> Control:
        kind = op.name.removeprefix("calyx.")
        if kind == "enable":
            return Enable(op.attributes["groupName"].value)
        if kind in ("seq", "static_seq"):
            return self.block(op)
        if kind in ("par", "static_par"):
            children = tuple(self.control(each.operation) for each in op.regions[0].blocks[0].operations)
            return Parallel(children, kind == "static_par")
        if kind in ("repeat", "static_repeat"):
            return Repeat(op.attributes["count"].value, self.block(op))
        if kind == "invoke":
            return self.invoke(op)
        group = op.attributes["groupName"].value if "groupName" in op.attributes else ""
        condition = self.values[op.operands[0]]
        if kind == "while":
            return While(condition, group, self.block(op))
        assert kind in ("if", "static_if"), f"calyx.{kind} is no control operation that we know"
        return If(condition, group, self.block(op), self.block(op, 1), kind == "static_if")

    def invoke(self, op: Any) -> Invoke:
        values = [self.values[operand] for operand in op.operands]
        half = len(values) // 2
        assigns = []
        for target, source in zip(values[:half], values[half:], strict=True):
            assert isinstance(target, PortOf)
            assigns.append(Assign(target, source, None))
        references = []
        for each in op.attributes["refCellsMap"]:
            for entry in each:
                references.append((str(entry.name), str(entry.attr).removeprefix("@").strip('"')))
        return Invoke(op.attributes["callee"].value, tuple(assigns), tuple(references))


def _port_names(kind: str, count: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if kind in _MEMORY_PORTS:
        inputs, outputs = _MEMORY_PORTS[kind]
        addresses = tuple(f"addr{n}" for n in range(count - len(inputs) - len(outputs)))
        return addresses + inputs, outputs
    return _PORTS.get(kind, _COMPARE)


def _constant_bits(attribute: Any) -> int:
    """The bits of an integer or float attribute as an unsigned number."""
    kind = str(attribute.type)
    if kind.startswith("i"):
        return int(attribute.value) & (1 << int(kind[1:])) - 1
    exact = re.match(r"0x([0-9A-Fa-f]+) :", str(attribute))  # NaN and infinities print as bits
    if exact:
        return int(exact[1], 16)
    return number_type(kind).pattern(attribute.value)
