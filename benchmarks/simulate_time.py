"""`python -m torch2hw.benchmarks.simulate_time`: how long `torch2hw simulate MODEL` takes with an empty cache.

| figure | what |
|---|---|
| wall | seconds from the start of the command to its end: compiling, building the simulator, simulating, comparing |
| CPU | seconds of user and system time, of the command and of the processes that it starts |

`--before DIR` measures the version of torch2hw in DIR instead. Writes simulate_time.json and simulate_time.md; points
that are not measured this time stay as they are.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch2hw.benchmarks.command_times import Case, time_cases
from torch2hw.benchmarks.tables import table
from torch2hw.explore.measure import Point

TITLES = ("model", "N", "CPU s", "before", "wall s", "before", "wanted")


CASES = (
    Case("FFNN batch 1", "../examples/ffnn_batch1.py", 1, "10 s"),
    Case("FFNN", "../examples/ffnn.py", 1, "10 s"),
    Case("FFNN", "../examples/ffnn.py", 4, "25 s"),
    Case("LSTM", "../examples/lstm.py", 4, "25 s"),
    Case("attention block", "models/attention_block.py", 3, "20 s"),
    Case("60 nested where", "models/nested_wheres.py", 3, "20 s"),
)


def main(arguments: list[str] | None = None) -> int:
    """Measure, and write after every model."""
    return time_cases("simulate_time", __doc__ or "", CASES, measured, markdown, arguments)


def measured(model: Path, partition: int, version: Path) -> Point:
    """The figures of one command, run with the package that is in the folder `version`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "torch2hw", "simulate", str(model.resolve()), "--partition", str(partition)]
        places = {"XDG_CACHE_HOME": folder, "PYTHONPATH": str(version.resolve())}
        started = time.monotonic()
        process = subprocess.Popen([*command, "--quiet"], cwd=version, env=os.environ | places)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        return {"error": f"exit status {process.returncode}"}
    return {"wall_seconds": round(seconds, 1), "cpu_seconds": round(used.ru_utime + used.ru_stime, 1)}


def markdown(points: Sequence[Mapping[str, Any]]) -> str:
    """The table."""
    wanted = {(case.name, case.partition): case.wanted for case in CASES}
    rows = []
    for point in points:
        versions = point.get("now", {}), point.get("before", {})
        figures = [_figure(version, key) for key in ("cpu_seconds", "wall_seconds") for version in versions]
        key = (point["model"], point["partition"])
        rows.append((point["model"], str(point["partition"]), *figures, wanted[key]))
    parts = [
        "# Time of a simulation",
        "Written by `python -m torch2hw.benchmarks.simulate_time` (its first lines say what the figures are) on two "
        "cores, with an empty cache. Wanted is the wall-clock time of an idle machine: where other programs use the "
        "cores, compare CPU seconds.",
        table(TITLES, rows),
    ]
    return "\n\n".join(parts) + "\n"


def _figure(version: Mapping[str, Any], key: str) -> str:
    return str(version.get("error", version.get(key, "–")))


if __name__ == "__main__":
    sys.exit(main())
