"""Banks of an input that lanes read together share block RAM."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2hw
from torch2hw.analysis.joined_banks import banks_side_by_side, name_of_banks


class Products(nn.Module):
    """Rows of x times columns of y: lanes read all banks of a row of x at one address, and 512 words in each."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x @ y


@pytest.mark.parametrize(("dtype", "together"), [("bf16", 2), ("f32", 1)])
def test_what_is_read_together_is_one_memory(dtype: str, together: int) -> None:
    """Words of 32 bits fill a block RAM by themselves."""
    shape = torch.randn(256, 32), torch.randn(32, 4)
    design = torch2hw.compile(Products(), shape, partition=4, dtype=dtype, sums="block")
    program = design.compiled.at("scheduled")
    x, y = program.inputs
    assert x.banks > 1 and x.banks * x.bank_elements == 8192
    parts = banks_side_by_side(program, x)
    assert [bank for part in parts for bank in part] == list(range(x.banks))
    assert {len(part) for part in parts} == {together}
    assert {len(part) for part in banks_side_by_side(program, y)} == {1}, "its banks are in LUTs"
    assert f" {name_of_banks(x, parts[0])} (" in design.compiled.verilog()


def test_what_is_read_apart_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = torch.randn(256, 32), torch.randn(32, 4)
    design = torch2hw.compile(Products(), shape, partition=4, dtype="bf16", sums="block")
    program = design.compiled.at("scheduled")
    x, (kernel,) = program.inputs[0], program.kernels
    before = banks_side_by_side(program, x)
    assert before[:2] == [[0, 1], [2, 3]]
    second = next(load for load in kernel.loads() if load.buffer is x and load.indices[1].constant == 1)
    monkeypatch.setitem(kernel.plan.start, second.result, kernel.plan.start[second.result] + 1)
    assert banks_side_by_side(program, x)[:3] == [[0], [1], [2, 3]]


@pytest.mark.simulation
@pytest.mark.slow
def test_in_hardware() -> None:
    x, y = torch.randn(256, 32), torch.randn(32, 4)
    design = torch2hw.compile(Products(), (x, y), partition=4, dtype="bf16", sums="block")
    assert "_2_banks x_b0_to_b1_memory (" in design.compiled.verilog()
    result = design.simulate(x, y)
    assert result.bit_exact and set(result.cycles) == {result.predicted_cycles}
