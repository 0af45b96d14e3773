"""What an interface puts around a design: modules by name, the outermost one with the design's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch2hw.dialects.bus_interface import BusInterface
from torch2hw.dialects.bus_registers import MAX_TENSORS
from torch2hw.dialects.calyx_builder import CONTROL_INPUTS, ComponentBuilder
from torch2hw.dialects.interface import CONTROL, Interface
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.names import UniqueNames
from torch2hw.dialects.program import Program
from torch2hw.dialects.stream_interface import StreamInterface
from torch2hw.frontend.refusals import CollidingPorts, TooManyTensors
from torch2hw.lowering.hardware.axi_wrapper import axi_wrapper
from torch2hw.lowering.hardware.axis_wrapper import axis_wrapper
from torch2hw.lowering.hardware.hw_module import Module, ModulePort
from torch2hw.lowering.top_name import location


def surroundings(
    interface: Interface,
    program: Program,
    core: ComponentBuilder,
    reads: Mapping[Buffer, Sequence[int]],
    names: UniqueNames,
) -> dict[str, str]:
    """The definitions around `core`. `reads`: the banks of each input that it reads; `names` gives free ones."""
    _check_names(interface, program)
    if isinstance(interface, BusInterface):
        _check_tensors(program)
        return axi_wrapper(interface, program, core_module(core), reads, names)
    assert isinstance(interface, StreamInterface), f"nothing surrounds a design with the interface {interface.name}"
    return axis_wrapper(interface, program, core_module(core), reads, names)


def _check_names(interface: Interface, program: Program) -> None:
    """Refuses ports that differ in case alone, and a top module that is called like a port: VHDL, block designs and
    test benches ignore case."""
    taken = {program.name.lower(): f"the top module {program.name}"}
    for buffer in (*program.inputs, *program.outputs):
        what = f"the {'input' if buffer.storage.host_writes else 'output'} {buffer.name}"
        for port in interface.tensor_ports(buffer):
            other = taken.setdefault(port.name.lower(), what)
            if other != what:
                raise CollidingPorts(
                    f"{what} and {other} give --interface {interface.name} one name: {port.name}",
                    location=location(program),
                    why="VHDL, block designs and test benches do not tell upper from lower case",
                    fix="choose another --top" if "module" in other else "rename one of them in the model",
                )


def _check_tensors(program: Program) -> None:
    """Refuses more tensors than there are address registers."""
    tensors = len(program.inputs) + len(program.outputs)
    if tensors > MAX_TENSORS:
        raise TooManyTensors(
            f"{tensors} inputs and outputs, --interface axi has registers for {MAX_TENSORS}",
            location=location(program),
            why="their addresses are below 0x800, where the other registers begin",
            fix="join some of them, or use --interface axis",
        )


def core_module(core: ComponentBuilder) -> Module:
    """The module that calyx_to_hw will make of a component; it has no text yet."""
    ports = [ModulePort(name, width, True) for name, width in core.inputs]
    for port, _ in CONTROL_INPUTS:
        ports.append(ModulePort(port.name, 0 if port == CONTROL.clock else port.width_bits, True))
    ports += [ModulePort(name, width, False) for name, width in core.outputs]
    return Module(core.name, (*ports, ModulePort(CONTROL.finish.name, 1, False)), "")
