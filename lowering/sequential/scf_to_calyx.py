"""scf → Calyx as in the paper: CIRCT's lower-scf-to-calyx makes latency-insensitive groups, run one after the other.

Before:  func.func @core(%x: memref<32xf32>, …) { scf.for … }
After:   component @core (dynamic groups over ref memories) and a top component with those memories, the host's ports,
         and calyx.invoke @core; the definitions of its floating-point primitives, units and read-only memories.

With arms (`choose-arms`) the control that CIRCT makes is packed: `pack_steps`.

needs:   what affine_to_scf leaves.
leaves:  Calyx text that CIRCT verifies, for calyx_to_hw, with all that stands outside Calyx as definitions.
refuses: a latency that is no constant, as DataDependent. An abort in CIRCT's pass is an InternalError.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch2hw.dialects import calyx, calyx_reader
from torch2hw.dialects.calyx_builder import component_header
from torch2hw.dialects.calyx_program import Cell, Port, PortOf
from torch2hw.dialects.interface import MEMORY, Addressed
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.program import Par, Program
from torch2hw.dialects.storage import MADE, STATE
from torch2hw.hwlib.contents import Contents
from torch2hw.hwlib.library import Library
from torch2hw.hwlib.memories import address_bits
from torch2hw.lowering.hardware.calyx_memories import read_only
from torch2hw.lowering.hardware.calyx_modules import FLOAT_MODULES
from torch2hw.lowering.sequential.affine_to_scf import Core, CoreMemory
from torch2hw.lowering.sequential.float_handshakes import float_primitive, unit_component
from torch2hw.lowering.sequential.handshakes import MULTIPLIER_CYCLES, divider_cycles
from torch2hw.lowering.sequential.pack_steps import pack
from torch2hw.lowering.sequential.sequential_latency import choices, latency_cycles
from torch2hw.lowering.top_name import check_top
from torch2hw.tools.isolate import run_native

_MEMORY_PORTS = ("addr0", "clk", "reset", "content_en", "write_en", "write_data", "read_data", "done")


@dataclass(frozen=True)
class SequentialProgram:
    """`definitions` are for calyx_to_hw.lower, and refer to `contents`. `latency_cycles` is exact, from go to done."""

    calyx: str
    definitions: dict[str, str]
    contents: dict[str, Contents] = field(repr=False)
    latency_cycles: int
    program: Program

    def text(self, weights: bool = True) -> str:
        """Calyx text; weights are beside it in any case."""
        return self.calyx


def lower(core: Core, library: Library) -> SequentialProgram:
    """The Calyx program of a core. Raises DataDependent if the latency is not a constant."""
    program = core.program
    for buffer in program.buffers():
        assert buffer.storage in MADE and buffer.storage is not STATE, (
            f"{buffer.name}: {buffer.storage.name} is not made yet"
        )
    has_arms = any(
        isinstance(node, Par) or any(kernel.lanes > 1 for kernel in node.kernels) for node in program.sequence
    )
    lowered, order = run_native(_lower_in_circt, core.mlir, program.name, has_arms)
    end = lowered.rindex("}")
    text = lowered[:end] + _top(program, core.memories) + "}\n"
    component = calyx_reader.read(calyx.verified(text)).components["core"]
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
    check_top(program, definitions.values())
    contents: dict[str, Contents] = {}
    for memory in core.memories:
        if memory.storage.has_contents:
            assert memory.contents is not None
            place = f"{program.name}.{memory.name}"
            definitions[place], held = read_only(place.replace(".", "_"), _cell(memory), memory.contents)
            contents |= held
    made = choices(core.mlir)
    latency = latency_cycles(component, delays, [made[place] for place in order]) + 1  # the invoke's own end
    return SequentialProgram(text, definitions, contents, latency, program)


def _lower_in_circt(core_text: str, top: str, has_arms: bool) -> tuple[str, list[int]]:
    """The module with component @core. The component that CIRCT makes around it is removed, and the entry point is
    `top`, which the caller adds. Also `pack`'s order of conditions."""
    from torch2hw.tools.circt_bindings import ir, passmanager

    with calyx.context(), ir.Location.unknown():
        module = ir.Module.parse(core_text)
        passmanager.PassManager.parse("builtin.module(lower-scf-to-calyx{top-level-function=core})").run(
            module.operation
        )
        for op in module.body.operations:
            if op.operation.name == "calyx.component" and op.operation.attributes["sym_name"].value == "main":
                op.operation.erase()
                break
        module.operation.attributes["calyx.entrypoint"] = ir.StringAttr.get(top)
        order = pack(module, has_arms)
        text = module.operation.get_asm(enable_debug_info=True, use_local_scope=True)
    # CIRCT prints an invoke without ref cells in a form that it does not parse: no tree to edit, for it is the printer.
    return re.sub(r"(calyx\.invoke @\w+)\[\]\(", r"\1(", text), order


def _cell(memory: CoreMemory) -> Cell:
    """The seq_mem cell of `memory`."""
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


def _top(program: Program, memories: Sequence[CoreMemory]) -> str:
    """The component with the memories and the host's ports: the host reaches them while @core does not run."""
    top = _Top()
    for memory in memories:
        cell = _cell(memory)
        names = ", ".join(f"%{memory.name}.{port.name}" for port in cell.ports)
        types = ", ".join(f"i{port.width_bits}" for port in cell.ports)
        shape = f"<[{memory.elements}] x {memory.width_bits}> [{address_bits(memory.elements)}]"
        top.cells.append(f"    {names} = calyx.seq_mem @{memory.name} {shape} {{external = true}} : {types}")
    for buffer in (*program.inputs, *program.outputs):
        stored = [memory for memory in memories if (memory.tensor, memory.storage) == (buffer.name, buffer.storage)]
        top.port(buffer, stored)
    lines = [
        f"  {component_header(program.name, top.arguments, top.results)} {{",
        "    %true = hw.constant true",
        *top.cells,
        "    %run.clk, %run.reset, %run.go, %run.done = calyx.instance @run of @core : i1, i1, i1, i1",
        "    calyx.wires {",
        "      %running = comb.or %run.go, %run.done : i1",  # go is low in the last cycle, that of done
        "      %idle = comb.xor %running, %true : i1",
    ]
    lines += ["      " + line for line in top.wires]
    bound = ", ".join(f"arg_mem_{number} = {memory.name}" for number, memory in enumerate(memories))
    lines += ["    }", f"    calyx.control {{ calyx.invoke @run[{bound}]() -> () }}", "  } {toplevel}", ""]
    return "\n".join(lines)


class _Top:
    """Lines of the top component: its ports, cells and wires."""

    def __init__(self) -> None:
        self.arguments: list[str] = []
        self.results: list[str] = []
        self.cells: list[str] = []
        self.wires: list[str] = []

    def assign(self, target: str, source: str, width: int) -> None:
        self.wires.append(f"calyx.assign {target} = {source} : i{width}")

    def port(self, buffer: Buffer, memories: Sequence[CoreMemory]) -> None:
        """The host's ports of a tensor (contract section 5); `memories` are its banks and their copies."""
        name, ports, written = buffer.name, MEMORY.addressed(buffer), buffer.storage.host_writes
        for port in MEMORY.tensor_ports(buffer):
            (self.arguments if port.is_input else self.results).append(f"%{port.name}: i{port.width_bits}")
        offset, bank_bits = ports.offset_bits, ports.bank_bits
        bits, own, width = ports.address.width_bits, address_bits(buffer.bank_elements), ports.data.width_bits
        enable = f"%{ports.enable.name}"
        address = whole = f"%{ports.address.name}"
        if bank_bits:
            address = (
                self.slice(f"{name}_offset", address, bits, own) if offset else self.literal(f"{name}_zero", 0, own)
            )
        for memory in memories:
            self.assign(f"%{memory.name}.addr0", f"%idle ? {address}", own)
            asked = "%idle"
            if bank_bits and written:
                asked = self.equal(f"{memory.name}_here", whole, bits, memory.bank << offset, offset)
                self.wires.append(f"{asked}_idle = comb.and %idle, {asked} : i1")
                asked += "_idle"
            self.assign(f"%{memory.name}.content_en", f"{asked} ? {enable}", 1)
            if written:
                self.assign(f"%{memory.name}.write_en", f"{asked} ? {enable}", 1)
                self.assign(f"%{memory.name}.write_data", f"%idle ? %{ports.data.name}", width)
        if not written:
            self.read(name, {memory.bank: memory.name for memory in reversed(memories)}, ports)

    def slice(self, name: str, source: str, width: int, low: int) -> str:
        """The low bits of a port."""
        if low == width:
            return source
        self.cells.append(f"    %{name}.in, %{name}.out = calyx.std_slice @{name} : i{width}, i{low}")
        self.assign(f"%{name}.in", source, width)
        return f"%{name}.out"

    def literal(self, name: str, value: int, width: int) -> str:
        self.wires.append(f"%{name} = hw.constant {_literal(value, width)}")
        return f"%{name}"

    def equal(self, name: str, source: str, width: int, value: int, low: int) -> str:
        """Whether the bits of a port from `low` on are those of `value`."""
        own = width - low
        number = self.literal(f"{name}_number", value >> low, own)
        self.wires += [
            f"%{name}_part = comb.extract {source} from {low} : (i{width}) -> i{own}",
            f"%{name} = comb.icmp eq %{name}_part, {number} : i{own}",
        ]
        return f"%{name}"

    def read(self, name: str, banks: dict[int, str], host: Addressed) -> None:
        """Connects the host's read port to the bank that was addressed a cycle before."""
        data, width, bits, bank_bits = host.data.name, host.data.width_bits, host.address.width_bits, host.bank_bits
        if not bank_bits:
            self.assign(f"%{data}", f"%{banks[0]}.read_data", width)
            return
        held, moved = f"{name}_held", f"{name}_bank"
        ports = ("in", "write_en", "clk", "reset", "out", "done")
        self.cells += [
            f"    {', '.join(f'%{held}.{port}' for port in ports)} = calyx.register @{held} : "
            f"i{bank_bits}, i1, i1, i1, i{bank_bits}, i1",
            f"    %{moved}.left, %{moved}.right, %{moved}.out = calyx.std_rsh @{moved} : i{bits}, i{bits}, i{bits}",
        ]
        self.assign(f"%{moved}.left", f"%{host.address.name}", bits)
        self.assign(f"%{moved}.right", self.literal(f"{moved}_from", host.offset_bits, bits), bits)
        self.assign(f"%{held}.in", self.slice(f"{moved}_number", f"%{moved}.out", bits, bank_bits), bank_bits)
        self.assign(f"%{held}.write_en", f"%{host.enable.name}", 1)
        for number, memory in sorted(banks.items()):
            here = self.equal(f"{memory}_asked", f"%{held}.out", bank_bits, number, 0)
            self.assign(f"%{data}", f"{here} ? %{memory}.read_data", width)


def _literal(value: int, width: int) -> str:
    """As hw.constant prints it."""
    if width == 1:
        return "true" if value else "false"
    return f"{value - (1 << width) if value >> (width - 1) else value} : i{width}"
