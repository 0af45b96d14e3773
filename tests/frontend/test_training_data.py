"""What `--data` may hold: batches wrap around; other arrays are refused, and how to write the file is said."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import Sources
from torch2hw.frontend.losses import loss_named
from torch2hw.frontend.optimizers import Adam, Sgd, optimizer_named
from torch2hw.frontend.refusals import UntrainableModel
from torch2hw.frontend.training_data import read_batches
from torch2hw.frontend.training_step import TrainingStep, training_step
from torch2hw.tools.errors import Torch2HWError, UsageError

X = np.arange(15, dtype=np.float64).reshape(5, 3)


@cache
def step_of(loss: str, model: nn.Module | None = None) -> TrainingStep:
    """A training step on batches of two rows of three numbers, with four outputs."""
    x = torch.randn(2, 3)
    loaded = LoadedModel(model or nn.Linear(3, 4), (x,), "net.py", "net", Sources(Path(), Path()))
    return training_step(loaded, loss_named(loss), optimizer_named("sgd"))


def test_batches_wrap(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=X, y=np.arange(5) % 4)
    batches = read_batches(tmp_path / "d.npz", step_of("cross_entropy"), 4)
    assert [batch[1].tolist() for batch in batches] == [[0, 1], [2, 3], [0, 0], [1, 2]]
    assert batches[2][0].tolist() == [X[4].tolist(), X[0].tolist()] and batches[0][0].dtype == torch.float32


@pytest.mark.parametrize(
    ("loss", "arrays", "what"),
    [
        ("mse", {"x": X}, "no array y"),
        ("mse", {"z": X}, "no array x and no array y"),
        ("mse", {"x": X, "z": X}, "no array y\n  why: it holds x, z\n"),
        ("cross_entropy", {"x": X[:, :2], "y": np.zeros(5)}, r"x has shape \(5, 2\)[\s\S]*y is float64"),
        ("mse", {"x": X, "y": np.zeros((5, 3))}, r"y has shape \(5, 3\), \(rows, 4\) is wanted"),
        ("mse", {"x": X[:, :2], "y": np.zeros((5, 4))}, r"x has shape \(5, 2\), \(rows, 3\) is wanted"),
        ("mse", {"x": X, "y": np.zeros((4, 4))}, "not as many rows in each array"),
        ("cross_entropy", {"x": X, "y": np.zeros(5)}, "y is float64, int64 is wanted"),
        ("cross_entropy", {"x": X, "y": np.arange(5)}, "y holds the class 4"),
        ("cross_entropy", {"x": X, "y": -np.ones(5, np.int64)}, "y holds the class -1"),
        ("cross_entropy", {"x": X, "y": np.zeros((5, 1), np.int64)}, r"y has shape \(5, 1\), \(rows,\) is wanted"),
    ],
)
def test_other_data_are_refused(tmp_path: Path, loss: str, arrays: dict[str, Any], what: str) -> None:
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(Torch2HWError) as caught:
        read_batches(tmp_path / "d.npz", step_of(loss), 1)
    assert re.search(what, str(caught.value))
    assert caught.value.exit_status == 2


def test_optimizers_by_name() -> None:
    assert optimizer_named("sgd") == Sgd(1e-3, 0.0) and optimizer_named("sgd:0.5,0.9") == Sgd(0.5, 0.9)
    assert optimizer_named("adam:0.1,0.8,0.9,1e-5") == Adam(0.1, 0.8, 0.9, 1e-5) and optimizer_named("adam") == Adam()
    for text in ("adagrad", "sgd:", "sgd:x", "sgd:1,2,3", "adam:0.1,0.9", "adam:0.1,1,0.9", "sgd:-1", "sgd:nan"):
        with pytest.raises(UsageError, match=f"--optimizer {text}: "):
            optimizer_named(text)


class Two(nn.Linear):
    def forward(self, x: torch.Tensor) -> Any:
        return super().forward(x), x


class Detached(nn.Linear):
    def forward(self, x: torch.Tensor) -> Any:
        return super().forward(x).detach()


@pytest.mark.parametrize(
    ("model", "loss", "what"),
    [
        (Two(3, 4), "mse", "the model returns a tuple"),
        (Detached(3, 4), "mse", "the output does not depend on the parameters"),
        (nn.Sequential(nn.Linear(3, 1)), "cross_entropy", r"the model's output has shape \(2, 1\)"),
        (nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.1)), "mse", r"layer 1 \(Dropout\) draws random numbers"),
        (nn.Linear(3, 4).requires_grad_(False), "mse", "no parameters to train"),
    ],
)
def test_other_models_are_refused(model: nn.Module, loss: str, what: str) -> None:
    with pytest.raises(UntrainableModel, match=what):
        step_of(loss, model)
