"""The interface `axi`: an AXI4 master that fetches inputs and writes outputs, and AXI4-Lite registers that start runs.

port               width  direction  of
ap_clk, ap_rst_n   1      input      the design: rising edge; synchronous, active low
interrupt          1      output     the design: high while an interrupt is enabled and pending
s_axi_control_…           both       registers: AXI4-Lite, 32 bits (LITE)
m_axi_gmem_…              both       memory: AXI4, 64-bit addresses (MASTER)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch2hw.dialects.bus_registers import address_register, bus_registers
from torch2hw.dialects.bus_timing import run_cycles, run_interval
from torch2hw.dialects.interface import HostPort
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.stream_interface import CLOCK, RESET, BeatInterface
from torch2hw.dialects.stream_layout import StreamLayout

LITE_PREFIX, MASTER_PREFIX = "s_axi_control", "m_axi_gmem"
INTERRUPT = HostPort("interrupt", 1, False)
LITE_ADDRESS_BITS = 12
ADDRESS_BITS = 64

LITE = tuple(
    HostPort(f"{LITE_PREFIX}_{name}", width, is_input)
    for name, width, is_input in (
        ("awaddr", LITE_ADDRESS_BITS, True),
        ("awvalid", 1, True),
        ("awready", 1, False),
        ("wdata", 32, True),
        ("wstrb", 4, True),
        ("wvalid", 1, True),
        ("wready", 1, False),
        ("bresp", 2, False),
        ("bvalid", 1, False),
        ("bready", 1, True),
        ("araddr", LITE_ADDRESS_BITS, True),
        ("arvalid", 1, True),
        ("arready", 1, False),
        ("rdata", 32, False),
        ("rresp", 2, False),
        ("rvalid", 1, False),
        ("rready", 1, True),
    )
)


def master_ports(data_bits: int) -> tuple[HostPort, ...]:
    """The ports of the master."""
    request = (
        ("id", 1),
        ("addr", ADDRESS_BITS),
        ("len", 8),
        ("size", 3),
        ("burst", 2),
        ("lock", 1),
        ("cache", 4),
        ("prot", 3),
        ("qos", 4),
        ("region", 4),
    )
    found = []
    for channel in ("aw", "ar"):
        found += [(f"{channel}{name}", width, False) for name, width in request]
        found += [(f"{channel}valid", 1, False), (f"{channel}ready", 1, True)]
    found += [("wdata", data_bits, False), ("wstrb", data_bits // 8, False), ("wlast", 1, False)]
    found += [("wvalid", 1, False), ("wready", 1, True)]
    found += [("bid", 1, True), ("bresp", 2, True), ("bvalid", 1, True), ("bready", 1, False)]
    found += [("rid", 1, True), ("rdata", data_bits, True), ("rresp", 2, True), ("rlast", 1, True)]
    found += [("rvalid", 1, True), ("rready", 1, False)]
    return tuple(HostPort(f"{MASTER_PREFIX}_{name}", width, is_input) for name, width, is_input in found)


class BusInterface(BeatInterface):
    """A master, and registers."""

    name: ClassVar[str] = "axi"

    def control_ports(self) -> tuple[HostPort, ...]:
        """All ports: none belongs to one tensor."""
        return (CLOCK, RESET, INTERRUPT, *LITE, *master_ports(self.data_bits))

    def tensor_ports(self, buffer: Buffer) -> tuple[HostPort, ...]:
        """None."""
        return ()

    def tensor_entries(self, buffer: Buffer) -> dict[str, Any]:
        """The bytes."""
        return {"bytes": self.layout(buffer).bytes}

    def numbered_entries(self, number: int) -> dict[str, Any]:
        """The register of its address."""
        return {"address_register": address_register(number)}

    def run_entries(self, tensors: Sequence[Buffer], latency_cycles: int) -> dict[str, Any]:
        """Cycles of a run that is alone, and from run to run, with a memory that answers at once; and the registers."""
        inputs, outputs = self._sides(tensors)
        return {
            "run_cycles": run_cycles(latency_cycles, inputs, outputs),
            "interval_cycles": run_interval(latency_cycles, inputs, outputs),
            "registers": registers(tensors),
        }

    def _sides(self, tensors: Sequence[Buffer]) -> tuple[list[StreamLayout], list[StreamLayout]]:
        """The inputs, which share the read channel, and the outputs, which share the write channel."""
        inputs, outputs = ([b for b in tensors if b.storage.host_writes == side] for side in (True, False))
        return list(map(self.layout, inputs)), list(map(self.layout, outputs))


def registers(tensors: Sequence[Buffer]) -> list[dict[str, Any]]:
    """Every register, for the manifest."""
    return [
        {"name": each.name, "offset": each.offset, "bits": each.bits, "access": each.access}
        for each in bus_registers([buffer.name for buffer in tensors])
    ]
