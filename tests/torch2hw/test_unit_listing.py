"""`torch2hw units`: the list, its errors, and a unit with a testbench that finds what is wrong with it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from torch2hw.cli import main
from torch2hw.sim.lint import lint

ICARUS = shutil.which("iverilog") is not None
WRITTEN = ["f32_exp", "f8E4M3_mul", "i64_from_int_f16", "i8_select", "bf16_div_iterative", "bf16_mul_f32", "f16_dot_3"]


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert main(["units", "--json", *arguments]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def unit(capsys: pytest.CaptureFixture[str], name: str, *arguments: str) -> dict[str, object]:
    units = listed(capsys, name, *arguments)["units"]
    assert isinstance(units, list) and len(units) == 1
    return dict(units[0])


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(capsys)
    assert (found["dtype"], found["clock_ns"], found["subnormals"]) == ("f32", 3.33, "flush")
    assert "resource_tool" not in found
    units = found["units"]
    assert isinstance(units, list)
    by_name = {entry["name"]: entry for entry in units}
    assert len(by_name) == len(units)
    assert {"f32_sum_8", "f32_dot_8", "bf16_dot_8_f32", "bf16_mul_f32", "f32_sqrt_iterative"} <= set(by_name)
    assert by_name["f32_div_iterative"]["interval_cycles"] > 20
    assert by_name["f32_dot_8"]["error"] == "0.5 ulp + 8 x 2^-30 of the largest product"
    assert {"f32_add", "f32_exp", "f32_cmp_ogt", "f32_to_f16", "f16_to_f32", "i32_from_int_f32"} <= set(by_name)
    assert by_name["f32_mul"] | {"latency_cycles": 0} == {
        "operation": "arith.mulf", "name": "f32_mul", "operands": ["f32", "f32"], "result": "f32",
        "latency_cycles": 0, "interval_cycles": 1, "error_ulp": 0.5,
    }  # fmt: skip
    assert main(["units", "--dtype", "bf16"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("operation ") and "bf16, 3.33 ns, subnormals: flush" in text
    assert "LUT" not in text


def test_the_options_count(capsys: pytest.CaptureFixture[str]) -> None:
    usual = unit(capsys, "f32_mul")["latency_cycles"]
    assert isinstance(usual, int)
    assert unit(capsys, "f32_mul", "--clock-ns", "20")["latency_cycles"] == 1
    kept = unit(capsys, "mul", "--subnormals", "keep")["latency_cycles"]
    assert isinstance(kept, int) and kept > usual
    assert unit(capsys, "mul", "--dtype", "bf16")["name"] == "bf16_mul"


@pytest.mark.slow
def test_measured(capsys: pytest.CaptureFixture[str]) -> None:
    found = unit(capsys, "f32_neg", "--measure")
    assert {key: found[key] for key in ("lut", "ff", "dsp", "bram36")} == {"lut": 0, "ff": 0, "dsp": 0, "bram36": 0}
    assert main(["units", "f32_neg", "--measure"]) == 0
    assert "LUT  FF  DSP  BRAM36" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["f32_ad"], "no unit is called f32_ad\n  fix: did you mean f32_add or "),
        (["qqqq"], "no unit is called qqqq\n  fix: torch2hw units --dtype f32 lists them\n"),
        (["--dtype", "f13"], "--dtype f13: unknown\n  fix: use f32 "),
        (["--clock-ns", "fast"], "--clock-ns fast: not a period in nanoseconds\n"),
        (["--clock-ns", "-1"], "--clock-ns -1.0: not a period in nanoseconds\n"),
        (["--subnormals", "some"], "--subnormals some: unknown\n  fix: flush and keep are the choices\n"),
        (["-o", "u.sv"], "units: -o without NAME\n"),
        (["f32_add", "-o", "u.txt"], "-o u.txt: not a SystemVerilog file\n  fix: use -o u.sv\n"),
        (["f32_add", "-o", "a/u.sv"], "a/u.sv: cannot write: there is no directory a\n"),
    ],
)
def test_refusals(
    arguments: list[str],
    refusal: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["units", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"error[usage]: {refusal}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITTEN)
def test_a_written_unit(name: str, tmp_path: Path) -> None:
    """The same bytes again, nothing that a linter says, and its bench passes on Icarus where that is installed."""
    texts = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        assert main(["units", name, "-o", str(folder / "unit.sv"), "-q"]) == 0
        assert sorted(path.name for path in folder.iterdir()) == ["unit.sv", "unit_tb.sv"]
        texts.append([(folder / file).read_text() for file in ("unit.sv", "unit_tb.sv")])
    assert texts[0] == texts[1]
    assert str(tmp_path) not in "".join(texts[0])
    files = [tmp_path / "one" / "unit.sv", tmp_path / "one" / "unit_tb.sv"]
    assert lint(files[:1], name) == []
    assert lint(files, f"{name}_tb") == []
    if ICARUS:
        done = on_icarus(tmp_path / "one", name)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"{name}: 2000 vectors, 0 mismatches\n" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not ICARUS, reason="Icarus Verilog is not installed")
def test_the_bench_finds_a_fault(tmp_path: Path) -> None:
    assert main(["units", "i8_add", "-o", str(tmp_path / "unit.sv"), "-q"]) == 0
    text = (tmp_path / "unit.sv").read_text()
    assert text.count("$signed(left) + $signed(right)") == 1
    (tmp_path / "unit.sv").write_text(text.replace("$signed(left) + $signed(right)", "left | right"))
    done = on_icarus(tmp_path, "i8_add")
    assert done.returncode != 0
    assert ") gives " in done.stdout and " 0 mismatches" not in done.stdout


def on_icarus(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    line = ["iverilog", "-g2012", "-Wall", "-s", f"{name}_tb", "-o", "bench", "unit.sv", "unit_tb.sv"]
    subprocess.run(line, cwd=folder, check=True)
    return subprocess.run(["vvp", "bench"], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.simulation
def test_the_bench_passes_on_verilator(tmp_path: Path) -> None:
    from torch2hw.tools.verilator_tool import command, environment

    assert main(["units", "f32_mul", "-o", str(tmp_path / "unit.sv"), "-q"]) == 0
    options = ["--binary", "-Wall", "-CFLAGS", "-std=gnu++20 -fcoroutines", "--top-module", "f32_mul_tb"]
    line = [*command(), *options, "unit.sv", "unit_tb.sv"]
    subprocess.run(line, cwd=tmp_path, check=True, capture_output=True, env=environment())
    done = subprocess.run([tmp_path / "obj_dir" / "Vf32_mul_tb"], capture_output=True, text=True, check=True)
    assert "f32_mul: 2000 vectors, 0 mismatches\n" in done.stdout
