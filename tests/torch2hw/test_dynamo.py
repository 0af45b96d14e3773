"""torch.compile with our backend: what runs where, and that results and gradients are PyTorch's."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

import pytest
import torch
from torch import nn

from torch2hw import dynamo
from torch2hw.tools.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    torch._dynamo.reset()
    dynamo.reset()
    torch.manual_seed(1)
    yield
    torch._dynamo.reset()


def compiled(model: nn.Module, **options: Any) -> Any:
    return torch.compile(model, backend=dynamo.backend, options=options)


class Spectrum(nn.Module):
    """An operation that has no hardware, in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv1d(1, 2, 3), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = torch.relu(self.first(x)).flatten(1)
        scores: torch.Tensor = self.last(torch.fft.fft(rows).real)
        return scores.softmax(-1)


def test_the_name_is_registered() -> None:
    assert "torch2hw" in {each.name for each in entry_points(group="torch_dynamo_backends")}


@pytest.mark.slow
def test_what_has_no_hardware_stays_in_pytorch() -> None:
    model, x = Spectrum().eval(), torch.randn(2, 1, 6)
    run = compiled(model, partition=2)
    with torch.no_grad():
        torch.testing.assert_close(run(x), model(x))
        parts = dynamo.last_report().parts
        assert [(part.where, part.operations) for part in parts] == [
            ("torch2hw", ("conv1d", "relu", "flatten")),
            ("torch2hw", ("linear", "softmax")),
            ("pytorch", ("fft_fft", "getattr")),
        ]
        assert all(part.runs == 1 for part in parts)
        assert all(part.cycles == part.design.manifest["latency_cycles"] for part in parts[:2])
        assert [port["name"] for port in parts[0].design.manifest["inputs"]] != []
        run(torch.randn(3, 1, 6))
        designs = [part.design.compiled for part in parts[:2]]
        torch.testing.assert_close(run(x), model(x))
        again = dynamo.last_report().parts
        assert [part.design.compiled for part in again[:2]] == designs, "each size is compiled once"
        model.last.bias.add_(1.0)
        model.last.weight[0].zero_()
        torch.testing.assert_close(run(x), model(x))
        assert {len(part.design.manifest["inputs"]) for part in again[:2]} == {1, 3}, "changed parameters are inputs"


class Dropped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.drop, self.last = nn.Linear(4, 6), nn.Dropout(0.5), nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.last(self.drop(torch.tanh(self.first(x))))
        return result


def gradients(model: nn.Module, run: Any, x: torch.Tensor) -> list[torch.Tensor]:
    model.zero_grad()
    torch.manual_seed(3)
    run(x).square().mean().backward()
    return [each.grad.clone() for each in model.parameters() if each.grad is not None]


@pytest.mark.slow
def test_training_steps_are_those_of_pytorch() -> None:
    model, x = Dropped().train(), torch.randn(8, 4)
    run = compiled(model)
    expected = gradients(model, model, x)
    for got, wanted in zip(gradients(model, run, x), expected, strict=True):
        torch.testing.assert_close(got, wanted)
    roles = {report.role: report for report in dynamo.reports()}
    assert set(roles) == {"forward", "backward"}
    for report in roles.values():
        assert {part.where for part in report.parts} == {"torch2hw", "pytorch"}


@pytest.mark.slow
def test_what_changes_a_tensor_stays_in_pytorch_and_equal_graphs_have_their_own_constants() -> None:
    x = torch.randn(6, 3)
    model = nn.Sequential(nn.BatchNorm1d(3), nn.ReLU()).train()
    other = nn.Sequential(nn.BatchNorm1d(3), nn.ReLU()).train()
    with torch.no_grad():
        torch.testing.assert_close(compiled(model)(x), other(x))
        assert {part.where for part in dynamo.last_report().parts} == {"torch2hw", "pytorch"}
    run = compiled(model)
    for each in (run, other):
        each(x).square().sum().backward()
    for got, wanted in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(got.grad, wanted.grad)
    torch.testing.assert_close(model.state_dict(), other.state_dict())
    for _ in range(2):
        layer = nn.Linear(3, 2).eval()
        with torch.no_grad():
            torch.testing.assert_close(compiled(layer)(x), layer(x))


@pytest.mark.slow
def test_an_encoder_layer_runs_whole() -> None:
    """Without gradients, PyTorch makes one operation of it."""
    model, x = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True).eval(), torch.randn(1, 3, 4)
    with torch.no_grad():
        torch.testing.assert_close(compiled(model, partition=2)(x), model(x))
    assert [part.where for part in dynamo.last_report().parts] == ["torch2hw"]


def test_wrong_options_are_refused() -> None:
    graph = torch.fx.symbolic_trace(nn.ReLU())
    with pytest.raises(UsageError, match="mode 'hardware'"):
        dynamo.backend(graph, [], options={"mode": "hardware"})
    with pytest.raises(UsageError):
        dynamo.backend(graph, [], options={"lanes": 4})


@pytest.mark.simulation
def test_simulated_bits_are_the_references() -> None:
    model, x = nn.Sequential(nn.Linear(5, 3), nn.GELU()).eval(), torch.randn(2, 5)
    with torch.no_grad():
        reference = compiled(model)(x)
        torch._dynamo.reset()
        assert torch.equal(compiled(model, mode="simulate")(x), reference)
