"""Run a unit over arrays of operands: its graph as C, its hardware under Verilator, its model on the CPU."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from torch2hw.analysis.reference import Reference
from torch2hw.hwlib import Unit, emit_c
from torch2hw.hwlib.export import verilog
from torch2hw.hwlib.verify import verilate

Words = np.ndarray[tuple[int], np.dtype[np.uint64]]


def as_c(unit: Unit, operands: list[Words], folder: Path) -> Words:
    """The results of the combinational graph."""
    call = ", ".join(f"x[{i}]" for i in range(len(operands)))
    source = folder / "graph.c"
    source.write_text(
        "#include <stdint.h>\n#include <stdio.h>\n"
        f"{emit_c.emit('graph', list(unit.operands), unit.schedule.output)}"
        f"int main(void) {{ uint64_t x[{len(operands)}], y;\n"
        f"  while (fread(x, 8, {len(operands)}, stdin) == {len(operands)}) "
        f"{{ y = graph({call}); fwrite(&y, 8, 1, stdout); }}\n  return 0; }}\n"
    )
    subprocess.run(["gcc", "-O1", "-w", "-o", str(folder / "graph"), str(source)], check=True)
    return feed(folder / "graph", operands)


def as_hardware(unit: Unit, operands: list[Words], folder: Path) -> Words:
    """The results of the SystemVerilog, with a new operand in every cycle."""
    design, bench = folder / "unit.sv", folder / "bench.cpp"
    design.write_text(verilog(unit.definition()))
    puts = " ".join(f"top.{port.name} = x[{i}];" for i, port in enumerate(unit.inputs))
    tick = "top.clk = 0; top.eval(); top.clk = 1;" if unit.latency_cycles else ""
    bench.write_text(f"""#include "Vunit.h"
#include <cstdio>
#include <cstdint>
int main() {{
  Vunit top;
  uint64_t x[{len(operands)}], y;
  const int wait = {max(0, unit.latency_cycles - 1)};
  for (int i = 0; i < {len(operands[0])} + wait; i++) {{
    if (i < {len(operands[0])} && std::fread(x, 8, {len(operands)}, stdin) != {len(operands)}) return 1;
    {puts} {tick} top.eval();
    y = top.out;
    if (i >= wait) std::fwrite(&y, 8, 1, stdout);
  }}
}}
""")
    return feed(verilate(design, unit.name, bench, folder), operands)


def as_model(unit: Unit, operands: list[np.ndarray[tuple[int], np.dtype[np.float32]]]) -> Words:
    """The results of the software model, called from a loop on the CPU; binary32 only."""
    kind = f"memref<{len(operands[0])}xf32>"
    names = [f"%x{i}" for i in range(len(operands))]
    loads = "".join(f"    %v{i} = affine.load {name}[%i] : {kind}\n" for i, name in enumerate(names))
    values = ", ".join(f"%v{i}" for i in range(len(operands)))
    program = f"""{unit.software()}
func.func @main({", ".join(f"{n}: {kind}" for n in names)}, %out: {kind}) {{
  affine.for %i = 0 to {len(operands[0])} {{
{loads}    %y = func.call @{unit.name}({values}) : ({", ".join(["f32"] * len(operands))}) -> f32
    affine.store %y, %out[%i] : {kind}
  }}
  return
}}
"""
    (got,) = Reference(program).run(list(operands))
    return got.view(np.uint32).astype(np.uint64)


def feed(binary: Path, operands: list[Words]) -> Words:
    words = np.ascontiguousarray(np.stack([o.astype(np.uint64) for o in operands], axis=1))
    done = subprocess.run([str(binary)], input=words.tobytes(), capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.uint64)
