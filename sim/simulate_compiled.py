"""A compiled design in its simulator: written to a folder, with what checks and watches it beside it, and run through
its interface.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from torch2hw.analysis.stored_arrays import Array
from torch2hw.compiler.compiled import Compiled
from torch2hw.compiler.design_files import write_design
from torch2hw.dialects.stream_layout import StreamLayout
from torch2hw.sim.bus_simulation import simulate_bus
from torch2hw.sim.buses import BusManifest, BusTensor
from torch2hw.sim.manifest import Manifest, TensorPort
from torch2hw.sim.monitors import Watched, monitor_text
from torch2hw.sim.netlist import replace_by_netlist
from torch2hw.sim.port_checks import port_checks
from torch2hw.sim.protocol_checks import protocol_checks
from torch2hw.sim.simulation import Conditions, Simulation, simulate
from torch2hw.sim.stream_simulation import simulate_streams
from torch2hw.sim.streams import StreamManifest, StreamPort

Ran = tuple[dict[str, Any], Sequence[TensorPort | StreamPort | BusTensor], Simulation]
"""The manifest, its outputs and states, and what came of it."""


def simulate_compiled(
    compiled: Compiled,
    sets: Sequence[Sequence[Array]],
    conditions: Conditions | None,
    progress: Callable[[int, float], None] | None,
    watched: Sequence[Watched],
    netlist: bool,
) -> Ran:
    """Run the design, or its netlist, on each set of stored inputs; `watched`: the kernels that monitors watch."""
    unknown = conditions is not None and conditions.state == "unknown"  # Icarus knows no assertions
    checked = compiled.options.schedule == "static" and not unknown and not netlist
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as name:
        folder = Path(name)
        written = write_design(compiled, folder / f"{compiled.top}.sv")
        if compiled.options.interface == "axis":
            assert not (netlist or unknown or watched), "streams are simulated by Verilator alone"
            streams = StreamManifest.from_json(written)
            design = with_port_checks(compiled, streams, folder) if checked else streams
            found = simulate_streams(folder, design, sets, first_groups(compiled), conditions, progress)
            return written, streams.outputs, found
        if compiled.options.interface == "axi":
            assert not (netlist or unknown or watched), "a bus is simulated by Verilator alone"
            bus = BusManifest.from_json(written)
            beside_bus = with_port_checks(compiled, bus, folder) if checked else bus
            found = simulate_bus(folder, beside_bus, sets, first_groups(compiled), conditions, progress)
            return written, bus.outputs, found
        manifest = Manifest.from_json(written)
        if netlist:
            replace_by_netlist(folder, manifest)
        monitors = monitor_text(watched, False) if watched else ""
        beside = with_port_checks(compiled, manifest, folder) if checked else manifest
        return written, manifest.observed, simulate(folder, beside, sets, conditions, progress, monitors)


AnyManifest = TypeVar("AnyManifest", Manifest, StreamManifest, BusManifest)


def with_port_checks(compiled: Compiled, manifest: AnyManifest, folder: Path) -> AnyManifest:
    """The design with files of assertions about its memory ports, streams and buses beside it, for the simulation."""
    design: Any = compiled.at("calyx")
    files: list[str] = [f"{compiled.top}_port_checks.sv"]
    surrounds = design.interface.surrounds
    (folder / files[0]).write_text(port_checks(compiled.at("scheduled"), design.core if surrounds else ""))
    if surrounds:
        files.append(f"{compiled.top}_protocol_checks.sv")
        tensors = (*design.program.inputs, *design.program.outputs)
        (folder / files[-1]).write_text(protocol_checks(compiled.top, design.interface, tensors, "bench"))
    return replace(manifest, files=(*manifest.files, *files))


def first_groups(compiled: Compiled) -> int:
    """Of the first output, the groups of elements in a first beat: each is read in a cycle of its own."""
    design = compiled.at("calyx")
    layout: StreamLayout = design.interface.layout(design.program.outputs[0])
    return min(layout.groups_per_beat, layout.groups)
