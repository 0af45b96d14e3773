"""The manifest of a design (contract section 4): ports, how tensors are stored, exact latency, components."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from torch2hw.dialects.interface import MEMORY, Interface
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.number_types import number_type
from torch2hw.lowering.sequential.scf_to_calyx import SequentialProgram
from torch2hw.lowering.static.scheduled_to_calyx import CalyxProgram

VERSION = 1


def tensor(buffer: Buffer, interface: Interface, number: int) -> dict[str, Any]:
    """The entry of an input or output; `number` counts inputs first, then outputs."""
    return {
        "name": buffer.name,
        "shape": list(buffer.shape),
        "dtype": number_type(buffer.dtype).manifest,
        "width": buffer.width_bits,
        **({} if buffer.codes is None else asdict(buffer.codes)),
        **interface.tensor_entries(buffer),
        **interface.numbered_entries(number),
    }


def state(buffer: Buffer, interface: Interface) -> dict[str, Any]:
    """The entry of a state."""
    return {
        "name": buffer.label or buffer.name,
        "shape": list(buffer.shape),
        "dtype": number_type(buffer.dtype).manifest,
        "width": buffer.width_bits,
        **interface.state_entries(buffer),
    }


def manifest(
    design: CalyxProgram,
    generator: str,
    files: list[str],
    memory_files: list[str],
    interface: Interface | None = None,
) -> dict[str, Any]:
    """The manifest as a JSON object; `interface` is the design's unless given."""
    program, interface = design.program, interface or design.interface
    return {
        "manifest": VERSION,
        "generator": generator,
        "top": program.name,
        "files": files,
        "memory_files": memory_files,
        **interface.control_entries(),
        "latency_cycles": design.latency_cycles,
        "macs": sum(kernel.macs for kernel in program.kernels),
        "mac_lanes": mac_lanes(design),
        **interface.run_entries((*program.inputs, *program.outputs), design.latency_cycles),
        "inputs": [tensor(buffer, interface, number) for number, buffer in enumerate(program.inputs)],
        "outputs": [tensor(buffer, interface, len(program.inputs) + k) for k, buffer in enumerate(program.outputs)],
        **({"state": [state(buffer, interface) for buffer in program.states]} if program.states else {}),
        **({"ultra_ram": list(design.ultra)} if design.ultra else {}),
        "components": [
            {
                "name": circuit.component.name,
                "latency_cycles": circuit.latency_cycles,
                "source": str(circuit.kernel.source) if circuit.kernel.source else None,
            }
            for circuit in design.circuits
        ],
    }


def sequential_manifest(
    design: SequentialProgram,
    generator: str,
    files: list[str],
    memory_files: list[str],
    interface: Interface = MEMORY,
) -> dict[str, Any]:
    """The manifest of a design of handshakes: one component; each arm of a kernel is a lane."""
    program = design.program
    macs = sum(kernel.macs for kernel in program.kernels)
    lanes = [sum(kernel.lanes for kernel in node.kernels if kernel.macs) for node in program.sequence]  # all arms
    return {
        "manifest": VERSION,
        "generator": generator,
        "top": program.name,
        "files": files,
        "memory_files": memory_files,
        **interface.control_entries(),
        "latency_cycles": design.latency_cycles,
        "macs": macs,
        "mac_lanes": max(lanes, default=0),
        **interface.run_entries((*program.inputs, *program.outputs), design.latency_cycles),
        "inputs": [tensor(buffer, interface, number) for number, buffer in enumerate(program.inputs)],
        "outputs": [tensor(buffer, interface, len(program.inputs) + k) for k, buffer in enumerate(program.outputs)],
        "components": [],
    }


def mac_lanes(design: CalyxProgram) -> int:
    """Multiply-accumulates that a kernel of the design can start in one cycle, at most."""
    return max([kernel.lanes for kernel in design.program.kernels if kernel.macs], default=0)
