"""Weights beside torch-mlir's text: by name, with the bits that PyTorch holds."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from torch import nn

from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import Sources
from torch2hw.frontend.torch_to_linalg import TorchProgram, import_torch, lower


class Twice(nn.Module):
    """A weight used twice, one with the same values, one of one element, one of other types."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.tensor([0.1, float("nan"), -0.0]))
        self.second = nn.Parameter(self.first.detach().clone())
        self.scale = nn.Parameter(torch.tensor([3.0]))
        self.register_buffer("places", torch.tensor([2, 0, 1]))
        self.register_buffer("mask", torch.tensor([True, False, True]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = (x + self.first) * self.second + self.first * self.scale
        return torch.where(self.mask, y[self.places], x)


def imported(model: nn.Module, *inputs: torch.Tensor) -> TorchProgram:
    place = Path(__file__)
    return import_torch(LoadedModel(model.eval(), inputs, str(place), "net", Sources(place.parent, place.parent)))


def test_text_refers_to_weights_or_holds_them() -> None:
    model = Twice()
    for program in (imported(model, torch.ones(3)), lower(imported(model, torch.ones(3)))):
        text, full = program.text(weights=False), program.text()
        assert full.startswith(text) and "dialect_resources" in full and "dialect_resources" not in text
        used = set(re.findall(r"dense_resource<(\w+)>", text))
        assert len(used) == 4, "the weight that is used twice has one name, and its copy another"
        assert used <= set(program.weights)
        bits = model.first.detach().numpy().view(np.uint32)
        assert sum(np.array_equal(program.weights[name], bits) for name in used) == 2
        assert full.count("0x04000000" + bits.tobytes().hex().upper()) == 2


def test_a_model_that_changes_later_does_not_change_its_program() -> None:
    model = Twice()
    program = imported(model, torch.ones(3))
    before = program.text()
    with torch.no_grad():
        model.first.zero_()
    assert program.text() == before


class Wide(nn.Module):
    """A tensor of double precision, used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.tensor([0.1, 1e300, -3.0], dtype=torch.float64)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x + self.table.float(), x * self.table.to(torch.float32)


def test_what_a_model_holds_in_double_precision_is_rounded_once() -> None:
    program = lower(imported(Wide(), torch.ones(3)))
    assert "f64" not in program.text(weights=False)
    (name,) = set(re.findall(r"dense_resource<(\w+)>", program.text(weights=False)))
    held = program.weights[name].view(np.float32)
    assert held.tolist() == Wide().table.float().tolist()
