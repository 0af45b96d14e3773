"""design.h: the part of the bench that is specific to the ports of one design, generated from its manifest and checked.

Driven values are masked to the port's width: Verilator keeps a narrow port in a wider C++ integer and does not mask it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch2hw.sim.manifest import Manifest, TensorPort
from torch2hw.tools.errors import InternalError


@dataclass(frozen=True)
class HostPort:
    """A port of the top module as Verilator declares it: its C++ member and width."""

    member: str
    width_bits: int


def ports_of(header: str) -> dict[str, HostPort]:
    """The top's ports by their own names: Verilator renames C++ keywords (`__SYM__new`) and codes `__` (`___05F`)."""
    ports = {}
    for member, high, low in re.findall(r"VL_(?:IN|OUT)\w*\(&(\w+),(\d+),(\d+)", header):
        name = member.removeprefix("__SYM__").replace("___05F", "__")
        ports[name] = HostPort(member, int(high) - int(low) + 1)
    return ports


class Members:
    """The C++ members of the top's ports, given Verilator's header of it."""

    def __init__(self, header: str, top: str) -> None:
        self.ports, self.top = ports_of(header), top

    def __call__(self, name: str, width_bits: int) -> str:
        """A port of the manifest, in C++. Raises InternalError where the design has none of that width."""
        port = self.ports.get(name)
        if port is None or port.width_bits != width_bits:
            found = "no such port" if port is None else f"{port.width_bits} bits"
            raise InternalError(f"the manifest of {self.top} has a {width_bits}-bit port {name}, the design {found}")
        return f"dut.{port.member}"


def cases(bodies: list[str]) -> str:
    """The cases of a switch, by number; each body ends itself."""
    return "\n".join(f"    case {index}: {body}" for index, body in enumerate(bodies))


def design_header(header: str, manifest: Manifest) -> str:
    """The text of design.h, given Verilator's header of the top. Raises InternalError where the manifest is wrong."""
    member = Members(header, manifest.top)

    def drive(port: TensorPort, data: bool) -> str:
        lines = [f"{member(port.address_port, port.address_bits)} = address & {_mask(port.address_bits)};"]
        if data:
            lines.append(f"{member(port.data_port, port.width_bits)} = data & {_mask(port.width_bits)};")
        return " ".join([*lines, f"{member(port.enable_port, 1)} = 1; break;"])

    def low(ports: Sequence[TensorPort]) -> str:
        return " ".join(f"{member(port.enable_port, 1)} = 0;" for port in ports)

    outputs = [f"return {member(port.data_port, port.width_bits)};" for port in manifest.observed]
    return f"""\
#pragma once
constexpr unsigned INPUT_COUNT = {len(manifest.driven)};
inline void set_clock(Vdesign& dut, bool value) {{ {member(manifest.clock, 1)} = value; }}
inline void set_reset(Vdesign& dut, bool value) {{ {member(manifest.reset, 1)} = value; }}
inline void set_go(Vdesign& dut, bool value) {{ {member(manifest.start, 1)} = value; }}
inline bool done(const Vdesign& dut) {{ return {member(manifest.finish, 1)}; }}
inline void drive_input(Vdesign& dut, uint64_t tensor, uint64_t address, uint64_t data) {{
    switch (tensor) {{
{cases([drive(port, True) for port in manifest.driven])}
    }}
}}
inline void select_output(Vdesign& dut, uint64_t tensor, uint64_t address) {{
    switch (tensor) {{
{cases([drive(port, False) for port in manifest.observed])}
    }}
}}
inline uint64_t output_data(const Vdesign& dut, uint64_t tensor) {{
    switch (tensor) {{
{cases(outputs)}
    }}
    return 0;
}}
inline void release_inputs(Vdesign& dut) {{ {low(manifest.driven)} }}
inline void release_outputs(Vdesign& dut) {{ {low(manifest.observed)} }}
"""


def _mask(width_bits: int) -> str:
    return f"{(1 << width_bits) - 1:#x}ull"
