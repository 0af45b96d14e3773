"""`python -m torch2hw.benchmarks.compile_time`: how long `torch2hw MODEL -o OUT.sv` takes, and how much memory.

| figure | what |
|---|---|
| wall | seconds from the start of the command to its end |
| CPU | seconds of user and system time, of the command and of the processes that it starts |
| peak | MiB: the most that all these processes hold at one time (Linux: proportional set sizes, ten times a second) |
| passes | wall-clock seconds of a pass by `--time`, with the verification of the program that it leaves |

`--before DIR` measures the version of torch2hw in DIR instead, for the columns to compare with. Writes
compile_time.json and compile_time.md; points that are not measured this time (`--only`, `--before`) stay as they are.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch2hw.benchmarks.command_times import Case, time_cases
from torch2hw.benchmarks.tables import table
from torch2hw.explore.measure import Point

SLOWEST = 6  # passes of a model that are shown
SAMPLE_SECONDS = 0.1
PASS_LINE = re.compile(r"^ *([\d.]+) ms +([\d.]+) ms to verify +(\S+)", re.MULTILINE)
TITLES = ("model", "N", "CPU s", "before", "wall s", "before", "peak MiB", "before", "wanted")


CASES = (
    Case("FFNN", "../examples/ffnn.py", 16, "7 s of passes"),
    Case("MLP, 64 equal layers", "models/mlp_64_layers.py", 4, "10 s"),
    Case("MLP, 64 different layers", "models/mlp_64_widths.py", 4, "–"),
    Case("Linear(1024, 1024)", "models/linear_1024.py", 4, "8 s"),
    Case("GEMM 256×256×64", "models/gemm_256.py", 32, "40 s"),
    Case("GPT-2 block", "models/gpt2_block.py", 4, "30 s, 2 GB"),
    Case("MobileNetV2", "models/mobilenet_v2.py", 4, "25 s"),
    Case("ResNet-18", "models/resnet18.py", 4, "45 s, 3 GB"),
)


def main(arguments: list[str] | None = None) -> int:
    """Measure, and write after every model."""
    return time_cases("compile_time", __doc__ or "", CASES, measured, markdown, arguments)


def measured(model: Path, partition: int, version: Path) -> Point:
    """The figures of one command, run with the package that is in the folder `version`."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.sv"
        command = [sys.executable, "-m", "torch2hw", str(model.resolve()), "--partition", str(partition), "--time"]
        started = time.monotonic()
        with (Path(folder) / "err").open("w+") as errors:
            process = subprocess.Popen(
                [*command, "-o", str(output)], cwd=version, stdout=subprocess.DEVNULL, stderr=errors
            )
            with Peak(process.pid) as peak:
                _, status, used = os.wait4(process.pid, 0)
            seconds = time.monotonic() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            errors.seek(0)
            text = errors.read()
        if process.returncode:
            return {"error": text.strip().split("\n")[0]}
        return {
            "wall_seconds": round(seconds, 1),
            "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
            "peak_mib": peak.mib,
            "verilog_bytes": output.stat().st_size,
            "pass_seconds": pass_seconds(text),
        }


def pass_seconds(text: str) -> dict[str, float]:
    """Seconds by the pass's name from what `--time` prints; of a pass that runs several times their sum."""
    seconds: dict[str, float] = {}
    for ran, verified, name in PASS_LINE.findall(text):
        seconds[name] = round(seconds.get(name, 0) + (float(ran) + float(verified)) / 1e3, 3)
    return seconds


class Peak:
    """Samples the memory of a process and of all below it, until the `with` block ends; then `mib` is the most."""

    def __init__(self, process: int) -> None:
        self.process, self.mib = process, 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Peak:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.done.set()
        self.thread.join()

    def _sample(self) -> None:
        while not self.done.wait(SAMPLE_SECONDS):
            self.mib = max(self.mib, sum(map(held_kib, family(self.process))) >> 10)


def family(process: int) -> list[int]:
    """A process and all that were started below it and still run."""
    found = [process]
    for each in found:
        for tasks in Path(f"/proc/{each}/task").glob("*/children"):
            found += map(int, _read(tasks).split())
    return found


def held_kib(process: int) -> int:
    """The proportional set size: pages that several processes share count in parts."""
    line = re.search(r"^Pss: +(\d+) kB", _read(Path(f"/proc/{process}/smaps_rollup")), re.MULTILINE)
    return int(line[1]) if line else 0


def _read(file: Path) -> str:
    """A file of /proc; empty once its process has ended."""
    try:
        return file.read_text()
    except OSError:
        return ""


def markdown(points: Sequence[Mapping[str, Any]]) -> str:
    """The tables: whole commands, and each model's slowest passes."""
    wanted = {case.name: case.wanted for case in CASES}
    rows, passes = [], []
    for point in points:
        versions = point.get("now", {}), point.get("before", {})
        figures = [_figure(version, key) for key in ("cpu_seconds", "wall_seconds", "peak_mib") for version in versions]
        rows.append((point["model"], str(point["partition"]), *figures, wanted[point["model"]]))
        slowest = [", ".join(_slowest(version)) or "–" for version in versions]
        passes.append((point["model"], *slowest))
    parts = [
        "# Compile time",
        "Written by `python -m torch2hw.benchmarks.compile_time` (its first lines say what the figures are) on two "
        "cores. All of a command counts, two seconds of it for the import of PyTorch. Before: a version without the "
        "control tree, measured while other programs used the cores: compare its CPU seconds.",
        table(TITLES, rows),
        f"Wall-clock seconds of the {SLOWEST} slowest passes:",
        table(("model", "passes", "before"), passes),
    ]
    return "\n\n".join(parts) + "\n"


def _figure(version: Mapping[str, Any], key: str) -> str:
    if "error" in version:
        return str(version["error"])
    value = version.get(key)
    return "–" if value is None else f"{value:,}"


def _slowest(version: Mapping[str, Any]) -> list[str]:
    seconds: Mapping[str, float] = version.get("pass_seconds", {})
    slowest = sorted(seconds, key=lambda name: -seconds[name])[:SLOWEST]
    return [f"{name} {seconds[name]:.1f}" for name in slowest if seconds[name] >= 0.05]


if __name__ == "__main__":
    sys.exit(main())
