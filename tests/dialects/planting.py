"""Plants a fault in what a pass returns, and looks where it is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.compiler.driver import Context, Driver, Pass
from torch2hw.compiler.options import Options
from torch2hw.compiler.pipeline import passes_for
from torch2hw.frontend.load_model import load
from torch2hw.tools.errors import InternalError

MODEL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 5), nn.Linear(5, 3)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


torch.manual_seed(1)
model = Net()
example_inputs = (torch.randn(4, 6),)
"""


DIVIDING = """\
import torch

model = type("Mean", (torch.nn.Module,), {"forward": lambda self, x: x / x.sum(1, keepdim=True)})()
example_inputs = (torch.rand(4, 6),)
"""


@cache
def compiled(model: Path, options: Options) -> Compiled:
    return compile_model(load(str(model)), options)


ONE, TWO, THREE = (Options(partition=lanes) for lanes in (1, 2, 3))
SEQUENTIAL_TWO = Options(partition=2, schedule="sequential", sequential_control="arms")


@dataclass(frozen=True)
class Fault:
    """What is planted after which pass, what `verify` says, and options under which the program has a place for it."""

    kind: str
    after: str
    plant: Callable[[Any], Any]
    says: str
    options: Options = ONE
    model: str = "net.py"


@dataclass(frozen=True)
class Planted:
    """A pass whose result is changed."""

    step: Pass
    plant: Callable[[Any], Any]

    @property
    def name(self) -> str:
        return self.step.name

    @property
    def source(self) -> str:
        return self.step.source

    @property
    def target(self) -> str:
        return self.step.target

    def run(self, program: Any, context: Context) -> tuple[Any, dict[str, Any]]:
        after, report = self.step.run(program, context)
        return self.plant(after), report


def compiled_with(fault: Fault, model: Path) -> None:
    """The first pass of its name with the fault planted, on the program that it gets, and all passes after it."""
    whole = compiled(model.with_name(fault.model), fault.options)
    passes = list(passes_for(fault.options))
    number = next(k for k, step in enumerate(passes) if step.name == fault.after)
    before: Any = whole.steps[number - 1].program if number else whole.imported
    passes[number] = Planted(passes[number], fault.plant)
    context = Context(fault.options, whole.library, whole.top)
    Driver(passes[number:]).run(before, passes[number].source, context, whole.loaded.sources)


def expect_fault(fault: Fault, model: Path) -> None:
    """The fault ends the compiler at the pass in which it was planted, in the words given."""
    with pytest.raises(InternalError) as caught:
        compiled_with(fault, model)
    error = caught.value
    assert error.reproducer is not None
    Path(error.reproducer).unlink()
    assert error.pass_name == fault.after, error.what
    assert error.what.startswith("InvalidProgram: ") and fault.says in error.what, error.what
