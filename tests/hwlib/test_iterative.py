"""Iterative division and square root: the pipelined units' bits, and the hardware by its protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from torch2hw.hwlib import Library, NoUnit
from torch2hw.hwlib.export import verilog
from torch2hw.hwlib.iterative import IterativeUnit
from torch2hw.hwlib.verify import check, verilate

from .narrow import Compiled
from .running import Words, as_c, feed

OPERATIONS = {"arith.divf": 2, "math.sqrt": 1}


def iterative(operation: str, policy: str, form: str = "f32") -> IterativeUnit:
    unit = Library(subnormals=policy).unit(operation, (form,) * OPERATIONS[operation], form, shape="iterative")
    assert isinstance(unit, IterativeUnit)
    return unit


@pytest.mark.parametrize("policy", ["flush", "keep"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_as_the_host_rounds(tmp_path: Path, operation: str, policy: str) -> None:
    outcome = check(iterative(operation, policy), operation, policy == "flush", 300_000, tmp_path)
    assert outcome.passed, outcome.text


@pytest.mark.parametrize("form", ["f8E4M3FN", "f8E5M2", "f16", "bf16"])
def test_as_the_pipelined_units(tmp_path: Path, form: str) -> None:
    policies = ("flush", "keep")
    units = [
        Library(subnormals=p).unit(op, (form,) * n, form, shape=shape)
        for p in policies for op, n in OPERATIONS.items() for shape in ("iterative", "pipelined")
    ]  # fmt: skip
    compiled = Compiled(units, tmp_path)
    if form.startswith("f8"):
        operands = [w.ravel() for w in np.meshgrid(*[np.arange(256, dtype=np.uint64)] * 2)]
    else:
        operands = list(np.random.default_rng(8).integers(0, 1 << 16, (2, 1 << 16), dtype=np.uint64))
    for index in range(0, len(units), 2):
        given = operands[: len(units[index].operands)]
        np.testing.assert_array_equal(compiled.run(index, given), compiled.run(index + 1, given))


def test_timing() -> None:
    division, root = iterative("arith.divf", "flush"), iterative("math.sqrt", "flush")
    assert (division.name, root.name) == ("f32_div_iterative", "f32_sqrt_iterative")
    assert (division.interval_cycles, root.interval_cycles) == (27, 26)
    assert division.latency_cycles <= 32
    assert division.latency_cycles > division.interval_cycles
    assert [p.name for p in division.inputs] == ["left", "right"]
    assert "in %start: i1" in division.definition()
    with pytest.raises(NoUnit):
        Library().unit("arith.mulf", ("f32", "f32"), "f32", shape="iterative")


def by_protocol(unit: IterativeUnit, operands: list[Words], gaps: Words, folder: Path) -> Words:
    """Results of the hardware: operands for one cycle with start, `gap` cycles longer than the interval apart."""
    design, bench = folder / "unit.sv", folder / "bench.cpp"
    design.write_text(verilog(unit.definition()))
    puts = " ".join(f"top.{port.name} = x[{i}];" for i, port in enumerate(unit.inputs))
    lost = " ".join(f"top.{port.name} = -1;" for port in unit.inputs)
    bench.write_text(f"""#include "Vunit.h"
#include <cstdio>
#include <cstdint>
#include <queue>
int main() {{
  Vunit top;
  uint64_t x[{len(operands) + 1}], y, cycle = 0, next = 0;
  std::queue<uint64_t> due;
  for (bool more = true; more || !due.empty(); cycle++) {{
    top.start = 0; {lost}
    if (more && cycle == next) {{
      more = std::fread(x, 8, {len(operands) + 1}, stdin) == {len(operands) + 1};
      if (more) {{
        {puts}
        top.start = 1;
        due.push(cycle + {unit.latency_cycles});
        next = cycle + {unit.interval_cycles} + x[{len(operands)}];
      }}
    }}
    top.clk = 0; top.eval();
    if (!due.empty() && due.front() == cycle) {{ due.pop(); y = top.out; std::fwrite(&y, 8, 1, stdout); }}
    top.clk = 1; top.eval();
  }}
}}
""")
    return feed(verilate(design, unit.name, bench, folder), [*operands, gaps])


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("policy", ["flush", "keep"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_hardware_is_the_graph(tmp_path: Path, operation: str, policy: str) -> None:
    unit, rng = iterative(operation, policy), np.random.default_rng(9)
    operands = list(rng.integers(0, 1 << 32, (OPERATIONS[operation], 20_000), dtype=np.uint64))
    gaps = np.where(rng.random(20_000) < 0.7, 0, rng.integers(0, 40, 20_000)).astype(np.uint64)
    np.testing.assert_array_equal(by_protocol(unit, operands, gaps, tmp_path), as_c(unit, operands, tmp_path))
