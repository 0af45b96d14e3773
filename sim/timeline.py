"""The cycles in which each kernel ran in simulation: a timeline in Chrome's trace format (for Perfetto), and a table.

A slice of a kernel lasts from its start to its last store; a kernel in rounds has a slice for each round. Kernels may
overlap, so each has its own row. Cycles count from the cycle in which go is high. Times are those of the design's clock
period.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass

from torch2hw.sim.monitors import KernelRun, Watched

COLUMNS = (
    "run",
    "kernel",
    "source",
    "first_cycle",
    "last_cycle",
    "cycles",
    "share_of_run",
    "stores",
    "macs",
    "lanes",
    "mac_utilization",
)


@dataclass(frozen=True)
class Timeline:
    """`runs` are the cycles of the simulation in which runs began, `cycles` how long each took."""

    top: str
    clock_ns: float
    watched: tuple[Watched, ...]
    runs: tuple[int, ...]
    cycles: tuple[int, ...]
    seen: tuple[KernelRun, ...]

    def of_run(self, run: int) -> list[KernelRun]:
        """What ran in a run, in the order in which it was started."""
        begin, length = self.runs[run], self.cycles[run]
        return sorted(
            (each for each in self.seen if begin <= each.first <= begin + length), key=lambda each: each.first
        )

    def trace(self) -> str:
        """Chrome's trace format: a process for each run, a thread for each kernel, times in microseconds."""
        events: list[dict[str, object]] = []
        for run, begin in enumerate(self.runs):
            whole = {"name": f"{self.top}: go to done", "ph": "X", "pid": run, "tid": 0}
            args: dict[str, object] = {"cycles": self.cycles[run]}
            events.append(
                {
                    "name": "process_name",
                    "ph": "M",
                    "pid": run,
                    "tid": 0,
                    "args": {"name": f"{self.top}, run {run + 1}"},
                }
            )
            events.append({**whole, "ts": 0.0, "dur": self._microseconds(self.cycles[run]), "args": args})
            for number, watched in enumerate(self.watched, 1):
                events.append(
                    {"name": "thread_name", "ph": "M", "pid": run, "tid": number, "args": {"name": watched.kernel.name}}
                )
            for each in self.of_run(run):
                kernel = self.watched[each.number].kernel
                first, last = each.first - begin, each.last - begin
                events.append(
                    {
                        "name": kernel.name,
                        "cat": "kernel",
                        "ph": "X",
                        "pid": run,
                        "tid": each.number + 1,
                        "ts": self._microseconds(first),
                        "dur": self._microseconds(last - first + 1),
                        "args": {
                            "source": str(kernel.source or ""),
                            "first_cycle": first,
                            "last_cycle": last,
                            "stores": each.stores,
                            "macs": kernel.macs // kernel.rounds,
                        },
                    }
                )
        return json.dumps({"displayTimeUnit": "ns", "traceEvents": events}, indent=1) + "\n"

    def table(self) -> str:
        """CSV with a row for each kernel of each run."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for run, begin in enumerate(self.runs):
            for each in self.of_run(run):
                kernel = self.watched[each.number].kernel
                cycles = each.last - each.first + 1
                macs = kernel.macs // kernel.rounds
                use = f"{macs / (kernel.lanes * cycles):.4f}" if macs else ""
                place = (each.first - begin, each.last - begin, cycles, f"{cycles / self.cycles[run]:.4f}")
                lanes = kernel.lanes if macs else ""
                writer.writerow((run + 1, kernel.name, kernel.source or "", *place, each.stores, macs, lanes, use))
        return text.getvalue()

    def _microseconds(self, cycles: int) -> float:
        return round(cycles * self.clock_ns / 1000, 6)
