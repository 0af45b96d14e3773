"""Tensors of uint8 from the manifest to the comparison: their own type, not that of int8."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import torch2hw
from torch2hw.cli import main
from torch2hw.sim.compare import first_mismatch
from torch2hw.sim.stimulus import finite_edges

MODEL = """
import torch
from torch import nn


class Brighter(nn.Module):
    def forward(self, x, s):
        return x + 100, x, s


model, example_inputs = Brighter(), (torch.zeros(4, dtype=torch.uint8), torch.zeros(4, dtype=torch.int8))
"""


class Bytes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("w", torch.tensor([250, 3, 7, 129], dtype=torch.uint8))

    def forward(self, x: Tensor, s: Tensor) -> tuple[Tensor, ...]:
        y = x + self.w
        wide = s.to(torch.int32) + y.to(torch.int32)
        return y, x.to(torch.float32) * 0.5, x, wide.to(torch.uint8), s, y.max(), x > y


@pytest.mark.simulation
@pytest.mark.parametrize("partition", [1, 3])
def test_bytes_keep_their_sign_to_the_end(partition: int) -> None:
    x = torch.tensor([[1, 2, 200, 255], [5, 128, 127, 0]], dtype=torch.uint8)
    s = torch.tensor([1, -2, -128, 127], dtype=torch.int8)
    model = Bytes()
    design = torch2hw.compile(model, (x, s), partition=partition)
    assert [port["dtype"] for port in design.manifest["inputs"]] == ["u8", "i8"]
    assert [port["dtype"] for port in design.manifest["outputs"]] == ["u8", "f32", "u8", "u8", "i8", "u8", "i1"]
    result = design.simulate(x, s, runs=3)
    result.check()
    for hardware, expected in zip(result.outputs, model(x, s), strict=True):
        assert hardware.dtype == expected.dtype and torch.equal(hardware, expected)


@pytest.mark.simulation
def test_inputs_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, given = tmp_path / "brighter.py", tmp_path / "x.npz"
    model.write_text(MODEL)
    s = np.array([-1, 2, -3, 4], np.int8)
    np.savez(given, x=np.array([0, 1, 156, 255], np.uint8), s=s)
    assert main(["simulate", str(model), "--inputs", str(given), "--check"]) == 0
    capsys.readouterr()
    np.savez(given, x=s, s=s)
    assert main(["simulate", str(model), "--inputs", str(given)]) == 2
    assert "x is int8, the design takes uint8\n  fix: x.astype(numpy.uint8)" in capsys.readouterr().err


def test_what_is_compared_and_tried_is_unsigned() -> None:
    found = first_mismatch("y", "u8", np.array([7, 200], np.uint8), np.array([7, 201], np.uint8))
    assert str(found) == "y[1] is 201 (0xc9), its reference is 200 (0xc8)"
    assert finite_edges("u8").tolist() == finite_edges("i8").tolist() == [0, 1, 127, 128, 255]
