"""What rounding explains of a distance to PyTorch, and what it does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

import torch2hw
from torch2hw.analysis.stored_arrays import Array, from_torch
from torch2hw.compiler.options import Options
from torch2hw.sim import pytorch
from torch2hw.sim.check import references
from torch2hw.sim.explained import Unexplained, unexplained
from torch2hw.tools.errors import CheckError

RANDOM = torch.Generator().manual_seed(1)
WHOLE, ORDINARY = torch.arange(-60, 61), torch.randn(6, 20, generator=RANDOM)
TIES = torch.randn(6, 20, generator=RANDOM).round()


class Computed(nn.Module):
    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> object:
        return self.function(x)


def of(model: nn.Module, x: torch.Tensor, hardware: list[Array], options: Options | None = None) -> Unexplained | None:
    expected = [from_torch(each) for each in pytorch.run(model, (x,))]
    kinds = [{"f": "f32", "b": "i1"}.get(each.dtype.kind, f"i{each.dtype.itemsize * 8}") for each in expected]
    names = [f"out{k}" for k in range(len(expected))]
    return unexplained(model, (x,), names, kinds, expected, hardware, options or Options())


def computed(function: Callable[..., object], x: torch.Tensor) -> list[Array]:
    return [from_torch(each) for each in pytorch.run(Computed(function), (x,))]


REWRITTEN = {
    "floor": (lambda x: (x / 41).floor(), lambda x: (x * (1 / 41)).floor()),
    "equal": (lambda x: x / 41 == 1, lambda x: x * (1 / 41) == 1),
    "indices": (lambda x: (x / 41).to(torch.int64), lambda x: (x * (1 / 41)).to(torch.int64)),
    "a sum of whole numbers": (lambda x: x.sum(), lambda x: x.sum() + 1),
    "a place": (lambda x: x.argmax(), lambda x: x.argmax() - 1),
    "a function of whole numbers": (lambda x: torch.exp(x - x).int(), lambda x: (torch.exp(x - x) * 0.9999999).int()),
    "a mean": (lambda x: x.mean(), lambda x: x.mean() * 1.01 + 0.01),
    "a place in a sequence": (
        lambda x: torch.searchsorted(x, x[1:] - 0.5),
        lambda x: torch.searchsorted(x, x[1:] - 0.5, right=True) + 1,
    ),
    "state": (lambda x: x * 0.9, lambda x: x * 0.9 + 0.1 * x),
}


@pytest.mark.parametrize("name", list(REWRITTEN))
def test_what_rounding_does_not_explain(name: str) -> None:
    right, wrong = REWRITTEN[name]
    x = WHOLE.float()
    assert of(Computed(right), x, computed(right, x)) is None
    assert of(Computed(right), x, computed(wrong, x)) is not None


def test_an_allowed_rewrite_explains_it() -> None:
    right, wrong = REWRITTEN["floor"]
    assert of(Computed(right), WHOLE.float(), computed(wrong, WHOLE.float()), Options(fast_math=True)) is None


FAR = torch.tensor([1e30, float("nan"), -1e30, 2.5])
EXPLAINED = {
    "another order": (lambda x: x.sum(-1), lambda x: x.flip(-1).cumsum(-1)[:, -1], ORDINARY),
    "cancelling": (
        lambda x: (x - x.mean(-1, True)).sum(-1),
        lambda x: (x - x.mean(-1, True)).flip(-1).sum(-1),
        ORDINARY,
    ),
    "a function's last bits": (lambda x: torch.exp(x).sqrt(), lambda x: torch.exp(x).sqrt() * (1 + 2e-7), ORDINARY),
    "which of equals": (lambda x: torch.topk(x, 3)[1], lambda x: 19 - torch.topk(x.flip(-1), 3)[1], TIES),
    "no number as an integer": (
        lambda x: x.int(),
        lambda x: x.nan_to_num(0).clamp(-(2.0**31), 2147483520.0).int(),
        FAR,
    ),
    "a subnormal constant": (lambda x: x == torch.tensor([1e-45, 1.0]), lambda x: x < 2, torch.tensor([0.0, 1.0])),
    "a sequence that is not sorted": (
        lambda x: torch.searchsorted(x, x),
        lambda x: torch.searchsorted(x, x) * 0,
        torch.tensor([5.0, 1.0, 3.0]),
    ),
    "a subnormal": (lambda x: x * 1e-20 > 0, lambda x: x > 1, torch.tensor([1e-19, 2.0, -1.0])),
}


@pytest.mark.parametrize("name", list(EXPLAINED))
def test_what_rounding_explains(name: str) -> None:
    ours, theirs, x = EXPLAINED[name]
    assert of(Computed(ours), x, computed(theirs, x)) is None
    assert not np.array_equal(computed(ours, x)[0], computed(theirs, x)[0], equal_nan=True) or name == "cancelling"


def test_what_the_format_cannot_hold_explains_infinities() -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        return (x * x).sum(-1).rsqrt()

    large = torch.tensor([[1000.0, 3.0], [200.0, 3.0]])
    wrong = computed(lambda x: model(x) * torch.tensor([0.0, 1.0]), large)
    assert of(Computed(model), large, wrong) is not None
    assert of(Computed(model), large, wrong, Options(dtype="f16")) is None
    everywhere = computed(lambda x: model(x) * 0, large)
    assert of(Computed(model), large, everywhere, Options(dtype="bf16")) is not None


DESIGNS = {
    "places": (lambda x: (x.argmax(-1), x.topk(3)[1], x.sort(stable=True)[1], x.argmin(0)), TIES),
    "comparisons": (
        lambda x: (torch.softmax(x, -1) > 0.05, x.tanh() < x.sin(), (x * 3).round().int(), x.sign()),
        ORDINARY,
    ),
    "counts": (lambda x: ((x > x.mean()).sum(), (x.exp() * 10).floor(), torch.bucketize(x, x[0].sort()[0])), ORDINARY),
    "whole numbers": (lambda x: (x.cumsum(0), x % 7, x // 5, x * x, (x > 3).sum(), x.float().mean()), WHOLE),
    "norms": (lambda x: (nn.functional.layer_norm(x, (20,)), nn.functional.normalize(x), x.var(-1), x.std()), ORDINARY),
}


@pytest.mark.parametrize("name", list(DESIGNS))
def test_designs_stay_with_pytorch(name: str) -> None:
    function, x = DESIGNS[name]
    compiled = torch2hw.compile(Computed(function), (x,)).compiled
    assert of(Computed(function), x, references(compiled, [[from_torch(x)]])[0]) is None


class Global(nn.Module):
    """Keeps state where it cannot be seen, from the third run on."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if len(CALLS) < 12 else x * 3


CALLS: list[int] = []


@pytest.mark.simulation
def test_state_that_shows_late_ends_a_simulation() -> None:
    design = torch2hw.compile(Global(), (ORDINARY,))
    design.simulate().check()
    CALLS.extend(range(12))
    with pytest.raises(CheckError, match="computes something else than PyTorch"):
        design.simulate(runs=2).check()
