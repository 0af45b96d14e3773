"""design.h of bus_bench.cpp: ports, tensors and registers of one design, generated from its manifest and checked."""

from __future__ import annotations

from torch2hw.dialects.bus_interface import INTERRUPT, LITE_PREFIX, MASTER_PREFIX, BusInterface
from torch2hw.dialects.stream_interface import CLOCK, RESET
from torch2hw.sim.bench_header import Members
from torch2hw.sim.buses import BusManifest

REGISTERS = ("ctrl", "gie", "ier", "isr", "error", "runs", "cycles")


def bus_header(header: str, manifest: BusManifest) -> str:
    """The text of design.h, given Verilator's header of the top. Raises InternalError where the manifest is wrong."""
    member = Members(header, manifest.top)
    members = {
        port.name: member(port.name, port.width_bits) for port in BusInterface(manifest.data_bits).control_ports()
    }
    tensors = [tensor.port for tensor in (*manifest.inputs, *manifest.outputs)]
    lists = {
        "BEATS": [port.beats for port in tensors],
        "BYTES": [port.bytes for port in tensors],
        "ADDRESS_REGISTER": [tensor.address_register for tensor in (*manifest.inputs, *manifest.outputs)],
    }
    arrays = "\n".join(
        f"constexpr uint64_t {name}[] = {{{', '.join(map(str, held))}}};" for name, held in lists.items()
    )
    registers = ", ".join(f"{name.upper()} = {manifest.registers[name]}" for name in REGISTERS)
    counts = f"INPUT_COUNT = {len(manifest.inputs)}, OUTPUT_COUNT = {len(manifest.outputs)}"
    return f"""\
#pragma once
constexpr unsigned {counts}, DATA_BITS = {manifest.data_bits}, BEAT_WORDS = {-(-manifest.data_bits // 64)};
constexpr uint32_t {registers};
{arrays}
#define LITE(name) dut.{LITE_PREFIX}_##name
#define GMEM(name) dut.{MASTER_PREFIX}_##name
#define INTERRUPT {members[INTERRUPT.name]}
inline void set_clock(Vdesign& dut, bool value) {{ {members[CLOCK.name]} = value; }}
inline void set_reset(Vdesign& dut, bool value) {{ {members[RESET.name]} = value; }}
"""
