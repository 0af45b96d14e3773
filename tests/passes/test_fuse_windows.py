"""fuse-windows: sums over windows that do not overlap are made with what they add; values stay PyTorch's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from torch2hw.analysis.reference import Reference
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.dialects.quasi_affine import Variable, variable
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import Sources
from torch2hw.passes.fuse_windows import injective


def test_windows_that_share_an_element() -> None:
    place, inside = Variable("place", 3), Variable("inside", 3)
    shared = [injective(variable(place) * step + variable(inside), [place, inside]) for step in (1, 2, 3, 4)]
    assert shared == [False, False, True, True]


class Pooled(nn.Module):
    """Sums of whole numbers, exact in any order."""

    def __init__(self, window: int, step: int, **options: Any) -> None:
        super().__init__()
        self.made = nn.Conv1d(2, 3, 3)
        self.pool = nn.AvgPool1d(window, step, **options)
        with torch.no_grad():
            self.made.weight.copy_(torch.arange(-9.0, 9.0).reshape(3, 2, 3))
            self.made.bias.copy_(torch.tensor([1.0, 2.0, -4.0]))  # type: ignore[union-attr]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.pool(self.made(x))
        return found


@pytest.mark.parametrize(("window", "step", "kernels"), [(2, 2, 1), (4, 4, 1), (4, 2, 2)])
def test_values(window: int, step: int, kernels: int) -> None:
    model = Pooled(window, step).eval()
    x = (torch.arange(20) % 7 - 3.0).reshape(1, 2, 10)
    loaded = LoadedModel(model, (x,), __file__, "top", Sources(Path(), Path()))
    program = compile_model(loaded, Options(), stop_at="affine").at("affine")
    assert len(program.kernels) == kernels
    (got,) = Reference(program.text()).run([x.numpy()])
    torch.testing.assert_close(torch.from_numpy(got.view("float32")), model(x).detach(), rtol=0, atol=0)
