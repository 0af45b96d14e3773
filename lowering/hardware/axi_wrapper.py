"""The top module of `--interface axi`: registers, a reader and a writer around the core and its streams.

A run is taken when software has asked for it, the inputs have free pages, and the queue of runs has room. Its inputs
are then fetched while earlier runs compute, and its outputs written when they come: `axi_reader`, `axi_writer`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch2hw.dialects.bus_interface import INTERRUPT, LITE_PREFIX, MASTER_PREFIX, BusInterface
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.names import UniqueNames
from torch2hw.dialects.program import Program
from torch2hw.dialects.stream_interface import CLOCK, RESET
from torch2hw.lowering.hardware.axi_reader import axi_reader
from torch2hw.lowering.hardware.axi_registers import axi_registers
from torch2hw.lowering.hardware.axi_writer import axi_writer, queue_memory
from torch2hw.lowering.hardware.core_streams import CoreStreams
from torch2hw.lowering.hardware.hw_module import Module, ModulePort, host_ports, module
from torch2hw.lowering.hardware.hw_text import HwBody
from torch2hw.lowering.hardware.stream_pages import pages
from torch2hw.lowering.top_name import check_top


def axi_wrapper(
    interface: BusInterface,
    program: Program,
    core: Module,
    reads: Mapping[Buffer, Sequence[int]],
    names: UniqueNames,
) -> dict[str, str]:
    """The definitions by name: memories, streams, registers, reader, writer, and the top module."""
    ports = host_ports(interface.control_ports())
    body = HwBody(f"%{CLOCK.name}", "%reset", [*(port.name for port in ports), "reset"])
    body.define("%reset", f"comb.xor %{RESET.name}, {body.one} : i1")
    inside = CoreStreams(body, program, core, reads, names, "%reset")
    tensors, bits = (*program.inputs, *program.outputs), interface.data_bits
    record = queue_memory(bits, len(program.outputs))
    inside.definitions[record.name] = record.definition()

    channels = [port for port in ports if port.name.startswith(f"{MASTER_PREFIX}_")]
    registers = axi_registers(names.take(f"{program.name}_registers"), len(tensors))
    reader = axi_reader(
        names.take(f"{program.name}_reader"),
        bits,
        [interface.layout(buffer).beats for buffer in program.inputs],
        len(tensors),
        _channels(channels, ("ar", "r")),
    )
    writer = axi_writer(
        names.take(f"{program.name}_writer"),
        bits,
        [interface.layout(buffer).beats for buffer in program.outputs],
        _channels(channels, ("aw", "w", "b")),
    )
    wires: dict[str, str] = {"clk": f"%{CLOCK.name}", "reset": "%reset"}
    own = ("start", "taken", "fetched", "misaligned", "read_failed", "busy", "read_error", "write_error")
    for signal in (*own, "finished", "error", "able", "has_room", "idle"):
        wires[signal] = body.name(signal if signal != "start" else "wanted")
    outputs = {INTERRUPT.name: body.name("interrupt_out")}
    wires["interrupt"] = outputs[INTERRUPT.name]
    for prefix, made in ((LITE_PREFIX, registers), (MASTER_PREFIX, reader), (MASTER_PREFIX, writer)):
        for port in made.ports:
            outer = f"{prefix}_{port.name}"
            if any(each.name == outer for each in ports):
                wires[f"{made.name}.{port.name}"] = f"%{outer}" if port.is_input else body.name(outer)
                if not port.is_input:
                    outputs[outer] = wires[f"{made.name}.{port.name}"]
    ways = _streams(inside, interface, program, wires)
    all_addresses = {f"address{k}": body.name(f"address{k}") for k in range(len(tensors))}
    of_outputs = {
        f"address{k}": all_addresses[f"address{len(program.inputs) + k}"] for k in range(len(program.outputs))
    }
    writer_idle = body.name("writer_idle")
    idle = body.all_of(writer_idle, body.invert(wires["busy"]))
    for made, addresses, further in (
        (registers, all_addresses, {"idle": idle}),
        (reader, all_addresses, ways["input"]),
        (writer, of_outputs, {**ways["output"], "idle": writer_idle}),
    ):
        bus = {key.partition(".")[2]: signal for key, signal in wires.items() if key.startswith(f"{made.name}.")}
        inside.add(made)
        made.instantiate(body, made.name.removeprefix(f"{program.name}_"), {**wires, **bus, **addresses, **further})

    rooms, conditions = list(ways["room"].values()), []
    if not program.inputs:  # a run is what waits in their place
        filled = body.all_of(wires["fetched"], body.invert(wires["misaligned"]))
        waiting = pages(body, filled, inside.finish)
        conditions, rooms = [waiting.any_full], [body.invert(waiting.both_full)]
    body.define(wires["able"], f"hw.wire {body.all_of(wires['has_room'], *rooms)} : i1")
    inside.run(*conditions)
    check_top(program, inside.definitions.values())
    top = module(program.name, ports, outputs, body)
    return {**inside.definitions, top.name: top.text}


def _streams(
    inside: CoreStreams, interface: BusInterface, program: Program, wires: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Adds the streams. The signals between them and the reader (`input`) and writer (`output`), by its ports; `room`
    of each input."""
    body = inside.body
    found: dict[str, dict[str, str]] = {"input": {}, "output": {}, "room": {}}
    for k, buffer in enumerate(program.inputs):
        signals = {name: body.name(f"{buffer.name}_{name}") for name in ("tvalid", "tready", "accepted", "room")}
        inside.stream(interface.layout(buffer), {**signals, "tdata": f"%{MASTER_PREFIX}_rdata"}, judged=False)
        found["room"][buffer.name] = signals.pop("room")
        found["input"] |= {f"{name}{k}": signal for name, signal in signals.items()}
    for k, buffer in enumerate(program.outputs):
        names = ("tdata", "tkeep", "tlast", "tvalid", "tready")
        signals = {name: body.name(f"{buffer.name}_{name}") for name in names}
        inside.stream(interface.layout(buffer), signals)
        found["output"] |= {f"{name}{k}": signal for name, signal in signals.items()}
    return found


def _channels(ports: Sequence[ModulePort], channels: Sequence[str]) -> list[ModulePort]:
    """The ports of these channels, without the master's prefix."""
    found = []
    for port in ports:
        name = port.name.removeprefix(f"{MASTER_PREFIX}_")
        channel = name[:2] if name[:2] in ("aw", "ar") else name[:1]
        if channel in channels:
            found.append(ModulePort(name, port.width_bits, port.is_input))
    return found
