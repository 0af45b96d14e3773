"""Calyx → hw: components of CIRCT's Calyx dialect become modules of its hw, comb, seq and sv dialects.

needs:   Calyx text that CIRCT verifies; for each primitive that is used a definition: one `hw.module` of the
         primitive's name. Definitions that instantiate the entry component surround it.
leaves:  one `hw.module` a component with the same ports (clk is a !seq.clock), and the definitions that are used.
refuses: MissingDefinition, where a primitive has no definition.
why:     CIRCT's own path (lower-calyx-to-fsm …) lacks static control, repeat, par, invoke and memories.

Timing: a run starts in the first cycle with `go` high while the component is idle. Static control of latency L is
active in cycles 0 … L-1 and `done` is high in cycle L. In the entry component `go` is ignored until the cycle after
`done`; a component inside may be started again in the cycle of its `done`, so that static repetition has no gaps.
`reset` is synchronous and ends a run.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch2hw.dialects import calyx, calyx_reader
from torch2hw.dialects.calyx_program import Cell, Component, Port, PortOf
from torch2hw.lowering.hardware.calyx_cells import Cells
from torch2hw.lowering.hardware.calyx_control import ControlLowering, static_latency
from torch2hw.lowering.hardware.calyx_memories import hardware_ports
from torch2hw.lowering.hardware.calyx_modules import LibraryModule, Modules
from torch2hw.lowering.hardware.calyx_wires import Wires
from torch2hw.lowering.hardware.hw_text import HwBody


def lower(calyx_text: str, definitions: Mapping[str, str]) -> str:
    """The hw-level module of a Calyx program. Raises pycde.circt.ir.MLIRError if CIRCT refuses the text."""
    program = calyx_reader.read(calyx.verified(calyx_text))
    modules = Modules(program, definitions)
    latencies: dict[str, int] = {}
    texts = []
    for component in program.components.values():
        if component.name in definitions:
            continue
        latency = static_latency(component.control, component.groups)
        if latency:
            latencies[component.name] = latency
        texts.append(_component(component, modules, latencies, component.name == program.entry))
    inside = list(modules.texts.values())
    return "module {\n" + "\n".join([*inside, *texts, *modules.around(program.entry)]) + "}\n"


def _component(component: Component, modules: Modules, latencies: Mapping[str, int], entry: bool) -> str:
    clock, reset = component.port("clk"), component.port("reset")
    taken = [port.name for port in (*component.ports, *modules.reference_ports(component))]
    body = HwBody(f"%{clock.name}" if clock else "", f"%{reset.name}" if reset else "", taken)

    def module_of(cell: Cell) -> LibraryModule:
        return modules.of(component, cell)

    def ports_of(cell: Cell) -> tuple[Port, ...]:
        return module_of(cell).ports if cell.kind == "instance" and cell.of not in modules.definitions else cell.ports

    references = modules.references.get(component.name, ())
    cells = Cells(body, component, module_of, references)
    wires = Wires(body, component, cells.output, ports_of)
    cells.wires = wires
    control = ControlLowering(body, component, latencies, wires)
    go, done = component.port("go"), component.port("done")
    if go and done and PortOf("", done.name) not in wires.drivers:
        wires.known[PortOf("", done.name)] = _run(control, body, f"%{go.name}", entry)
    wires.connect(control)
    results = [PortOf("", port.name) for port in component.ports if not port.is_input]
    driven = [PortOf(name, port.name) for name in references for port in component.cells[name].ports]
    exist = {PortOf(name, port.name) for name in references for port in hardware_ports(component.cells[name])}
    results += [port for port in driven if port in wires.inputs and port in exist and wires.drives(port)]
    signals = [wires.driven(result) for result in results]
    cells.emit_pending()
    modules.unused |= {
        (component.name, port.cell, port.port) for port in driven if port not in results and port not in cells.outputs
    }
    ports = []
    for port in (*component.ports, *modules.reference_ports(component)):
        kind = "!seq.clock" if port.role == "clk" else f"i{port.width_bits}"
        ports.append(f"{'in %' if port.is_input else 'out '}{port.name}: {kind}")
    types = ", ".join(f"i{wires.widths[result]}" for result in results)
    place = component.location or "loc(unknown)"
    output = f"hw.output {', '.join(signals)} : {types} loc(unknown)" if results else "hw.output loc(unknown)"
    lines = "\n".join(f"  {line}" for line in [*body.text(), output])
    return f"hw.module @{component.name}({', '.join(ports)}) {{\n{lines}\n}} {place}\n"


def _run(control: ControlLowering, body: HwBody, go: str, entry: bool) -> str:
    """The component's control from `go` to `done`."""
    busy, start = body.name("busy"), body.name("start")
    done = control.component_end(start)
    free = body.invert(busy)
    body.call(start, "start")
    body.define(start, f"comb.and {go}, {free if entry else body.any_of(free, done)} : i1")
    body.register(busy, body.any_of(start, body.all_of(busy, body.invert(done))), 1)
    return done
