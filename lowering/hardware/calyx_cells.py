"""Calyx cells as hardware: registers, the combinational std_ library, and instances of modules."""

from __future__ import annotations

from collections.abc import Callable, Collection

from torch2hw.dialects.calyx_primitives import is_forward
from torch2hw.dialects.calyx_program import Cell, Component, PortOf
from torch2hw.lowering.hardware.calyx_modules import LibraryModule
from torch2hw.lowering.hardware.calyx_wires import Wires
from torch2hw.lowering.hardware.hw_text import HwBody

_BINARY = {
    "std_add": "add",
    "std_sub": "sub",
    "std_and": "and",
    "std_or": "or",
    "std_xor": "xor",
    "std_lsh": "shl",
    "std_rsh": "shru",
    "std_shru": "shru",
    "std_srsh": "shrs",
}
_COMPARE = {
    "std_eq": "eq",
    "std_neq": "ne",
    "std_lt": "ult",
    "std_gt": "ugt",
    "std_ge": "uge",
    "std_le": "ule",
    "std_slt": "slt",
    "std_sgt": "sgt",
    "std_sge": "sge",
    "std_sle": "sle",
    "std_seq": "eq",
    "std_sneq": "ne",
}


class Cells:
    """Emits the cells whose outputs are used, each once. Cells in `references` are outside the module, which has their
    ports."""

    def __init__(
        self,
        body: HwBody,
        component: Component,
        module_of: Callable[[Cell], LibraryModule],
        references: Collection[str],
    ) -> None:
        self.body, self.component, self.module_of, self.references = body, component, module_of, references
        self.wires: Wires
        self.outputs: dict[PortOf, str] = {}
        self.pending: list[tuple[Cell, str]] = []
        self.begun: set[str] = set()

    def output(self, cell_name: str, port: str) -> str:
        """The signal of an output port; `emit_pending` emits its cell.

        Control may be incomplete when this is called.
        """
        key = PortOf(cell_name, port)
        if key not in self.outputs:
            if cell_name in self.references:
                self.outputs[key] = f"%{cell_name}_{port}"
                return self.outputs[key]
            cell = self.component.cells[cell_name]
            if cell.kind in ("constant", "undefined"):
                self.outputs[key] = self.body.constant(cell.value, cell.ports[0].width_bits)
                return self.outputs[key]
            single = port == "out" or len([each for each in cell.ports if not each.is_input]) == 1
            self.outputs[key] = self.body.name(cell_name if single else f"{cell_name}_{port}")
            part = f"{cell_name}.done" if cell.kind == "register" and port == "done" else cell_name
            if part not in self.begun:
                self.begun.add(part)
                self.pending.append((cell, port))
        return self.outputs[key]

    def emit_pending(self) -> None:
        """Emits cells until no output that was asked for lacks one; emitting a cell may ask for others."""
        while self.pending:
            cell, port = self.pending.pop(0)
            if cell.kind == "register" and port == "done":
                self.body.register(self.outputs[PortOf(cell.name, port)], self._in(cell, "write_en"), 1)
            else:
                self._emit(cell)

    def _in(self, cell: Cell, port: str) -> str:
        return self.wires.driven(PortOf(cell.name, port))

    def _emit(self, cell: Cell) -> None:
        kind, location = cell.kind, cell.location
        hint = f'{{sv.namehint = "{cell.name}"}}'
        width = {port.name: port.width_bits for port in cell.ports}
        out = self.outputs.get(PortOf(cell.name, "out"), "")
        if kind == "register":
            self.body.register(
                out, self._in(cell, "in"), width["out"], enable=self._in(cell, "write_en"), location=location
            )
        elif kind in _BINARY:
            text = f"comb.{_BINARY[kind]} {self._in(cell, 'left')}, {self._in(cell, 'right')} {hint} : i{width['out']}"
            self.body.define(out, text, location)
        elif kind in _COMPARE:
            operands = f"{self._in(cell, 'left')}, {self._in(cell, 'right')}"
            self.body.define(out, f"comb.icmp {_COMPARE[kind]} {operands} {hint} : i{width['left']}", location)
        elif kind == "std_mux":
            operands = ", ".join(self._in(cell, port) for port in ("cond", "tru", "fal"))
            self.body.define(out, f"comb.mux {operands} {hint} : i{width['out']}", location)
        elif kind == "std_wire" or is_forward(cell.of):
            self.body.define(out, f"hw.wire {self._in(cell, 'in')} : i{width['out']}", location)
        elif kind in ("std_not", "std_pad", "std_slice", "std_signext"):
            self._unary(cell, out, hint)
        else:
            self._instance(cell)

    def _unary(self, cell: Cell, out: str, hint: str) -> None:
        given, location = self._in(cell, "in"), cell.location
        wide, narrow = cell.ports[1].width_bits, cell.ports[0].width_bits
        if cell.kind == "std_not":
            ones = self.body.constant((1 << wide) - 1, wide)
            self.body.define(out, f"comb.xor {given}, {ones} {hint} : i{wide}", location)
        elif wide <= narrow:
            self.body.define(out, f"comb.extract {given} from 0 {hint} : (i{narrow}) -> i{wide}", location)
        elif cell.kind == "std_pad":
            zeros = self.body.constant(0, wide - narrow)
            self.body.define(out, f"comb.concat {zeros}, {given} {hint} : i{wide - narrow}, i{narrow}", location)
        else:
            sign = self.body.extract(given, narrow - 1, 1, narrow)
            copies = self.body.shared("sign", f"comb.replicate {sign} : (i1) -> i{wide - narrow}")
            self.body.define(out, f"comb.concat {copies}, {given} {hint} : i{wide - narrow}, i{narrow}", location)

    def _instance(self, cell: Cell) -> None:
        module = self.module_of(cell)
        inputs: dict[str, tuple[str, str]] = {}
        outputs: dict[str, tuple[str, str]] = {}
        for port in module.ports:
            if port.role == "clk":
                inputs[port.name] = self.body.clock, "!seq.clock"
            elif port.role == "reset":
                inputs[port.name] = self.body.reset, "i1"
            elif port.is_input:
                inputs[port.name] = self._in(cell, port.name), f"i{port.width_bits}"
            else:
                key = PortOf(cell.name, port.name)
                if key not in self.outputs:
                    self.outputs[key] = self.body.name(f"{cell.name}_{port.name}")
                outputs[port.name] = self.outputs[key], f"i{port.width_bits}"
        self.body.instance(cell.name, module.name, inputs, outputs, cell.location)
