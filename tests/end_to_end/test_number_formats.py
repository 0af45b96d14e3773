"""Models in bf16 and f16: bits, cycles and the distance to PyTorch, with both schedules."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import torch2hw
from torch2hw.tools.errors import CheckError


class Block(nn.Module):
    """Attention, normalisation, a residual sum and functions."""

    def __init__(self, width: int = 12, heads: int = 2) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attend(x, x, x, need_weights=False)[0]
        result: torch.Tensor = x + self.down(nn.functional.gelu(self.up(self.norm(x))))
        return result


class Images(nn.Module):
    """Padding, pooling and flattening; the second output is integers."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 3, 3)
        self.norm, self.head = nn.BatchNorm2d(4), nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.relu(self.norm(self.one(x)))
        x = nn.functional.max_pool2d(self.two(x), 2)
        logits = self.head(x.flatten(1))
        return logits, logits.argmax(-1)


MODELS: dict[str, tuple[type[nn.Module], tuple[int, ...]]] = {
    "block": (Block, (1, 7, 12)),
    "images": (Images, (1, 2, 7, 7)),
}


def made(name: str) -> tuple[nn.Module, torch.Tensor]:
    kind, shape = MODELS[name]
    torch.manual_seed(0)
    return kind(), torch.randn(shape)


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("dtype", ["bf16", "f16"])
@pytest.mark.parametrize(
    ("name", "partition"), [pytest.param("block", 1, marks=pytest.mark.long), ("block", 3), ("images", 2)]
)
def test_simulation(name: str, partition: int, dtype: str) -> None:
    model, x = made(name)
    result = torch2hw.compile(model, (x,), partition=partition, dtype=dtype).simulate(x, runs=2)
    result.check()
    assert result.comparison.torch.pcc is not None
    assert result.comparison.torch.pcc > (0.999 if dtype == "bf16" else 0.99999)


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("dtype", ["bf16", "f16"])
def test_the_sequential_schedule(dtype: str) -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
    torch2hw.compile(model, (torch.randn(2, 6),), schedule="sequential", dtype=dtype).simulate(runs=2).check()


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_a_model_of_that_type(kind: torch.dtype) -> None:
    model, x = made("images")
    torch2hw.compile(model.to(kind), (x.to(kind),), partition=2).simulate(runs=2).check()


class Doubled(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> Any:
        return 1.2 * self.model(x)


@pytest.mark.slow
@pytest.mark.simulation
def test_rounding_does_not_explain_another_function() -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.Tanh())
    design = torch2hw.compile(model, (torch.randn(2, 6),), dtype="bf16")
    object.__setattr__(design.compiled.loaded, "model", Doubled(design.compiled.loaded.model))
    with pytest.raises(CheckError, match="something else than PyTorch"):
        design.simulate().check()
