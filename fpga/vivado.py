"""Vivado batch projects: out-of-context synthesis, placement and routing of a design, and sweeps over clock periods.

`project` gives the files; `vivado -mode batch -source build.tcl` in their folder leaves reports/, and
`python -m torch2hw.fpga.vivado FOLDER` prints what they say as JSON. Vivado is not ours to install: what it does is
described here from its documentation (UG835 commands, UG906 reports), and the reports are parsed by their headings.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch2hw.tools.errors import UsageError
from torch2hw.tools.resources import Resources

PART = "xcu50-fsvh2104-2-e"
SWEEP_NS = (5.0, 4.0, 3.33, 3.0, 2.5, 2.0)

FLOW = """\
# Out-of-context synthesis, placement and routing of {top} under the constraints in the file XDC.
# leaves FOLDER/utilization.rpt, utilization_hierarchical.rpt, timing.rpt, period.txt, routed.dcp
proc implement {{xdc folder}} {{
  file mkdir $folder
  create_project -in_memory -part {part}
  read_verilog -sv {{{files}}}
  read_xdc $xdc
  synth_design -top {top} -part {part} -mode out_of_context -flatten_hierarchy rebuilt
  opt_design
  place_design
  phys_opt_design
  route_design
  report_utilization -file $folder/utilization.rpt
  report_utilization -hierarchical -file $folder/utilization_hierarchical.rpt
  report_timing_summary -delay_type max -max_paths 10 -file $folder/timing.rpt
  write_text $folder/period.txt [get_property PERIOD [get_clocks {clock}]]
  write_checkpoint -force $folder/routed.dcp
  close_project
}}

proc write_text {{name text}} {{
  set file [open $name w]
  puts $file $text
  close $file
}}
"""
BUILD = "# vivado -mode batch -source build.tcl\nsource flow.tcl\nimplement clock.xdc reports\n"
SWEEP = """\
# vivado -mode batch -source sweep.tcl
source flow.tcl
foreach period {{{periods}}} {{
  file mkdir sweep/$period
  write_text sweep/$period/clock.xdc "create_clock -name {clock} -period $period \\[get_ports {clock}\\]"
  implement sweep/$period/clock.xdc sweep/$period
}}
"""
CONSTRAINTS = "create_clock -name {clock} -period {period} [get_ports {clock}]\n"
README = """\
Vivado project of {top} for {part}, made by torch2hw.

    vivado -mode batch -source build.tcl      at {period} ns; leaves reports/
    vivado -mode batch -source sweep.tcl      at {periods} ns; leaves sweep/PERIOD/
    python -m torch2hw.fpga.vivado .          what the reports say, as JSON
"""
AGAIN = "run vivado -mode batch -source build.tcl again"

RESOURCE_ROWS = {
    "lut": ("CLB LUTs", "Slice LUTs"),
    "ff": ("CLB Registers", "Slice Registers"),
    "dsp": ("DSPs",),
    "bram36": ("Block RAM Tile",),
    "uram": ("URAM",),
}


@dataclass(frozen=True)
class Implementation:
    """One run: `slack_ns` is the worst setup slack, so the clock reached is 1000 / (period_ns - slack_ns) MHz."""

    period_ns: float
    slack_ns: float
    resources: Resources

    @property
    def mhz(self) -> float:
        """The highest clock of this placement."""
        return 1000 / (self.period_ns - self.slack_ns)

    def to_json(self) -> dict[str, Any]:
        """Period, slack, clock and resources."""
        figures = {"period_ns": self.period_ns, "slack_ns": self.slack_ns, "fmax_mhz": round(self.mhz, 1)}
        return figures | {"resources": self.resources.to_json()}


def project(
    sources: Sequence[str],
    top: str,
    clock: str,
    period_ns: float,
    part: str = PART,
    sweep_ns: Sequence[float] = SWEEP_NS,
) -> dict[str, str]:
    """The project's files by name, the design's own not among them."""
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", part):
        raise UsageError(f"--part {part}: not the name of a part", fix=f"write it as Vivado does: {PART}")
    words = {
        "top": top,
        "part": part,
        "clock": clock,
        "period": f"{period_ns:g}",
        "periods": " ".join(f"{period:g}" for period in sweep_ns),
        "files": " ".join(sources),
    }
    return {
        "clock.xdc": CONSTRAINTS.format(**words),
        "flow.tcl": FLOW.format(**words),
        "build.tcl": BUILD.format(**words),
        "sweep.tcl": SWEEP.format(**words),
        "README": README.format(**words),
    }


def read_reports(folder: Path) -> Implementation:
    """What one run left in `folder`."""
    for name in ("utilization.rpt", "timing.rpt", "period.txt"):
        if not (folder / name).is_file():
            raise UsageError(f"{folder / name} is missing", fix="run vivado -mode batch -source build.tcl first")
    resources = utilization((folder / "utilization.rpt").read_text())
    period = float((folder / "period.txt").read_text())
    return Implementation(period, worst_slack_ns((folder / "timing.rpt").read_text()), resources)


def utilization(report: str) -> Resources:
    """Of the text that report_utilization writes: the first row of each name in its tables."""
    used: dict[str, float] = {}
    for line in report.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) > 1 and re.fullmatch(r"[0-9.]+", cells[1]):
            used.setdefault(cells[0].rstrip("*"), float(cells[1]))
    figures: dict[str, float] = {}
    for figure, names in RESOURCE_ROWS.items():
        found = [used[name] for name in names if name in used]
        if not found and figure != "uram":  # 7-series devices have no row for it
            raise UsageError(f"the utilization report has no row {' or '.join(names)}", fix=AGAIN)
        figures[figure] = found[0] if found else 0
    whole = {figure: int(value) for figure, value in figures.items() if figure != "bram36"}
    return Resources(**whole, bram36=figures["bram36"])


def worst_slack_ns(report: str) -> float:
    """WNS of the design timing summary."""
    found = re.search(r"WNS\(ns\).*\n[\s-]+\n\s*(-?[0-9.]+)", report)
    if found is None:
        why = "no path has a clock constraint"
        raise UsageError("the timing report has no design timing summary", why=why, fix=AGAIN)
    return float(found.group(1))


def main(arguments: list[str] | None = None) -> int:
    """Print the results of a project's folder."""
    folder = Path((sys.argv[1:] if arguments is None else arguments)[0])
    runs = [place for place in (folder / "reports", *sorted(folder.glob("sweep/*"))) if place.is_dir()]
    print(json.dumps([read_reports(place).to_json() for place in runs], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
