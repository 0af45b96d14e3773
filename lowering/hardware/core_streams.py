"""A core with a module for each of its inputs and outputs, which has their memories and a stream to the outside.

A run starts in the first cycle in which every input has a full page, every output a free one, and the core is idle. In
the cycle of `done` the pages of the inputs become free and those of the outputs full, from the next cycle on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch2hw.dialects.interface import CONTROL
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.names import UniqueNames
from torch2hw.dialects.program import Program
from torch2hw.dialects.stream_layout import StreamLayout
from torch2hw.lowering.hardware.hw_module import Module
from torch2hw.lowering.hardware.hw_text import HwBody
from torch2hw.lowering.hardware.stream_input import page_memory, stream_input
from torch2hw.lowering.hardware.stream_output import stream_output


class CoreStreams:
    """Instances in the body of a module around the core. `definitions` are the modules by name; `finish` is high in the
    last cycle of a run. `reads`: the banks of each input that the core reads."""

    def __init__(
        self,
        body: HwBody,
        program: Program,
        core: Module,
        reads: Mapping[Buffer, Sequence[int]],
        names: UniqueNames,
        reset: str,
    ) -> None:
        self.body, self.program, self.core, self.reads, self.names = body, program, core, reads, names
        self.definitions: dict[str, str] = {}
        self.start, self.finish = body.name(CONTROL.start.name), body.name(CONTROL.finish.name)
        self.control = {CONTROL.clock.name: body.clock, CONTROL.reset.name: reset}
        own = {**self.control, CONTROL.start.name: self.start, CONTROL.finish.name: self.finish}
        self.wires = {port.name: body.name(port.name) for port in core.ports if port.name not in own} | own
        self.ready: list[str] = []

    def stream(self, layout: StreamLayout, wires: Mapping[str, str], judged: bool = True) -> None:
        """Adds the module of an input or output. `wires` are the signals of its stream."""
        buffer, is_input = layout.buffer, layout.buffer.storage.host_writes
        record = page_memory(layout, read_enable=not is_input)
        self.definitions[record.name] = record.definition()
        name = self.names.take(f"{self.program.name}_{buffer.name}_{'input' if is_input else 'output'}")
        made = stream_input(name, layout, list(self.reads[buffer]), judged) if is_input else stream_output(name, layout)
        self.add(made)
        able = "available" if is_input else "free"
        ready = self.body.name(f"{buffer.name}_{able}")
        self.ready.append(ready)
        made.instantiate(
            self.body, f"{buffer.name}_stream", {**self.wires, "finish": self.finish, able: ready, **wires}
        )

    def add(self, module: Module) -> None:
        """Adds a definition."""
        self.definitions[module.name] = module.text

    def run(self, *conditions: str) -> None:
        """Adds the core, which runs when all streams are ready and the conditions hold."""
        self.body.define(self.start, f"hw.wire {self.body.all_of(*self.ready, *conditions)} : i1")
        self.core.instantiate(self.body, "core", self.wires)
