"""system.tcl: Vivado makes a block design of a processor and a design, and its bitstream (UG835, UG994).

An axi design reads and writes the processor's memory itself. An axis design has a DMA engine for each stream: MM2S for
inputs, S2MM for outputs. Commands are written one a line, as Vivado's own scripts have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch2hw.dialects.bus_interface import INTERRUPT, LITE_PREFIX, MASTER_PREFIX
from torch2hw.dialects.stream_interface import CLOCK, RESET
from torch2hw.fpga.boards import Board
from torch2hw.fpga.ip_xact import LIBRARY, VENDOR, VERSION

CELL = "accelerator"
DMA_LENGTH_BITS = 26  # of a transfer in bytes, the most that a DMA engine has


@dataclass(frozen=True)
class Processor:
    """A processing system: its IP, the rule that wires its board's pins, and the names of what it has."""

    ip: str
    automation: str
    settings: tuple[str, ...]
    clock: str
    reset: str
    control: str
    memory: str
    clocks: tuple[str, ...]
    interrupts: str


PROCESSORS = {
    "zynq": Processor(
        "processing_system7",
        'make_external "FIXED_IO, DDR" apply_board_preset "1"',
        (
            "CONFIG.PCW_USE_S_AXI_HP0 {1}",
            "CONFIG.PCW_USE_FABRIC_INTERRUPT {1}",
            "CONFIG.PCW_IRQ_F2P_INTR {1}",
            "CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ",
        ),
        "FCLK_CLK0",
        "FCLK_RESET0_N",
        "M_AXI_GP0",
        "S_AXI_HP0",
        ("M_AXI_GP0_ACLK", "S_AXI_HP0_ACLK"),
        "IRQ_F2P",
    ),
    "zynqmp": Processor(
        "zynq_ultra_ps_e",
        'apply_board_preset "1"',
        (
            "CONFIG.PSU__USE__M_AXI_GP0 {1}",
            "CONFIG.PSU__USE__M_AXI_GP1 {0}",
            "CONFIG.PSU__USE__M_AXI_GP2 {0}",
            "CONFIG.PSU__USE__S_AXI_GP2 {1}",
            "CONFIG.PSU__USE__IRQ0 {1}",
            "CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ",
        ),
        "pl_clk0",
        "pl_resetn0",
        "M_AXI_HPM0_FPD",
        "S_AXI_HP0_FPD",
        ("maxihpm0_fpd_aclk", "saxihp0_fpd_aclk"),
        "pl_ps_irq0",
    ),
}


def system_tcl(top: str, board: Board, mhz: int, data_bits: int, streams: Sequence[str]) -> str:
    """The script. `streams`: the prefixes of a design's streams; none where it is a master itself."""
    processor = PROCESSORS[board.kind]
    dmas = {prefix: f"dma_{prefix.partition('axis_')[2]}" for prefix in streams}
    masters = [f"{dma}/{_memory_side(prefix)}" for prefix, dma in dmas.items()] or [f"{CELL}/{MASTER_PREFIX}"]
    slaves = [f"{dma}/S_AXI_LITE" for dma in dmas.values()] or [f"{CELL}/{LITE_PREFIX}"]
    ps = "[get_bd_cells ps]"
    lines = [
        f"# vivado -mode batch -source system.tcl: {top} on {board.name}; leaves system.bit and system.hwh",
        "set here [file dirname [file normalize [info script]]]",
        f"create_project -force -part {board.part} system $here/build",
        f"set_property board_part {board.board_part} [current_project]",
        "set_property ip_repo_paths [file dirname $here] [current_project]",
        "update_ip_catalog",
        "create_bd_design system",
        f"create_bd_cell -type ip -vlnv xilinx.com:ip:{processor.ip} ps",
        f"apply_bd_automation -rule xilinx.com:bd_rule:{processor.ip} -config {{{processor.automation}}} {ps}",
        f"set_property -dict [list {' '.join(processor.settings)} {{{mhz}}}] {ps}",
        f"create_bd_cell -type ip -vlnv {VENDOR}:{LIBRARY}:{top}:{VERSION} {CELL}",
        "create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset resets",
        *_connect(f"ps/{processor.clock}", "resets/slowest_sync_clk"),
        *_connect(f"ps/{processor.reset}", "resets/ext_reset_in"),
        *(line for pin in processor.clocks for line in _connect(f"ps/{processor.clock}", f"ps/{pin}")),
        *_connect(f"ps/{processor.clock}", f"{CELL}/{CLOCK.name}"),
        *_connect("resets/peripheral_aresetn", f"{CELL}/{RESET.name}"),
    ]
    for prefix, dma in dmas.items():
        lines += _dma(prefix, dma, data_bits, board, processor.clock)
    lines += _interconnect("control", [f"ps/{processor.control}"], slaves, processor.clock)
    lines += _interconnect("memory", masters, [f"ps/{processor.memory}"], processor.clock)
    if not dmas:
        lines += _connect(f"{CELL}/{INTERRUPT.name}", f"ps/{processor.interrupts}")
    else:
        lines += [
            "create_bd_cell -type ip -vlnv xilinx.com:ip:xlconcat interrupts",
            f"set_property -dict [list CONFIG.NUM_PORTS {{{len(dmas)}}}] [get_bd_cells interrupts]",
        ]
        for number, (prefix, dma) in enumerate(dmas.items()):
            lines += _connect(f"{dma}/{_direction(prefix)}_introut", f"interrupts/In{number}")
        lines += _connect("interrupts/dout", f"ps/{processor.interrupts}")
    lines += [
        "assign_bd_address",
        "validate_bd_design",
        "save_bd_design",
        "make_wrapper -files [get_files system.bd] -top -import",
        "set_property top system_wrapper [current_fileset]",
        "update_compile_order -fileset sources_1",
        "launch_runs impl_1 -to_step write_bitstream -jobs 4",
        "wait_on_run impl_1",
        'if {[get_property PROGRESS [get_runs impl_1]] ne "100%"} { error "no bitstream: see $here/build" }',
        "file copy -force $here/build/system.runs/impl_1/system_wrapper.bit $here/system.bit",
        "file copy -force $here/build/system.gen/sources_1/bd/system/hw_handoff/system.hwh $here/system.hwh",
        "report_timing_summary -file $here/timing.rpt",
        "close_project",
    ]
    return "\n".join(lines) + "\n"


def _is_input(prefix: str) -> bool:
    return prefix.startswith("s_")


def _direction(prefix: str) -> str:
    """The channel of a DMA engine, by its name in port names."""
    return "mm2s" if _is_input(prefix) else "s2mm"


def _memory_side(prefix: str) -> str:
    return f"M_AXI_{_direction(prefix).upper()}"


def _connect(*pins: str) -> list[str]:
    """A net."""
    return [f"connect_bd_net {' '.join(f'[get_bd_pins {pin}]' for pin in pins)}"]


def _connect_buses(one: str, other: str) -> str:
    return f"connect_bd_intf_net [get_bd_intf_pins {one}] [get_bd_intf_pins {other}]"


def _dma(prefix: str, cell: str, data_bits: int, board: Board, clock: str) -> list[str]:
    """A DMA engine of one channel, in simple mode, between memory and a stream."""
    way, other = _direction(prefix), "s2mm" if _is_input(prefix) else "mm2s"
    stream = f"{cell}/{'M_AXIS_MM2S' if _is_input(prefix) else 'S_AXIS_S2MM'}"
    side = "m_axis" if _is_input(prefix) else "s_axis"
    settings = {
        "c_include_sg": 0,
        "c_sg_length_width": DMA_LENGTH_BITS,
        "c_addr_width": min(board.address_bits, 64),
        f"c_include_{way}": 1,
        f"c_include_{other}": 0,
        f"c_m_axi_{way}_data_width": data_bits,
        f"c_{side}_{way}_tdata_width": data_bits,
        f"c_{way}_burst_size": 16,
    }
    configuration = " ".join(f"CONFIG.{name} {{{value}}}" for name, value in settings.items())
    return [
        f"create_bd_cell -type ip -vlnv xilinx.com:ip:axi_dma {cell}",
        f"set_property -dict [list {configuration}] [get_bd_cells {cell}]",
        _connect_buses(stream, f"{CELL}/{prefix}"),
        *_connect(f"ps/{clock}", f"{cell}/s_axi_lite_aclk", f"{cell}/m_axi_{way}_aclk"),
        *_connect("resets/peripheral_aresetn", f"{cell}/axi_resetn"),
    ]


def _interconnect(name: str, masters: Sequence[str], slaves: Sequence[str], clock: str) -> list[str]:
    """A SmartConnect from masters to slaves."""
    sides = f"CONFIG.NUM_SI {{{len(masters)}}} CONFIG.NUM_MI {{{len(slaves)}}}"
    lines = [
        f"create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect {name}",
        f"set_property -dict [list {sides}] [get_bd_cells {name}]",
        *_connect(f"ps/{clock}", f"{name}/aclk"),
        *_connect("resets/interconnect_aresetn", f"{name}/aresetn"),
    ]
    lines += [_connect_buses(master, f"{name}/S{number:02}_AXI") for number, master in enumerate(masters)]
    return lines + [_connect_buses(f"{name}/M{number:02}_AXI", slave) for number, slave in enumerate(slaves)]
