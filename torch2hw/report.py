"""What is known of a design without simulating or synthesising it: cycles, lanes and their use, a kernel at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from torch2hw.compiler import Compiled


@dataclass(frozen=True)
class Kernel:
    """One kernel. `mac_utilization` is the share of its lanes' cycles that multiply and add; None without any."""

    name: str
    source: str | None
    cycles: int
    macs: int
    mac_utilization: float | None


@dataclass(frozen=True)
class Report:
    """A design in figures; what was not measured is not there."""

    top: str
    cycles: int
    macs: int
    mac_lanes: int
    mac_utilization: float | None
    kernels: tuple[Kernel, ...]

    @staticmethod
    def of(compiled: Compiled) -> Report:
        """The figures of a compiled design."""
        manifest = compiled.manifest([], [])
        kernels = []
        for kernel in compiled.at("calyx").kernels:
            use = _utilization(kernel.nest.macs, kernel.latency_cycles, kernel.nest.lanes)
            source = str(kernel.nest.source) if kernel.nest.source else None
            kernels.append(Kernel(kernel.component.name, source, kernel.latency_cycles, kernel.nest.macs, use))
        macs, cycles, lanes = manifest["macs"], manifest["latency_cycles"], manifest["mac_lanes"]
        return Report(manifest["top"], cycles, macs, lanes, _utilization(macs, cycles, lanes), tuple(kernels))

    def to_json(self) -> dict[str, Any]:
        """The object of `report --json`."""
        fields: dict[str, Any] = {
            "top": self.top,
            "cycles": self.cycles,
            "macs": self.macs,
            "mac_lanes": self.mac_lanes,
        }
        if self.mac_utilization is not None:
            fields["mac_utilization"] = self.mac_utilization
        fields["kernels"] = [
            {key: value for key, value in vars(kernel).items() if value is not None} for kernel in self.kernels
        ]
        return fields

    def __str__(self) -> str:
        rows = [("kernel", "cycles", "MACs", "use", "source")]
        for kernel in (*self.kernels, Kernel(self.top, None, self.cycles, self.macs, self.mac_utilization)):
            use = "" if kernel.mac_utilization is None else f"{kernel.mac_utilization:.1%}"
            rows.append((kernel.name, f"{kernel.cycles:,}", f"{kernel.macs:,}", use, kernel.source or ""))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = []
        for name, *figures, source in rows:
            right = "  ".join(text.rjust(width) for text, width in zip(figures, widths[1:], strict=True))
            lines.append(f"{name.ljust(widths[0])}  {right}  {source}".rstrip())
        return "\n".join(lines)

    def json_text(self) -> str:
        """`to_json`, as text."""
        return json.dumps(self.to_json(), indent=2)


def _utilization(macs: int, cycles: int, lanes: int) -> float | None:
    return macs / (cycles * lanes) if macs and cycles and lanes else None
