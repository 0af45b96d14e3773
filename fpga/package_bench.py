"""The self-checking bench of a package: a SystemVerilog module that plays the host of a design, and its data.

It sends one set of inputs, compares every bit of every output, and ends with $finish, or $fatal where something is
wrong or does not come. The clock is its only port: main.cpp, for Verilator, turns it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch2hw.dialects.bus_registers import CTRL, GIE, IER
from torch2hw.dialects.bus_timing import PAGE_BYTES
from torch2hw.dialects.interface import HostPort
from torch2hw.dialects.stream_interface import CLOCK, RESET
from torch2hw.sim.buses import BusManifest
from torch2hw.sim.streams import Beats, StreamManifest

MAIN = """\
// Turns the clock of {top}_bench until it ends.
#include "V{top}_bench.h"
#include "verilated.h"

int main(int argc, char** argv) {{
    VerilatedContext context;
    context.commandArgs(argc, argv);
    V{top}_bench bench{{&context}};
    while (!context.gotFinish()) {{
        bench.clk = !bench.clk;
        bench.eval();
        context.timeInc(1);
    }}
    bench.final();
    return 0;
}}
"""
FRAME = """\
// Sends one set of inputs to {top}, and compares its outputs.
module {top}_bench(input logic clk);
  int cycle = 0;
  logic reset_n = 1'b0;
{declarations}
  {top} dut({wires});
{body}
  always @(posedge clk) begin
    cycle <= cycle + 1;
    reset_n <= cycle > 3;
    if (cycle > {budget}) $fatal(1, "no result after %0d cycles", cycle);
  end
endmodule
"""
MEMORY = """\
  localparam int BEATS = {beats}, WRITES = {writes};
  logic [{high}:0] memory [0:BEATS - 1];
  logic [{high}:0] expected [0:BEATS - 1];
  logic [43:0] registers [0:WRITES - 1];
  int written = 0, read_at = 0, read_left = 0, write_at = 0;
  logic writing = 1'b0, answering = 1'b0, address_taken = 1'b0, data_taken = 1'b0;
  initial begin
    for (int k = 0; k < BEATS; k++) begin
      memory[k] = '0;
      expected[k] = '0;
    end
    $readmemh("memory.hex", memory);
    $readmemh("expected.hex", expected);
    $readmemh("registers.hex", registers);
  end
  assign s_axi_control_awvalid = reset_n && written < WRITES && !address_taken;
  assign s_axi_control_wvalid = reset_n && written < WRITES && !data_taken;
  assign {{s_axi_control_awaddr, s_axi_control_wdata}} = registers[written < WRITES ? written : 0];
  assign s_axi_control_wstrb = '1;
  assign s_axi_control_bready = 1'b1;
  assign s_axi_control_arvalid = 1'b0;
  assign s_axi_control_araddr = '0;
  assign s_axi_control_rready = 1'b1;
  assign m_axi_gmem_arready = read_left == 0;
  assign m_axi_gmem_rvalid = read_left != 0;
  assign m_axi_gmem_rdata = memory[read_at];
  assign m_axi_gmem_rlast = read_left == 1;
  assign m_axi_gmem_rresp = '0;
  assign m_axi_gmem_rid = '0;
  assign m_axi_gmem_awready = !writing && !answering;
  assign m_axi_gmem_wready = writing;
  assign m_axi_gmem_bvalid = answering;
  assign m_axi_gmem_bresp = '0;
  assign m_axi_gmem_bid = '0;
  always @(posedge clk) if (reset_n) begin
    if (s_axi_control_awvalid && s_axi_control_awready) address_taken <= 1'b1;
    if (s_axi_control_wvalid && s_axi_control_wready) data_taken <= 1'b1;
    if (s_axi_control_bvalid) begin
      written <= written + 1;
      address_taken <= 1'b0;
      data_taken <= 1'b0;
    end
    if (m_axi_gmem_arvalid && m_axi_gmem_arready) begin
      read_at <= int'(m_axi_gmem_araddr >> {shift});
      read_left <= int'(m_axi_gmem_arlen) + 1;
    end else if (m_axi_gmem_rvalid && m_axi_gmem_rready) begin
      read_at <= read_at + 1;
      read_left <= read_left - 1;
    end
    if (m_axi_gmem_awvalid && m_axi_gmem_awready) begin
      write_at <= int'(m_axi_gmem_awaddr >> {shift});
      writing <= 1'b1;
    end
    if (m_axi_gmem_wvalid && m_axi_gmem_wready) begin
      for (int k = 0; k < {bytes}; k++)
        if (m_axi_gmem_wstrb[k]) memory[write_at][8 * k +: 8] <= m_axi_gmem_wdata[8 * k +: 8];
      write_at <= write_at + 1;
      writing <= !m_axi_gmem_wlast;
      answering <= m_axi_gmem_wlast;
    end
    if (answering && m_axi_gmem_bready) answering <= 1'b0;
    if (interrupt) begin
      for (int k = 0; k < BEATS; k++)
        if (memory[k] != expected[k]) $fatal(1, "beat %0d of the memory is %h, not %h", k, memory[k], expected[k]);
      $display("every bit is as expected, after %0d cycles", cycle);
      $finish;
    end
  end
"""
SOURCE = """\
  logic [{high}:0] beats_{name} [0:{last}];
  int at_{name} = 0;
  initial $readmemh("{name}.hex", beats_{name});
  assign {prefix}_tdata = beats_{name}[at_{name} <= {last} ? at_{name} : 0];
  assign {prefix}_tkeep = '1;
  assign {prefix}_tlast = at_{name} == {last};
  assign {prefix}_tvalid = reset_n && at_{name} <= {last};
  always @(posedge clk) if ({prefix}_tvalid && {prefix}_tready) at_{name} <= at_{name} + 1;
"""
SINK = """\
  logic [{high}:0] beats_{name} [0:{last}];
  int at_{name} = 0;
  initial $readmemh("{name}.hex", beats_{name});
  assign {prefix}_tready = cycle[0];
  always @(posedge clk) if (reset_n && {prefix}_tvalid && {prefix}_tready) begin
    if ({prefix}_tdata != beats_{name}[at_{name}])
      $fatal(1, "beat %0d of {name} is %h, not %h", at_{name}, {prefix}_tdata, beats_{name}[at_{name}]);
    if ({prefix}_tlast != (at_{name} == {last})) $fatal(1, "tlast is wrong in beat %0d of {name}", at_{name});
    at_{name} <= at_{name} + 1;
  end
"""
END = """\
  always @(posedge clk) if ({whole}) begin
    $display("every bit is as expected, after %0d cycles", cycle);
    $finish;
  end
"""


def bus_bench(
    manifest: BusManifest, ports: Sequence[HostPort], inputs: Sequence[Beats], outputs: Sequence[Beats]
) -> dict[str, str]:
    """The files by name, of a design with a bus; `inputs` and `outputs` are what it is given and what it must give."""
    beat_bytes, at, words = manifest.data_bits // 8, PAGE_BYTES, [(GIE.offset, 1), (IER.offset, 1)]
    given: dict[int, Beats] = {}
    right: dict[int, Beats] = {}
    for number, (tensor, beats) in enumerate(
        zip((*manifest.inputs, *manifest.outputs), [*inputs, *outputs], strict=True)
    ):
        if number < len(inputs):
            given[at // beat_bytes] = beats
        right[at // beat_bytes] = beats
        words += [(tensor.address_register, at & 0xFFFFFFFF), (tensor.address_register + 4, at >> 32)]
        at += -(-beats.size // PAGE_BYTES) * PAGE_BYTES
    words.append((CTRL.offset, 1 << CTRL.bit("ap_start")))
    body = MEMORY.format(
        beats=at // beat_bytes,
        writes=len(words),
        high=manifest.data_bits - 1,
        shift=(beat_bytes - 1).bit_length(),
        bytes=beat_bytes,
    )
    return {
        f"{manifest.top}_bench.sv": _bench(manifest.top, ports, body, 4 * manifest.run_cycles + 1000),
        "main.cpp": MAIN.format(top=manifest.top),
        "memory.hex": _hex(given),
        "expected.hex": _hex(right),
        "registers.hex": "".join(f"{offset:03x}{value:08x}\n" for offset, value in words),
    }


def stream_bench(
    manifest: StreamManifest, ports: Sequence[HostPort], inputs: Sequence[Beats], outputs: Sequence[Beats]
) -> dict[str, str]:
    """The same for a design with streams."""
    files, body = {"main.cpp": MAIN.format(top=manifest.top)}, ""
    for port, beats in zip((*manifest.inputs, *manifest.outputs), [*inputs, *outputs], strict=True):
        words = {"high": manifest.data_bits - 1, "last": port.beats - 1, "name": port.name, "prefix": port.prefix}
        body += (SINK if port in manifest.outputs else SOURCE).format_map(words)
        files[f"{port.name}.hex"] = _hex({0: beats})
    body += END.format(whole=" && ".join(f"at_{port.name} == {port.beats}" for port in manifest.outputs))
    budget = 4 * (manifest.latency_cycles + 2 * sum(len(beats) for beats in [*inputs, *outputs])) + 1000
    budget += 4 * manifest.interval_cycles
    return files | {f"{manifest.top}_bench.sv": _bench(manifest.top, ports, body, budget)}


def _bench(top: str, ports: Sequence[HostPort], body: str, budget: int) -> str:
    special: Mapping[str, str] = {CLOCK.name: "clk", RESET.name: "reset_n"}
    declared = [port for port in ports if port.name not in special]
    lines = [f"  logic {f'[{p.width_bits - 1}:0] ' if p.width_bits > 1 else ''}{p.name};" for p in declared]
    wires = ", ".join(f".{port.name}({special.get(port.name, port.name)})" for port in ports)
    return FRAME.format(top=top, declarations="\n".join(lines), wires=wires, body=body, budget=budget)


def _hex(places: Mapping[int, Beats]) -> str:
    """What $readmemh reads: beats at their numbers."""
    lines = []
    for at, beats in places.items():
        lines += [f"@{at:x}", *(bytes(beat[::-1]).hex() for beat in beats)]
    return "\n".join(lines) + "\n"
