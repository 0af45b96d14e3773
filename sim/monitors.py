"""Monitors of the kernels of a simulated design: the SystemVerilog bound to them, and the reading of its output.

A module `torch2hw_monitor` is bound to each kernel, so the design's own text does not change. For every start of the
kernel it prints the cycle of the start, the cycle of the last store before the next start, and the number of stores; on
request, also every store.

    monitor kernel NUMBER FIRST LAST STORES        cycles of the simulation, as the bench counts them
    monitor store NUMBER PORT ADDRESS DATA         hexadecimal; ports in the order of `Watched.stores`
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch2hw.dialects.bank_ports import bank_ports
from torch2hw.dialects.interface import CONTROL
from torch2hw.dialects.loops import Buffer, Kernel


@dataclass(frozen=True)
class Watched:
    """A kernel: its module, the kernel it runs, and the banks that it stores to, each with its three ports."""

    module: str
    kernel: Kernel
    stores: tuple[tuple[Buffer, int], ...]


@dataclass(frozen=True)
class KernelRun:
    """Kernel `number` was started in cycle `first` and made the last of its `stores` stores in cycle `last`."""

    number: int
    first: int
    last: int
    stores: int


@dataclass(frozen=True)
class StoreEvent:
    """Kernel `number` stored `data` at `address` of its port `port`."""

    number: int
    port: int
    address: int
    data: int


@dataclass(frozen=True)
class Seen:
    """What the monitors told, in order."""

    kernels: tuple[KernelRun, ...] = ()
    stores: tuple[StoreEvent, ...] = ()

    @staticmethod
    def read(lines: Sequence[str]) -> Seen:
        """From lines without the word `monitor`."""
        kernels, stores = [], []
        for line in lines:
            kind, *words = line.split()
            if kind == "kernel":
                kernels.append(KernelRun(*map(int, words)))
            else:
                stores.append(StoreEvent(int(words[0]), int(words[1]), int(words[2], 16), int(words[3], 16)))
        return Seen(tuple(kernels), tuple(stores))


def watched(calyx: Any) -> list[Watched]:
    """The kernels of a statically scheduled design, in program order."""
    return [Watched(circuit.component.name, circuit.kernel, tuple(circuit.ports.writes)) for circuit in calyx.circuits]


def monitor_text(kernels: Sequence[Watched], every_store: bool) -> str:
    """The monitor, and what binds it to each kernel."""
    lines = [MONITOR]
    for number, kernel in enumerate(kernels):
        enables = [bank_ports(*store).write_enable for store in kernel.stores]
        clock, reset, start = CONTROL.clock.name, CONTROL.reset.name, CONTROL.start.name
        ports = f".clk({clock}), .reset({reset}), .go({start}), .stores({{{', '.join(reversed(enables))}}})"
        lines.append(f"bind {kernel.module} torch2hw_monitor #({number}, {len(enables)}) monitor ({ports});")
        for port, store in enumerate(kernel.stores) if every_store else ():
            bank = bank_ports(*store)
            words = f".address(64'({bank.write_address})), .data(64'({bank.write_data}))"
            ports = f".clk({clock}), .enable({bank.write_enable}), {words}"
            lines.append(f"bind {kernel.module} torch2hw_stores #({number}, {port}) stores{port} ({ports});")
    return "\n".join(lines) + "\n"


MONITOR = """\
module torch2hw_monitor #(parameter NUMBER = 0, parameter PORTS = 1) (input clk, reset, go, input [PORTS-1:0] stores);
  longint cycle = 0, first = 0, last = 0, count = 0;
  bit started = 0;
  always @(posedge clk) begin
    cycle <= cycle + 1;
    if (go & ~reset) begin
      if (started) $display("monitor kernel %0d %0d %0d %0d", NUMBER, first, last, count);
      started <= 1;
      first <= cycle;
      last <= cycle;
      count <= 64'($countones(stores));
    end else if (|stores) begin
      last <= cycle;
      count <= count + 64'($countones(stores));
    end
  end
  final if (started) $display("monitor kernel %0d %0d %0d %0d", NUMBER, first, last, count);
endmodule
module torch2hw_stores #(parameter NUMBER = 0, parameter PORT = 0) (input clk, enable, input [63:0] address, data);
  always @(posedge clk) if (enable) $display("monitor store %0d %0d %0h %0h", NUMBER, PORT, address, data);
endmodule
"""
