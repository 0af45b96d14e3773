"""The top module of `--interface axis`: a module for each stream around the core.

A run starts in the first cycle in which every input has a full page, every output a free one, and the core is idle. In
the cycle of `done` the pages of the inputs become free and those of the outputs full, from the next cycle on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch2hw.dialects.interface import CONTROL
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.names import UniqueNames
from torch2hw.dialects.program import Program
from torch2hw.dialects.stream_interface import CLOCK, RESET, StreamInterface
from torch2hw.lowering.hardware.hw_module import Module, ModulePort, module
from torch2hw.lowering.hardware.hw_text import HwBody
from torch2hw.lowering.hardware.stream_input import page_memory, stream_input
from torch2hw.lowering.hardware.stream_output import stream_output


def axis_wrapper(
    interface: StreamInterface,
    program: Program,
    core: Module,
    reads: Mapping[Buffer, Sequence[int]],
    names: UniqueNames,
) -> dict[str, str]:
    """The definitions by name: memories, streams, and the top module."""
    ports = [
        ModulePort(port.name, 0 if port == CLOCK else port.width_bits, port.is_input)
        for port in interface.control_ports()
    ]
    for buffer in (*program.inputs, *program.outputs):
        ports += [ModulePort(port.name, port.width_bits, port.is_input) for port in interface.tensor_ports(buffer)]
    body = HwBody(f"%{CLOCK.name}", "", [port.name for port in ports])
    reset = body.call(body.invert(f"%{RESET.name}"), "reset")
    start, finish = body.name(CONTROL.start.name), body.name(CONTROL.finish.name)
    wires = {CONTROL.clock.name: f"%{CLOCK.name}", CONTROL.reset.name: reset}
    wires |= {CONTROL.start.name: start, CONTROL.finish.name: finish}
    core_wires = {port.name: body.name(port.name) for port in core.ports if port.name not in wires} | wires
    definitions: dict[str, str] = {}
    outputs: dict[str, str] = {}
    ready = []
    for buffer in (*program.inputs, *program.outputs):
        layout, stream, is_input = interface.layout(buffer), interface.stream(buffer), buffer.storage.host_writes
        record = page_memory(layout, read_enable=not is_input)
        definitions[record.name] = record.definition()
        name = names.take(f"{program.name}_{buffer.name}_{'input' if is_input else 'output'}")
        made = stream_input(name, layout, list(reads[buffer])) if is_input else stream_output(name, layout)
        definitions[name] = made.text
        own = {**wires, "finish": finish}
        for signal in stream.signals:
            port = stream.port(signal)
            own[signal] = f"%{port.name}" if port.is_input else body.name(port.name)
            if not port.is_input:
                outputs[port.name] = own[signal]
        able = "available" if is_input else "free"
        own[able] = body.name(f"{buffer.name}_{able}")
        ready.append(own[able])
        made.instantiate(body, f"{buffer.name}_stream", {**core_wires, **own})
    body.define(start, f"hw.wire {body.all_of(*ready)} : i1")
    core.instantiate(body, "core", core_wires)
    top = module(program.name, ports, outputs, body)
    return {**definitions, top.name: top.text}
