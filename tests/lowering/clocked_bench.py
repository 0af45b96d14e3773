"""Runs SystemVerilog modules of one port list for many cycles in one Verilator build, and returns what came out in
each cycle.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch2hw.tools import verilator_tool

MAIN = """
#include "Vbench.h"
int main() {
  Vbench bench;
  for (int half = 0; half < 2 * CYCLES; ++half) { bench.clk = half & 1; bench.eval(); }
}
"""


def run(
    sources: str,
    modules: Sequence[str],
    inputs: Mapping[str, int],
    outputs: Mapping[str, int],
    stimulus: Sequence[Mapping[str, int]],
    folder: Path,
) -> dict[str, list[dict[str, int]]]:
    """`inputs` and `outputs` are widths by port (clk apart); every module sees the same stimulus."""
    total_in, total_out = sum(inputs.values()), sum(outputs.values())
    words = []
    for values in stimulus:
        word = 0
        for port, width in inputs.items():
            word = word << width | values[port]
        words.append(f"{word:x}")
    (folder / "stimulus.hex").write_text("\n".join(words) + "\n")
    lines = [
        f"module bench(input clk);\n  reg [{total_in - 1}:0] all[0:{len(words) - 1}];\n  integer cycle = 0;",
        '  initial $readmemh("stimulus.hex", all);',
        f"  wire [{total_in - 1}:0] now = all[cycle];",
    ]
    low = total_in
    slices = {}
    for port, width in inputs.items():
        low -= width
        slices[port] = f"now[{low + width - 1}:{low}]"
    shown = []
    for module in modules:
        lines.append(f"  wire [{total_out - 1}:0] out_{module};")
        high, wires = total_out, []
        for port, width in outputs.items():
            wires.append(f".{port}(out_{module}[{high - 1}:{high - width}])")
            high -= width
        wires += [f".{port}({bits})" for port, bits in slices.items()]
        lines.append(f"  {module} dut_{module}(.clk(clk), {', '.join(wires)});")
        shown.append(f"out_{module}")
    lines.append("  always @(posedge clk) begin")
    lines.append(f'    $display("{" ".join(["%h"] * len(shown))}", {", ".join(shown)});')
    lines.append("    cycle <= cycle + 1;\n  end\nendmodule\n")
    (folder / "bench.sv").write_text(sources + "\n".join(lines))
    (folder / "main.cpp").write_text(MAIN.replace("CYCLES", str(len(words))))
    build = [
        *verilator_tool.command(),
        "--cc",
        "--exe",
        "--build",
        "--prefix",
        "Vbench",
        "--top-module",
        "bench",
        "-Wno-fatal",
        "-Wno-lint",
        "-O0",
        "--x-initial",
        "unique",
        "bench.sv",
        "main.cpp",
    ]
    built = subprocess.run(build, cwd=folder, env=verilator_tool.environment(), capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    text = subprocess.run(
        [folder / "obj_dir" / "Vbench", "+verilator+rand+reset+2"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split() for line in text.stdout.splitlines()]
    assert len(rows) == len(words), text.stdout[-500:]
    found: dict[str, list[dict[str, int]]] = {module: [] for module in modules}
    for row in rows:
        for module, word in zip(modules, row, strict=True):
            bits, high, values = int(word, 16), total_out, {}
            for port, width in outputs.items():
                high -= width
                values[port] = bits >> high & (1 << width) - 1
            found[module].append(values)
    return found
