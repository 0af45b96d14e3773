"""The interface `axis`: an AXI4-Stream for each input and output, around the design (docs/interfaces.md).

port                         width          direction  of
ap_clk                       1              input      the design: everything is on its rising edge
ap_rst_n                     1              input      the design: synchronous, active low
s_axis_x_tdata               data bits      input      an input x, with tkeep, tlast, tvalid
s_axis_x_tready              1              output     an input x
s_axis_x_dropped             32             output     an input x: packets that had too few or too many beats
m_axis_y_tdata               data bits      output     an output y, with tkeep, tlast, tvalid
m_axis_y_tready              1              input      an output y
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch2hw.dialects.interface import HostPort, Interface
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.stream_layout import StreamLayout, interval_cycles

CLOCK = HostPort("ap_clk", 1, True)
RESET = HostPort("ap_rst_n", 1, True)
DROPPED_BITS = 32


@dataclass(frozen=True)
class StreamPorts:
    """The ports of one stream; `is_input` of a port is as the design sees it."""

    prefix: str
    data_bits: int
    is_input: bool

    def port(self, signal: str) -> HostPort:
        """The port of a signal of the protocol (`tdata`, `tready`) or, of an input, of `dropped`."""
        width = {"tdata": self.data_bits, "tkeep": self.data_bits // 8, "dropped": DROPPED_BITS}.get(signal, 1)
        return HostPort(f"{self.prefix}_{signal}", width, (signal not in ("tready", "dropped")) == self.is_input)

    @property
    def signals(self) -> tuple[str, ...]:
        """The names of the signals."""
        return ("tdata", "tkeep", "tlast", "tvalid", "tready", *(("dropped",) if self.is_input else ()))


@dataclass(frozen=True)
class BeatInterface(Interface):
    """What stands around a design and moves tensors in beats of `data_bits`."""

    data_bits: int
    surrounds: ClassVar[bool] = True

    def layout(self, buffer: Buffer) -> StreamLayout:
        """How a tensor lies in beats."""
        return StreamLayout(buffer, self.data_bits)

    def control_entries(self) -> dict[str, Any]:
        """Clock and reset, and the width of a beat."""
        return {
            "interface": self.name,
            "data_bits": self.data_bits,
            "clock": CLOCK.name,
            "reset": RESET.name,
            "reset_active": "low",
        }


class StreamInterface(BeatInterface):
    """A stream for each input and output."""

    name: ClassVar[str] = "axis"

    def stream(self, buffer: Buffer) -> StreamPorts:
        """The ports of an input or output."""
        is_input = buffer.storage.host_writes
        return StreamPorts(f"{'s' if is_input else 'm'}_axis_{buffer.name}", self.data_bits, is_input)

    def control_ports(self) -> tuple[HostPort, ...]:
        """Clock and reset."""
        return (CLOCK, RESET)

    def tensor_ports(self, buffer: Buffer) -> tuple[HostPort, ...]:
        """The signals of the stream, and the count of an input's dropped packets."""
        stream = self.stream(buffer)
        return tuple(stream.port(signal) for signal in stream.signals)

    def tensor_entries(self, buffer: Buffer) -> dict[str, Any]:
        """The stream; an output drops nothing."""
        layout, stream = self.layout(buffer), self.stream(buffer)
        return {
            "stream": {
                "prefix": stream.prefix,
                "beats": layout.beats,
                "element_bits": layout.element_bits,
                "dropped_port": stream.port("dropped").name if stream.is_input else None,
            }
        }

    def run_entries(self, tensors: Sequence[Buffer], latency_cycles: int) -> dict[str, Any]:
        """Cycles from tlast to tlast of an output, when neither side waits."""
        return {"interval_cycles": interval_cycles(latency_cycles, map(self.layout, tensors))}
