from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pywellen

from torch2hw.sim import verilator_runtime
from torch2hw.sim.manifest import Manifest
from torch2hw.sim.simulation import Conditions, simulate
from torch2hw.tools.errors import CheckError, InternalError, MissingTool, UsageError

from .designs import MANIFEST, affine_in, affine_inputs, affine_output

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize(
    "conditions",
    [
        pytest.param(Conditions(), marks=pytest.mark.quick),
        Conditions(state="zeros"),
        Conditions(state="ones"),
        Conditions(seed=99, repeats=3),
        Conditions(hold_go=True, repeats=3),
        Conditions(abandon_cycles=tuple(range(1, 16))),
        Conditions(meddle=True, repeats=3),
        pytest.param(Conditions(meddle=True, hold_go=True, repeats=2, abandon_cycles=(4,)), marks=pytest.mark.quick),
    ],
)
def test_no_condition_changes_a_result(tmp_path: Path, conditions: Conditions) -> None:
    manifest = affine_in(tmp_path)
    sets = [affine_inputs(seed) for seed in range(3)]
    result = simulate(tmp_path, manifest, sets, conditions)
    assert result.cycles == [[15] * conditions.repeats] * 3
    for inputs, (y,) in zip(sets, result.outputs, strict=True):
        assert np.array_equal(y, affine_output(inputs))


@pytest.mark.parametrize(
    ("fault", "conditions", "message"),
    [
        (("& last;\n    if", "& busy;\n    if"), Conditions(), r"done came 2 cycles after go, latency_cycles is 15"),
        (("& last;\n", "& last;\n    if (done) done <= 1'b1;\n"), Conditions(), "done is high in cycle"),
        (("busy <= ~last", "busy <= 1'b1"), Conditions(), "done is high in cycle"),
        (("active & last;", "1'b0;"), Conditions(), "done did not come within 1060 cycles of go"),
        (("busy <= 1'b0;", ""), Conditions(abandon_cycles=(5,)), "done came"),
        (("~done)", "1'b1)"), Conditions(hold_go=True, repeats=2), "done came 14 cycles after go"),
    ],
)
def test_a_broken_rule_is_found(tmp_path: Path, fault: tuple[str, str], conditions: Conditions, message: str) -> None:
    manifest = affine_in(tmp_path, fault)
    with pytest.raises(CheckError, match=message):
        simulate(tmp_path, manifest, [affine_inputs(0)], conditions)


def test_a_design_that_takes_writes_while_it_runs_is_found(tmp_path: Path) -> None:
    manifest = affine_in(tmp_path, ("if (x_we & ~active)", "if (x_we)"))
    inputs = affine_inputs(0)
    result = simulate(tmp_path, manifest, [inputs], Conditions(meddle=True))
    assert not np.array_equal(result.outputs[0][0], affine_output(inputs))


def test_an_uninitialised_register_is_found(tmp_path: Path) -> None:
    manifest = affine_in(tmp_path, ("      row <= '0;\n", ""))
    inputs = affine_inputs(0)
    with pytest.raises(CheckError):
        simulate(tmp_path, manifest, [inputs], Conditions(state="ones"))
    result = simulate(tmp_path, manifest, [inputs], Conditions(state="zeros"))
    assert np.array_equal(result.outputs[0][0], affine_output(inputs))


@pytest.mark.slow
def test_a_vcd_has_the_names_of_the_design(tmp_path: Path) -> None:
    trace = tmp_path / "out.vcd"
    simulate(tmp_path, affine_in(tmp_path), [affine_inputs(0)], Conditions(trace=trace))
    text = trace.read_text()
    assert "module affine" in text and "offset_in_bank" in text and text.count("\n#") > 60


nestED = (
    ("module affine (", "module inner (input logic [2:0] column, output logic [2:0] next_column);\n"
     "  assign next_column = column + 3'd1;\nendmodule\nmodule affine ("),
    ("  wire active", "  wire [2:0] after;\n  inner counter (.column(column), .next_column(after));\n  wire active"),
    ("'0 : column + 3'd1", "'0 : after"),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vcd", "fst"])
@pytest.mark.parametrize("depth", [0, 1])
def test_waveforms_have_the_names_of_the_design_down_to_a_depth(tmp_path: Path, kind: str, depth: int) -> None:
    trace = tmp_path / f"out.{kind}"
    conditions = Conditions(trace=trace, trace_depth=depth)
    try:
        simulate(tmp_path, affine_in(tmp_path, *nestED), [affine_inputs(0)], conditions)
    except MissingTool:
        assert kind == "fst"
        pytest.skip("needs the headers of lz4")
    names = {variable.full_name for variable in pywellen.Waveform(str(trace)).all_vars()}
    assert {"TOP.go", "TOP.affine.offset_in_bank"} <= names
    assert ("TOP.affine.counter.next_column" in names) == (depth == 0)


def test_an_fst_without_its_libraries_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verilator_runtime, "FST_PROBE", "#include <surely_not_there.h>\n")
    with pytest.raises(MissingTool) as caught:
        simulate(tmp_path, affine_in(tmp_path), [affine_inputs(0)], Conditions(trace=tmp_path / "out.fst"))
    assert str(caught.value) == (
        "error[missing-tool]: an FST trace needs the headers of lz4 and zlib, which are not installed\n"
        "  fix: apt-get install liblz4-dev zlib1g-dev (Debian, Ubuntu), or write a .vcd file, which needs nothing"
    )


def test_a_missing_compiler_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool) as caught:
        simulate(tmp_path, affine_in(tmp_path), [affine_inputs(0)])
    assert str(caught.value) == (
        "error[missing-tool]: simulation needs g++, which is not installed\n"
        "  fix: apt-get install g++ (Debian, Ubuntu), or your system's package of GCC's C++ compiler"
    )


def test_a_trace_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a trace is a \.vcd or \.fst file, not wave\.txt"):
        simulate(tmp_path, affine_in(tmp_path), [], Conditions(trace=tmp_path / "wave.txt"))


def test_missing_weights_are_refused(tmp_path: Path) -> None:
    affine_in(tmp_path)
    manifest = Manifest.from_json({**MANIFEST, "memory_files": ["affine.mem/w.hex"]})
    with pytest.raises(UsageError, match=r"affine\.mem/w\.hex is missing"):
        simulate(tmp_path, manifest, [])


def test_a_manifest_that_is_not_the_design_is_our_fault(tmp_path: Path) -> None:
    affine_in(tmp_path)
    wrong = {**MANIFEST, "finish": "finished"}
    with pytest.raises(InternalError, match="1-bit port finished, the design no such port"):
        simulate(tmp_path, Manifest.from_json(wrong), [])
    affine_in(tmp_path, ("[15:0] offset_data", "[14:0] offset_data"))
    with pytest.raises(InternalError, match="16-bit port offset_data, the design 15 bits"):
        simulate(tmp_path, Manifest.from_json(MANIFEST), [])


def test_addresses_follow_the_contract() -> None:
    x, offset = Manifest.from_json(MANIFEST).inputs
    rows = [[0, 1, 2, 3, 4], [16, 17, 18, 19, 20], [5, 6, 7, 8, 9]]
    assert x.addresses().reshape(3, 5).tolist() == rows and x.address_bits == 5
    assert offset.addresses().tolist() == [0] and offset.address_bits == 1
