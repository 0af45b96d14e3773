"""SystemRDL of a design's registers, and what is compiled from it: a C header, and a page about them.

The RDL is written from the table that the hardware is made of (`dialects/bus_registers`), and read back with
systemrdl-compiler: header and page are made of its model, never of the table itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch2hw.dialects.bus_registers import Register
from torch2hw.tools.errors import MissingTool

PROPERTIES = {
    "rw": "sw=rw; hw=r;",
    "set": "sw=rw; onwrite=woset; hw=rw; hwclr;",
    "clear": "sw=r; onread=rclr; hw=w; hwset;",
    "toggle": "sw=rw; onwrite=wot; hw=w; hwset;",
    "r": "sw=r; hw=w;",
}
EXTRA = "pip install torch2hw[package]"


@dataclass(frozen=True)
class CompiledField:
    """A field as the RDL says."""

    name: str
    low: int
    high: int
    access: str
    meaning: str
    reset: int

    @property
    def mask(self) -> int:
        """Its bits in the register."""
        return (1 << self.high + 1) - (1 << self.low)


@dataclass(frozen=True)
class CompiledRegister:
    """A register as the RDL says."""

    name: str
    offset: int
    meaning: str
    fields: tuple[CompiledField, ...]


def rdl(top: str, registers: Sequence[Register]) -> str:
    """The SystemRDL of the registers."""
    lines = [
        f"addrmap {top}_registers {{",
        f'  name = "registers of {top}";',
        "  default regwidth = 32;",
        "  default accesswidth = 32;",
    ]
    for register in registers:
        lines += ["  reg {", f'    desc = "{register.meaning}";']
        for field in register.fields:
            high = field.low + field.bits - 1
            properties = f'desc = "{field.meaning}"; {PROPERTIES[field.access]}'
            lines.append(f"    field {{ {properties} }} {field.name}[{high}:{field.low}] = {field.reset};")
        lines.append(f"  }} {register.name} @ {register.offset:#x};")
    return "\n".join([*lines, "};"]) + "\n"


def compiled_registers(text: str) -> list[CompiledRegister]:
    """What systemrdl-compiler reads in the RDL. Raises MissingTool where it is not installed."""
    try:
        from systemrdl import RDLCompiler
    except ImportError:
        raise MissingTool(
            "a package of --interface axi needs systemrdl-compiler, which is not installed", fix=EXTRA
        ) from None
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as folder:
        file = Path(folder) / "registers.rdl"
        file.write_text(text)
        compiler = RDLCompiler()
        compiler.compile_file(str(file))
        top = compiler.elaborate().top
    return [
        CompiledRegister(
            register.inst_name,
            register.absolute_address,
            register.get_property("desc"),
            tuple(map(_field, register.fields())),
        )
        for register in top.registers()
    ]


def _field(node: Any) -> CompiledField:
    on_read, on_write = node.get_property("onread"), node.get_property("onwrite")
    access = {"rclr": "clear"}.get(getattr(on_read, "name", ""), "")
    access = access or {"woset": "set", "wot": "toggle"}.get(getattr(on_write, "name", ""), "")
    access = access or ("rw" if node.is_sw_writable else "r")
    return CompiledField(
        node.inst_name, node.low, node.high, access, node.get_property("desc"), node.get_property("reset") or 0
    )


def c_header(top: str, registers: Sequence[CompiledRegister]) -> str:
    """TOP_registers.h: offsets, and masks of fields that are not whole registers."""
    lines = [
        f"/* Registers of {top}, made of {top}.rdl by torch2hw. */",
        f"#ifndef {top}_REGISTERS_H",
        f"#define {top}_REGISTERS_H",
        "",
    ]
    for register in registers:
        lines.append(f"#define {top}_{register.name}_OFFSET {register.offset:#05x}u /* {register.meaning} */")
        for field in register.fields:
            if field.mask != 0xFFFFFFFF:
                lines.append(f"#define {top}_{register.name}_{field.name} {field.mask:#x}u /* {field.meaning} */")
            elif field.reset:
                lines.append(f"#define {top}_{register.name}_VALUE {field.reset:#x}u")
    return "\n".join([*lines, "", "#endif"]) + "\n"


ACCESS = {
    "rw": "read and written",
    "set": "set by writing 1",
    "clear": "cleared by reading",
    "toggle": "changed by writing 1",
    "r": "read",
}


def page(top: str, registers: Sequence[CompiledRegister]) -> str:
    """registers.md: every register and field."""
    lines = [f"# Registers of {top}", "", f"Made of `{top}.rdl`. 32 bits each; other bits and offsets read 0.", ""]
    lines += [
        "| offset | register | bits | field | access | after reset | meaning |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for register in registers:
        for field in register.fields:
            bits = f"{field.high}:{field.low}" if field.high > field.low else str(field.low)
            row = (
                f"{register.offset:#05x}",
                register.name,
                bits,
                field.name,
                ACCESS[field.access],
                f"{field.reset:#x}",
            )
            lines.append(f"| {' | '.join(row)} | {field.meaning} |")
    return "\n".join(lines) + "\n"
