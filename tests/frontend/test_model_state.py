"""State in attributes: what is kept and read is refused, what is not read is not, and nothing is left behind."""

from __future__ import annotations

import collections
from pathlib import Path

import pytest
import torch
from torch import nn

import torch2hw
from torch2hw.frontend.refusals import StatefulModel

X = torch.randn(4, generator=torch.Generator().manual_seed(1))


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mem = torch.zeros(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.mem = 0.9 * self.mem + x
        return self.mem * 1


class InPlace(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.mem.mul_(0.5).add_(x)
        return self.mem * 2


class Counter(nn.Module):
    """Its state shows in every third run only."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.count = (self.count + 1) % 3
        return x if self.count else -x


class Queue(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.queue = collections.deque([torch.zeros(4)] * 3, maxlen=3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.queue.append(x)
        return torch.stack(list(self.queue)).sum(0)


class Held(nn.Module):
    """Reads what it stored only where the input is zero, as it is in the first runs."""

    def __init__(self) -> None:
        super().__init__()
        self.last = torch.zeros(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.last = torch.where(x == 0, self.last, x)
        return self.last * 1


class Unread(nn.Module):
    """A cache, a count, and a result that is kept to be looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.mask: torch.Tensor | None = None
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.mask is None:
            self.mask = torch.arange(4.0)
        self.attention = x * 2
        return x * self.mask + self.attention


@pytest.mark.parametrize(
    ("model", "x", "line"),
    [(Plain(), X, "0.9 *"), (InPlace(), X, "return self.mem * 2"), (Counter(), X, "% 3"), (Queue(), X, "list(self")]
    + [(Held(), X * 0, "torch.where")],
)
def test_state_that_is_read(model: nn.Module, x: torch.Tensor, line: str) -> None:
    model.eval()
    before = {name: repr(value) for name, value in vars(model).items()} | dict(model.state_dict())
    with pytest.raises(StatefulModel) as refusal:
        torch2hw.compile(model, (x,))
    assert refusal.value.location is not None
    assert line in Path(__file__).read_text().splitlines()[refusal.value.location[1] - 1]
    assert before == {name: repr(value) for name, value in vars(model).items()} | dict(model.state_dict())


def test_what_is_not_read_is_no_state() -> None:
    model = Unread()
    design = torch2hw.compile(model, (X,))
    assert design.manifest["latency_cycles"] > 0
    assert (model.mask, model.calls, hasattr(model, "attention")) == (None, 0, False)
