"""Storage: a delay line, a read-only memory and a one-read one-write memory, each as `hw.module` text.

Addresses have max(1, clog2(depth)) bits. Reads take one cycle (registered output); reading the cell that is being
written gives its old contents. Nothing is reset; contents other than a rom's start unspecified. Beyond `depth`,
reads are unspecified and writes have no effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .emit_comb import registered_rom
from .unit import Port


@dataclass(frozen=True)
class Memory:
    """A storage module; `definition()` is its hardware."""

    name: str
    inputs: tuple[Port, ...]
    output: Port
    latency_cycles: int
    text: str

    def definition(self) -> str:
        return self.text


def address_bits(depth: int) -> int:
    return max(1, (depth - 1).bit_length())


def delay(width_bits: int, depth: int) -> Memory:
    """`in` is at `out` depth >= 1 cycles later (shift registers without reset, which synthesis makes SRLs of)."""
    assert width_bits >= 1 and depth >= 1
    w = width_bits
    values = ["%in", *(f"%stage{i}" for i in range(1, depth + 1))]
    lines = [
        f'  {values[i + 1]} = seq.compreg {values[i]}, %clk {{sv.namehint = "stage{i + 1}"}} : i{w}\n'
        for i in range(depth)
    ]
    name = f"delay_{w}x{depth}"
    header = f"hw.module @{name}(in %in: i{w}, in %clk: !seq.clock, out out: i{w})"
    text = f"{header} {{\n{''.join(lines)}  hw.output {values[-1]} : i{w}\n}}\n"
    return Memory(name, (Port("in", w),), Port("out", w), depth, text)


def rom(name: str, width_bits: int, contents: Sequence[int]) -> Memory:
    """contents[addr] one cycle after `addr`."""
    assert contents and all(0 <= value < 1 << width_bits for value in contents)
    w, bits = width_bits, address_bits(len(contents))
    # one word: the address bit must still select an existing cell
    words = tuple(contents) if len(contents) > 1 else (contents[0], contents[0])
    lines = registered_rom("%word", "%addr", bits, w, words, "memory")
    body = "".join(f"  {line}\n" for line in lines)
    header = f"hw.module @{name}(in %addr: i{bits}, in %clk: !seq.clock, out out: i{w})"
    text = f"{header} {{\n{body}  hw.output %word : i{w}\n}}\n"
    return Memory(name, (Port("addr", bits),), Port("out", w), 1, text)


def ram(width_bits: int, depth: int, read_enable: bool = False) -> Memory:
    """`out` is the cell at read_addr one cycle later; write_en stores write_data at write_addr.

    With `read_enable` there is a port read_en, and `out` holds while it is low.
    """
    w, bits, name = width_bits, address_bits(depth), f"ram_{width_bits}x{depth}{'e' if read_enable else ''}"
    read = "seq.compreg.ce %word, %clk, %read_en" if read_enable else "seq.compreg %word, %clk"
    cells = max(2, depth)
    kind = f"!hw.inout<uarray<{cells}xi{w}>>"
    enable = (Port("read_en", 1),) if read_enable else ()
    inputs = (Port("read_addr", bits), *enable, Port("write_addr", bits), Port("write_en", 1), Port("write_data", w))
    ports = ", ".join(f"in %{port.name}: i{port.width_bits}" for port in inputs)
    text = f"""hw.module @{name}({ports}, in %clk: !seq.clock, out out: i{w}) {{
  %edge = seq.from_clock %clk
  %memory = sv.reg name "memory" : {kind}
  %target = sv.array_index_inout %memory[%write_addr] : {kind}, i{bits}
  sv.alwaysff(posedge %edge) {{
    sv.if %write_en {{
      sv.passign %target, %write_data : i{w}
    }}
  }}
  %cell = sv.array_index_inout %memory[%read_addr] : {kind}, i{bits}
  %word = sv.read_inout %cell : !hw.inout<i{w}>
  %read = {read} : i{w}
  hw.output %read : i{w}
}}
"""
    return Memory(name, inputs, Port("out", w), 1, text)
