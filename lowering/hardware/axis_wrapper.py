"""The top module of `--interface axis`: a module for each stream around the core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.names import UniqueNames
from torch2hw.dialects.program import Program
from torch2hw.dialects.stream_interface import CLOCK, RESET, StreamInterface
from torch2hw.lowering.hardware.core_streams import CoreStreams
from torch2hw.lowering.hardware.hw_module import Module, host_ports, module
from torch2hw.lowering.hardware.hw_text import HwBody
from torch2hw.lowering.top_name import check_top


def axis_wrapper(
    interface: StreamInterface,
    program: Program,
    core: Module,
    reads: Mapping[Buffer, Sequence[int]],
    names: UniqueNames,
) -> dict[str, str]:
    """The definitions by name: memories, streams, and the top module."""
    tensors = (*program.inputs, *program.outputs)
    ports = host_ports([*interface.control_ports(), *(p for buffer in tensors for p in interface.tensor_ports(buffer))])
    body = HwBody(f"%{CLOCK.name}", "", [port.name for port in ports])
    inside = CoreStreams(body, program, core, reads, names, body.invert(f"%{RESET.name}"))
    outputs: dict[str, str] = {}
    for buffer in tensors:
        stream = interface.stream(buffer)
        wires = {}
        for signal in stream.signals:
            port = stream.port(signal)
            wires[signal] = f"%{port.name}" if port.is_input else body.name(port.name)
            if not port.is_input:
                outputs[port.name] = wires[signal]
        inside.stream(interface.layout(buffer), wires)
    inside.run()
    check_top(program, inside.definitions.values())
    top = module(program.name, ports, outputs, body)
    return {**inside.definitions, top.name: top.text}
