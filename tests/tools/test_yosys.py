"""A design of two kernels that share nothing: what is measured is what is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from torch2hw.tools import cache, yosys
from torch2hw.tools.errors import InternalError
from torch2hw.tools.resources import Resources

DESIGN = """
module adder(input clk, input [7:0] a, b, output logic [7:0] sum);
  always_ff @(posedge clk) sum <= a + b;
endmodule
module line(input clk, input [7:0] in, output [7:0] out);
  logic [7:0] stage [0:9];
  always_ff @(posedge clk) begin
    stage[0] <= in;
    for (int k = 1; k < 10; k++) stage[k] <= stage[k - 1];
  end
  assign out = stage[9];
endmodule
module pair(input clk, input [7:0] a, b, output [7:0] out, output logic flag);
  wire [7:0] sum;
  adder first(.clk, .a, .b, .sum);
  line second(.clk, .in(sum), .out);
  always_ff @(posedge clk) flag <= a[0];
endmodule
"""
FILES = {"pair.sv": DESIGN}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "root", lambda: tmp_path)


@pytest.mark.slow
def test_total_and_parts_are_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = yosys.synthesise(FILES, "pair")
    assert [(part.instance, part.module) for part in found.parts] == [("first", "adder"), ("second", "line")]
    adder, line = (part.resources for part in found.parts)
    assert adder == Resources(lut=8, ff=8)
    assert line == Resources(lut=8)  # one SRL each bit
    assert found.rest == Resources(ff=1)
    assert found.total == Resources(lut=16, ff=1)  # without the boundary the sum's register is in the SRLs too
    monkeypatch.setattr(yosys, "run_scripts", lambda *_: pytest.fail("Yosys ran again"))
    assert yosys.synthesise(FILES, "pair") == found


def test_an_error_of_yosys_is_ours(tmp_path: Path) -> None:
    with pytest.raises(InternalError, match=r"Yosys stopped: pair\.sv:1: ERROR: expected"):
        yosys.resources({"pair.sv": "module pair(; endmodule"}, "pair")
    assert not list(tmp_path.glob("yosys/*"))
