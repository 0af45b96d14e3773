"""Runs the bench of a design with beats, streams or a bus, on a script, and gives what it answered."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from torch2hw.analysis.stored_arrays import Words
from torch2hw.sim.buses import BusManifest
from torch2hw.sim.simulation import RESET_MODES, Conditions, play
from torch2hw.sim.streams import StreamManifest
from torch2hw.sim.verilator import BenchKind, build


@dataclass(frozen=True)
class Played:
    """The words of the results, and how long the build and the run took."""

    answers: Words
    build_seconds: float
    run_seconds: float


def play_script(
    bench: BenchKind,
    directory: Path,
    manifest: StreamManifest | BusManifest,
    script: Sequence[Words],
    runs: int,
    conditions: Conditions,
    progress: Callable[[int, float], None] | None,
) -> Played:
    """Build the design in `directory` with its bench, for so many `runs`, and play the script.

    Raises CheckError where the design breaks a rule, or stops.
    """
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as folder:
        work, started = Path(folder), time.monotonic()
        fast = conditions.builds_fast(manifest, runs)
        program = build(
            directory, manifest, conditions.trace_format, fast, trace_depth=conditions.trace_depth, bench=bench
        )
        built = time.monotonic()
        np.concatenate(script).astype("<u8").tofile(work / "script")
        state = [str(RESET_MODES[conditions.state]), str(conditions.seed)]
        play([program, work / "script", work / "results", *state], directory, conditions.trace, progress)
        answers = np.fromfile(work / "results", "<u8").astype(np.uint64)
    return Played(answers, built - started, time.monotonic() - built)
