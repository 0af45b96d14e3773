"""What `search` looks for: a budget of an FPGA's resources, and how fast a design must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch2hw.tools.errors import UsageError

PARTS = {
    "xcu50": {"lut": 871_680, "dsp": 5_952, "bram36": 1_344},
    "xc7z020": {"lut": 53_200, "dsp": 220, "bram36": 140},
    "xck26": {"lut": 117_120, "dsp": 1_248, "bram36": 144},
}
"""Sites of devices, from their data sheets: Alveo U50 (DS965), Zynq-7020 (DS190), Kria K26 (DS987)."""


@dataclass(frozen=True)
class Goal:
    """`budget`: the most of each resource, those that do not matter left out. `latency_us`: the longest latency at the
    target clock; None asks for the fastest design, otherwise for the smallest that is fast enough."""

    budget: Mapping[str, float]
    latency_us: float | None = None
    fps: float | None = None

    def overrun(self, figures: Mapping[str, float]) -> float:
        """The largest share of its budget that a resource takes: above 1, the budget does not hold."""
        shares = [figures[name] / most if most else float(figures[name] > 0) * 2 for name, most in self.budget.items()]
        return max(shares, default=0.0)

    def fast_enough(self, latency_us: float) -> bool:
        """At a latency of one run after the other."""
        in_time = self.latency_us is None or latency_us <= self.latency_us
        return in_time and (self.fps is None or 1e6 / latency_us >= self.fps)

    @property
    def smallest(self) -> bool:
        """Whether the smallest design that is fast enough is asked for."""
        return self.latency_us is not None or self.fps is not None

    def __str__(self) -> str:
        words = [f"{name.upper()} ≤ {most:,}" for name, most in self.budget.items()]
        words += [] if self.latency_us is None else [f"latency ≤ {self.latency_us:g} µs"]
        words += [] if self.fps is None else [f"≥ {self.fps:g} runs a second"]
        return ", ".join(words) + ("; the smallest" if self.smallest else "; the fastest")


def part_budget(part: str) -> dict[str, float]:
    """Of a device, by its name or the beginning of a full one (xcu50-fsvh2104-2-e)."""
    name = part.partition("-")[0].lower()
    found = next((sites for known, sites in PARTS.items() if name.startswith(known)), None)
    if found is None:
        raise UsageError(
            f"--part {part}: unknown", fix=f"use {', '.join(PARTS)}, or give --lut, --dsp and --bram of yours"
        )
    return dict(found)
