"""Modules made of an `HwBody`, for what surrounds a design: ports, text, and arithmetic on small numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch2hw.dialects.interface import HostPort
from torch2hw.lowering.hardware.hw_text import HwBody

CLOCK = "!seq.clock"


@dataclass(frozen=True)
class ModulePort:
    """A port; a width of 0 is a clock."""

    name: str
    width_bits: int
    is_input: bool

    @property
    def kind(self) -> str:
        """Its type in CIRCT's hw dialect."""
        return f"i{self.width_bits}" if self.width_bits else CLOCK


def entering(name: str, width_bits: int = 1) -> ModulePort:
    """An input."""
    return ModulePort(name, width_bits, True)


def leaving(name: str, width_bits: int = 1) -> ModulePort:
    """An output."""
    return ModulePort(name, width_bits, False)


def host_ports(ports: Sequence[HostPort]) -> list[ModulePort]:
    """A host's ports, the first of which is the clock."""
    return [ModulePort(port.name, port.width_bits if number else 0, port.is_input) for number, port in enumerate(ports)]


CLOCK_AND_RESET = (ModulePort("clk", 0, True), entering("reset"))


@dataclass(frozen=True)
class Module:
    """A module: its ports and its text."""

    name: str
    ports: tuple[ModulePort, ...]
    text: str

    def instantiate(self, body: HwBody, name: str, wires: Mapping[str, str]) -> None:
        """An instance; `wires` has the signal of every port."""
        given, results = (
            {port.name: (wires[port.name], port.kind) for port in self.ports if port.is_input == is_input}
            for is_input in (True, False)
        )
        body.instance(name, self.name, given, results)


def body_of(ports: Sequence[ModulePort]) -> HwBody:
    """An empty body for a module with these ports, `clk` and `reset` among them."""
    return HwBody("%clk", "%reset", [port.name for port in ports])


def module(name: str, ports: Sequence[ModulePort], outputs: Mapping[str, str], body: HwBody) -> Module:
    """The module; `outputs` has the signal of every output."""
    heads = ", ".join(f"{'in %' if port.is_input else 'out '}{port.name}: {port.kind}" for port in ports)
    results = [port for port in ports if not port.is_input]
    signals = ", ".join(outputs[port.name] for port in results)
    end = f"hw.output {signals} : {', '.join(port.kind for port in results)}" if results else "hw.output"
    lines = "\n".join(f"  {line}" for line in [*body.text(), end])
    return Module(name, tuple(ports), f"hw.module @{name}({heads}) {{\n{lines}\n}}\n")


def bits_for(count: int) -> int:
    """Bits of a number from 0 to `count` - 1; 0 where there is only one."""
    return (count - 1).bit_length()


def equals(body: HwBody, signal: str, value: int, width: int) -> str:
    """Whether a signal has this value; one of 0 bits has 0."""
    if width == 0:
        return body.one
    if width == 1:
        return signal if value else body.invert(signal)
    return body.shared("is", f"comb.icmp eq {signal}, {body.constant(value, width)} : i{width}")


def plus(body: HwBody, signal: str, amount: str | int, width: int) -> str:
    """The sum modulo 2**width."""
    other = amount if isinstance(amount, str) else body.constant(amount % (1 << width), width)
    return body.shared("sum", f"comb.add {signal}, {other} : i{width}")


def joined(body: HwBody, parts: Sequence[tuple[str, int]]) -> str:
    """The signals (each with its width) as one, the first highest; parts of 0 bits are left out."""
    kept = [(signal, width) for signal, width in parts if width]
    if len(kept) == 1:
        return kept[0][0]
    types = ", ".join(f"i{width}" for _, width in kept)
    return body.shared("joined", f"comb.concat {', '.join(signal for signal, _ in kept)} : {types}")


def chosen(body: HwBody, number: str, width: int, values: Sequence[str], value_width: int) -> str:
    """values[number], by a tree of multiplexers over the bits of the number, the highest first."""
    if len(values) == 1:
        return values[0]
    bit = (len(values) - 1).bit_length() - 1
    low, high = values[: 1 << bit], values[1 << bit :]
    flag = body.extract(number, bit, 1, width)
    return body.choose(
        flag,
        chosen(body, number, width, high, value_width),
        chosen(body, number, width, low, value_width),
        value_width,
    )


def counter(body: HwBody, hint: str, count: int, step: str, restart: str) -> tuple[str, str]:
    """A register that counts steps from 0 to `count` - 1 (2 or more) and around, and whether it is at its end.
    `restart`, and the body's reset, set it to 0."""
    width = bits_for(count)
    register = body.name(hint)
    end = equals(body, register, count - 1, width)
    following = plus(body, register, 1, width)
    if count < 1 << width:
        following = body.choose(end, body.constant(0, width), following, width)
    body.register(register, following, width, enable=step, reset=body.any_of(body.reset, restart))
    return register, end
