"""simplify-arithmetic: what it writes in another way has PyTorch's values."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from torch2hw.analysis.reference import Reference
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import Sources


class Powers(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(x**n for n in range(10)) + tuple((x * 0 + 4) ** -n for n in range(1, 6))


class Quotients(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(x / c for c in (3, -6, 0.75, 0.1, 7, 2, -0.25)) + (2 - x, x - 2, -x - 1)


@pytest.mark.parametrize("model", [Powers(), Quotients()], ids=["powers", "quotients"])
def test_values(model: nn.Module) -> None:
    x = torch.arange(-5.0, 6.0)
    loaded = LoadedModel(model, (x,), __file__, "top", Sources(Path(), Path()))
    program = compile_model(loaded, Options(), stop_at="affine").at("affine")
    for got, wanted in zip(Reference(program.text()).run([x.numpy()]), model(x), strict=True):
        torch.testing.assert_close(torch.from_numpy(got.view("float32")), wanted, rtol=0, atol=0)
