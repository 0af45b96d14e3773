"""A design in figures: cycles and the use of the lanes, which are known exactly, and on request what tools measure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch2hw.analysis.memory_needs import MemoryNeeds, memory_needs
from torch2hw.compiler.compiled import Compiled
from torch2hw.tools import nextpnr, yosys
from torch2hw.tools.nextpnr import Timing
from torch2hw.tools.resources import Resources
from torch2hw.tools.yosys import Synthesis

COLUMNS = ("lut", "ff", "dsp", "bram36")


@dataclass(frozen=True)
class KernelFigures:
    """One kernel. `mac_utilization` is the share of its lanes' cycles that multiply and add; None without any.

    `interval_cycles` is the II, `depth_cycles` what an iteration takes, `choice` why it has these lanes, `limit` what
    keeps it from one multiply-accumulate a lane and cycle. `resources` are its own, without shared units and memories.
    """

    name: str
    source: str | None
    cycles: int
    macs: int
    mac_utilization: float | None
    lanes: int
    interval_cycles: int
    depth_cycles: int
    choice: str | None
    limit: str
    resources: Resources | None = None


@dataclass(frozen=True)
class Report:
    """What was not measured is None here, and absent from the JSON object."""

    top: str
    cycles: int
    macs: int
    mac_lanes: int
    mac_utilization: float | None
    kernels: tuple[KernelFigures, ...]
    synthesis: Synthesis | None = None
    timing: Timing | None = None
    memories: MemoryNeeds | None = None

    @staticmethod
    def of(compiled: Compiled, synthesis: bool = False, fmax: bool = False) -> Report:
        """The figures of a compiled design; `synthesis` and `fmax` run Yosys and nextpnr, or take their old answers."""
        files = {f"{compiled.top}.sv": compiled.verilog()} if synthesis or fmax else {}
        measured = yosys.synthesise(files, compiled.top) if synthesis else None
        timing = nextpnr.place_and_route(files, compiled.top) if fmax else None
        manifest = compiled.manifest([], [])
        macs, cycles, lanes = manifest["macs"], manifest["latency_cycles"], manifest["mac_lanes"]
        kernels = _kernels(compiled, measured)
        use = _utilization(macs, cycles, lanes)
        is_static = compiled.options.schedule == "static"
        options, memories = compiled.options, None
        if is_static:
            memories = memory_needs(compiled.reference, options.ultra_ram, options.host.surrounds)
        return Report(manifest["top"], cycles, macs, lanes, use, kernels, measured, timing, memories)

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
        if self.synthesis is not None:
            fields |= {"resources": self.synthesis.total.to_json(), "resource_tool": yosys.tool()}
        if self.timing is not None:
            fields["fmax_mhz"] = {"ecp5": round(self.timing.mhz, 1)}
        if self.memories is not None:
            fields["estimated_memories"] = {"bram36": self.memories.bram36, "uram": self.memories.uram}
        fields["kernels"] = [_json_of(kernel) for kernel in self.kernels]
        return fields

    def json_text(self) -> str:
        """`to_json`, as text."""
        return json.dumps(self.to_json(), indent=2)

    def __str__(self) -> str:
        rows = [
            ("kernel", "cycles", "MACs", "use", *(("LUT", "FF", "DSP", "BRAM36") if self.synthesis else ()), "source")
        ]
        for kernel in self.kernels:
            rows.append(
                self._row(
                    kernel.name, kernel.cycles, kernel.macs, kernel.mac_utilization, kernel.resources, kernel.source
                )
            )
        if self.synthesis is not None:
            kernels = {kernel.name for kernel in self.kernels}
            for part in self.synthesis.parts:
                if part.module not in kernels:
                    rows.append(("  " + part.instance, "", "", "", *_figures(part.resources), ""))
            rows.append(("  control, wiring and what is not listed", "", "", "", *_figures(self.synthesis.rest), ""))
        total = self.synthesis.total if self.synthesis else None
        rows.append(self._row(self.top, self.cycles, self.macs, self.mac_utilization, total, None))
        lines = [_aligned(rows)]
        if self.synthesis is not None:
            lines.append(f"resources: {yosys.tool()}; those of parts with their boundaries kept, the total without")
        if self.timing is not None:
            lines.append(f"clock on ECP5: {self.timing.mhz:.1f} MHz; critical path {self.timing.critical}")
        if self.memories is not None:
            lines.append(_memories(self.memories))
        return "\n".join(lines)

    def explanation(self) -> str:
        """For each kernel its lanes, its II, its depth, and what limits it."""
        lines = []
        for kernel in self.kernels:
            lines.append(
                f"{kernel.name}: {kernel.lanes} lane{'s' if kernel.lanes > 1 else ''}, II {kernel.interval_cycles}, "
                f"depth {kernel.depth_cycles}; {kernel.limit}"
            )
            if kernel.choice is not None:
                lines.append(f"  lanes chosen: {kernel.choice}")
        return "\n".join(lines)

    def _row(
        self, name: str, cycles: int, macs: int, use: float | None, resources: Resources | None, source: str | None
    ) -> tuple[str, ...]:
        figures = () if self.synthesis is None else ("",) * len(COLUMNS) if resources is None else _figures(resources)
        return name, f"{cycles:,}", f"{macs:,}", "" if use is None else f"{use:.1%}", *figures, source or ""


def _memories(needs: MemoryNeeds) -> str:
    """What they take, as text."""
    told = f"memories, estimated: {needs.bram36:,g} BRAM36, of which {needs.constants_bram36:,g} hold constants"
    return f"{told}; {needs.uram:,} UltraRAMs" if needs.uram else told


def _kernels(compiled: Compiled, synthesis: Synthesis | None) -> tuple[KernelFigures, ...]:
    resources = {part.module: part.resources for part in synthesis.parts} if synthesis else {}
    choices = next((step.report for step in compiled.steps if step.name == "choose-lanes"), {})
    kernels = []
    for circuit in compiled.at("calyx").circuits:
        kernel, schedule, name = circuit.kernel, circuit.schedule, circuit.component.name
        cycles = kernel.rounds * circuit.latency_cycles
        kernels.append(
            KernelFigures(
                name,
                str(kernel.source) if kernel.source else None,
                cycles,
                kernel.macs,
                _utilization(kernel.macs, cycles, kernel.lanes),
                kernel.lanes,
                schedule.interval_cycles,
                schedule.depth_cycles,
                choices.get(kernel.name),
                _limit(kernel.macs, kernel.lanes, kernel.trip_count, schedule.interval_cycles, cycles),
                resources.get(name),
            )
        )
    return tuple(kernels)


def losses(macs: int, lanes: int, trips: int, interval: int, cycles: int) -> dict[str, int]:
    """Where the slots (cycles × lanes) of a kernel go that do no multiply-accumulate; the largest loss first."""
    lost = {
        f"II {interval}": trips * (interval - 1) * lanes,
        "filling and draining the pipeline": (cycles - trips * interval) * lanes,
    }
    if macs:
        lost["iterations without a multiply-accumulate in every lane"] = trips * lanes - macs
    ordered = sorted(lost.items(), key=lambda item: (-item[1], item[0]))
    return {cause: share for cause, share in ordered if share > 0}


def _limit(macs: int, lanes: int, trips: int, interval: int, cycles: int) -> str:
    """The causes, as text."""
    slots = cycles * lanes
    causes = losses(macs, lanes, trips, interval, cycles)
    if not causes:
        return "nothing is lost"
    return "lost: " + ", ".join(f"{share / slots:.1%} to {cause}" for cause, share in causes.items())


def _utilization(macs: int, cycles: int, lanes: int) -> float | None:
    return macs / (cycles * lanes) if macs and cycles and lanes else None


def _json_of(kernel: KernelFigures) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": kernel.name,
        "source": kernel.source,
        "cycles": kernel.cycles,
        "macs": kernel.macs,
    }
    fields |= {"mac_utilization": kernel.mac_utilization, "lanes": kernel.lanes}
    fields |= {"interval_cycles": kernel.interval_cycles, "depth_cycles": kernel.depth_cycles}
    if kernel.resources is not None:
        figures = kernel.resources.to_json()
        fields |= {column: figures[column] for column in COLUMNS}
    return {key: value for key, value in fields.items() if value is not None}


def _figures(resources: Resources) -> tuple[str, ...]:
    return f"{resources.lut:,}", f"{resources.ff:,}", str(resources.dsp), f"{resources.bram36:g}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """Names to the left, figures to the right, the last column as it is."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = []
    for name, *figures, source in rows:
        right = "  ".join(text.rjust(width) for text, width in zip(figures, widths[1:], strict=True))
        lines.append(f"{name.ljust(widths[0])}  {right}  {source}".rstrip())
    return "\n".join(lines)
