"""The project's text, and the reports' layout as UG906 shows it. Vivado itself is not run here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from torch2hw.fpga import vivado
from torch2hw.tools.errors import UsageError
from torch2hw.tools.resources import Resources

UTILIZATION = """
1. CLB Logic
------------

+----------------------------+------+-------+------------+-----------+-------+
|          Site Type         | Used | Fixed | Prohibited | Available | Util% |
+----------------------------+------+-------+------------+-----------+-------+
| CLB LUTs                   |  949 |     0 |          0 |    870720 |  0.11 |
|   LUT as Logic             |  907 |     0 |          0 |    870720 |  0.10 |
|   LUT as Memory            |   42 |     0 |          0 |    403200 |  0.01 |
| CLB Registers              |  700 |     0 |          0 |   1743360 |  0.04 |
+----------------------------+------+-------+------------+-----------+-------+

3. BLOCKRAM
-----------

| Block RAM Tile    |  9.5 |     0 |          0 |      1344 |  0.71 |
|   RAMB36/FIFO*    |    7 |     0 |          0 |      1344 |  0.52 |
| URAM              |    0 |     0 |          0 |       640 |  0.00 |

4. ARITHMETIC
| DSPs           |    2 |     0 |          0 |      5952 |  0.03 |
"""
TIMING = """
------------------------------------------------------------------------------------------------
| Design Timing Summary
| ---------------------
------------------------------------------------------------------------------------------------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)
    -------      -------  ---------------------  -------------------      -------      -------
     -0.170       -1.250                     12                 3456        0.030        0.000
"""


def test_reports_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / "utilization.rpt").write_text(UTILIZATION)
    (reports / "timing.rpt").write_text(TIMING)
    (reports / "period.txt").write_text("3.33\n")
    run = vivado.read_reports(reports)
    assert run.resources == Resources(949, 700, 2, 9.5, 0)
    assert run.slack_ns == -0.17
    assert run.mhz == pytest.approx(1000 / 3.5)
    assert vivado.main([str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == [run.to_json()]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"utilization\.rpt is missing"):
        vivado.read_reports(tmp_path)
    with pytest.raises(UsageError, match="no row CLB LUTs or Slice LUTs"):
        vivado.utilization("nothing")
    with pytest.raises(UsageError, match="no design timing summary"):
        vivado.worst_slack_ns("There are no user specified timing constraints.")


def test_the_project_says_what_was_asked() -> None:
    files = vivado.project(["net.sv"], "net", "clk", 2.5, "xcvu9p-flga2104-2-i", (2.0, 3.0))
    assert files["clock.xdc"] == "create_clock -name clk -period 2.5 [get_ports clk]\n"
    assert "read_verilog -sv {net.sv}" in files["flow.tcl"]
    assert "synth_design -top net -part xcvu9p-flga2104-2-i -mode out_of_context" in files["flow.tcl"]
    assert "foreach period {2 3} {" in files["sweep.tcl"]
    for name in ("flow.tcl", "build.tcl", "sweep.tcl"):
        assert files[name].count("{") == files[name].count("}")


def test_a_part_is_a_part() -> None:
    with pytest.raises(UsageError, match="not the name of a part"):
        vivado.project(["net.sv"], "net", "clk", 2.5, "xcu50; exec rm")
