"""`simulate --per-layer`: the layers by name, the worst first, and what a wrong weight does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import fx, nn

import torch2hw
from torch2hw.frontend.load_model import load
from torch2hw.sim.per_layer import WithGraphLayers, WithLayers, per_layer
from torch2hw.tools.errors import UsageError


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer1 = nn.Sequential(nn.Linear(6, 5), nn.Tanh())
        self.last = nn.Linear(5, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.exp(40 * self.last(self.last(self.layer1(x))))


def test_layers_by_name_the_worst_first() -> None:
    model, x = Net(), torch.randn(3, 6, generator=torch.Generator().manual_seed(1))
    with_layers = WithLayers(model)
    given = with_layers(x)
    assert with_layers.names == ["layer1.0", "layer1.1", "layer1", "last", "last (2)"]
    assert torch.equal(given[4], model.last(model.last(model.layer1(x))))
    found = per_layer(torch2hw.compile(model, (x,)).compiled, (x,))
    assert sorted(each.layer for each in found) == sorted(with_layers.names)
    assert [each.relative for each in found] == sorted((each.relative for each in found), reverse=True)
    assert all(each.distance.pcc is not None and each.distance.pcc > 0.999999 for each in found)
    assert found[0].to_json().keys() == {"layer", "pcc", "max_abs_err", "max_rel_err", "max_ulp"}


def test_layers_of_an_exported_program(tmp_path: Path) -> None:
    model, x = Net(), torch.randn(3, 6, generator=torch.Generator().manual_seed(1))
    torch.export.save(torch.export.export(model.eval(), (x,)), tmp_path / "net.pt2")
    loaded = load(str(tmp_path / "net.pt2"))
    assert isinstance(loaded.model, fx.GraphModule)
    with_layers = WithGraphLayers(loaded.model)
    results = with_layers(x)
    given = dict(zip(with_layers.names, results, strict=True))
    assert list(given) == ["layer1.0", "layer1.1", "layer1", "last", "last (2)"]
    assert torch.equal(given["last"], model.last(model.layer1(x)))
    found = per_layer(torch2hw.compile(tmp_path / "net.pt2").compiled, (x,))
    assert {each.layer for each in found} == set(given)


def test_a_model_without_layers() -> None:
    class Plain(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1

    with pytest.raises(UsageError, match="has no layers"):
        per_layer(torch2hw.compile(Plain(), (torch.zeros(2),)).compiled, (torch.zeros(2),))
