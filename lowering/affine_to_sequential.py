"""affine → Calyx as in the paper: CIRCT's lower-scf-to-calyx makes latency-insensitive groups, run one after the other.

Before:  func.func @main(%x: memref<…>, %out: memref<…>) { affine.for … }
After:   component @core (dynamic groups over ref memories) and a top component with those memories, the host's ports,
         and calyx.invoke @core; the definitions of its floating-point primitives, units and read-only memories.

needs:   what affine_to_core needs.
leaves:  Calyx text that CIRCT verifies, for calyx_to_hw, with all that stands outside Calyx as definitions.
refuses: what affine_to_core refuses. An abort in CIRCT's pass is an InternalError.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from torch2hw.dialects import calyx, calyx_reader
from torch2hw.dialects.calyx_program import Cell, Port, PortOf
from torch2hw.dialects.loops import Program
from torch2hw.dialects.plain_loop_text import plain_loop_text
from torch2hw.hwlib.library import Library
from torch2hw.hwlib.memories import address_bits
from torch2hw.isolate import run_native
from torch2hw.lowering import affine_to_core
from torch2hw.lowering.affine_to_core import CoreMemory
from torch2hw.lowering.calyx_memories import read_only
from torch2hw.lowering.calyx_modules import FLOAT_MODULES
from torch2hw.lowering.float_handshakes import float_primitive, unit_component
from torch2hw.lowering.handshakes import MULTIPLIER_CYCLES, divider_cycles
from torch2hw.lowering.sequential_latency import latency_cycles, true_counts

_MEMORY_PORTS = ("addr0", "clk", "reset", "content_en", "write_en", "write_data", "read_data", "done")


@dataclass(frozen=True)
class SequentialProgram:
    """`definitions` are for calyx_to_hw.lower. `latency_cycles` is exact, from go to done."""

    calyx: str
    definitions: dict[str, str]
    latency_cycles: int
    program: Program

    def text(self) -> str:
        return self.calyx


def lower(program: Program, library: Library) -> SequentialProgram:
    """`program` as linalg_to_affine leaves it. Raises DataDependent where its latency is not a constant."""
    names = [buffer.name for buffer in (*program.inputs, *program.outputs)]
    core = affine_to_core.lower(plain_loop_text(program), names, library)
    lowered = run_native(_lower_in_circt, core.text)
    end = lowered.rindex("}")
    text = lowered[:end] + _top(program.name, core.memories, {buffer.name for buffer in program.inputs}) + "}\n"
    text = text.replace('calyx.entrypoint = "main"', f'calyx.entrypoint = "{program.name}"')
    component = calyx_reader.read(calyx.parse(text, calyx.context())).components["core"]
    read: dict[str, set[str]] = defaultdict(set)  # by cell, its ports that are sources
    for group in component.groups.values():
        for assign in group.assigns:
            if isinstance(assign.source, PortOf):
                read[assign.source.cell].add(assign.source.port)
    definitions: dict[str, str] = {}
    delays = {"std_mult_pipe": MULTIPLIER_CYCLES}
    for called, unit in core.units.items():
        handshake = unit_component(called, unit)
        definitions |= handshake.definitions
        delays[called] = handshake.cycles
    for cell in component.cells.values():
        width = next((port.width_bits for port in cell.ports if port.name == "left"), 0)
        if cell.kind in FLOAT_MODULES:
            handshake = float_primitive(cell.kind, width, read[cell.name], library)
            definitions |= handshake.definitions
            definitions[f"core.{cell.name}"] = handshake.definitions[handshake.name]
            delays[cell.name] = handshake.cycles
        elif cell.kind.startswith(("std_div", "std_rem")):
            delays[cell.kind] = divider_cycles(width)
    for memory in core.memories:
        if memory.kind == "constant":
            place = f"{program.name}.{memory.name}"
            definitions[place] = read_only(place.replace(".", "_"), _cell(memory), memory.contents)
    latency = latency_cycles(component, delays, true_counts(core.text)) + 1  # the invoke's own end
    return SequentialProgram(text, definitions, latency, program)


def _lower_in_circt(core_text: str) -> str:
    """The module with component @core, and without the one that CIRCT makes around it."""
    from pycde.circt import ir, passmanager

    with calyx.context(), ir.Location.unknown():
        module = ir.Module.parse(core_text)
        passmanager.PassManager.parse("builtin.module(lower-scf-to-calyx{top-level-function=core})").run(
            module.operation
        )
        for op in module.body.operations:
            if op.operation.name == "calyx.component" and op.operation.attributes["sym_name"].value == "main":
                op.operation.erase()
                break
        text = module.operation.get_asm(enable_debug_info=True, use_local_scope=True)
    # CIRCT prints an invoke without ref cells in a form that it does not parse.
    return re.sub(r"(calyx\.invoke @\w+)\[\]\(", r"\1(", text)


def _cell(memory: CoreMemory) -> Cell:
    """The seq_mem that stands for `memory`."""
    bits = address_bits(memory.elements)
    widths = dict.fromkeys(_MEMORY_PORTS, 1) | {
        "addr0": bits,
        "write_data": memory.width_bits,
        "read_data": memory.width_bits,
    }
    ports = tuple(
        Port(name, width, name not in ("read_data", "done"), name if name in ("clk", "reset", "done") else "")
        for name, width in widths.items()
    )
    return Cell(memory.name, "seq_mem", ports, sizes=(memory.elements,))


def _top(name: str, memories: Sequence[CoreMemory], inputs: Collection[str]) -> str:
    """The component with the memories and the host's ports: the host reaches them while @core does not run."""
    arguments: list[str] = []
    results: list[str] = []
    cells: list[str] = []
    wires: list[tuple[str, str, int]] = []
    for memory in memories:
        cell = _cell(memory)
        names = ", ".join(f"%{memory.name}.{port.name}" for port in cell.ports)
        types = ", ".join(f"i{port.width_bits}" for port in cell.ports)
        shape = f"<[{memory.elements}] x {memory.width_bits}> [{address_bits(memory.elements)}]"
        cells.append(f"    {names} = calyx.seq_mem @{memory.name} {shape} {{external = true}} : {types}")
        if memory.kind != "port":
            continue
        written = memory.name in inputs
        enable = f"%{memory.name}_{'we' if written else 're'}"
        arguments.append(f"%{memory.name}_addr: i{address_bits(memory.elements)}")
        (arguments if written else results).append(f"%{memory.name}_data: i{memory.width_bits}")
        arguments.append(f"{enable}: i1")
        wires.append((f"%{memory.name}.addr0", f"%idle ? %{memory.name}_addr", address_bits(memory.elements)))
        wires.append((f"%{memory.name}.content_en", f"%idle ? {enable}", 1))
        if written:
            wires.append((f"%{memory.name}.write_en", f"%idle ? {enable}", 1))
            wires.append((f"%{memory.name}.write_data", f"%idle ? %{memory.name}_data", memory.width_bits))
        else:
            wires.append((f"%{memory.name}_data", f"%{memory.name}.read_data", memory.width_bits))
    arguments += ["%go: i1 {go}", "%clk: i1 {clk}", "%reset: i1 {reset}"]
    lines = [
        f"  calyx.component @{name}({', '.join(arguments)}) -> ({', '.join([*results, '%done: i1 {done}'])}) {{",
        "    %true = hw.constant true",
        *cells,
        "    %run.clk, %run.reset, %run.go, %run.done = calyx.instance @run of @core : i1, i1, i1, i1",
        "    calyx.wires {",
        "      %idle = comb.xor %run.go, %true : i1",
    ]
    lines += [f"      calyx.assign {target} = {source} : i{width}" for target, source, width in wires]
    bound = ", ".join(f"arg_mem_{number} = {memory.name}" for number, memory in enumerate(memories))
    lines += ["    }", f"    calyx.control {{ calyx.invoke @run[{bound}]() -> () }}", "  } {toplevel}", ""]
    return "\n".join(lines)
