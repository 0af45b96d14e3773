"""Integers, booleans and whole numbers that PyTorch computes exactly are exact: no rewrite may round them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

import torch2hw
from torch2hw.analysis.stored_arrays import from_torch, to_torch
from torch2hw.sim.check import references

WHOLE = torch.arange(-200, 201)


class Computed(nn.Module):
    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> object:
        return self.function(x)


def hardware_values(model: nn.Module, x: torch.Tensor, **options: object) -> list[torch.Tensor]:
    """What the design computes of `x`, by its reference."""
    compiled = torch2hw.compile(model, (x,), **options).compiled
    answers = references(compiled, [[from_torch(x)]])[0]
    return [to_torch(array, info.dtype) for array, info in zip(answers, compiled.imported.outputs, strict=True)]


DIVISIONS = {
    "floats by numbers": lambda x: tuple((x.float() / c).floor() for c in (41, 47, 55, 61, 82, 83, 94, 97)),
    "equal to 1": lambda x: tuple(x.float() / c == 1 for c in (41, 47, 55, 61, 82, 83, 94, 97)),
    "integers by numbers": lambda x: tuple((x / c).to(torch.int64) for c in (41, 47, 55, 61, 82, 83, 94, 97)),
    "whole means": lambda x: (x.float().unsqueeze(-1).expand(-1, 41).mean(-1).floor(),),
    "truncated": lambda x: (torch.div(x, 41, rounding_mode="trunc"), torch.div(x.float(), 41, rounding_mode="floor")),
    "places by scale": lambda x: (torch.arange(401)[(x.abs() / 41 * 41).long()], (x.float() * 3 / 3).round().int()),
}
POWERS = {
    "whole powers": lambda x: tuple((x.float().clamp(-9, 9) ** n).to(torch.int64) for n in (2, 3, 5, 7)),
    "roots of squares": lambda x: (((x * x).float() ** 0.5).int(), torch.linalg.vector_norm(x.float()[:, None], dim=1)),
    "powers of two": lambda x: (torch.pow(2.0, x.float().clamp(-60, 60)), torch.exp2(x.float().clamp(-60, 60))),
    "logarithms": lambda x: (torch.log2(torch.pow(2.0, x.float().clamp(-60, 60))).floor().int(),),
}
SUMS = {
    "sums": lambda x: (x.sum(), x.cumsum(0), x.float().sum().int(), x.float().cumsum(0).int()),
    "products": lambda x: (x.float() @ x.float(), (x[:, None] * x[None, :9].to(torch.int32)).sum(0)),
    "counts": lambda x: ((x > 3).sum(), (x > 3).float().mean() == 197 / 401, x.bool().any()),
}


OPTIONS: list[dict[str, object]] = [{}, {"partition": 3}, {"schedule": "sequential"}, {"subnormals": "keep"}]
SLICE = {("floats by numbers", 1), ("truncated", 2), ("whole means", 3), ("integers by numbers", 1)}


def mark(name: str, number: int) -> pytest.MarkDecorator | tuple[()]:
    """Without options in the fast group; of the others a slice, and the rest by hand."""
    return () if number == 0 else pytest.mark.slow if (name, number) in SLICE else pytest.mark.long


@pytest.mark.parametrize(
    ("name", "options"),
    [
        pytest.param(name, options, marks=mark(name, number), id=f"{name}-{number}")
        for name in DIVISIONS
        for number, options in enumerate(OPTIONS)
    ],
)
def test_divisions(name: str, options: dict[str, object]) -> None:
    model = Computed(DIVISIONS[name])
    for got, expected in zip(hardware_values(model, WHOLE, **options), model(WHOLE), strict=True):  # type: ignore[call-overload]
        torch.testing.assert_close(got, expected, rtol=0, atol=0, check_dtype=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*POWERS, *SUMS])
def test_powers_and_sums(name: str) -> None:
    model = Computed((POWERS | SUMS)[name])
    for got, expected in zip(hardware_values(model, WHOLE, partition=2), model(WHOLE), strict=True):  # type: ignore[call-overload]
        torch.testing.assert_close(got, expected, rtol=0, atol=0, check_dtype=False)


@pytest.mark.slow
def test_fast_math_allows_the_product() -> None:
    model, x = Computed(lambda x: x / 41), torch.arange(100).float()
    exact, fast = (torch2hw.compile(model, (x,), fast_math=wanted).compiled for wanted in (False, True))
    assert "divide_by" in exact.verilog() and "divide_by" not in fast.verilog()
    assert (hardware_values(model, x, fast_math=True)[0] != x / 41).any()


@pytest.mark.simulation
@pytest.mark.parametrize("subnormals", ["flush", "keep"])
def test_divisions_in_hardware(subnormals: str) -> None:
    model = Computed(lambda x: ((x / 41).floor(), x / -3e-39, x / 3e38, x / 7))
    x = torch.cat([torch.arange(200).float(), torch.tensor([1e-38, 3e38, float("inf"), float("nan"), -0.0, 1e-45])])
    result = torch2hw.compile(model, (x,), subnormals=subnormals).simulate(x, runs=2)
    result.check()
    assert torch.equal(result.outputs[0][:200], (x / 41).floor()[:200])
