"""Accuracy on real data: the handwritten digits of scikit-learn, 8 by 8 pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from torch2hw.analysis.stored_arrays import from_torch
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import Sources
from torch2hw.sim.check import references

BATCH, TESTED = 90, 450
LOST_POINTS = 0.5


def digits() -> tuple[Tensor, Tensor]:
    """Pixels from 0 to 1 and classes, in an order of their own."""
    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.target))
    return torch.tensor(found.data[order] / 16, dtype=torch.float32), torch.tensor(found.target[order])


def trained(model: nn.Module, x: Tensor, y: Tensor, epochs: int) -> nn.Module:
    """The model after some epochs with Adam."""
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for start in range(0, len(x), 64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x[start : start + 64]), y[start : start + 64]).backward()
            optimiser.step()
    return model.eval()


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def answers(design: Any, x: Tensor) -> Tensor:
    """The classes that the design's reference finds."""
    codes = design.imported.inputs[0].codes
    quantised = torch.clamp(torch.round(x / codes.scale) + codes.zero_point, -128, 127).to(torch.int8)
    sets = [[from_torch(part)] for part in quantised.split(BATCH)]
    return torch.cat([torch.from_numpy(each[0]).argmax(1) for each in references(design, sets)])


@pytest.mark.slow
def test_digits(tmp_path: Path) -> None:
    torch.manual_seed(0)
    x, y = digits()
    model = trained(mlp(), x[:-TESTED], y[:-TESTED], 30)
    np.savez(tmp_path / "data.npz", input=x[:360].numpy())
    loaded = LoadedModel(model, (x[:BATCH],), "digits.py", "digits", Sources(tmp_path, tmp_path))
    options = Options(quantize="int8", calibrate=str(tmp_path / "data.npz"), partition=2)
    found = answers(compile_model(loaded, options), x[-TESTED:])
    right = [float((each == y[-TESTED:]).float().mean()) * 100 for each in (model(x[-TESTED:]).argmax(1), found)]
    assert right[0] > 95 and right[1] >= right[0] - LOST_POINTS, right
