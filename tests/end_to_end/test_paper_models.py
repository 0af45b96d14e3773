"""The paper's models: bit-exact under hard conditions, exactly as long as predicted, within the cycles of targets.

A design is run on its example inputs, on random ones and on special values (infinities, NaNs, subnormals, both zeros),
from random initial state: first once each, then twice in a row with `go` held, after runs that were reset midway, while
the host keeps writing to the inputs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from torch2hw.analysis.stored_arrays import Array, from_torch
from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.compiler.design_files import write_design
from torch2hw.compiler.options import Options
from torch2hw.frontend.load_model import load
from torch2hw.sim.check import references
from torch2hw.sim.compare import first_mismatch
from torch2hw.sim.manifest import Manifest
from torch2hw.sim.simulation import Conditions, simulate

EXAMPLES = Path(__file__).parents[2] / "examples"
MAX_CYCLES = {
    ("ffnn", 1): 213_000,
    ("ffnn", 2): 54_000,
    ("ffnn", 4): 14_000,
    ("ffnn_batch1", 1): 3_500,
    ("ffnn_batch1", 2): 960,
    ("ffnn_batch1", 4): 300,
    ("cnn", 1): 2_630_000,
    ("cnn", 2): 675_000,
    ("cnn", 4): 180_000,
    ("mha16", 1): 150_000,
    ("mha16", 2): 40_000,
    ("mha16", 4): 11_500,
    ("mha100", 1): 1_640_000,
    ("mha100", 2): 440_000,
    ("mha100", 4): 125_000,
}
LONG = {("mha100", 1), ("mha100", 4), ("cnn", 1)}
SPECIAL = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-40, -1e-45, 3.4e38, 1.1754944e-38], np.float32)


def compiled(name: str, partition: int) -> Compiled:
    return compile_model(load(str(EXAMPLES / f"{name}.py")), Options(partition=partition))


def input_sets(design: Compiled) -> list[list[Array]]:
    """Example, large random and special inputs."""
    rng = np.random.default_rng(7)
    given = [from_torch(tensor) for tensor in design.loaded.example_inputs]
    large = [(rng.standard_normal(array.shape) * 1e3).astype(np.float32) for array in given]
    special = [np.where(rng.random(a.shape) < 0.02, rng.choice(SPECIAL, a.shape), a).astype(np.float32) for a in given]
    return [given, large, special]


def check(design: Compiled, sets: Sequence[Sequence[Array]], conditions: Conditions, folder: Path) -> None:
    manifest = Manifest.from_json(write_design(design, folder / "out.sv"))
    simulation = simulate(folder, manifest, sets, conditions)
    assert {cycles for run in simulation.cycles for cycles in run} == {manifest.latency_cycles}
    for got, expected in zip(simulation.outputs, references(design, sets), strict=True):
        for port, hardware, reference in zip(manifest.outputs, got, expected, strict=True):
            assert first_mismatch(port.name, port.dtype, reference, hardware) is None


@pytest.mark.simulation
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "partition"),
    [pytest.param(*each, marks=pytest.mark.long if each in LONG else ()) for each in sorted(MAX_CYCLES)],
)
def test_bit_exact_and_as_fast_as_it_has_to_be(name: str, partition: int, tmp_path: Path) -> None:
    design = compiled(name, partition)
    latency = design.at("calyx").latency_cycles
    assert latency <= MAX_CYCLES[name, partition]
    sets = input_sets(design)
    check(design, sets, Conditions(seed=3), tmp_path)
    hard = Conditions(seed=5, hold_go=True, repeats=2, abandon_cycles=(0, 1, latency // 3, latency - 1), meddle=True)
    check(design, sets[:1] if latency > 500_000 else sets, hard, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ffnn", "cnn", "mha100"])
def test_the_text_does_not_grow_with_trip_counts(name: str) -> None:
    """Everything but the contents of memories: one line a register or wire, whatever the sizes of the tensors."""
    lines = [line for line in compiled(name, 1).verilog().splitlines() if not re.search(r"\] = \d+'h", line)]
    assert len(lines) < 9_000
