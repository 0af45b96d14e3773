"""Elementary functions: the error over a sample of all inputs (`hwlib.survey` measures all 2^32), hardware against
the model; and that sample's results, pinned: a wrong bit in a table can be within the bound.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from torch2hw.analysis.reference import Reference
from torch2hw.hwlib import Library, Unit, emit_c
from torch2hw.hwlib.export import verilog
from torch2hw.hwlib.mutate import SURVEY_STEP
from torch2hw.hwlib.survey import EXACT, survey
from torch2hw.hwlib.verify import verilate

COUNT = 20_000
RESULTS = {  # checksums of `python -m torch2hw.hwlib.survey OPERATION --step 4001 --subnormals POLICY`
    "hwlib.reciprocal": {"flush": "06bf281a501a9a31", "keep": "e4cfcd81463fef0f"},
    "hwlib.sigmoid": {"flush": "131de12b626a0899", "keep": "0b8cc2abb0ac95a0"},
    "math.atan": {"flush": "9ae44cb4bcacd9a9", "keep": "50e05fd1c9b176aa"},
    "math.cos": {"flush": "522fc53a2d4278af", "keep": "522fc53a2d4278af"},
    "math.erf": {"flush": "ee01867a00a1628d", "keep": "416f6f038db62a80"},
    "math.exp": {"flush": "4d67398f2af7b935", "keep": "ec0536024ddc6c93"},
    "math.exp2": {"flush": "8607ecb179b8f584", "keep": "f8cc59f6cf3de49f"},
    "math.expm1": {"flush": "78bbfebc1e6a2070", "keep": "e5a0e5f8cace5077"},
    "math.log": {"flush": "0a5dac6782ea2c08", "keep": "c179ae92af99f766"},
    "math.log10": {"flush": "8ae4a267f2172b41", "keep": "545ca67882467b93"},
    "math.log1p": {"flush": "555b4b42b60bd6e4", "keep": "8346938ef529fc7f"},
    "math.log2": {"flush": "22ec5b68a4d16946", "keep": "d9cf2e27795dd006"},
    "math.rsqrt": {"flush": "56a98c6ce95250b2", "keep": "3845c7acc852f32e"},
    "math.sin": {"flush": "52a395a3f7718308", "keep": "d2c19bf701f8a7bf"},
    "math.tanh": {"flush": "a17872fff5232c0d", "keep": "5471cf508902bbfe"},
}


@pytest.mark.parametrize("policy", ["flush", "keep"])
@pytest.mark.parametrize("operation", sorted(EXACT))
def test_error_is_within_the_bound_and_results_are_the_pinned_ones(tmp_path: Path, operation: str, policy: str) -> None:
    unit = Library(subnormals=policy).unit(operation, ("f32",), "f32")
    assert 0.5 < unit.error_ulp <= 2.0
    passed, text = survey(unit, operation, policy == "flush", SURVEY_STEP, tmp_path)
    assert passed, text
    assert text.endswith(f"results {RESULTS[operation][policy]}")


def sample() -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """Bit patterns: uniform ones, and ones with exponents near the bias, where the functions vary."""
    rng = np.random.default_rng(5)
    bits = rng.integers(0, 1 << 32, COUNT, dtype=np.uint32)
    near = rng.integers(100, 137, COUNT, dtype=np.uint32) << 23 | bits & 0x807FFFFF
    mixed = np.where(rng.integers(0, 2, COUNT) == 1, bits, near).astype(np.uint32)
    mixed[:6] = [0, 0x80000000, 0x7F800000, 0xFF800000, 0x7FC00000, 1]
    return mixed


def graph_results(
    unit: Unit, inputs: np.ndarray[tuple[int], np.dtype[np.uint32]], folder: Path
) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """The graph as C."""
    body = emit_c.emit("graph", list(unit.operands), unit.schedule.output)
    source = folder / "graph.c"
    loop = "uint32_t x; while (fread(&x, 4, 1, stdin) == 1) { x = (uint32_t)graph(x); fwrite(&x, 4, 1, stdout); }"
    source.write_text(f"#include <stdint.h>\n#include <stdio.h>\n{body}int main(void) {{ {loop} return 0; }}\n")
    subprocess.run(["gcc", "-O1", "-w", "-o", str(folder / "graph"), str(source)], check=True)
    done = subprocess.run([str(folder / "graph")], input=inputs.tobytes(), capture_output=True, check=True)
    return np.frombuffer(done.stdout, dtype=np.uint32)


@pytest.mark.parametrize("operation", sorted(EXACT))
def test_the_cpu_model_is_the_graph(tmp_path: Path, operation: str) -> None:
    unit = Library().unit(operation, ("f32",), "f32")
    kind = f"memref<{COUNT}xf32>"
    program = f"""{unit.model()}
func.func @main(%in: {kind}, %out: {kind}) {{
  affine.for %i = 0 to {COUNT} {{
    %x = affine.load %in[%i] : {kind}
    %y = func.call @{unit.name}(%x) : (f32) -> f32
    affine.store %y, %out[%i] : {kind}
  }}
  return
}}
"""
    inputs = sample()
    (got,) = Reference(program).run([inputs.view(np.float32)])
    np.testing.assert_array_equal(got.view(np.uint32), graph_results(unit, inputs, tmp_path))


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("operation", sorted(EXACT))
def test_the_hardware_is_the_graph(tmp_path: Path, operation: str) -> None:
    unit = Library().unit(operation, ("f32",), "f32")
    design = tmp_path / "unit.sv"
    design.write_text(verilog(unit.definition()))
    bench = tmp_path / "bench.cpp"
    bench.write_text(f"""#include "Vunit.h"
#include <cstdio>
#include <cstdint>
int main() {{
  Vunit top;
  uint32_t x = 0, y;
  bool more = true;
  for (int i = 0; i < {COUNT} + {unit.latency_cycles} - 1; i++) {{
    if (more) more = std::fread(&x, 4, 1, stdin) == 1;
    top.in = x;
    top.clk = 0; top.eval(); top.clk = 1; top.eval();
    y = top.out;
    if (i >= {unit.latency_cycles} - 1) std::fwrite(&y, 4, 1, stdout);
  }}
}}
""")
    binary = verilate(design, unit.name, bench, tmp_path)
    inputs = sample()
    done = subprocess.run([str(binary)], input=inputs.tobytes(), capture_output=True, check=True)
    np.testing.assert_array_equal(np.frombuffer(done.stdout, np.uint32), graph_results(unit, inputs, tmp_path))
