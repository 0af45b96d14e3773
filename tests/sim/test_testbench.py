from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

import torch2hw
from torch2hw.compiler import memory_files
from torch2hw.sim.testbench import write_testbench
from torch2hw.tools.errors import UsageError

pytestmark = pytest.mark.simulation


class Layers(torch.nn.Module):
    """Two kernels, shared units, a constant of several words and two banks at partition 2."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(6, 5), torch.nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.second(torch.relu(self.first(x)))
        return result


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(5)
    directory = tmp_path_factory.mktemp("testbench") / "bench"
    x = torch.randn(11, 6)
    write_testbench(torch2hw.compile(Layers(), (x,), partition=2).compiled, (x,), directory)
    return directory


def run(bench: Path, chosen: str, variables: Mapping[str, str] | None = None) -> tuple[bool, str]:
    """Run pytest in the directory as its user would, away from this repository."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COCOTB", "PYTHONPATH"))}
    environment |= variables or {}
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-k", chosen]
    result = subprocess.run(command, cwd=bench, env=environment, capture_output=True, text=True, timeout=300)
    assert "no tests ran" not in result.stdout and "deselected" not in result.stdout.splitlines()[0]
    return result.returncode == 0, result.stdout + result.stderr


needs_icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")


@needs_icarus
def test_every_bench_passes_on_icarus(bench: Path) -> None:
    passed, output = run(bench, "icarus")
    assert passed, output


@needs_icarus
def test_a_sequential_design_has_benches_of_its_top_and_units(tmp_path: Path) -> None:
    x = torch.randn(1, 6)
    compiled = torch2hw.compile(Layers(), (x,), schedule="sequential").compiled
    write_testbench(compiled, (x,), tmp_path / "bench")
    passed, output = run(tmp_path / "bench", "icarus")
    assert passed, output
    units = json.loads((tmp_path / "bench" / "vectors" / "units.json").read_text())
    assert set(units) >= {"f32_add", "f32_mul"}


class Quotients(torch.nn.Module):
    """Divides twice, in two kernels that share an iterative unit."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = torch.nn.Linear(40, 30)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        largest = torch.tanh(self.inside(x)).amax(1)
        return torch.softmax(largest / (largest.sum() + 40), 0)


@needs_icarus
def test_iterative_units_have_benches(tmp_path: Path) -> None:
    x = torch.randn(4, 40)
    write_testbench(torch2hw.compile(Quotients(), (x,)).compiled, (x,), tmp_path / "bench")
    units = json.loads((tmp_path / "bench" / "vectors" / "units.json").read_text())
    assert units["f32_div_iterative"]["interval_cycles"] == 27
    passed, output = run(tmp_path / "bench", "icarus and div")
    assert passed, output
    assert {name for name in re.findall(r"\w*div\w*", output) if "divide" in name}, "kernels that divide"


@needs_icarus
def test_contents_of_memories_in_files_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_files, "LIMIT_BYTES", 64)
    x = torch.randn(1, 6)
    write_testbench(torch2hw.compile(Layers(), (x,)).compiled, (x,), tmp_path / "bench")
    files = sorted((tmp_path / "bench" / "rtl" / "layers.mem").glob("*.hex"))
    assert files
    passed, output = run(tmp_path / "bench", "icarus and (top or matmul0)")
    assert passed, output
    files[0].write_text(files[0].read_text()[::-1])
    passed, output = run(tmp_path / "bench", "icarus and top")
    assert not passed and "expected" in output, output


@needs_icarus
def test_a_long_design_is_run_once_and_a_fault_in_it_is_caught(bench: Path, tmp_path: Path) -> None:
    environment = {"CYCLES_PER_TEST": "10", "ICARUS_CYCLES": "1000"}
    passed, output = run(bench, "icarus and (top or matmul0)", environment)
    assert passed and re.search(r"one_long_run +PASS", output), output
    faulty = planted(bench, tmp_path, "assign x_b0_addr = ", "assign x_b0_addr = 1'b1 + ")
    passed, output = run(faulty, "icarus and (top or matmul0)", environment)
    assert not passed and re.search(r"one_long_run +FAIL", output), output


@pytest.mark.slow
def test_the_top_and_a_kernel_pass_on_verilator(bench: Path) -> None:
    passed, output = run(bench, "verilator and (top or matmul0)")
    assert passed, output


def planted(bench: Path, directory: Path, right: str, wrong: str) -> Path:
    """A copy of the benches whose design has a fault."""
    faulty = directory / "faulty"
    shutil.copytree(bench, faulty, ignore=shutil.ignore_patterns("build", "__pycache__"))
    source = faulty / "rtl" / "layers.sv"
    text = source.read_text()
    assert right in text, f"the design no longer has {right!r}: choose another fault"
    source.write_text(text.replace(right, wrong, 1))
    return faulty


@pytest.mark.slow
@needs_icarus
@pytest.mark.parametrize("chosen", ["top", "matmul0"])
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("assign x_b0_addr = ", "assign x_b0_addr = 1'b1 + "),
        ("memory[3] = 32'h", "memory[3] = ~32'h"),
        ("stage2 <= stage1;", "stage2 <= in;"),
    ],
    ids=["an address off by one", "a constant flipped", "a register missing"],
)
def test_a_planted_fault_is_caught(bench: Path, tmp_path: Path, chosen: str, right: str, wrong: str) -> None:
    passed, output = run(planted(bench, tmp_path, right, wrong), f"icarus and {chosen}")
    assert not passed and re.search(r"(every_vector|what_it_writes) +FAIL", output), output


class Sums(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum(1)


@needs_icarus
@pytest.mark.parametrize(
    ("chosen", "right", "wrong"),
    [
        ("sum0", r"\(x_data\)", "({x_data[31], 8'h7F, x_data[22:0]})"),
        ("top", "32'h0", "32'h80000000"),
    ],
    ids=["an exponent that all example inputs have", "a sum that starts with -0"],
)
def test_a_fault_that_the_example_does_not_meet_is_caught(tmp_path: Path, chosen: str, right: str, wrong: str) -> None:
    x = torch.rand(4, 6) + 1
    bench = tmp_path / "bench"
    write_testbench(torch2hw.compile(Sums(), (x,)).compiled, (x,), bench)
    source = bench / "rtl" / "sums.sv"
    before, kernel, after = re.split(r"(?ms)(^module sums_sum0\(.*?^endmodule)", source.read_text())
    faulty, count = re.subn(right, wrong, kernel)
    assert count
    source.write_text(before + faulty + after)
    passed, output = run(bench, f"icarus and {chosen}")
    assert not passed and "expected" in output, output


@needs_icarus
def test_a_fault_in_a_unit_is_caught_by_its_own_bench(bench: Path, tmp_path: Path) -> None:
    text = (bench / "rtl" / "layers.sv").read_text()
    module = text[text.index("module f32_mul(") :]
    register = next(line for line in module.splitlines() if " <= " in line and "&" not in line)
    faulty = planted(bench, tmp_path, register, register.replace(" <= ", " <= ~"))
    passed, output = run(faulty, "icarus and f32_mul")
    assert not passed and "expected" in output, output


def test_the_same_seed_writes_the_same_files(bench: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    x = torch.randn(11, 6)
    write_testbench(torch2hw.compile(Layers(), (x,), partition=2).compiled, (x,), tmp_path / "again")
    for path in sorted((tmp_path / "again").rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (bench / path.relative_to(tmp_path / "again")).read_bytes()


def test_a_directory_in_use_is_refused(bench: Path) -> None:
    compiled = torch2hw.compile(torch.nn.ReLU(), (torch.ones(2),)).compiled
    with pytest.raises(UsageError) as caught:
        write_testbench(compiled, (torch.ones(2),), bench)
    assert str(caught.value) == f"error[usage]: -o {bench}: not an empty directory\n  fix: name a new one"
