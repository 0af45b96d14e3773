"""Calyx's floating-point primitives (HardFloat's names and ports) and called units, built from the hardware library.

| cell                | module             | operation                                            |
|---------------------|--------------------|------------------------------------------------------|
| ieee754.add         | std_addFN_32       | left + right, left - right with subOp                |
| ieee754.mul         | std_mulFN_32       | left * right                                         |
| ieee754.divSqrt     | std_divSqrtFN_32   | left / right                                         |
| ieee754.compare     | std_compareFN_32_… | lt, eq, gt, unordered: those that are read           |

Rounding is to nearest, ties to even. The ports `control`, `roundingMode`, `signaling`, `sqrtOp` and
`exceptionalFlags` are left out: affine_to_scf lets CIRCT make none of the cells that need them, and a cell is wired
only to the ports that its module has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from torch2hw.hwlib import Library, Unit
from torch2hw.lowering.hardware.hw_text import HwBody
from torch2hw.lowering.sequential.handshakes import Ports, captured, module_text, new_body, pipeline_cycles, steps

FLOATS = {16: "f16", 32: "f32"}


@dataclass(frozen=True)
class Handshake:
    """The module `name`, its definition and those of its units; `cycles` from go to done."""

    name: str
    definitions: dict[str, str]
    cycles: int


def float_primitive(kind: str, width: int, outputs: Collection[str], library: Library) -> Handshake:
    """The primitive of a cell `ieee754.add`, … of `width` bits with these outputs beside done.

    Raises hwlib's NoUnit where the library has no unit for it.
    """
    if kind == "ieee754.compare":
        return _comparer(library, FLOATS[width], width, outputs)
    makers = {"ieee754.add": _adder, "ieee754.mul": _multiplier, "ieee754.divSqrt": _divider}
    return makers[kind](library, FLOATS[width], width)


def unit_component(name: str, unit: Unit) -> Handshake:
    """The unit behind the ports of the component that lower-scf-to-calyx makes of a function: in0, in1 … → out0."""
    inputs = [(f"in{index}", port.width_bits) for index, port in enumerate(unit.inputs)]
    body = new_body(inputs)
    operands = {port.name: f"%{inner}" for port, (inner, _) in zip(unit.inputs, inputs, strict=True)}
    width = unit.output.width_bits
    signal, done = _operation(body, [(unit, operands)])
    text = module_text(name, inputs, {"out0": (signal[0], width), "done": (done, 1)}, body)
    return Handshake(name, {unit.name: unit.definition(), name: text}, pipeline_cycles(unit.latency_cycles))


def _operation(body: HwBody, units: Sequence[tuple[Unit, Mapping[str, str]]]) -> tuple[list[str], str]:
    """Units that work on the same operands; their captured results, and a done with the slowest."""
    latency = max(unit.latency_cycles for unit, _ in units)
    cycle = steps(body, pipeline_cycles(latency))
    results = []
    for number, (unit, operands) in enumerate(units):
        raw = body.name(f"raw{number}")
        wires = {port.name: (operands[port.name], f"i{port.width_bits}") for port in unit.inputs}
        if unit.latency_cycles:
            wires["clk"] = "%clk", "!seq.clock"
        width = unit.output.width_bits
        body.instance(f"unit{number}", unit.name, wires, {"out": (raw, f"i{width}")})
        results.append(captured(body, f"result{number}", raw, width, cycle[latency]))
    return results, cycle[-1]


def _primitive(
    name: str, inputs: Ports, units: Sequence[tuple[Unit, Mapping[str, str]]], body: HwBody, outputs: list[str]
) -> Handshake:
    signals, done = _operation(body, units)
    ports = {
        port: (signal, unit.output.width_bits) for port, signal, (unit, _) in zip(outputs, signals, units, strict=True)
    }
    ports["done"] = done, 1
    definitions = {unit.name: unit.definition() for unit, _ in units}
    cycles = pipeline_cycles(max(unit.latency_cycles for unit, _ in units))
    return Handshake(name, definitions | {name: module_text(name, inputs, ports, body)}, cycles)


def _adder(library: Library, kind: str, width: int) -> Handshake:
    inputs = [("subOp", 1), ("left", width), ("right", width)]
    body = new_body(inputs)
    sign = body.extract("%right", width - 1, 1, width)
    flipped = body.shared("sign", f"comb.xor {sign}, %subOp : i1")
    rest = body.extract("%right", 0, width - 1, width)
    right = body.shared("addend", f"comb.concat {flipped}, {rest} : i1, i{width - 1}")
    unit = library.unit("arith.addf", (kind, kind), kind)
    return _primitive(f"std_addFN_{width}", inputs, [(unit, {"left": "%left", "right": right})], body, ["out"])


def _multiplier(library: Library, kind: str, width: int) -> Handshake:
    inputs = [("left", width), ("right", width)]
    unit = library.unit("arith.mulf", (kind, kind), kind)
    return _primitive(
        f"std_mulFN_{width}", inputs, [(unit, {"left": "%left", "right": "%right"})], new_body(inputs), ["out"]
    )


def _divider(library: Library, kind: str, width: int) -> Handshake:
    inputs = [("left", width), ("right", width)]
    unit = library.unit("arith.divf", (kind, kind), kind)
    return _primitive(
        f"std_divSqrtFN_{width}", inputs, [(unit, {"left": "%left", "right": "%right"})], new_body(inputs), ["out"]
    )


def _comparer(library: Library, kind: str, width: int, outputs: Collection[str]) -> Handshake:
    inputs = [("left", width), ("right", width)]
    predicates = {"lt": "olt", "eq": "oeq", "gt": "ogt", "unordered": "uno"}
    wanted = [name for name in predicates if name in outputs]
    units = [
        (library.unit("arith.cmpf", (kind, kind), "i1", predicates[name]), {"left": "%left", "right": "%right"})
        for name in wanted
    ]
    return _primitive("_".join([f"std_compareFN_{width}", *wanted]), inputs, units, new_body(inputs), wanted)
