"""Banks that are read together and written one at a time, side by side in the words of one memory.

| port                | bits          | direction | what it is                                               |
|---------------------|---------------|-----------|----------------------------------------------------------|
| read_addr           | address bits  | in        | the word of all banks that `out` has one cycle later     |
| write_addr          | address bits  | in        | the word that is written                                 |
| write_en0, …        | 1             | in        | writes write_data to bank 0, …                           |
| write_data          | w             | in        | what is written                                          |
| out                 | banks · w     | out       | bank 0 in the lowest bits                                |

As with a `ram`, reading the cell that is being written gives its old contents, nothing is reset, and contents start
unspecified. Synthesis makes enables of a block RAM's bytes of the enables: a RAMB18 has words of 36 bits, for two banks
of 16, and a bank alone leaves half of them unused.
"""

from __future__ import annotations

from .block_plan import UNDIVIDED_WORDS
from .memories import Memory, address_bits
from .unit import Port


def bank_ram(width_bits: int, depth: int, banks: int) -> Memory:
    """`banks` memories of `depth` words."""
    assert banks > 1 and 1 < depth <= UNDIVIDED_WORDS
    w, bits, total = width_bits, address_bits(depth), width_bits * banks
    kind, place = f"!hw.inout<uarray<{depth}xi{total}>>", f"i{total.bit_length()}"
    enables = tuple(Port(f"write_en{k}", 1) for k in range(banks))
    inputs = (Port("read_addr", bits), Port("write_addr", bits), *enables, Port("write_data", w))
    lines = [
        "%edge = seq.from_clock %clk",
        f'%memory = sv.reg {{hw.verilogName = "memory"}} : {kind}',
        f"%target = sv.array_index_inout %memory[%write_addr] : {kind}, i{bits}",
    ]
    for k in range(banks):
        lines += [
            f"%low{k} = hw.constant {k * w} : {place}",
            f"%part{k} = sv.indexed_part_select_inout %target[%low{k} : {w}] : !hw.inout<i{total}>, {place}",
            f"sv.alwaysff(posedge %edge) {{ sv.if %write_en{k} {{ sv.passign %part{k}, %write_data : i{w} }} }}",
        ]
    lines += [
        f"%cell = sv.array_index_inout %memory[%read_addr] : {kind}, i{bits}",
        f"%stored = sv.read_inout %cell : !hw.inout<i{total}>",
        f"%word = seq.compreg %stored, %clk : i{total}",
        f"hw.output %word : i{total}",
    ]
    name = f"ram_{w}x{depth}_{banks}_banks"
    ports = ", ".join(f"in %{port.name}: i{port.width_bits}" for port in inputs)
    body = "\n  ".join(lines)
    text = f"hw.module @{name}({ports}, in %clk: !seq.clock, out out: i{total}) {{\n  {body}\n}}\n"
    return Memory(name, inputs, Port("out", total), 1, text)
