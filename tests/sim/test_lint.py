from __future__ import annotations

from pathlib import Path

from torch2hw.sim.lint import lint, lint_with_slang, lint_with_verilator

from .designs import affine_in

FLAWED = """
module flawed (input logic clk, input logic [3:0] a, output logic [7:0] y, output logic z);
  logic [3:0] twice;
  logic nobody;
  always_ff @(posedge clk) twice <= a;
  always_ff @(posedge clk) twice <= 4'd1;
  assign y = twice;
  assign z = nobody;
endmodule
"""


def test_a_clean_design_has_no_finding(tmp_path: Path) -> None:
    affine_in(tmp_path)
    assert lint([tmp_path / "affine.sv"], "affine") == []


def test_each_linter_finds_what_it_should(tmp_path: Path) -> None:
    design = tmp_path / "a directory" / "flawed.sv"
    design.parent.mkdir()
    design.write_text(FLAWED)
    verilator = {(finding.code, finding.line) for finding in lint_with_verilator([design], "flawed")}
    slang = {(finding.code, finding.line) for finding in lint_with_slang([design], "flawed")}
    assert verilator == {("WIDTHEXPAND", 7), ("UNDRIVEN", 4)}
    assert slang == {("width-expand", 7), ("unassigned-variable", 4), ("multiple-always-assigns", 6)}
    assert {f.code for f in lint([design], "flawed", {"UNDRIVEN": "a test"})} == {c for c, _ in slang} | {"WIDTHEXPAND"}


def test_text_that_does_not_parse_is_an_error_of_both(tmp_path: Path) -> None:
    design = tmp_path / "broken.sv"
    design.write_text("module broken (input logic a;\nendmodule\n")
    findings = lint([design], "broken")
    assert {finding.linter for finding in findings if finding.severity == "error"} == {"verilator", "slang"}
    assert str(findings[0]).startswith("broken.sv:1: verilator error ")
