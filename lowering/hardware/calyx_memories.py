"""Calyx's memories as modules: seq_mem (read in the next cycle, block RAM) and memory (read in the same cycle).

`done` is high in the cycle after an access. Several address ports form one address, the first being the slowest to
change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from torch2hw.dialects.calyx_program import Cell, Port
from torch2hw.hwlib.contents import Contents
from torch2hw.hwlib.memories import address_bits, rom
from torch2hw.lowering.hardware.hw_text import HwBody

# Yosys 0.70 fails on single-port distributed memories of 256 words: from here on memories are block RAM.
_BLOCK_BITS = 4096
_BLOCK = ', sv.attributes = [#sv.attribute<"ram_style" = "\\"block\\"">]'


def memory_name(cell: Cell) -> str:
    """The module's name, from kind, width and sizes: `seq_mem_32x64`."""
    width = next(port.width_bits for port in cell.ports if port.name == "write_data")
    kind = "seq_mem" if cell.kind == "seq_mem" else "comb_mem"
    return f"{kind}_{width}x{'x'.join(map(str, cell.sizes))}"


def hardware_ports(cell: Cell) -> tuple[Port, ...]:
    """The ports of a cell that its module has: a memory of one word needs no address."""
    single = cell.kind in ("seq_mem", "memory") and prod(cell.sizes) == 1
    return tuple(port for port in cell.ports if not (single and port.name.startswith("addr")))


def memory(cell: Cell) -> str:
    """The module of a calyx.seq_mem or calyx.memory cell."""
    cell = replace(cell, ports=hardware_ports(cell))
    width = next(port.width_bits for port in cell.ports if port.name == "write_data")
    addresses = [port for port in cell.ports if port.name.startswith("addr")]
    depth = prod(cell.sizes)
    names = [port.name for port in cell.ports if port.is_input]
    body = HwBody("%clk", "%reset" if "reset" in names else "", names)
    address, bits = (
        _flat_address(body, [(f"%{port.name}", port.width_bits) for port in addresses], cell.sizes)
        if addresses
        else ("", 0)
    )
    sequential = cell.kind == "seq_mem"
    writes = body.all_of("%content_en", "%write_en") if sequential else "%write_en"
    word = _cells(body, address, bits, width, depth, writes)
    if sequential:
        reads = body.all_of("%content_en", body.invert("%write_en"))
        word = body.register(body.name("read"), word, width, enable=reads, reset="")
    accessed = body.flag("accessed", "%content_en" if sequential else "%write_en")
    return _module(memory_name(cell), cell, {"read_data": word, "done": accessed}, body)


def _cells(body: HwBody, address: str, bits: int, width: int, depth: int, writes: str) -> str:
    """Writes the storage with its port `write_data`; gives the signal of the word at `address`."""
    if depth == 1:
        return body.register(body.name("cell"), "%write_data", width, enable=writes, reset="")
    kind = f"!hw.inout<uarray<{depth}xi{width}>>"
    style = _BLOCK if depth * width >= _BLOCK_BITS else ""
    storage = body.define("%cells", f'sv.reg {{hw.verilogName = "cells"{style}}} : {kind}')
    edge = body.define("%edge", "seq.from_clock %clk")
    target = body.define("%target", f"sv.array_index_inout {storage}[{address}] : {kind}, i{bits}")
    body.define(
        "", f"sv.alwaysff(posedge {edge}) {{ sv.if {writes} {{ sv.passign {target}, %write_data : i{width} }} }}"
    )
    return body.define("%word", f"sv.read_inout {target} : !hw.inout<i{width}>")


def read_only(name: str, cell: Cell, words: NDArray[np.generic]) -> tuple[str, Mapping[str, Contents]]:
    """A module with the read ports of the one-dimensional seq_mem `cell`, which holds `words`: its text, and the
    contents that the text refers to."""
    cell = replace(cell, ports=tuple(port for port in cell.ports if port.name not in ("write_en", "write_data")))
    width = next(port.width_bits for port in cell.ports if port.name == "read_data")
    record = rom(f"{name}_rom", width, words)
    bits, given = address_bits(len(words)), cell.ports[0].width_bits
    body = HwBody("%clk", "%reset", [port.name for port in cell.ports if port.is_input])
    address = body.extract("%addr0", 0, bits, given)
    # read_data must hold while nothing is read: the address is held instead
    held = body.register(body.name("held"), address, bits, enable="%content_en", reset="")
    chosen = body.choose("%content_en", address, held, bits)
    body.instance(
        "rom",
        record.name,
        {"addr": (chosen, f"i{bits}"), "clk": ("%clk", "!seq.clock")},
        {"out": ("%word", f"i{width}")},
    )
    accessed = body.flag("accessed", "%content_en")
    text = record.definition() + _module(name, cell, {"read_data": "%word", "done": accessed}, body)
    return text, record.contents


def _module(name: str, cell: Cell, outputs: dict[str, str], body: HwBody) -> str:
    ports = []
    for port in cell.ports:
        kind = "!seq.clock" if port.role == "clk" else f"i{port.width_bits}"
        ports.append(f"{'in %' if port.is_input else 'out '}{port.name}: {kind}")
    results = [port for port in cell.ports if not port.is_input]
    types = ", ".join(f"i{port.width_bits}" for port in results)
    output = f"hw.output {', '.join(outputs[port.name] for port in results)} : {types}"
    lines = "\n".join(f"  {line}" for line in [*body.text(), output])
    return f"hw.module @{name}({', '.join(ports)}) {{\n{lines}\n}}\n"


def _flat_address(body: HwBody, addresses: list[tuple[str, int]], sizes: Sequence[int]) -> tuple[str, int]:
    bits = address_bits(prod(sizes))
    total, width = addresses[0]
    total = _resized(body, total, width, bits)
    for (address, width), size in zip(addresses[1:], sizes[1:], strict=True):
        scaled = body.shared("scaled", f"comb.mul {total}, {body.constant(size, bits)} : i{bits}")
        total = body.shared("address", f"comb.add {scaled}, {_resized(body, address, width, bits)} : i{bits}")
    return total, bits


def _resized(body: HwBody, signal: str, width: int, to_width: int) -> str:
    if width > to_width:
        return body.extract(signal, 0, to_width, width)
    return body.extend(signal, width, to_width)
