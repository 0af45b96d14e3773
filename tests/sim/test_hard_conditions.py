"""A small design of either schedule under every condition that a host can make: nothing changes a result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import torch2hw
from torch2hw.compiler.compiled import Compiled
from torch2hw.compiler.design_files import write_design
from torch2hw.sim.check import references, simulate_sets
from torch2hw.sim.manifest import Manifest
from torch2hw.sim.simulation import Conditions, simulate
from torch2hw.sim.stimulus import ordinary

pytestmark = pytest.mark.simulation


class Small(nn.Module):
    """Two kernels, a sum and a shared unit."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 2), nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.second(torch.relu(self.first(x)))
        return result


@pytest.fixture(scope="module", params=["static", "sequential"])
def compiled(request: pytest.FixtureRequest) -> Compiled:
    torch.manual_seed(2)
    return torch2hw.compile(Small(), (torch.randn(2, 3),), schedule=request.param).compiled


def sets(count: int) -> list[list[np.ndarray]]:  # type: ignore[type-arg]
    random = np.random.default_rng(7)
    return [[ordinary("f32", (2, 3), random)] for _ in range(count)]


def test_a_reset_in_every_cycle(compiled: Compiled, tmp_path: Path) -> None:
    """A run is abandoned in each of its cycles; the full run after it is right."""
    given = sets(1)
    manifest = Manifest.from_json(write_design(compiled, tmp_path / "small.sv"))
    assert manifest.latency_cycles is not None
    expected = references(compiled, given)
    step = 1 if compiled.options.schedule == "static" else 7
    for cycle in range(0, manifest.latency_cycles + 1, step):
        result = simulate(tmp_path, manifest, given, Conditions(abandon_cycles=(cycle,), seed=cycle + 1))
        assert np.array_equal(result.outputs[0][0], expected[0][0]), f"after a reset in cycle {cycle}"
        assert result.cycles == [[manifest.latency_cycles]], f"after a reset in cycle {cycle}"


@pytest.mark.parametrize(
    "conditions",
    [
        Conditions(state="zeros"),
        Conditions(state="ones"),
        Conditions(hold_go=True, repeats=3),
        Conditions(meddle=True, repeats=4),
        Conditions(meddle=True, hold_go=True, repeats=4, seed=5),
    ],
    ids=["zeros", "ones", "go held", "inputs written", "inputs written and go held"],
)
def test_no_condition_changes_a_result(compiled: Compiled, conditions: Conditions) -> None:
    """Inputs are written in every cycle of a run, the last included: the fuzzer found designs that took that one."""
    result = simulate_sets(compiled, sets(3), conditions=conditions)
    assert result.comparison.first_mismatch is None
    assert set(result.cycles) == {result.predicted_cycles}


def test_go_while_a_run_is_under_way_is_ignored(compiled: Compiled, tmp_path: Path) -> None:
    given = sets(2)
    manifest = Manifest.from_json(write_design(compiled, tmp_path / "small.sv"))
    result = simulate(tmp_path, manifest, given, Conditions(pulse_go=True, repeats=3))
    expected = references(compiled, given)
    for got, wanted in zip(result.outputs, expected, strict=True):
        assert np.array_equal(got[0], wanted[0])
    assert result.cycles == [[manifest.latency_cycles] * 3] * 2
