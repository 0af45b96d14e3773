"""A design after synthesis: replaces its SystemVerilog by a netlist from Yosys.

Before:  TOP.sv, hierarchical, with arithmetic operators
After:   TOP.sv with one module: tables of six inputs, flip-flops, and memories as arrays

The ports are the same, so the manifest stays valid and the netlist is simulated like the design. Memories stay arrays
with their initial contents: the cells that they become depend on the device, their ports do not.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from torch2hw.sim.manifest import Manifest
from torch2hw.tools.yosys import read_command, run_scripts, script

STEPS = (
    "hierarchy -check -top {top}",
    "proc",
    "flatten",
    "opt -full",
    "wreduce",
    "peepopt",
    "alumacc",
    "share",
    "opt",
    "memory -nomap",
    "opt_clean",
    "techmap",
    "opt -fast",
    "abc -lut 6",
    "opt -fast",
    "check -assert",
    "write_verilog -noattr netlist.v",
)


def replace_by_netlist(directory: Path, manifest: Manifest) -> None:
    """Synthesise the design in `directory`, and put the netlist in its place. Takes seconds to many minutes."""
    names = (*manifest.files, *manifest.memory_files)
    files = {name: (directory / name).read_text() for name in names}
    steps = [step.format(top=manifest.top) for step in STEPS]
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as folder:
        (place,) = run_scripts(files, [script(read_command(files, manifest.top), *steps)], Path(folder))
        netlist = (place / "netlist.v").read_text()
    (file,) = manifest.files  # a design is one file
    (directory / file).write_text(netlist)
