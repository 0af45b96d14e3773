"""Calyx → the text of the native Calyx compiler (its version 0.7.1), and the modules that the text names.

needs:   what calyx_to_hw needs.
leaves:  a `.futil` that `calyx -l LIB -b verilog FILE` takes with its default passes, and at the level hw the modules
         of its one `extern` block.
refuses: MissingDefinition, as calyx_to_hw.
why:     CIRCT's own exporter writes text that the compiler refuses, or compiles to other numbers.

What the native compiler asks of the text, and the dialect does not:

| the native compiler                                             | so here
|-----------------------------------------------------------------|-----------------------------------------------------
| panics at a second `extern` block for one file                  | one block
| refuses cells that are called as Verilog's or its own keywords  | `native_names`
| takes an output for combinational in all inputs                 | `@stable` where the dialect says `calyx.stable`
| may drive x to an input that is `@data`, as a std_wire's        | wires are modules of our own, `forward_1`
| loses the driver of a std_wire with three readers (issue 2437)  | the same
| has no expressions outside guards                               | `FutilWires` makes cells of them
| lets nobody read an input of a cell                             | an invoked cell's `go` is the component's own
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from torch2hw.dialects import calyx, calyx_reader
from torch2hw.dialects.calyx_primitives import forward
from torch2hw.dialects.calyx_program import (
    Cell,
    Component,
    Control,
    Enable,
    If,
    Invoke,
    Parallel,
    Port,
    Repeat,
    Sequence,
    While,
    invokes,
)
from torch2hw.lowering.hardware.calyx_modules import LibraryModule, Modules
from torch2hw.lowering.hardware.futil_wires import FutilWires, native_names

_PARAMETERS = {  # ports whose widths are the parameters of a primitive of the native library
    "register": ("std_reg", ("in",)),
    "std_slice": ("std_slice", ("in", "out")),
    "std_pad": ("std_pad", ("in", "out")),
    "std_not": ("std_not", ("in",)),
    "std_mux": ("std_mux", ("tru",)),
    **{
        f"std_{name}": (f"std_{name}", ("left",))
        for name in ("add", "sub", "and", "or", "xor", "lsh", "rsh", "eq", "neq", "lt", "gt", "ge", "le")
    },
    **{
        f"std_{name}": (f"std_{name}", ("left",))
        for name in ("slt", "sgt", "sge", "sle", "seq", "sneq", "srsh", "mult_pipe")
    },
}
_IMPORTS = ("primitives/core.futil", "primitives/binary_operators.futil")


@dataclass(frozen=True)
class Native:
    """`futil` names `units_file`, which holds the SystemVerilog of the modules in `units` (level hw)."""

    futil: str
    units: str


def lower(calyx_text: str, definitions: Mapping[str, str], units_file: str) -> Native:
    """The native text of a Calyx program. Raises pycde.circt.ir.MLIRError if CIRCT refuses the dialect's text."""
    program = calyx_reader.read(calyx.verified(calyx_text))
    modules = Modules(program, definitions)
    printer = _Printer(modules, program.entry)
    for component in program.components.values():
        printer.bind(component)
    components = [
        printer.component(component) for component in program.components.values() if component.name not in definitions
    ]
    lines = [f'import "{name}";' for name in _IMPORTS]
    lines += [f'extern "{units_file}" {{', *printer.primitives.values(), "}"]
    units = list(modules.texts.values())
    around = modules.around(program.entry)  # an interface's, which instantiates what the native compiler makes
    if around:
        units += [_stub(program.components[program.entry]), *around]
    return Native("\n".join([*lines, *components, ""]), "module {\n" + "\n".join(units) + "}\n")


def _stub(component: Component) -> str:
    ports = (
        f"{f'in %{port.name}' if port.is_input else f'out {port.name}'}: "
        f"{'!seq.clock' if port.role == 'clk' else f'i{port.width_bits}'}"
        for port in component.ports
    )
    return f"hw.module.extern @{component.name}({', '.join(ports)})"


class _Printer:
    """Prints components; `primitives` has the declaration of every module that their cells name."""

    def __init__(self, modules: Modules, entry: str) -> None:
        self.modules, self.entry = modules, entry
        self.primitives: dict[str, str] = {}
        self.bound: dict[tuple[str, str], tuple[Component, Cell]] = {}  # what stands for a component's ref cell

    def bind(self, component: Component) -> None:
        """Notes the cells that `component` gives to those that it invokes: they decide the kinds of the ref cells."""
        for invoke in invokes(component.control):
            for name, given in invoke.references:
                self.bound[component.cells[invoke.cell].of, name] = component, component.cells[given]

    def component(self, component: Component) -> str:
        """The text of a component."""
        names = native_names(component, lambda cell: self.ports(component, cell))
        wires = FutilWires(component, names, lambda cell: self.ports(component, cell))
        control = _control(component, component.control, wires)
        inputs, outputs = (
            ", ".join(
                f"{f'@{port.role} ' if port.role else ''}{port.name}: {port.width_bits}"
                for port in component.ports
                if port.is_input == given
            )
            for given in (True, False)
        )
        top = '<"toplevel"=1>' if component.name == self.entry else ""
        cells = [
            f"{'ref ' if (component.name, cell.name) in self.bound else ''}{names[cell.name]} = {kind};"
            for cell in component.cells.values()
            if (kind := self.kind(component, cell))
        ]
        blocks = {"cells": [*cells, *wires.added], "wires": [*wires.continuous, *wires.groups], "control": control}
        lines = [f"component {component.name}{top}({inputs}) -> ({outputs}) {{"]
        for block, inside in blocks.items():
            lines += [f"  {block} {{", *(f"    {line}" for line in inside), "  }"]
        return "\n".join([*lines, "}"])

    def kind(self, component: Component, cell: Cell) -> str:
        """The primitive or component of a cell, with its parameters; "" for constants, which need none."""
        if cell.kind in ("constant", "undefined"):
            return ""
        if cell.kind == "instance" and cell.of not in self.modules.definitions:
            return f"{cell.of}()"
        widths = {port.name: port.width_bits for port in cell.ports}
        if cell.kind == "std_signext":
            return f"std_signext({widths['in']}, {widths['out']})"
        if cell.kind in _PARAMETERS:
            native, ports = _PARAMETERS[cell.kind]
            return f"{native}({', '.join(str(widths[port]) for port in ports)})"
        module = self.module(component, cell)
        if module.name not in self.primitives:
            declared = self.modules.program.primitives.get(module.name)
            clocked = any(port.role == "clk" for port in module.ports)
            stable = {port.name for port in (declared or module).ports if port.is_stable or (clocked and not declared)}
            self.primitives[module.name] = _declaration(module, clocked, stable)
        return f"{module.name}()"

    def ports(self, component: Component, cell: Cell) -> tuple[Port, ...]:
        """The ports of the module that a cell is of."""
        if cell.kind in _PARAMETERS or cell.kind in ("constant", "undefined", "std_signext"):
            return cell.ports
        if cell.kind == "instance" and cell.of not in self.modules.definitions:
            return cell.ports
        return self.module(component, cell).ports

    def module(self, component: Component, cell: Cell) -> LibraryModule:
        """The module in the units' file that a cell is of; of a ref cell, that of the cell that is bound to it."""
        if cell.kind == "std_wire":
            wire = forward(cell.ports[0].width_bits)
            cell = replace(cell, kind="primitive", of=wire.name)
            self.modules.definitions.setdefault(wire.name, wire.definition)
        if (component.name, cell.name) in self.bound:
            return self.module(*self.bound[component.name, cell.name])
        return self.modules.of(component, cell)


def _declaration(module: LibraryModule, clocked: bool, stable: Collection[str]) -> str:
    """What the `extern` block says of a module; outputs in `stable` follow no input within a cycle."""
    roles = {port.name: port.role for port in module.ports}
    roles |= {name: name for name in ("go", "done") if name in roles}

    def listed(inputs: bool) -> str:
        found = []
        for port in module.ports:
            if port.is_input == inputs:
                role = roles[port.name] or ("stable" if not inputs and port.name in stable else "")
                found.append(f"{f'@{role} ' if role else ''}{port.name}: {port.width_bits}")
        return ", ".join(found)

    return f"  {'' if clocked else 'comb '}primitive {module.name}({listed(True)}) -> ({listed(False)});"


def _is_static(component: Component, control: Control) -> bool:
    match control:
        case Enable(group):
            return component.groups[group].kind == "static"
        case Sequence(children):
            return bool(children) and all(_is_static(component, child) for child in children)
        case Repeat(_, body):
            return _is_static(component, body)
        case Parallel() | If():
            return control.static
    return False


def _control(component: Component, control: Control, wires: FutilWires) -> list[str]:
    """The lines of a control statement."""

    def inside(*children: Control) -> list[str]:
        return [f"  {line}" for child in children for line in _control(component, child, wires)]

    static = "static " if _is_static(component, control) else ""
    match control:
        case Enable(group):
            return [f"{wires.names[group]};"]
        case Sequence(children) | Parallel(children):
            if not children:
                return []
            return [f"{static}{'seq' if isinstance(control, Sequence) else 'par'} {{", *inside(*children), "}"]
        case Repeat(count, body):
            return [f"{static}repeat {count} {{", *inside(body), "}"]
        case While(condition, group, body):
            return [f"while {wires.source(condition)}{_with(group, wires)} {{", *inside(body), "}"]
        case If(condition, group, then, otherwise):
            lines = [f"{static}if {wires.source(condition)}{_with(group, wires)} {{", *inside(then), "}"]
            other = inside(otherwise)
            return [*lines, "else {", *other, "}"] if other else lines
        case Invoke(cell, assigns, references):
            bound = ", ".join(f"{name}={wires.names[given]}" for name, given in references)
            given = ", ".join(f"{assign.target.port}={wires.source(assign.source)}" for assign in assigns)
            return [f"invoke {wires.names[cell]}{f'[{bound}]' if bound else ''}({given})();"]


def _with(group: str, wires: FutilWires) -> str:
    return f" with {wires.names[group]}" if group else ""
