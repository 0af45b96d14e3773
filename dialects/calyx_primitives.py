"""Modules of the hardware library as Calyx primitives: what a Calyx program instantiates and does not define."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch2hw.hwlib.contents import Contents


class HardwarePort(Protocol):
    """A data port of a unit or memory."""

    @property
    def name(self) -> str:
        """The port's name in the module."""

    @property
    def width_bits(self) -> int:
        """Its width."""


class Hardware(Protocol):
    """What the builder needs of a record of the hardware library (a unit or a memory)."""

    @property
    def name(self) -> str:
        """The name of the module, the same for equal hardware."""

    @property
    def inputs(self) -> Sequence[HardwarePort]:
        """Data ports, in the order of the operands."""

    @property
    def controls(self) -> Sequence[HardwarePort]:
        """One-bit inputs after those: `start` of an iterative unit, write enables."""

    @property
    def output(self) -> HardwarePort:
        """The port of the result."""

    @property
    def latency_cycles(self) -> int:
        """Cycles from operands to result; 0 is combinational."""

    @property
    def contents(self) -> Mapping[str, Contents]:
        """Initial words of memories inside, by the name that stands for them in the definition."""

    def definition(self) -> str:
        """The module in CIRCT's hw, comb and seq dialects."""


@dataclass(frozen=True)
class Primitive:
    """A hardware unit outside Calyx: `definition` is its `hw.module`, which refers to `contents`; inputs and outputs
    are (port, width)."""

    name: str
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]
    clocked: bool
    definition: str
    contents: Mapping[str, Contents] = field(default_factory=dict, compare=False, repr=False)


def forward(width_bits: int) -> Primitive:
    """A wire: `out` is `in`, and 0 while nothing drives `in`.

    Calyx promises that of a primitive's input, and not of a std_wire's, which carries data: undriven data may be
    anything, and the native compiler makes use of that.
    """
    name, kind = f"{_FORWARD}{width_bits}", f"i{width_bits}"
    text = f"hw.module @{name}(in %in: {kind}, out out: {kind}) {{\n  hw.output %in : {kind}\n}}\n"
    return Primitive(name, (("in", width_bits),), (("out", width_bits),), False, text)


def is_forward(name: str) -> bool:
    """Whether a primitive of that name is a wire (`forward`)."""
    return name.startswith(_FORWARD)


_FORWARD = "forward_"


def primitive(hardware: Hardware) -> Primitive:
    """A record of the hardware library as a Calyx primitive; it has a clock if it has latency."""
    return Primitive(
        hardware.name,
        tuple((port.name, port.width_bits) for port in (*hardware.inputs, *hardware.controls)),
        ((hardware.output.name, hardware.output.width_bits),),
        hardware.latency_cycles > 0,
        hardware.definition(),
        hardware.contents,
    )
