"""simulate --dataset: rows of a file are runs, classes are compared; --calibrate reads the same files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from torch2hw.cli import main
from torch2hw.sim.top1 import top1
from torch2hw.tools.errors import UsageError

MODEL = """
import torch
from torch import nn
model = nn.Linear(3, 4, bias=False)
with torch.no_grad():
    model.weight.copy_(torch.eye(4, 3))
example_inputs = (torch.rand(2, 3),)
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, Path]:
    (tmp_path / "model.py").write_text(MODEL)
    rows = np.eye(3, dtype=np.float32)[[2, 0, 1, 1, 0]]
    np.savez(tmp_path / "data.npz", input=rows, y=np.array([2, 0, 1, 0, 0]))
    return str(tmp_path / "model.py"), tmp_path / "data.npz"


@pytest.mark.simulation
def test_rows_are_runs_and_classes_are_counted(files: tuple[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    model, data = files
    assert main(["simulate", model, "--dataset", str(data), "--labels", "y", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["top1"] == {"rows": 4, "agreement": 4, "hardware": 3, "torch": 3}, "two rows a run, one row is left"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--labels", "y"], "--labels without --dataset"),
        (["--dataset", "data.npz", "--runs", "2"], "--dataset with --runs"),
        (["--dataset", "none.npz"], "--dataset none.npz: cannot be read"),
        (["--dataset", "data.npz", "--labels", "z"], "--dataset data.npz: holds no z"),
        (["--dataset", "data.npz"], "--dataset data.npz: holds input, y, the inputs are input"),
    ],
)
def test_wrong_files_and_options(
    files: tuple[str, Path],
    words: list[str],
    what: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(files[1].parent)
    assert main(["simulate", files[0], *words]) == 2
    assert capsys.readouterr().err.startswith(f"error[usage]: {what}")


def test_classes_differ_where_scores_do() -> None:
    ours, theirs = np.float32([[1, 2], [4, 3]]), np.float32([[1, 2], [3, 4]])
    found = top1([ours], [theirs], "f32", [1, 1])
    assert (found.rows, found.agreement, found.hardware, found.torch) == (2, 1, 1, 2)
    with pytest.raises(UsageError, match="1 labels for 2 rows"):
        top1([ours], [theirs], "f32", [1])
