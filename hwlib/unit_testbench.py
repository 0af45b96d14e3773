"""A testbench in plain SystemVerilog for one unit: a vector goes in every cycle (an iterative unit's: as often as it
takes them), its result is compared when it is due.

It reads nothing but its own text, drives the clock itself, and runs on Verilator (`--binary`) and Icarus 11. The last
line it prints is `NAME: N vectors, M mismatches`; with any mismatch it ends by $fatal.
"""

from __future__ import annotations

from .unit import Unit
from .vectors import Vectors

SHOWN = 10


def testbench(unit: Unit, vectors: Vectors, files: tuple[str, str], note: str) -> str:
    """Module NAME_tb. `files` are the names of the unit's file and the bench's own; `note` says what the unit is."""
    widths = [port.width_bits for port in unit.inputs]
    total, result = sum(widths) + unit.output.width_bits, unit.output.width_bits
    bench, count, latency = f"{unit.name}_tb", len(vectors.rows), unit.latency_cycles
    declared = "".join(f"  reg {_range(port.width_bits)}{port.name};\n" for port in unit.inputs)
    declared += "".join(f"  reg {port.name};\n" for port in unit.controls)
    ports = [f".{port.name}({port.name})" for port in (*unit.inputs, *unit.controls)]
    ports += [".clk(clk)"] * (latency > 0) + [".out(out)"]
    names = ", ".join(port.name for port in unit.inputs)
    places = ", ".join("%h" for _ in unit.inputs)
    interval = unit.interval_cycles
    if interval == 1:
        pace, length, starts = "every cycle", "VECTORS", ""
        now, due, taken, is_due = "n", "n - LATENCY", "n < VECTORS", "n >= LATENCY"
    else:
        pace, length, starts = f"every {interval} cycles", "VECTORS * INTERVAL", "      start = n % INTERVAL == 0;\n"
        now, due = "n / INTERVAL", "(n - LATENCY) / INTERVAL"
        taken, is_due = f"start && n < {length}", "n >= LATENCY && (n - LATENCY) % INTERVAL == 0"
    lows = [sum(widths[i + 1 :]) + result for i in range(len(widths))]
    shown = ", ".join(f"vectors[{due}][{low + width - 1}:{low}]" for low, width in zip(lows, widths, strict=True))
    text = "".join(
        f"    vectors[{i}] = {total}'h{_joined(row, [*widths, result])};\n" for i, row in enumerate(vectors.rows)
    )
    verilator = f'verilator --binary -CFLAGS "-std=gnu++20 -fcoroutines" --top-module {bench}'
    return f"""\
// Self-checking testbench of {unit.name}: {note}.
// Operands go in {pace}; the result of each is compared {latency} cycle{"" if latency == 1 else "s"} later.
// Expected results: {vectors.oracle}.
// Run:  iverilog -g2012 -s {bench} -o {bench} {files[0]} {files[1]} && vvp {bench}
// or:   {verilator} {files[0]} {files[1]} && obj_dir/V{bench}
// verilator lint_off DECLFILENAME
module {bench};
  localparam int LATENCY = {latency};
  localparam int VECTORS = {count};
{f"  localparam int INTERVAL = {interval};" + chr(10) if interval > 1 else ""}
  reg [{total - 1}:0] vectors [0:VECTORS - 1]; // {{{names}, expected}}
{declared}{"  reg clk;" + chr(10) if latency else ""}  wire {_range(result)}out;

  {unit.name} unit ({", ".join(ports)});

  int mismatches;

  initial begin
{text}    mismatches = 0;
    for (int n = 0; n < {length} + LATENCY; n = n + 1) begin
{"      clk = 1'b0;" + chr(10) if latency else ""}{starts}\
      if ({taken}) {{{names}}} = vectors[{now}][{total - 1}:{result}];
      #1;
      if ({is_due} && out !== vectors[{due}][{result - 1}:0]) begin
        mismatches = mismatches + 1;
        if (mismatches <= {SHOWN})
          $display("({places}) gives %h, expected %h",
                   {shown}, out, vectors[{due}][{result - 1}:0]);
      end
{"      clk = 1'b1;" + chr(10) + "      #1;" + chr(10) if latency else ""}    end
    $display("{unit.name}: %0d vectors, %0d mismatches", VECTORS, mismatches);
    if (mismatches != 0) $fatal(1, "{unit.name} is wrong");
    $finish;
  end
endmodule
"""


def _range(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""


def _joined(row: tuple[int, ...], widths: list[int]) -> str:
    value = 0
    for word, width in zip(row, widths, strict=True):
        value = value << width | word
    return f"{value:0{-(-sum(widths) // 4)}x}"
