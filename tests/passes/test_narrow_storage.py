"""narrow-storage: what is rounded on request, what is not, and what goes back to the format it came from."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

import torch2hw
from tests.passes.compiled import LIBRARY
from torch2hw.analysis.stored_arrays import from_torch, to_torch
from torch2hw.compiler.options import Options
from torch2hw.dialects.loops import Kernel, Operation, Store
from torch2hw.dialects.program import Program
from torch2hw.frontend.in_format import torch_format
from torch2hw.passes.narrow_storage import NarrowStorage
from torch2hw.sim.check import references


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(6, 6), nn.Linear(6, 6)
        self.norm = nn.LayerNorm(6)
        self.register_buffer("mask", torch.full((5, 5), -1e9).triu(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.left(x) @ self.right(x).T + self.mask
        mixed: torch.Tensor = self.norm(torch.softmax(scores, -1) @ x + x)
        return mixed


def stored(model: nn.Module, x: torch.Tensor, dtype: str) -> dict[str, str]:
    """The types of the buffers that the passes leave, by name."""
    program: Program = torch2hw.compile(model, (x,), dtype=dtype).compiled.at("scheduled")
    return {buffer.name: buffer.dtype for buffer in program.buffers()}


@pytest.mark.parametrize("dtype", ["bf16", "f16"])
def test_weights_results_and_ports_are_in_the_format_and_statistics_are_not(dtype: str) -> None:
    torch.manual_seed(1)
    types = stored(Attention(), torch.randn(5, 6), dtype)
    wide = {name for name, kind in types.items() if kind == "f32"}
    masks = {name for name, kind in types.items() if kind == "f32" and name.startswith("weights")}
    assert types["x"] == types["out"] == dtype
    assert bool(masks) is (dtype == "f16"), "-1e9 is a number of bf16, and none of f16"
    assert {"max0_out", "sum0_out1"} <= wide and len(wide - masks) == 3, "of softmax, and the mean of the norm"
    assert all(types[name] == dtype for name in types if name.startswith("matmul"))


def test_a_model_that_computes_in_bf16_is_stored_in_it() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4)).bfloat16()
    design = torch2hw.compile(model, (torch.randn(3, 8).bfloat16(),))
    program: Program = design.compiled.at("scheduled")
    assert {buffer.dtype for buffer in program.buffers()} == {"bf16"}
    assert [kernel.name for kernel in program.kernels] == ["matmul0", "matmul1"]
    models = {name for kernel in program.kernels for s in kernel.statements() if (name := getattr(s, "callee", None))}
    assert "bf16_mul_f32" in models


def test_programs_in_f32_stay_as_they_are() -> None:
    model = nn.Sequential(nn.Linear(8, 6), nn.Softmax(-1))
    program = torch2hw.compile(model, (torch.randn(3, 8),)).compiled.at("affine")
    context = SimpleNamespace(options=Options(), library=LIBRARY)
    assert NarrowStorage().run(program, context) == (program, {})


class Overwritten(nn.Module):
    """A buffer that one kernel both reads and writes keeps its sums in f32."""

    def forward(self, x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        return torch.zeros(4, 3).index_add(0, places, torch.exp(x)) * 0.5


def test_what_a_kernel_adds_to_in_memory_is_not_rounded() -> None:
    places = torch.tensor([0, 1, 1, 3, 3, 3])
    design = torch2hw.compile(Overwritten(), (torch.randn(6, 3), places), dtype="bf16")
    for kernel in design.compiled.at("scheduled").kernels:
        written = {store.buffer for store in kernel.stores()}
        assert all(load.buffer.dtype == "f32" for load in kernel.loads() if load.buffer in written)


class Variance(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed: torch.Tensor = torch.nn.functional.group_norm(x, 2)
        return normed


class Norms(nn.Module):
    """Of rows and of columns: squares that two sums take are stored."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        squares = x[0] * x[0]
        return squares.mean(0).sqrt(), squares.mean(1).sqrt()


def is_square(kernel: Kernel, store: Store) -> bool:
    """Whether a product of a value with itself is stored, rounded or not."""
    made = {each.result: each for each in kernel.statements() if isinstance(each, Operation)}
    value = made.get(store.value)
    if value and value.name == "arith.truncf":
        value = made.get(value.operands[0])
    return bool(value and value.name == "arith.mulf" and value.operands[0] == value.operands[1])


@pytest.mark.parametrize("dtype", ["bf16", "f16"])
def test_squares_are_stored_where_the_format_holds_them(dtype: str) -> None:
    torch.manual_seed(1)
    x = torch.randn(1, 2, 9)
    large = (x * 1000).to(torch_format(dtype))
    design = torch2hw.compile(Norms(), (x,), dtype=dtype).compiled
    program: Program = design.at("scheduled")
    squares = [
        store.buffer.dtype for kernel in program.kernels for store in kernel.stores() if is_square(kernel, store)
    ]
    assert squares == [dtype if dtype == "bf16" else "f32"]
    for got, wanted in zip(references(design, [[from_torch(large)]])[0], Norms()(large.float()), strict=True):
        torch.testing.assert_close(to_torch(got, dtype).float(), wanted, rtol=0.02, atol=0.02)
    design = torch2hw.compile(Variance(), (x,), dtype=dtype).compiled  # whose squares are added where they are made
    ((got,),) = references(design, [[from_torch(large)]])
    torch.testing.assert_close(to_torch(got, dtype).float(), Variance()(large.float()), rtol=0.02, atol=0.02)
