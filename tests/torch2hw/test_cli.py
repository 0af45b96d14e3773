"""The command as its users meet it: a process with files, output and an exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from torch2hw.cli import main
from torch2hw.commands.command_line import COMMANDS

MODEL = """
import torch
from torch import nn

model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
example_inputs = torch.randn(2, 6)
"""


LONG = 300 * "a"


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(MODEL)
    return "net.py"


def command(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "torch2hw", *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, **options)  # type: ignore[call-overload,no-any-return]


def test_help_lists_what_exists() -> None:
    done = command("--help")
    assert done.returncode == 0
    assert all(f"\n    {name}" in done.stdout for name in COMMANDS)


IMPORTED = """
import resource, sys
from torch2hw.cli import main
try:
    status = main(sys.argv[1:])
except SystemExit as left:
    status = left.code
used = resource.getrusage(resource.RUSAGE_SELF)
names = " ".join(name for name in sys.modules if "." not in name)
print(f"{status}\\n{used.ru_utime + used.ru_stime}\\n{names}", file=sys.stderr)
"""
SLOW_TO_IMPORT = {"torch", "torch_mlir", "pycde", "scipy", "mpmath", "sympy", "pyslang", "pyosys", "matplotlib"}


@pytest.mark.parametrize(
    ("arguments", "status", "numpy"),
    [
        ("--help", 0, False),
        ("simulate --help", 0, False),
        ("--version", 0, False),
        ("passes", 0, False),
        ("passes choose-lanes", 0, False),
        ("passes choose", 2, False),
        ("cache", 0, False),
        ("units", 0, False),
        ("--bogus", 2, False),
        ("simulat net.py", 2, False),
        ("net.py -o out/", 2, False),
        ("net.py", 2, False),
        ("net.py -o out.sv --partition 0", 2, False),
        ("net.py -o out.sv --dtype f33", 2, True),
        ("simulate net.py --trace-depth 2", 2, False),
        ("missing.py -o out.sv", 2, True),
    ],
)
def test_what_needs_no_compiler_does_not_wait_for_it(
    arguments: str, status: int, numpy: bool, model: str, tmp_path: Path
) -> None:
    if arguments == "units":
        assert main(["units", "--quiet"]) == 0  # they are made once
    line = [sys.executable, "-c", IMPORTED, *arguments.split()]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    *_, left, seconds, names = done.stderr.splitlines()
    assert left == str(status), done.stderr
    assert not SLOW_TO_IMPORT & set(names.split()) and (numpy or "numpy" not in names.split())
    assert float(seconds) < 0.6  # 0.1 to 0.2 s on an idle machine


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "net.py"], "net.py: cannot write: it is read by this command"),
        (["-o", "out.sv", "--dump", "net.py"], "--dump net.py: it is a file"),
        (["-o", "out.sv", "--dump", "net.py/a/b"], "--dump net.py/a/b: net.py is a file"),
        (["-o", "out.sv", "--dump", LONG], f"{LONG}: cannot write: file name too long"),
        (["-o", LONG], f"{LONG}: cannot write: file name too long"),
        (["-o", "/proc/out.sv"], "/proc/out.sv: cannot write: /proc takes no files"),
        (["-o", "out.sv", "--quantize", "int8", "--calibrate", LONG], f"{LONG}: cannot be read: file name too long"),
        (
            ["-o", "out.sv", "--float-lib", f"hardfloat:{LONG}", "--subnormals", "keep"],
            "cannot use: file name too long",
        ),
    ],
)
def test_no_file_is_written_where_one_cannot_be_used(
    arguments: list[str], message: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (tmp_path / "net.py").read_text()
    assert main([model, *arguments]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["net.py"] and (tmp_path / "net.py").read_text() == before


def test_compile_writes_design_and_manifest(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([model, "-o", "out.sv"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.py", "out.json", "out.sv"]
    manifest = json.loads((tmp_path / "out.json").read_text())
    assert (manifest["top"], manifest["files"]) == ("net", ["out.sv"])
    assert [(port["name"], port["shape"]) for port in manifest["inputs"] + manifest["outputs"]] == [
        ("input_1", [2, 6]),
        ("out", [2, 3]),
    ]
    verilog = (tmp_path / "out.sv").read_text()
    assert "module net(" in verilog
    assert "// net.py:5" in verilog
    out, err = capsys.readouterr()
    assert out.startswith(f"out.sv: net, {manifest['latency_cycles']} cycles")
    assert err == ""


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes(model: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "net.py").write_text(MODEL)
    seeds = ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"})
    for folder, seed in zip((tmp_path, elsewhere), seeds, strict=True):
        done = command(model, "-o", "out.sv", cwd=folder, env=os.environ | seed)
        assert (done.returncode, done.stderr) == (0, "")
    for name in ("out.sv", "out.json"):
        assert (tmp_path / name).read_bytes() == (elsewhere / name).read_bytes()
        assert str(tmp_path) not in (tmp_path / name).read_text()


@pytest.mark.parametrize("level", ["torch", "linalg", "affine", "scheduled", "scf", "calyx", "futil", "hw"])
def test_emit(model: str, level: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([model, "--emit", level]) == 0
    beginning = {"torch": "torch.aten", "linalg": "linalg.", "affine": "affine.for", "scheduled": "affine.for"}
    beginning |= {"scf": "scf.for", "calyx": "calyx.component", "futil": "component net", "hw": "hw.module"}
    assert beginning[level] in capsys.readouterr().out


def test_stop_after_and_dump(model: str, tmp_path: Path) -> None:
    assert main([model, "--stop-after", "linalg-to-affine", "--dump", "steps", "-o", "affine.mlir"]) == 0
    assert sorted(path.name for path in (tmp_path / "steps").iterdir()) == [
        "01-torch-to-linalg.mlir",
        "02-linalg-to-affine.mlir",
        "weights.npz",
    ]
    assert "affine.for" in (tmp_path / "affine.mlir").read_text()
    assert "program @net level affine {" in (tmp_path / "steps" / "02-linalg-to-affine.mlir").read_text()


def test_report(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", model, "--json", "--no-synthesis"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["macs"] == sum(kernel["macs"] for kernel in report["kernels"]) == 2 * (6 * 5 + 5 * 3)
    assert "resources" not in report


def test_testbench(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["testbench", model, "-o", "bench", "--seed", "7"]) == 0
    assert capsys.readouterr().out == "bench: run pytest or make there; README.md says what is in it\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bench", "net.py"]
    assert json.loads((tmp_path / "bench" / "rtl" / "design.json").read_text())["top"] == "net"
    assert (tmp_path / "bench" / "README.md").is_file()


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["-o", "."], "-o .: not an empty directory\n  fix: name a new one"),
        (["-o", "net.py"], "-o net.py: not an empty directory\n  fix: name a new one"),
        (["-o", "a/b"], "-o a/b: there is no directory a\n  fix: make it with mkdir -p a"),
        (
            ["-o", "b", "--seed", "-1"],
            "argument --seed: -1: not a whole number of 0 or more\n"
            "  fix: see torch2hw --help, or torch2hw COMMAND --help",
        ),
    ],
)
def test_testbench_is_refused_before_any_work(
    model: str, arguments: list[str], refusal: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / model).write_text("raise AssertionError('executed')")
    assert main(["testbench", model, *arguments]) == 2
    assert capsys.readouterr().err == f"error[usage]: {refusal}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["net.py"]


def test_passes(capsys: pytest.CaptureFixture[str]) -> None:
    from torch2hw.compiler.pipeline import SCHEDULES

    assert main(["passes"]) == 0
    listed = capsys.readouterr().out
    for step in {step.name: step for passes in SCHEDULES.values() for step in passes}.values():
        assert f"  {step.name} " in listed
        assert main(["passes", step.name]) == 0
        assert len(capsys.readouterr().out) > 80, f"{step.name} has no contract"


def test_nothing_is_written_where_a_pass_fails(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out.sv").write_text("old")
    from torch2hw.lowering.hardware import hw_to_sv

    monkeypatch.setattr(hw_to_sv, "export", lambda text: os.abort())
    assert main([model, "-o", "out.sv"]) == 70
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.py", "out.sv"]
    assert (tmp_path / "out.sv").read_text() == "old"
    err = capsys.readouterr().err
    assert err.startswith("error[internal]: native code died of SIGABRT")
    assert "  operation: pass hw-to-sv\n" in err
    Path(err.split("the reproducer ")[1].strip()).unlink()


@pytest.mark.simulation
def test_what_models_print_is_beside_the_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printing = "model.register_forward_hook(lambda *given: print('working'))\n"
    (tmp_path / "net.py").write_text(MODEL + printing)
    assert main(["simulate", str(tmp_path / "net.py"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["bit_exact"] and "working" in err


@pytest.mark.parametrize("arguments", [["compile", "-o", "out.sv"], ["report", "--no-synthesis"]])
def test_what_native_code_prints_is_beside_the_json(arguments: list[str], model: str, tmp_path: Path) -> None:
    """As a custom operator in C++ does, in the file and in `forward`."""
    printing = "import ctypes, os\nctypes.CDLL(None).puts(b'from C')\n"
    printing += "model.register_forward_hook(lambda *given: os.write(1, b'from a hook\\n') and None)\n"
    (tmp_path / model).write_text(MODEL + printing)
    done = command(arguments[0], model, *arguments[1:], "--json")
    assert done.returncode == 0, done.stderr
    assert "net" in json.dumps(json.loads(done.stdout))
    assert "from C\n" in done.stderr and "from a hook\n" in done.stderr
