"""`--check`: values are compared after every pass, and the pass that changes one is named with kernel and element."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from torch2hw.cli import main
from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.compiler.driver import Pass
from torch2hw.compiler.options import Options
from torch2hw.dialects.loops import Constant, Kernel, Load, Statement
from torch2hw.dialects.program import Program
from torch2hw.frontend.load_model import load
from torch2hw.passes import simplify_arithmetic
from torch2hw.passes.name_kernels import NameKernels
from torch2hw.passes.simplify_arithmetic import SimplifyArithmetic
from torch2hw.sim.pass_checker import PassChecker, sets_for
from torch2hw.sim.rounding import FACTOR, Yardstick
from torch2hw.tools.errors import CheckError

MODEL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 5), nn.Linear(5, 3)

    def forward(self, x):
        hidden = torch.tanh(self.first(x))
        return self.second(hidden) / 3


torch.manual_seed(1)
model = Net()
example_inputs = (torch.randn(4, 6),)
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(MODEL)
    return path


def check(model: Path, **options: Any) -> Compiled:
    return compile_model(load(str(model)), Options(**options), stop_at="scheduled", checker=PassChecker.of)


def plant(monkeypatch: pytest.MonkeyPatch, step: type[Pass], kernel: int, fault: Any) -> None:
    """`step` also replaces the statements of one kernel by what `fault` makes of them."""
    right = step.run

    def run(self: Pass, program: Program, context: Any) -> tuple[Program, dict[str, Any]]:
        after, report = right(self, program, context)
        kernels = list(after.kernels)
        kernels[kernel] = changed(kernels[kernel], fault)
        return after.with_kernels(kernels), report

    monkeypatch.setattr(step, "run", run)


def changed(kernel: Kernel, fault: Any) -> Kernel:
    stages = [replace(stage, statements=tuple(map(fault, stage.statements))) for stage in kernel.stages]
    return replace(kernel, stages=tuple(stages))


def flipped_weight(statement: Statement) -> Statement:
    """The last weight's lowest bit."""
    if not isinstance(statement, Load) or not statement.buffer.storage.in_kernel or len(statement.buffer.shape) < 2:
        return statement
    data = np.array(statement.buffer.data)
    data[-1, -1] ^= 1
    return replace(statement, buffer=replace(statement.buffer, data=data))


def wrong_reciprocal(statement: Statement) -> Statement:
    """A third, 64 ulp off."""
    return replace(statement, bits=statement.bits + 64) if isinstance(statement, Constant) else statement


def test_every_pass_keeps_the_values(model: Path) -> None:
    found = {checked.name: checked for checked in check(model, partition=2, fast_math=True).checked}
    declared = ["torch-to-linalg", "fold-initial-values", "simplify-arithmetic", "choose-lanes", "bind-units"]
    assert [name for name, checked in found.items() if not checked.exact] == declared
    assert all(checked.scales < FACTOR / 2 for checked in found.values())
    assert {"linalg-to-affine", "bank-memories", "affine-to-scheduled"} <= found.keys()


def test_the_sequential_schedule_is_checked_too(model: Path) -> None:
    compiled = compile_model(load(str(model)), Options(schedule="sequential"), stop_at="calyx", checker=PassChecker.of)
    assert [str(c) for c in compiled.checked][-1] == "scf-to-calyx: bit for bit"


def test_a_fault_in_a_middle_pass_is_named_with_kernel_element_and_line(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(monkeypatch, NameKernels, 1, flipped_weight)
    out = model.with_suffix(".sv")
    assert main([str(model), "-o", str(out), "--check"]) == 3
    lines = capsys.readouterr().err.splitlines()
    value = r"-?\d\.\d+(?:e-\d+)? \(0x[0-9a-f]{8}\)"
    first = rf"{re.escape(str(model))}:12: error\[check-failed\]: pass name-kernels changed a value: "
    assert re.fullmatch(rf"{first}out\[\d, 2\] is {value}, before it {value}", lines[0]), lines[0]
    assert re.fullmatch(r"  operation: kernel matmul1, seen in output out\[\d, 2\], on the example inputs", lines[1])
    assert lines[2] == "  why: its values must be those before it, bit for bit"
    assert not out.exists()


def test_the_kernel_is_the_first_that_differs(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, NameKernels, 0, flipped_weight)
    with pytest.raises(CheckError) as caught:
        check(model)
    assert "matmul0_out[" in caught.value.what and caught.value.location == (str(model), 11)
    assert "kernel matmul0" in str(caught.value)


def test_a_declared_change_of_rounding_is_bounded(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, SimplifyArithmetic, 1, wrong_reciprocal)
    with pytest.raises(CheckError, match="pass simplify-arithmetic changed a value") as caught:
        check(model, fast_math=True)
    assert "the rounding that it declares" in str(caught.value)


class Cancelling(torch.nn.Module):
    """Sums of large numbers that nearly cancel: rounding moves them far, relative to their size."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum(1)


def test_the_yardstick_is_the_computations_own() -> None:
    x = torch.tensor([[3e6, 1, -3e6]]).expand(3, 3)
    yardstick = Yardstick.of(Cancelling(), (x,))
    right = np.ones(3, np.float32)
    assert yardstick.scales(0, right, right + np.float32(0.25), "f32")[0] < FACTOR
    wrong = right.copy()
    wrong[1] = 20
    scales, index = yardstick.scales(0, right, wrong, "f32")
    assert scales > FACTOR and index == (1,)
    wrong[1] = np.nan
    assert yardstick.scales(0, right, wrong, "f32") == (float("inf"), (1,))


class Mean(torch.nn.Module):
    """Means of equal numbers: moving the inputs hardly moves them, but a sum one by one is rounded at every step."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(1)


def test_the_yardstick_knows_how_often_a_sum_is_rounded() -> None:
    tenth, total = np.float32(0.1), np.float32(0)
    for _ in range(1000):
        total += tenth
    one_by_one = np.array([total / np.float32(1000)])
    assert abs(one_by_one[0] - tenth) > 2 * FACTOR * np.spacing(tenth)
    yardstick = Yardstick.of(Mean(), (torch.full((1, 1000), 0.1),))
    right = np.array([tenth])
    assert yardstick.scales(0, right, one_by_one, "f32")[0] < FACTOR
    assert yardstick.scales(0, right, right * np.float32(1.0001), "f32")[0] > FACTOR


def test_the_yardstick_knows_what_is_inside_a_normalisation() -> None:
    """A tenth many times and once something else: the mean, rounded in each addition, is off by much of the spread."""
    x = torch.full((1, 1, 300), 0.1)
    x[0, 0, 7] = 0.10001
    mean = np.float32(0)
    for value in x.reshape(-1).numpy():
        mean += value
    mean /= np.float32(300)
    apart = x.numpy() - mean
    one_by_one = apart / np.sqrt(np.mean(apart * apart, dtype=np.float32) + np.float32(1e-12))
    norm = torch.nn.GroupNorm(1, 1, eps=1e-12)
    right = norm.double()(x.double()).detach().float().numpy()
    yardstick = Yardstick.of(norm.float(), (x,))
    assert yardstick.scales(0, right, one_by_one, "f32")[0] < FACTOR
    assert yardstick.scales(0, right, right * np.float32(4), "f32")[0] > FACTOR


def test_the_yardstick_takes_infinities() -> None:
    class Inverse(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 1 / x

    yardstick = Yardstick.of(Inverse(), (torch.tensor([0.0, 3.0]),))
    assert np.isinf(yardstick.exact[0][0])
    assert 0 < yardstick.moved[0] < 1e-6


def test_whole_powers_run_at_every_level(tmp_path: Path) -> None:
    model = tmp_path / "cube.py"
    lines = ("import torch", "model = type('Cube', (torch.nn.Module,), {'forward': lambda self, x: x**3 + x**-5})()")
    model.write_text("\n".join((*lines, "example_inputs = (torch.randn(2, 3),)")))
    assert {found.name for found in check(model).checked} > {"torch-to-linalg", "linalg-to-affine"}


def test_the_example_stands_for_what_pytorch_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """NaN leads this model to place -1."""
    model, given = tmp_path / "last.py", tmp_path / "x.npz"
    lines = ("import torch", "class Last(torch.nn.Module):", " def forward(self, x):")
    lines += ("  return x.gather(-1, (x == x).sum(-1, keepdim=True) // 3 - 1)",)
    lines += ("torch.manual_seed(1)", "model, example_inputs = Last(), (torch.randn(4, 3),)")
    model.write_text("\n".join(lines))
    loaded = load(str(model))
    imported = compile_model(loaded, Options(), stop_at="linalg").imported
    sets = sets_for(loaded.model, imported, loaded.example_inputs)
    assert [sets[0] is each for each in sets] == [True, False, False, True]
    assert {found.name for found in check(model).checked} > {"torch-to-linalg", "linalg-to-affine"}
    np.savez(given, x=np.full((4, 3), np.nan, np.float32))
    assert main(["simulate", str(model), "--inputs", str(given)]) == 1
    error = capsys.readouterr().err
    assert f"{model}:4: error[model-raised]: the model raised RuntimeError: index -1 is out of bounds" in error
    assert "fix: make the model run in PyTorch on these inputs" in error


def test_a_value_may_be_returned_twice(tmp_path: Path) -> None:
    model = tmp_path / "twice.py"
    lines = ("import torch", "model = type('Twice', (torch.nn.Module,), {'forward': lambda self, x: (x * 3,) * 2})()")
    model.write_text("\n".join((*lines, "example_inputs = (torch.randn(2, 3),)")))
    assert "torch-to-linalg" in {found.name for found in check(model).checked}


def test_a_declared_change_of_rounding_changes_no_integer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "net.py"
    file.write_text(
        "import torch\nfrom torch import nn\nclass Net(nn.Module):\n    def forward(self, x):\n"
        "        return (x / 41).floor().to(torch.int32)\nmodel, example_inputs = Net(), torch.arange(100.0)\n"
    )
    compile_model(load(str(file)), Options(), stop_at="affine", checker=PassChecker.of)
    compile_model(load(str(file)), Options(fast_math=True), stop_at="affine", checker=PassChecker.of)
    monkeypatch.setattr(simplify_arithmetic, "_reciprocal", partial(rounded, simplify_arithmetic._reciprocal))
    with pytest.raises(CheckError, match=r"pass simplify-arithmetic changed a value: .* before it 1 "):
        compile_model(load(str(file)), Options(), stop_at="affine", checker=PassChecker.of)


def rounded(reciprocal: Callable[..., int | None], divisor: Constant, _: bool) -> int | None:
    """What `--fast-math` allows, without it."""
    return reciprocal(divisor, True)
