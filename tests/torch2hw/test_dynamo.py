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


def test_designs_keep_to_the_order_of_changes_in_place() -> None:
    def changing(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        before = x + 1
        rows = x.view(-1)
        rows.mul_(2.0)
        return before, x + 1

    x, y = (torch.arange(6.0).reshape(2, 3) for _ in range(2))
    results = dynamo.backend(torch.fx.symbolic_trace(changing), [x])(x)
    for got, wanted in zip((*results, x), (*changing(y), y), strict=True):
        assert torch.equal(got, wanted)
    parts = [(part.where, part.operations) for part in dynamo.last_report().parts]
    assert parts == [("torch2hw", ("add",)), ("torch2hw", ("add",)), ("pytorch", ("view", "mul_"))]


def test_a_view_that_is_a_result_stays_one() -> None:
    def rows(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x.view(-1), x * 2

    x = torch.ones(2, 3)
    view, double = dynamo.backend(torch.fx.symbolic_trace(rows), [x])(x)
    view[0] = 5.0
    assert x[0, 0] == 5 and torch.equal(double, torch.full((2, 3), 2.0))


@pytest.mark.slow
def test_an_optimizers_step_is_that_of_pytorch() -> None:
    """Dynamo leaves parameters and the optimizer's state in the graph, which changes them in place."""

    def trained(run: Any) -> torch.Tensor:
        torch.manual_seed(2)
        weights = nn.Parameter(torch.ones(3))
        optimizer = torch.optim.SGD([weights], lr=0.1, momentum=0.9, weight_decay=0.5)
        step = optimizer.step if run is None else torch.compile(optimizer.step, backend=run)
        for _ in range(2):
            weights.grad = torch.randn(3)
            step()
        return weights.detach()

    torch.testing.assert_close(trained(dynamo.backend), trained(None))
    assert {part.where for report in dynamo.reports() for part in report.parts} == {"torch2hw", "pytorch"}


class Attention(nn.Module):
    """Written out, with an operation that has no hardware, between two breaks of the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.keys, self.last = nn.Linear(2, 6), nn.Linear(2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.keys(x).chunk(3, -1)
        heard = (q @ k.transpose(-1, -2) / 2**0.5).softmax(-1) @ v
        torch._dynamo.graph_break()
        heard = torch.fft.fft(heard).real
        torch._dynamo.graph_break()
        scores: torch.Tensor = self.last(heard)
        return scores


@pytest.mark.simulation
def test_simulated_bits_are_the_references() -> None:
    model, x = Attention().eval(), torch.randn(1, 3, 2)
    with torch.no_grad():
        reference = compiled(model, partition=2)(x)
        torch.testing.assert_close(reference, model(x))
        torch._dynamo.reset()
        dynamo.reset()
        assert torch.equal(compiled(model, partition=2, mode="simulate")(x), reference)
    assert [[part.where for part in report.parts] for report in dynamo.reports()] == [
        ["torch2hw"],
        ["pytorch"],
        ["torch2hw"],
    ]
