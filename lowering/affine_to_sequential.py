"""affine → Calyx as in the paper: CIRCT's lower-scf-to-calyx makes latency-insensitive groups, run one after the other.

Before:  func.func @main(%x: memref<…>, %out: memref<…>) { affine.for … }
After:   component @core (dynamic groups over ref memories) and a top component with those memories, the host's ports, and
         calyx.invoke @core; the definitions of its floating-point primitives, units and read-only memories.

needs:   what affine_to_core needs.
leaves:  Calyx text that CIRCT verifies, for calyx_to_hw, with all that stands outside Calyx as definitions.
refuses: what affine_to_core refuses. An abort in CIRCT's pass is an InternalError.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch2hw.dialects import calyx
from torch2hw.dialects.calyx_program import Cell, Port
from torch2hw.hwlib.library import Library
from torch2hw.hwlib.memories import address_bits
from torch2hw.isolate import run_native
from torch2hw.lowering import affine_to_core
from torch2hw.lowering.affine_to_core import CoreMemory
from torch2hw.lowering.calyx_memories import read_only
from torch2hw.lowering.float_handshakes import FLOATS, float_primitives, unit_component

_MEMORY_PORTS = ("addr0", "clk", "reset", "content_en", "write_en", "write_data", "read_data", "done")


@dataclass(frozen=True)
class SequentialProgram:
    """`definitions` are for calyx_to_hw.lower."""

    calyx: str
    definitions: dict[str, str]
    memories: tuple[CoreMemory, ...]


def lower(affine_text: str, name: str, inputs: Sequence[str], outputs: Sequence[str], library: Library) -> SequentialProgram:
    """`name` is the top component's; `inputs` and `outputs` name the arguments of @main."""
    core = affine_to_core.lower(affine_text, [*inputs, *outputs], library)
    lowered = run_native(_lower_in_circt, core.text)
    end = lowered.rindex("}")
    text = lowered[:end] + _top(name, core.memories, inputs) + "}\n"
    text = text.replace('calyx.entrypoint = "main"', f'calyx.entrypoint = "{name}"')
    definitions: dict[str, str] = {}
    for width in FLOATS:
        if re.search(rf"calyx\.ieee754\.\w+ @\w+ : (i\d+, )*i{width}, ", text):
            definitions |= float_primitives(library, width)
    for called, unit in core.units.items():
        definitions |= unit_component(called, unit)
    for memory in core.memories:
        if memory.kind == "constant":
            definitions[f"{name}.{memory.name}"] = read_only(f"{name}_{memory.name}", _cell(memory), memory.contents)
    return SequentialProgram(text, definitions, core.memories)


def _lower_in_circt(core_text: str) -> str:
    """The module with component @core, and without the one that CIRCT makes around it."""
    from pycde.circt import ir, passmanager

    with calyx.context(), ir.Location.unknown():
        module = ir.Module.parse(core_text)
        passmanager.PassManager.parse("builtin.module(lower-scf-to-calyx{top-level-function=core})").run(module.operation)
        for op in module.body.operations:
            if op.operation.name == "calyx.component" and op.operation.attributes["sym_name"].value == "main":
                op.operation.erase()
                break
        return str(module.operation.get_asm(enable_debug_info=True, use_local_scope=True))


def _cell(memory: CoreMemory) -> Cell:
    """The seq_mem that stands for `memory`."""
    bits = address_bits(memory.elements)
    widths = dict.fromkeys(_MEMORY_PORTS, 1) | {"addr0": bits, "write_data": memory.width_bits, "read_data": memory.width_bits}
    ports = tuple(Port(name, width, name not in ("read_data", "done"), name if name in ("clk", "reset", "done") else "")
                  for name, width in widths.items())
    return Cell(memory.name, "seq_mem", ports, sizes=(memory.elements,))


def _top(name: str, memories: Sequence[CoreMemory], inputs: Sequence[str]) -> str:
    """The component with the memories and the host's ports: the host reaches them while @core does not run."""
    arguments, results, cells, wires = [], [], [], []
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
    lines = [f"  calyx.component @{name}({', '.join(arguments)}) -> ({', '.join([*results, '%done: i1 {done}'])}) {{",
             "    %true = hw.constant true", *cells,
             "    %run.clk, %run.reset, %run.go, %run.done = calyx.instance @run of @core : i1, i1, i1, i1",
             "    calyx.wires {", "      %idle = comb.xor %run.go, %true : i1"]
    lines += [f"      calyx.assign {target} = {source} : i{width}" for target, source, width in wires]
    bound = ", ".join(f"arg_mem_{number} = {memory.name}" for number, memory in enumerate(memories))
    lines += ["    }", f"    calyx.control {{ calyx.invoke @run[{bound}]() -> () }}", "  } {toplevel}", ""]
    return "\n".join(lines)
