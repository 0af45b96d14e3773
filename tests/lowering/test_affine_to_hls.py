"""The C++ for high-level synthesis computes, compiled by g++, the bits of the reference."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import torch2hw
from tests.passes.compiled import LOOP_PASSES, context
from tests.passes.random_programs import Array, joined, random_case, values
from torch2hw.cli import main
from torch2hw.dialects.program import Program
from torch2hw.lowering.static.affine_to_hls import emit

EXAMPLES = Path(__file__).parents[2] / "examples"


def ran(text: str, program: Program, inputs: Sequence[Array], folder: Path) -> list[Array]:
    """What the C++ gives."""
    (folder / "design.cpp").write_text(text + f'\nextern "C" void* entry() {{ return (void*)&{program.name}; }}\n')
    quiet = (
        "-Wall",
        "-Werror",
        "-Wno-unknown-pragmas",
        "-Wno-unused-label",
        "-Wno-unused-function",
        "-Wno-maybe-uninitialized",
    )
    done = subprocess.run(
        ["g++", "-std=c++14", "-O1", "-ffp-contract=off", "-shared", "-fPIC", *quiet, "design.cpp", "-o", "design.so"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    library = ctypes.CDLL(str(folder / "design.so"))
    library.entry.restype = ctypes.c_void_p
    arrays = [np.ascontiguousarray(array) for array in inputs]
    results = [np.zeros(b.shape, np.int64 if b.dtype == "i64" else np.float32) for b in program.outputs]
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (len(arrays) + len(results)))(library.entry())
    function(*(array.ctypes.data for array in (*arrays, *results)))
    return results


@pytest.mark.parametrize("partition", [1, 2, 3])
def test_random_programs(partition: int, tmp_path: Path) -> None:
    case = joined([random_case(500 * partition + seed, 3) for seed in range(6)])
    program = replace(case.program, name="top")
    for step in LOOP_PASSES:
        program, _ = step.run(program, context(partition))  # type: ignore[arg-type]
    inputs = case.inputs(1)
    for got, expected in zip(ran(emit(program), program, inputs, tmp_path), values(program, inputs), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_the_command_writes_it(tmp_path: Path) -> None:
    out = tmp_path / "ffnn.cpp"
    assert main([str(EXAMPLES / "ffnn.py"), "--partition", "2", "--emit", "hls", "-o", str(out), "-q"]) == 0
    text = out.read_text()
    assert "void ffnn(const float x[64][64], float out[64][4]) {" in text
    assert text.count("#pragma HLS PIPELINE II=1") == 2
    assert "#pragma HLS ARRAY_PARTITION variable=matmul0_out cyclic factor=" in text
    assert "ffnn.py:" in text
    assert "= rectified(" in text


class Gate(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(torch.sigmoid(x) - 0.6)


def test_units_for_which_cpp_has_no_operator(tmp_path: Path) -> None:
    x = torch.linspace(-8, 8, 16)
    program = torch2hw.compile(Gate(), (x,)).compiled.at("scheduled")
    text = emit(program)
    assert "= reciprocal(" in text and "= rectified(" in text
    (got,) = ran(text, program, [x.numpy()], tmp_path)
    np.testing.assert_allclose(got, Gate()(x).numpy(), atol=1e-7)


class Steps(torch.nn.Module):
    """Its arguments have the names that loops, those over rounds too, and values have."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(torch.linspace(-1, 1, 9).reshape(3, 3))

    def forward(self, it: torch.Tensor, round: torch.Tensor, v0: torch.Tensor, i1: torch.Tensor) -> torch.Tensor:
        state = v0
        for step in range(9):
            state = torch.relu(state @ self.weights + round[step] - it * i1)
        return state


def test_rounds(tmp_path: Path) -> None:
    inputs = (*torch.linspace(-1, 2, 9).reshape(3, 3), torch.linspace(-2, 2, 27).reshape(9, 3))
    inputs = (inputs[0], inputs[3], inputs[1], inputs[2])
    program = torch2hw.compile(Steps(), inputs).compiled.at("scheduled")
    text = emit(program)
    assert "for (int round = 0; round < 7; ++round) {" in text
    (got,) = ran(text, program, [x.numpy() for x in inputs], tmp_path)
    np.testing.assert_allclose(got, Steps()(*inputs).detach().numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (["--schedule", "sequential"], "--schedule sequential"),
        (["--stop-after", "fuse-epilogues"], "--stop-after"),
        (["--sums", "block"], "--sums block"),
    ],
)
def test_what_has_no_cpp_is_refused(other: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(EXAMPLES / "ffnn.py"), "--emit", "hls", *other]) == 2
    assert f"error[usage]: --emit hls: unsupported with {named}\n" in capsys.readouterr().err
