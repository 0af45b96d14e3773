"""`--keep-state`: models that keep tensors in attributes and buffers compute what they do in PyTorch."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from torch2hw.analysis.stored_arrays import from_torch
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import Sources
from torch2hw.sim.check import references


class Cache(nn.Module):
    """Keys that are written in place, one a run, at a place that counts up."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("keys", torch.zeros(4, 2))
        self.register_buffer("at", torch.zeros(1, dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        self.keys.index_copy_(0, self.at, x)  # type: ignore[operator]
        self.at.add_(1)  # type: ignore[operator]
        result: Tensor = self.keys.sum(0) + x  # type: ignore[operator]
        return result


class Moved(nn.Module):
    """Old values that are needed for two new ones, and at other places than their own."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = torch.zeros(2), torch.ones(2)
        self.line, self.square = torch.zeros(3, 2), torch.arange(4.0).reshape(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        self.a, self.b = self.b, self.a + x
        self.line = torch.cat([self.line[1:], x.unsqueeze(0)])
        self.square = self.square.T.flip(0) + 0 * x
        return self.a * 3 + self.line.sum(0) + self.square[0]


@pytest.mark.parametrize("model", [Cache(), Moved()], ids=lambda model: type(model).__name__)
def test_runs_are_pytorchs(model: nn.Module) -> None:
    x = torch.randn(1, 2) if isinstance(model, Cache) else torch.randn(2)
    loaded = LoadedModel(model, (x,), "net.py", "net", Sources(Path(), Path()))
    compiled = compile_model(loaded, Options(keep_state=True), stop_at="scheduled")
    own = copy.deepcopy(compiled.loaded.oracle)
    assert own is not None
    inputs = [torch.randn_like(x) for _ in range(4)]
    for found, given in zip(references(compiled, [[from_torch(each)] for each in inputs]), inputs, strict=True):
        expected = own(given)  # the output, then the state, which it keeps
        for ours, theirs in zip(found, [*expected], strict=True):
            np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-6, atol=1e-6)
