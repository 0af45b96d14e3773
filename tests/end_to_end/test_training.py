"""`torch2hw train`: a training step in hardware, its parameters in memories that keep them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from torch2hw.analysis.stored_arrays import from_torch
from torch2hw.cli import main
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import Sources
from torch2hw.frontend.losses import loss_named
from torch2hw.frontend.optimizers import optimizer_named
from torch2hw.frontend.training_step import TrainingStep, training_step
from torch2hw.sim.check import references
from torch2hw.sim.training import Trained, train

MLP = """\
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
example_inputs = torch.randn(3, 3)
"""


def step_of(model: nn.Module, x: torch.Tensor, loss: str, optimizer: str) -> TrainingStep:
    """The training step of a model."""
    loaded = LoadedModel(model.eval(), (x,), "net.py", "net", Sources(Path(), Path()))
    return training_step(loaded, loss_named(loss), optimizer_named(optimizer))


def on_the_reference(step: TrainingStep, batches: list[list[torch.Tensor]], partition: int) -> Trained:
    """What the design computes, by its reference on the CPU."""
    compiled = compile_model(step.loaded, Options(partition=partition), stop_at="scheduled")
    sets = [[from_torch(tensor) for tensor in batch] for batch in batches]
    answers = references(compiled, sets)
    count = len(step.parameters)
    return Trained(
        [float(row[0]) for row in answers],
        [[each.astype(np.float64) for each in row[1 : 1 + count]] for row in answers],
    )


@pytest.mark.slow
@pytest.mark.simulation
def test_a_training_run_in_simulation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Forward, backward and Adam's update: bit-exact in every loss and state, and PyTorch's numbers."""
    (tmp_path / "net.py").write_text(MLP)
    random = np.random.default_rng(0)
    data, out = tmp_path / "data.npz", tmp_path / "net.sv"
    np.savez(data, x=random.standard_normal((7, 3)).astype(np.float32), y=random.integers(0, 2, 7))
    options = ["--loss", "cross_entropy", "--optimizer", "adam:0.01", "--partition", "2", "--json", "-o", str(out)]
    assert main(["train", str(tmp_path / "net.py"), *options, "--steps", "3", "--data", str(data)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["bit_exact"] and told["steps"] == 3
    np.testing.assert_allclose(told["losses"], told["torch_losses"], rtol=1e-6)
    assert told["max_param_rel_err"] < 1e-6
    manifest = json.loads(out.with_suffix(".json").read_text())
    assert told["cycles_per_step"] == manifest["latency_cycles"]
    names = [state["name"] for state in manifest["state"]]
    assert names[:4] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert names[4:6] == ["optimizer.step", "optimizer.0.weight.exp_avg"]
    assert manifest["state"][0]["shape"] == [5, 3]
    assert [manifest["inputs"][k]["name"] for k in range(2)] == ["input_1", "y"]


@pytest.mark.parametrize(
    ("loss", "optimizer", "partition"),
    [("mse", "sgd:0.1", 1), ("cross_entropy", "sgd:0.1,0.9", 2), ("mse", "adam:0.01,0.8,0.99,1e-6", 4)],
)
def test_losses_and_optimizers(loss: str, optimizer: str, partition: int) -> None:
    torch.manual_seed(0)
    step = step_of(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)), torch.randn(2, 3), loss, optimizer)
    targets = [torch.randn(2, 3) if loss == "mse" else torch.randint(0, 3, (2,)) for _ in range(4)]
    batches = [[torch.randn(2, 3), target] for target in targets]
    ours, theirs = on_the_reference(step, batches, partition), train(step, batches)
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=1e-6)
    assert ours.distance(theirs) < 1e-6


def test_a_convolutional_network() -> None:
    """Gradients of convolutions of both kinds, two norms, pooling of all kinds, a smooth rectifier."""
    torch.manual_seed(0)
    layers = (nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.SiLU(), nn.MaxPool2d(2), nn.AvgPool2d(2, 1))
    layers += (nn.ConvTranspose2d(2, 2, 2, stride=2), nn.LocalResponseNorm(2), nn.AdaptiveMaxPool2d((3, 2)))
    x = torch.randn(2, 1, 8, 8)
    step = step_of(nn.Sequential(*layers, nn.Flatten(), nn.Linear(12, 3)), x, "cross_entropy", "sgd:0.1")
    assert step.buffers == ("1.running_mean", "1.running_var", "1.num_batches_tracked")
    batches = [[torch.randn_like(x), torch.randint(0, 3, (2,))] for _ in range(3)]
    ours, theirs = on_the_reference(step, batches, 2), train(step, batches)
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=1e-5)
    assert ours.distance(theirs) < 1e-5
