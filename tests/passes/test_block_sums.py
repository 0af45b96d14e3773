"""--sums block: where lanes join, dot products; their bits, their price, and what is left as it is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2hw
from torch2hw.compiler.options import Options
from torch2hw.dialects.loops import Operation
from torch2hw.tools.errors import UsageError


def names(design: torch2hw.Design) -> list[str]:
    """The operations of the design's kernels."""
    kernels = design.compiled.at("scheduled").kernels
    return [s.name for kernel in kernels for s in kernel.statements() if isinstance(s, Operation)]


@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16"])
def test_lanes_that_add_to_one_sum_are_a_dot_product(dtype: str) -> None:
    torch.manual_seed(0)
    model, x = nn.Linear(64, 16), torch.randn(8, 64)
    design = torch2hw.compile(model, (x,), partition=4, sums="block", dtype=dtype)
    assert "hwlib.dot" in names(design)
    assert "arith.mulf" not in names(design)
    plain = names(torch2hw.compile(model, (x,), partition=4, dtype=dtype))
    assert "hwlib.dot" not in plain
    assert plain.count("arith.mulf") == 16


class Products(nn.Module):
    """Sums of what is no product of two numbers: nothing to align."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.exp(x).sum(-1)


def test_other_sums_keep_their_adders() -> None:
    design = torch2hw.compile(Products(), (torch.randn(2, 64),), partition=4, sums="block")
    assert "hwlib.dot" not in names(design)


def test_one_lane_has_nothing_to_join() -> None:
    design = torch2hw.compile(nn.Linear(8, 4), (torch.randn(8, 8),), sums="block")
    assert "hwlib.dot" not in names(design)


def test_options() -> None:
    with pytest.raises(UsageError, match="--sums fast: unknown"):
        Options(sums="fast")
    with pytest.raises(UsageError, match="not for the sequential schedule"):
        Options(sums="block", schedule="sequential")
    with pytest.raises(UsageError, match="not with --quantize"):
        Options(dtype="bf16", quantize="int8")


class Mixed(nn.Module):
    """A convolution and a layer that joins its lanes in another way; a residual sum."""

    def __init__(self) -> None:
        super().__init__()
        self.convolve, self.linear = nn.Conv2d(3, 5, 3, padding=1), nn.Linear(45, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.convolve(x))
        result: torch.Tensor = self.linear(x.flatten(1))
        return result


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize(("dtype", "partition"), [("f32", 3), ("bf16", 3)])
def test_simulation(dtype: str, partition: int) -> None:
    torch.manual_seed(0)
    design = torch2hw.compile(Mixed(), (torch.randn(2, 3, 3, 3),), partition=partition, sums="block", dtype=dtype)
    assert "hwlib.dot" in names(design)
    design.simulate(runs=2).check()
